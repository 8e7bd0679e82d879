//! `pgward watch`: guards a server until it is stopped.

use super::drill::{self, Respond};
use super::{Database, Exit, Programs, VaultDir};
use crate::face;
use crate::record::{self, Beside};
use anyhow::Context;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_recover::execute::Hands;
use pgward_recover::guard::{self, News};
use pgward_recover::respond::Responder;
use pgward_render::view;
use pgward_watch::watcher::{Options, Watcher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Watch a server, name causes, propose or carry out recoveries, write post-mortems
///
/// Reads every second with one session and the least rights (see `pgward doctor`). Proposes
/// runbooks; with `--respond ask` or `auto` it carries them out through --responder.
#[derive(clap::Args)]
pub struct Watch {
    #[command(flatten)]
    database: Database,
    /// The path that clients take, such as the pooler's or the public address, with any role
    /// that may log in. Without it the network is probed on the path of --database from this
    /// machine, and what clients meet elsewhere is not seen
    #[arg(long, value_name = "URL", env = "PGWARD_PROBE_URL", hide_env_values = true)]
    probe: Option<String>,
    /// Role that carries out runbooks, when it is not the watching one
    #[arg(long, value_name = "URL", env = "PGWARD_RESPONDER_URL", hide_env_values = true)]
    responder: Option<String>,
    #[arg(long, value_enum, default_value_t = Respond::Propose)]
    respond: Respond,
    /// Folder of migrations, so that a half-applied one is recognised
    #[arg(long, value_name = "DIR")]
    migrations: Option<PathBuf>,
    /// Do not read all pages in the background
    #[arg(long)]
    no_scan: bool,
    /// Time without harm before an incident is closed
    #[arg(long, default_value = "5m", value_parser = super::diagnose::seconds)]
    healthy: f64,
    /// Stop after this time
    #[arg(long = "for", value_name = "TIME", value_parser = super::diagnose::seconds)]
    run_for: Option<f64>,
    /// IANA time zone printed beside UTC in post-mortems
    #[arg(long, default_value = "UTC", value_parser = super::postmortem::zone)]
    zone: String,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

impl Watch {
    pub fn run(self) -> anyhow::Result<Exit> {
        let target = self.database.target()?;
        let store = self.vault.store()?;
        let probe_target =
            self.probe.as_deref().map(Target::parse).transpose().context("--probe")?;
        let probed = match &probe_target {
            Some(path) => format!("probes the network on the path to {path}"),
            None => "probes the network from this machine on the path above; --probe URL gives \
                     the path of clients"
                .to_owned(),
        };
        let mut watcher = Watcher::start(Options {
            server: target.to_string(),
            target: target.clone(),
            probe_target,
            scan: Arc::new(AtomicBool::new(!self.no_scan)),
            known_changes: self.known_changes(&target)?,
            healthy_s: self.healthy,
        })?;
        let mut responder =
            Responder::new(self.hands(&target)?, self.respond.policy(), Arc::new(drill::ask));
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
            .context("cannot listen for Ctrl-C")?;
        face::line(&format!("watches {target}; Ctrl-C ends it"))?;
        face::line(&probed)?;
        if let Some(seconds) = self.run_for {
            let flag = Arc::clone(&stop);
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
                flag.store(true, Ordering::Relaxed);
            });
        }
        let mut keeper = Keeper { store: &store, zone: &self.zone, events: Vec::new(), shown: 0 };
        let mut failed = None;
        guard::run(&mut watcher, &mut responder, &stop, |news| {
            if let Err(error) = keeper.hear(news) {
                failed = Some(error);
            }
            if failed.is_some() {
                stop.store(true, Ordering::Relaxed);
            }
        });
        match failed {
            Some(error) => Err(error),
            None if watcher.incident().is_some() => Ok(Exit::Findings),
            None => Ok(Exit::Quiet),
        }
    }

    fn hands(&self, target: &Target) -> anyhow::Result<Hands> {
        let acting = match &self.responder {
            Some(url) => Target::parse(url).context("--responder")?,
            None => target.clone(),
        };
        let session = Session::connect(&acting, Purpose::Inspect)?;
        let installation = self.programs.fitting(session.major())?;
        let evidence = self.vault.store()?.root().join("evidence");
        Ok(Hands::open(acting, self.vault.backups()?, installation, evidence)?)
    }

    fn known_changes(&self, target: &Target) -> anyhow::Result<Vec<KnownChange>> {
        let session = Session::connect(target, Purpose::Inspect)?;
        // Without `pgward install` there is none; that is no error.
        let mut known = pgward_change::known_changes(&session).unwrap_or_default();
        if let Some(dir) = &self.migrations {
            known.extend(pgward_change::from_folder(dir)?);
        }
        Ok(known)
    }
}

/// Keeps what happens and shows it.
struct Keeper<'a> {
    store: &'a pgward_store::Vault,
    zone: &'a str,
    /// Events of the open incident, and of the minutes before it.
    events: Vec<Event>,
    /// Likely causes shown so far.
    shown: usize,
}

/// Events before an incident that its record keeps.
const EVENTS_BEFORE: usize = 500;

impl Keeper<'_> {
    fn hear(&mut self, news: News<'_>) -> anyhow::Result<()> {
        match news {
            News::Events(events) => {
                self.store.append(events)?;
                for event in events.iter().filter(|e| e.kind != EventKind::RuledOut) {
                    face::line(&drill::told(event))?;
                }
                self.events.extend(events.iter().cloned());
            }
            News::Open(incident) => {
                let likely =
                    incident.verdicts.iter().filter(|j| j.verdict.likely().is_some()).count();
                if likely != self.shown {
                    self.shown = likely;
                    face::show(&view::incident(incident, clock::now()))?;
                }
                self.store.save_incident(incident)?;
                return Ok(());
            }
            News::Recovered { incident, case } => {
                let path = self.write(incident, &case)?;
                face::line(&format!("post-mortem so far: {}", path.display()))?;
            }
            News::Closed { incident, case } => {
                let path = self.write(&incident, &case)?;
                face::line(&format!("post-mortem: {}", path.display()))?;
                self.events.clear();
                self.shown = 0;
            }
        }
        let extra = self.events.len().saturating_sub(10 * EVENTS_BEFORE);
        self.events.drain(..extra);
        Ok(())
    }

    /// Writes the post-mortem as it stands.
    fn write(&self, incident: &Incident, case: &Case) -> anyhow::Result<PathBuf> {
        let losses = Losses {
            n_acknowledged: None,
            n_lost: None,
            lost_keys: Vec::new(),
            explain: "no ledger of acknowledged writes is kept outside this database".into(),
        };
        let beside = Beside {
            events: &self.events,
            drill: false,
            zone: self.zone,
            impact: None,
            losses,
            now: clock::now(),
        };
        record::keep(self.store, incident, case, beside)
    }
}
