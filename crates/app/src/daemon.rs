//! The daemon: guards one or many servers, each in a thread of its own, so that one which fails
//! stops no other; keeps what happens, shows it, tells whom it concerns.

use crate::alert::Route;
use crate::archive::Keeping;
use crate::board::Board;
use crate::cli::{Programs, Respond, ask, told};
use crate::config::Server;
use crate::courier::Courier;
use crate::desk::Desk;
use crate::face;
use crate::record::{self, Beside};
use pgward_incident::alert;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_recover::execute::Hands;
use pgward_recover::guard::{self, News};
use pgward_recover::respond::{Policy, Responder};
use pgward_render::view;
use pgward_store::Vault;
use pgward_watch::watcher::{Options, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Events before an incident that its record keeps.
const EVENTS_BEFORE: usize = 500;
/// Events told by others that one server has not taken in yet.
const INBOX_MAX: usize = 1_000;
/// Deploys told before the start count for as long.
const TOLD_BEFORE: jiff::SignedDuration = jiff::SignedDuration::from_hours(6);
/// The record of an open incident is written when its causes change, else this often.
const SAVE_EVERY_S: f64 = 10.0;
/// A server that does not answer is tried again after one second, then twice as long, then …
const PAUSE_S_MAX: f64 = 30.0;

/// What holds for all servers.
pub struct Settings {
    pub policy: Policy,
    pub scan: bool,
    pub healthy_s: f64,
    pub zone: String,
    pub programs: Programs,
    pub backups: PathBuf,
    pub keeping: Keeping,
}

pub struct Daemon {
    settings: Settings,
    vault: Arc<Vault>,
    desk: Mutex<Desk>,
    courier: Courier,
    board: Arc<Board>,
    inbox: BTreeMap<String, Mutex<Vec<Event>>>,
    /// Since when the vault could not be written: said once, and noted in it when it can.
    full_since: Mutex<Option<Timestamp>>,
    /// More than one server: lines begin with its name.
    names: bool,
    n_guarded: AtomicUsize,
}

impl Daemon {
    pub fn new(
        settings: Settings,
        vault: Arc<Vault>,
        servers: &[Server],
        routes: &[Route],
    ) -> Daemon {
        let complain = Arc::new(|text: &str| face::progress(text));
        let courier = Courier::start(routes, Some(Arc::clone(&vault)), complain);
        let board = Board::new(courier.counts.clone());
        for server in servers {
            let why = "not looked at yet".to_owned();
            let now = clock::now();
            board.write(ServerStatus::unseen(&server.name, now, why), 0.0, false, now);
        }
        Daemon {
            settings,
            vault,
            desk: Mutex::new(Desk::new(routes.to_vec())),
            courier,
            board: Arc::new(board),
            inbox: servers.iter().map(|s| (s.name.clone(), Mutex::default())).collect(),
            full_since: Mutex::new(None),
            names: servers.len() > 1,
            n_guarded: AtomicUsize::new(0),
        }
    }

    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Takes in what somebody told: kept first, then handed to the server's watcher.
    ///
    /// # Errors
    /// When it is about no server of ours, cannot be kept, or too much waits already.
    pub fn take(&self, event: Event) -> Result<(), String> {
        let inbox = self.inbox.get(&event.server).ok_or("no such server here")?;
        self.vault.append(std::slice::from_ref(&event)).map_err(|e| format!("not kept: {e}"))?;
        let mut inbox = lock(inbox);
        if inbox.len() >= INBOX_MAX {
            return Err(format!("kept, but more than {INBOX_MAX} events wait to be looked at"));
        }
        inbox.push(event);
        Ok(())
    }

    /// Tells whom it concerns, until `stop`; what is due then still goes out.
    pub fn tell(&self, stop: &AtomicBool) {
        loop {
            let ending = stop.load(Ordering::Relaxed);
            let open = lock(&self.desk).unacknowledged();
            for incident in open {
                // What cannot be read now is asked for again in a second.
                if let Ok(Some(ack)) = self.vault.acknowledgement(&incident) {
                    lock(&self.desk).acknowledge(&incident);
                    let note = if ack.note.is_empty() { "" } else { ": " };
                    self.say("", &format!("{} looks after {incident}{note}{}", ack.by, ack.note));
                }
            }
            for delivery in lock(&self.desk).due(clock::now()) {
                self.courier.carry(delivery);
            }
            if ending {
                return;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    /// Guards one server until `stop`; the answer says whether an incident is open then. A
    /// server that cannot be guarded at first is tried again and again.
    pub fn guard(&self, server: &Server, stop: &AtomicBool) -> bool {
        // Hundreds of servers are not all looked at in the same moment.
        let share = self.n_guarded.fetch_add(1, Ordering::Relaxed) as f64 / self.inbox.len() as f64;
        std::thread::sleep(Duration::from_secs_f64(share.fract()));
        let mut pause_s = 1.0;
        while !stop.load(Ordering::Relaxed) {
            match self.open(server) {
                Ok((watcher, responder)) => return self.watch(server, watcher, responder, stop),
                Err(error) => {
                    let why = pgward_pg::error::links(error.as_ref()).join(": ");
                    self.say(&server.name, &format!("not guarded: {why}"));
                    let now = clock::now();
                    self.board.write(ServerStatus::unseen(&server.name, now, why), 0.0, false, now);
                }
            }
            let until = pgward_pg::clock::Deadline::after(Duration::from_secs_f64(pause_s));
            while !until.passed() && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(until.left().min(Duration::from_millis(200)));
            }
            pause_s = f64::min(pause_s * 2.0, PAUSE_S_MAX / 2.0);
        }
        false
    }

    /// Opens what guarding one server takes.
    ///
    /// # Errors
    /// When it does not answer, or is none that pgward knows.
    pub fn open(&self, server: &Server) -> anyhow::Result<(Watcher, Responder)> {
        let mut watcher = Watcher::start(Options {
            server: server.name.clone(),
            target: server.target.clone(),
            probe_target: server.probe.clone(),
            scan: Arc::new(AtomicBool::new(server.scan.unwrap_or(self.settings.scan))),
            known_changes: self.known_changes(server)?,
            healthy_s: self.settings.healthy_s,
        })?;
        let now = clock::now();
        let from = now.checked_sub(TOLD_BEFORE).unwrap_or(now);
        let mut told = self.vault.events(&server.name, from, now).unwrap_or_default();
        told.retain(|e| e.kind == EventKind::Change && e.source.kind == SourceKind::Ledger);
        watcher.hear(told);
        let policy = server.respond.map_or(self.settings.policy, Respond::policy);
        let responder = Responder::new(self.hands(server, policy)?, policy, Arc::new(ask));
        Ok((watcher, responder))
    }

    /// What the journal and the migrations folder tell; a folder that cannot be read keeps no
    /// server from being watched.
    fn known_changes(&self, server: &Server) -> anyhow::Result<Vec<KnownChange>> {
        let session = Session::connect(&server.target, Purpose::Inspect)?;
        // Without `pgward install` there is no journal; that is no error.
        let mut known = pgward_change::known_changes(&session).unwrap_or_default();
        if let Some(dir) = &server.migrations {
            match pgward_change::from_folder(dir) {
                Ok(folder) => known.extend(folder),
                Err(error) => {
                    let why = pgward_pg::error::links(&error).join(": ");
                    self.say(&server.name, &format!("its migrations are not known: {why}"));
                }
            }
        }
        Ok(known)
    }

    fn hands(&self, server: &Server, policy: Policy) -> anyhow::Result<Hands> {
        let evidence = self.vault.root().join("evidence");
        let backups = pgward_sandbox::backup::Vault::open(&self.settings.backups)?;
        let (acting, session) = self.acting(server, policy)?;
        let installation = self.settings.programs.fitting(session.major())?;
        drop(session);
        Ok(match policy {
            // Who only proposes carries nothing out, and needs nobody to look on.
            Policy::Propose => {
                Hands::planning(acting.clone(), Some(backups), installation, evidence)?
            }
            _ => Hands::open(acting.clone(), Some(backups), installation, evidence)?,
        })
    }

    /// Who carries runbooks out, and a session of it. Where they are only proposed, one that
    /// cannot log in keeps no server from being watched.
    fn acting<'a>(
        &self,
        server: &'a Server,
        policy: Policy,
    ) -> anyhow::Result<(&'a Target, Session)> {
        let open = |target| Session::connect(target, Purpose::Inspect).map(|s| (target, s));
        match server.responder.as_ref().map(open) {
            Some(Err(error)) if policy == Policy::Propose => {
                let why = pgward_pg::error::links(&error).join(": ");
                self.say(&server.name, &format!("its responder cannot log in: {why}"));
                Ok(open(&server.target)?)
            }
            Some(opened) => Ok(opened?),
            None => Ok(open(&server.target)?),
        }
    }

    fn watch(
        &self,
        server: &Server,
        mut watcher: Watcher,
        mut responder: Responder,
        stop: &AtomicBool,
    ) -> bool {
        self.say(&server.name, &format!("watches {}", server.target));
        let mut keeper = Keeper::new(self, server);
        let mut archive = match self.settings.keeping.open(&self.vault, &server.name) {
            Ok(archive) => archive,
            Err(error) => {
                self.say(&server.name, &format!("no history is kept: {error}"));
                None
            }
        };
        let mut looked = false;
        while !stop.load(Ordering::Relaxed) {
            let start = clock::instant();
            if let Some(inbox) = self.inbox.get(&server.name) {
                watcher.hear(std::mem::take(&mut *lock(inbox)));
            }
            let was_open = watcher.incident().is_some();
            guard::tick(&mut watcher, &mut responder, &mut |news| keeper.hear(news));
            let sample = watcher.window().last();
            if !std::mem::replace(&mut looked, true)
                && let Some(line) = sample.and_then(|s| blindness(&s.gaps))
            {
                self.say(&server.name, &line);
            }
            let said = archive.as_mut().zip(sample).and_then(|(archive, s)| archive.note(s));
            said.iter().for_each(|line| self.say(&server.name, line));
            let now = clock::now();
            if let Some(incident) = watcher.incident() {
                let last = watcher.window().last();
                lock(&self.desk).hear(alert::of(incident, last, AlertNews::Open, now));
            }
            let opened = !was_open && watcher.incident().is_some();
            let own_ms = watcher.window().last().map_or(0.0, |s| s.own_ms);
            self.board.write(watcher.status(), own_ms, opened, now);
            // One tick a second; a tick that takes longer is followed by a short rest.
            let rest = Duration::from_secs(1).saturating_sub(start.elapsed());
            std::thread::sleep(rest.max(Duration::from_millis(100)));
        }
        watcher.incident().is_some()
    }

    /// Prints a line; a closed output stops no watching.
    fn say(&self, server: &str, text: &str) {
        let prefix = if self.names && !server.is_empty() { server } else { "" };
        let gap = if prefix.is_empty() { "" } else { "  " };
        let _ = face::line(&format!("{prefix}{gap}{text}"));
    }

    /// Watching goes on when the vault cannot be written: what is lost is said, once, and the
    /// gap is noted as soon as it can be.
    fn kept<T, E: std::fmt::Display>(&self, server: &str, written: Result<T, E>) -> Option<T> {
        let mut full_since = lock(&self.full_since);
        match written {
            Ok(done) => {
                if let Some(since) = *full_since
                    && self.vault.append(&[gap(server, since, clock::now())]).is_ok()
                {
                    *full_since = None;
                }
                Some(done)
            }
            Err(error) => {
                if full_since.is_none() {
                    face::progress(&format!("the record has a gap from now on: {error}"));
                    *full_since = Some(clock::now());
                }
                None
            }
        }
    }
}

/// What the first look, which asks for everything, could not see, and who says why.
fn blindness(gaps: &[Gap]) -> Option<String> {
    let blind: BTreeSet<&str> = gaps.iter().map(|g| g.sampler.as_str()).collect();
    let blind: Vec<&str> = blind.into_iter().collect();
    (!blind.is_empty()).then(|| {
        format!("cannot see {}: `pgward doctor` says why and what cures it", blind.join(", "))
    })
}

fn gap(server: &str, since: Timestamp, until: Timestamp) -> Event {
    Event {
        at: until,
        server: server.to_owned(),
        kind: EventKind::Note,
        subject: "vault".to_owned(),
        actor: "pgward".to_owned(),
        what: format!(
            "the record has a gap since {} UTC: the vault could not be written",
            since.strftime("%Y-%m-%d %H:%M:%S")
        ),
        source: Source::new(SourceKind::Ledger, "pgward watch"),
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|e| e.into_inner())
}

/// Keeps what happens on one server and shows it.
struct Keeper<'a> {
    daemon: &'a Daemon,
    server: &'a Server,
    /// Events of the open incident, and of the minutes before it.
    events: Vec<Event>,
    /// Likely causes shown so far.
    shown: usize,
    saved: Option<(Timestamp, usize)>,
}

impl<'a> Keeper<'a> {
    fn new(daemon: &'a Daemon, server: &'a Server) -> Keeper<'a> {
        Keeper { daemon, server, events: Vec::new(), shown: 0, saved: None }
    }

    fn hear(&mut self, news: News<'_>) {
        match news {
            News::Events(events) => {
                self.daemon.kept(&self.server.name, self.daemon.vault.append(events));
                for event in events.iter().filter(|e| e.kind != EventKind::RuledOut) {
                    self.daemon.say(&self.server.name, &told(event));
                }
                self.events.extend(events.iter().cloned());
            }
            News::Open(incident) => self.open(incident),
            News::Recovered { incident, case } => self.write("post-mortem so far", incident, &case),
            News::Closed { incident, case } => {
                let now = clock::now();
                let alert = alert::of(&incident, case.window.last(), AlertNews::Closed, now);
                lock(&self.daemon.desk).hear(alert);
                self.write("post-mortem", &incident, &case);
                (self.shown, self.saved) = (0, None);
                self.events.clear();
            }
        }
        let extra = self.events.len().saturating_sub(10 * EVENTS_BEFORE);
        self.events.drain(..extra);
    }

    fn open(&mut self, incident: &Incident) {
        let now = clock::now();
        let n_likely = incident.verdicts.iter().filter(|j| j.verdict.likely().is_some()).count();
        if n_likely != self.shown {
            self.shown = n_likely;
            let _ = face::show(&view::incident(incident, now));
        }
        let state = n_likely + incident.runbooks.len() + incident.symptoms.len();
        let known = self.saved.filter(|(at, _)| seconds_between(*at, now) < SAVE_EVERY_S);
        if known.is_none_or(|(_, saved)| saved != state) {
            self.daemon.kept(&self.server.name, self.daemon.vault.save_incident(incident));
            self.saved = Some((now, state));
        }
    }

    /// Writes the post-mortem as it stands.
    fn write(&self, what: &str, incident: &Incident, case: &Case) {
        let losses = Losses {
            n_acknowledged: None,
            n_lost: None,
            lost_keys: Vec::new(),
            explain: "no ledger of acknowledged writes is kept outside this database".into(),
        };
        let beside = Beside {
            events: &self.events,
            drill: false,
            zone: &self.daemon.settings.zone,
            impact: None,
            losses,
            now: clock::now(),
        };
        let written = record::keep(&self.daemon.vault, incident, case, beside);
        if let Some(path) = self.daemon.kept(&self.server.name, written) {
            self.daemon.say(&self.server.name, &format!("{what}: {}", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(vault: &Arc<Vault>, servers: &[Server]) -> Daemon {
        let settings = Settings {
            keeping: Keeping::default(),
            policy: Policy::Propose,
            scan: false,
            healthy_s: 60.0,
            zone: "UTC".to_owned(),
            programs: Programs::default(),
            backups: vault.root().to_owned(),
        };
        Daemon::new(settings, Arc::clone(vault), servers, &[])
    }

    fn event(server: &str) -> Event {
        gap(server, Timestamp::UNIX_EPOCH, clock::now())
    }

    #[test]
    fn a_vault_that_could_not_be_written_notes_its_gap_when_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::open(dir.path()).unwrap());
        let daemon = daemon(&vault, &[]);
        // A file in place of the folder refuses everybody, also root.
        let ledger = dir.path().join("ledger");
        std::fs::write(&ledger, "").unwrap();
        for _ in 0..3 {
            assert!(daemon.kept("shop", vault.append(&[event("shop")])).is_none());
        }
        std::fs::remove_file(&ledger).unwrap();
        for _ in 0..2 {
            assert!(daemon.kept("shop", vault.append(&[event("shop")])).is_some());
        }
        let from = Timestamp::UNIX_EPOCH;
        let kept = vault.events("shop", from, Timestamp::MAX).unwrap();
        let of_year = format!("since {}", clock::now().strftime("%Y"));
        let notes = kept.iter().filter(|e| e.what.contains(&of_year)).count();
        assert_eq!((kept.len(), notes), (3, 1), "{kept:#?}");
    }

    #[test]
    fn what_cannot_be_seen_is_named_once_with_the_way_out() {
        let gap = |sampler: &str| Gap { sampler: sampler.to_owned(), why: "no right".to_owned() };
        assert_eq!(blindness(&[]), None);
        let line = blindness(&[gap("log"), gap("sessions"), gap("log")]).unwrap();
        assert!(line.starts_with("cannot see log, sessions: `pgward doctor`"), "{line}");
    }

    #[test]
    fn an_event_of_a_known_server_is_kept_and_waits_for_its_watcher() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Arc::new(Vault::open(dir.path()).unwrap());
        let server = Server::new("postgres://x@127.0.0.1:1/x").unwrap();
        let daemon = daemon(&vault, std::slice::from_ref(&server));
        assert!(daemon.take(event("other")).unwrap_err().contains("no such server"));
        daemon.take(event(&server.name)).unwrap();
        assert_eq!(lock(&daemon.inbox[&server.name]).len(), 1);
        let kept = vault.events(&server.name, Timestamp::UNIX_EPOCH, Timestamp::MAX).unwrap();
        assert_eq!(kept.len(), 1);
        let unseen = daemon.board().statuses();
        assert!(unseen.first().unwrap().missing.first().unwrap().why.contains("not looked at"));
    }
}
