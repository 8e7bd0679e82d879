//! `pgward status`: servers on one screen, also when no connection is to be had.

use super::{Exit, Servers, VaultDir};
use crate::config::Server;
use crate::{client, face};
use pgward_incident::{forest, status};
use pgward_model::prelude::*;
use pgward_pg::clock::{self, Deadline};
use pgward_render::view;
use pgward_store::Vault;
use pgward_watch::glance;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Say on one screen how servers are: incidents, who blocks whom, limits, what changed
///
/// Answers within 2 seconds. Where every connection is taken it comes in through a reserved one,
/// if its role may; else it tells what `pgward watch` sees, whose connection stands since before.
#[derive(clap::Args)]
pub struct Status {
    #[command(flatten)]
    servers: Servers,
    /// Where a running `pgward watch` listens
    #[arg(long, value_name = "URL", env = "PGWARD_WATCHER", default_value = client::WATCHER)]
    watcher: String,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    vault: VaultDir,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    /// One object with all servers
    Json,
}

/// Everything is asked at once and told by then; people wait for 2 s.
const WITHIN: Duration = Duration::from_millis(1800);
const CONNECT_WITHIN: Duration = Duration::from_millis(1000);
/// Incidents of a server that are read, the newest; changes are those of an hour.
const INCIDENTS_READ: usize = 20;
const CHANGED_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// Closed incidents are told for a day.
const CLOSED_WITHIN_S: f64 = 86_400.0;
/// From this share on a limit is a finding.
const SHORT: f64 = 0.8;

/// What somebody had to say in time.
enum Told {
    Server(usize, Box<ServerStatus>),
    Watcher(Vec<ServerStatus>),
    Vault(Vec<(Vec<IncidentLine>, Vec<Event>)>),
}

impl Status {
    pub fn run(self) -> anyhow::Result<Exit> {
        let servers = self.servers.watched()?.servers;
        let deadline = Deadline::after(WITHIN);
        let (send, told) = channel();
        let n_asked = servers.len() + self.ask(&servers, &send);
        let mut seen: Vec<Option<ServerStatus>> = servers.iter().map(|_| None).collect();
        let (mut watcher, mut kept) = (Vec::new(), Vec::new());
        for _ in 0..n_asked {
            match told.recv_timeout(deadline.left()) {
                Ok(Told::Server(i, status)) => {
                    if let Some(place) = seen.get_mut(i) {
                        *place = Some(*status);
                    }
                }
                Ok(Told::Watcher(servers)) => watcher = servers,
                Ok(Told::Vault(of)) => kept = of,
                Err(_) => break,
            }
        }
        let mut all = Vec::new();
        for (server, status) in servers.iter().zip(seen) {
            let mut status = status.unwrap_or_else(|| late(&server.name));
            let known = watcher.iter().find(|w| w.server == server.name);
            if let Some(known) = known {
                stand_in(&mut status, known);
            }
            if let Some((incidents, changes)) = kept.get(all.len()) {
                remember(&mut status, incidents, changes);
            }
            all.push(status);
        }
        match self.format {
            Format::Text => face::show(&view::status(&all, clock::now()))?,
            Format::Json => face::line(&serde_json::json!({ "servers": all }).to_string())?,
        }
        Ok(exit(&all))
    }

    /// Asks every server, the watcher and the vault; returns how many answers come besides
    /// those of the servers.
    fn ask(&self, servers: &[Server], send: &Sender<Told>) -> usize {
        for (i, server) in servers.iter().cloned().enumerate() {
            let send = send.clone();
            std::thread::spawn(move || {
                let seen = glance::look(&server.target, &server.name, CONNECT_WITHIN);
                let _ = send.send(Told::Server(i, Box::new(seen)));
            });
        }
        let (url, to) = (self.watcher.clone(), send.clone());
        std::thread::spawn(move || {
            let _ =
                to.send(Told::Watcher(client::status(&url, CONNECT_WITHIN).unwrap_or_default()));
        });
        let Ok(vault) = self.vault.existing() else { return 1 };
        let (names, to): (Vec<String>, _) =
            (servers.iter().map(|s| s.name.clone()).collect(), send.clone());
        std::thread::spawn(move || {
            let of = |name: &String| of_vault(&vault, name);
            let _ = to.send(Told::Vault(names.iter().map(of).collect()));
        });
        2
    }
}

fn late(server: &str) -> ServerStatus {
    let why = format!("no answer within {} s", WITHIN.as_secs_f64());
    ServerStatus::unseen(server, clock::now(), why)
}

/// What we could not see ourselves is told as the watcher last saw it.
fn stand_in(status: &mut ServerStatus, watcher: &ServerStatus) {
    status.incidents.clone_from(&watcher.incidents);
    if status.identity.is_some() {
        return;
    }
    let age = human_duration(seconds_between(watcher.at, status.at).max(0.0).round());
    let why = format!("the rest is what `pgward watch` saw {age} ago");
    status.missing.push(Gap { sampler: "now".to_owned(), why });
    status.missing.extend(watcher.missing.iter().cloned());
    status.identity.clone_from(&watcher.identity);
    status.activity.clone_from(&watcher.activity);
    status.blockers.clone_from(&watcher.blockers);
    status.limits.clone_from(&watcher.limits);
    status.changes.clone_from(&watcher.changes);
}

/// Adds what the vault keeps and nobody has told yet.
fn remember(status: &mut ServerStatus, incidents: &[IncidentLine], changes: &[Event]) {
    let known = |line: &&IncidentLine| !status.incidents.iter().any(|i| i.id == line.id);
    let new: Vec<IncidentLine> = incidents.iter().filter(known).cloned().collect();
    status.incidents.extend(new);
    status.incidents.sort_by_key(|i| i.opened);
    let known = |event: &&Event| {
        let same = |e: &Event| e.what == event.what && seconds_between(e.at, event.at).abs() < 2.0;
        !status.changes.iter().any(same)
    };
    let new: Vec<Event> = changes.iter().filter(known).cloned().collect();
    status.changes.extend(new);
    status.changes.sort_by_key(|e| e.at);
}

fn of_vault(vault: &Vault, server: &str) -> (Vec<IncidentLine>, Vec<Event>) {
    let now = clock::now();
    let ids = vault.incident_ids().unwrap_or_default();
    let told = |line: &IncidentLine| {
        line.closed.is_none_or(|closed| seconds_between(closed, now) < CLOSED_WITHIN_S)
    };
    let lines = ids
        .iter()
        .rev()
        .take(INCIDENTS_READ)
        .filter_map(|id| vault.incident(id).ok())
        .filter(|incident| incident.server == server)
        .map(|incident| status::line(&incident))
        .filter(told)
        .collect();
    let from = now.checked_sub(CHANGED_WITHIN).unwrap_or(now);
    let mut events = vault.events(server, from, now).unwrap_or_default();
    events.retain(|e| e.kind == EventKind::Change);
    (lines, events)
}

/// An open incident, a queue, a limit that is near, a server that nobody sees.
fn exit(all: &[ServerStatus]) -> Exit {
    if all.iter().all(|s| s.identity.is_none()) {
        return Exit::Failed;
    }
    let troubled = |s: &ServerStatus| {
        s.identity.is_none()
            || s.incidents.iter().any(|i| i.closed.is_none())
            || s.blockers.iter().any(|b| b.longest_wait_s >= forest::QUEUE_S)
            || s.limits.iter().any(|l| l.share().is_some_and(|share| share >= SHORT))
    };
    if all.iter().any(troubled) { Exit::Findings } else { Exit::Quiet }
}
