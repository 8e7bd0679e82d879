//! `pgward doctor`: what pgward can see of a server, and what cures each gap.

use super::{Database, Exit};
use crate::face;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_watch::SAMPLERS;
use pgward_watch::watcher::{Options, Watcher};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Say what pgward can see of a server, and which right or setting cures each gap
#[derive(clap::Args)]
pub struct Doctor {
    #[command(flatten)]
    database: Database,
    /// Print the SQL that gives a role the least rights for watching, for a superuser to run
    #[arg(long, value_name = "ROLE")]
    rights: Option<String>,
    /// Print the SQL that gives a role what `pgward apply` needs, for a superuser to run after
    /// `pgward install`
    #[arg(long, value_name = "ROLE", conflicts_with = "rights")]
    deploy_rights: Option<String>,
    /// Run the checks of the data too
    #[arg(long)]
    checks: bool,
}

impl Doctor {
    pub fn run(self) -> anyhow::Result<Exit> {
        if let Some(role) = &self.deploy_rights {
            face::line(&pgward_pg::install::deploy_rights_sql(role))?;
            face::line("-- Where the vault has no backup, the rehearsal copies the tables:")?;
            face::line(&pgward_pg::install::rehearsal_rights_sql(role))?;
            return Ok(Exit::Quiet);
        }
        if let Some(role) = &self.rights {
            face::line(&pgward_pg::install::least_rights_sql(role))?;
            return Ok(Exit::Quiet);
        }
        let target = self.database.target()?;
        let mut watcher = Watcher::start(Options {
            server: target.to_string(),
            target: target.clone(),
            probe_target: None,
            scan: Arc::new(AtomicBool::new(false)),
            known_changes: Vec::new(),
            healthy_s: f64::INFINITY,
        })?;
        watcher.tick();
        let gaps: Vec<Gap> = watcher.window().last().map(|s| s.gaps.clone()).unwrap_or_default();
        for sampler in SAMPLERS {
            match gaps.iter().find(|g| g.sampler == sampler.id) {
                None => face::line(&format!("sees     {}", sampler.id))?,
                Some(gap) => {
                    face::line(&format!("blind    {}: {}", sampler.id, gap.why))?;
                    face::line(&format!("         needs {}", sampler.rights))?;
                }
            }
        }
        let n_lacking = say_rights(&target)?;
        let n_problems = if self.checks { self.run_checks(&target)? } else { 0 };
        let quiet = gaps.is_empty() && n_lacking + n_problems == 0;
        Ok(if quiet { Exit::Quiet } else { Exit::Findings })
    }

    fn run_checks(&self, target: &Target) -> anyhow::Result<usize> {
        let session = Session::connect(target, Purpose::Inspect)?;
        let mut n = 0;
        for result in pgward_integrity::checks::run_all(&session) {
            for problem in &result.problems {
                n += 1;
                face::line(&format!("problem  {}: {}", result.check, problem.evidence.claim))?;
            }
            if let Some(gap) = &result.gap {
                face::line(&format!("blind    {}: {}", result.check, gap.why))?;
            } else if result.problems.is_empty() {
                face::line(&format!("fine     {}", result.check))?;
            }
        }
        Ok(n)
    }
}

/// Says which rights and settings are there; returns how many are not.
fn say_rights(target: &Target) -> anyhow::Result<usize> {
    let session = Session::connect(target, Purpose::Inspect)?;
    let mut n_lacking = 0;
    for right in pgward_watch::rights::read(&session)? {
        if right.fulfilled {
            face::line(&format!("has      {}: {}", right.what, right.brings))?;
        } else {
            n_lacking += 1;
            face::line(&format!("lacks    {}: {}", right.what, right.brings))?;
            face::line(&format!("         needs {}", right.cure))?;
        }
    }
    Ok(n_lacking)
}
