//! `pgward diagnose`: looks for some seconds, or back in time, and judges every cause.

use super::{Database, Exit, VaultDir};
use crate::{face, look_back};
use anyhow::ensure;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_render::view;
use pgward_watch::watcher::{Options, Watcher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Look at a server now, or back in time, and judge every cause
///
/// Samples for some seconds. What needs a baseline (a statement that became slow, a rate that
/// fell) is told only by `pgward watch`, which learns one; such causes answer "unknown" here.
/// With --at, the history that `pgward watch` has kept is judged instead, and no server asked;
/// of a moment at which nobody looked nothing is known.
#[derive(clap::Args)]
pub struct Diagnose {
    #[command(flatten)]
    database: Database,
    /// How long to look
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = seconds)]
    look_for: f64,
    /// Folder of migrations, so that a half-applied one is recognised
    #[arg(long, value_name = "DIR")]
    migrations: Option<PathBuf>,
    /// Judge this moment by the history: 2026-11-21T05:00:00Z, "2026-11-21 05:00" (UTC), or 20m
    /// for twenty minutes ago
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Whose history, where it is of several servers
    #[arg(long, value_name = "NAME", requires = "at")]
    server: Option<String>,
    #[command(flatten)]
    vault: VaultDir,
    /// Print the incident as JSON; without one, the same lists empty and `id` null
    #[arg(long)]
    json: bool,
}

impl Diagnose {
    pub fn run(self) -> anyhow::Result<Exit> {
        if let Some(at) = &self.at {
            return self.look_back(at);
        }
        let target = self.database.target()?;
        let known_changes = match &self.migrations {
            Some(dir) => pgward_change::from_folder(dir)?,
            None => Vec::new(),
        };
        let mut watcher = Watcher::start(Options {
            server: target.to_string(),
            target,
            probe_target: None,
            scan: Arc::new(AtomicBool::new(false)),
            known_changes,
            healthy_s: f64::INFINITY,
        })?;
        let deadline = clock::Deadline::after(Duration::from_secs_f64(self.look_for));
        while !deadline.passed() {
            watcher.tick();
            std::thread::sleep(deadline.left().min(Duration::from_secs(1)));
        }
        let gaps: std::collections::BTreeSet<String> = watcher
            .window()
            .samples
            .iter()
            .flat_map(|s| &s.gaps)
            .map(|g| format!("not seen: {}: {}", g.sampler, g.why))
            .collect();
        let Some(incident) = watcher.incident() else {
            if self.json {
                face::line(&self.nothing(&gaps).to_string())?;
                return Ok(Exit::Quiet);
            }
            face::line(&format!("nothing is wrong as far as {} s tell", human(self.look_for)))?;
            for gap in gaps {
                face::line(&gap)?;
            }
            return Ok(Exit::Quiet);
        };
        if self.json {
            face::line(&serde_json::to_string(incident)?)?;
        } else {
            face::show(&view::incident(incident, clock::now()))?;
            for gap in gaps {
                face::line(&gap)?;
            }
        }
        Ok(Exit::Findings)
    }

    fn look_back(&self, at: &str) -> anyhow::Result<Exit> {
        ensure!(self.migrations.is_none(), "--migrations is for a look at a server, not for --at");
        let at =
            look_back::moment(at, clock::now()).map_err(|why| anyhow::anyhow!("--at: {why}"))?;
        let seen = look_back::look(&self.vault.existing()?, self.server.as_deref(), at)?;
        let incident = seen.replayed.incident;
        let missing = seen.missing.into_iter().map(|what| format!("not seen: {what}")).collect();
        match (&incident, self.json) {
            (Some(incident), true) => face::line(&serde_json::to_string(incident)?)?,
            (None, true) => face::line(&self.nothing(&missing).to_string())?,
            (Some(incident), false) => face::show(&view::incident(incident, at))?,
            (None, false) => {
                face::line(&format!("nothing was wrong with {} at {at}", seen.server))?
            }
        }
        if !self.json {
            missing.iter().try_for_each(|line| face::line(line))?;
        }
        Ok(if incident.is_some() { Exit::Findings } else { Exit::Quiet })
    }

    /// Nothing is wrong: an incident's lists, empty, so that one reader reads both.
    fn nothing(&self, gaps: &std::collections::BTreeSet<String>) -> serde_json::Value {
        serde_json::json!({
            "id": null,
            "opened": null,
            "symptoms": [],
            "verdicts": [],
            "runbooks": [],
            "looked_s": self.look_for,
            "gaps": gaps,
        })
    }
}

/// Seconds from `10s`, `5m`, `1h`.
pub fn seconds(text: &str) -> Result<f64, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    match parsed {
        Ok(d) if d.is_positive() => Ok(d.as_secs_f64()),
        _ => Err(format!("`{text}` is not a time such as 10s, 5m or 1h")),
    }
}
