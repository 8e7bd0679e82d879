//! `pgward watch`: guards servers until it is stopped.

use super::{Exit, Programs, Respond, Servers, VaultDir};
use crate::archive::Keeping;
use crate::config::Watched;
use crate::courier::Complain;
use crate::daemon::{Daemon, Settings};
use crate::face;
use crate::http::{self, LISTEN};
use anyhow::{Context, ensure};
use pgward_pg::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Watch servers, name causes, propose or carry out recoveries, alert, write post-mortems
///
/// Reads every second with one session a server and the least rights (see `pgward doctor`).
/// Proposes runbooks; with `--respond ask` or `auto` it carries them out through --responder.
/// Servers and alerts stand in pgward.toml; one that fails stops no other.
#[derive(clap::Args)]
pub struct Watch {
    #[command(flatten)]
    servers: Servers,
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
    #[arg(long, default_value = "5m", value_parser = super::seconds)]
    healthy: f64,
    /// Where to answer /healthz, /metrics, /status and /event: address and port, or `none`.
    /// Otherwise as pgward.toml says, else 127.0.0.1:9633 where that is free
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Stop after this time
    #[arg(long = "for", value_name = "TIME", value_parser = super::seconds)]
    run_for: Option<f64>,
    /// IANA time zone printed beside UTC in post-mortems
    #[arg(long, default_value = "UTC", value_parser = super::postmortem::zone)]
    zone: String,
    #[command(flatten)]
    keeping: Keeping,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

impl Watch {
    pub fn run(self) -> anyhow::Result<Exit> {
        let watched = self.watched()?;
        let vault = Arc::new(self.vault.store()?);
        let settings = Settings {
            policy: self.respond.policy(),
            scan: !self.no_scan,
            healthy_s: self.healthy,
            zone: self.zone.clone(),
            programs: self.programs.clone(),
            backups: vault.root().to_owned(),
            keeping: self.keeping.clone(),
        };
        let daemon = Arc::new(Daemon::new(settings, vault, &watched.servers, &watched.routes));
        // One server that cannot be guarded is an error; of many, the others are guarded.
        if let [only] = watched.servers.as_slice() {
            drop(daemon.open(only)?);
        }
        self.listen(&watched, &daemon)?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
            .context("cannot listen for Ctrl-C")?;
        if let Some(seconds) = self.run_for {
            let flag = Arc::clone(&stop);
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs_f64(seconds));
                flag.store(true, Ordering::Relaxed);
            });
        }
        face::line("Ctrl-C ends it")?;
        let open = std::thread::scope(|scope| {
            let (daemon, stop) = (&daemon, &stop);
            let guards: Vec<_> = watched
                .servers
                .iter()
                .map(|server| scope.spawn(move || daemon.guard(server, stop)))
                .collect();
            scope.spawn(move || daemon.tell(stop));
            if let Some(collector) = &watched.collector {
                let complain: Complain = Arc::new(face::progress);
                scope.spawn(move || collector.tell(&daemon.board(), &complain, stop));
            }
            // A guard that panicked has said so; its server counts as in trouble.
            guards.into_iter().map(|g| g.join().unwrap_or(true)).filter(|open| *open).count()
        });
        Ok(if open > 0 { Exit::Findings } else { Exit::Quiet })
    }

    /// The servers, with what the command line says of the only one.
    fn watched(&self) -> anyhow::Result<Watched> {
        let mut watched = self.servers.watched()?;
        let given = [
            ("--probe", self.probe.is_some()),
            ("--responder", self.responder.is_some()),
            ("--migrations", self.migrations.is_some()),
        ];
        let one = match watched.servers.as_mut_slice() {
            [only] => only,
            _ => {
                for (name, is_given) in given {
                    ensure!(!is_given, "{name} is for one server; of many, pgward.toml tells");
                }
                return Ok(watched);
            }
        };
        if let Some(url) = &self.probe {
            one.probe = Some(Target::parse(url).context("--probe")?);
        }
        if let Some(url) = &self.responder {
            one.responder = Some(Target::parse(url).context("--responder")?);
        }
        if self.migrations.is_some() {
            one.migrations.clone_from(&self.migrations);
        }
        let probed = match &one.probe {
            Some(path) => format!("probes the network on the path to {path}"),
            None => format!(
                "probes the network from this machine on the path of {}; --probe URL gives the \
                 path of clients",
                one.target
            ),
        };
        face::line(&probed)?;
        Ok(watched)
    }

    /// Answers over HTTP. Where nobody has said where, a port that is taken is no error: another
    /// pgward on this machine has it.
    fn listen(&self, watched: &Watched, daemon: &Arc<Daemon>) -> anyhow::Result<()> {
        let wanted = self.listen.as_ref().or(watched.listen.as_ref());
        if wanted.is_some_and(|address| address == "none") {
            return Ok(());
        }
        let taker = Arc::clone(daemon);
        let take: http::Take = Arc::new(move |event| taker.take(event));
        let address = wanted.map_or(LISTEN, String::as_str);
        match http::serve(address, watched.token.clone(), daemon.board(), take) {
            Ok(bound) => face::line(&format!("answers on http://{bound}")),
            Err(error) if wanted.is_none() => {
                face::line(&format!("answers nobody: {LISTEN} is taken ({})", error.root_cause()))
            }
            Err(error) => Err(error),
        }
    }
}
