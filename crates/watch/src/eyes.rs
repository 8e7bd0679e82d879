//! What the samplers keep between two ticks: the standing session, positions, known texts.

use crate::changes::News;
use crate::error::Error;
use crate::log_reader::LogReader;
use crate::samplers::planner::Versions;
use crate::samplers::tables::Files;
use pgward_integrity::page_scan::{ScanReport, Scanner};
use pgward_model::prelude::*;
use pgward_pg::clock::{self, Deadline};
use pgward_pg::install::DdlCursor;
use pgward_pg::log::LogPosition;
use pgward_pg::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
use std::time::Duration;

/// The watcher's eyes on one server.
pub struct Eyes {
    pub target: Target,
    pub probe_target: Target,
    /// `None` while the server does not answer.
    pub session: Option<Session>,
    next_try: Deadline,
    pub(crate) log: Option<LogReader>,
    /// Why the server lets nobody follow its log, and when to ask again.
    pub(crate) log_closed: Option<(String, Deadline)>,
    /// Where a lost session stopped reading the log.
    pub log_position: Option<LogPosition>,
    /// It was just opened where it had been read to: nothing that was written meanwhile is missing.
    pub log_goes_on: bool,
    /// By query id; those that are neither counted nor shown by a sample are forgotten.
    pub texts: HashMap<i64, Arc<str>>,
    pub ddl_cursor: Option<DdlCursor>,
    pub catalog: Option<Catalog>,
    pub catalog_print: i64,
    /// The schema has changed since `catalog` was read.
    pub catalog_is_old: bool,
    pub roles: Option<BTreeMap<String, String>>,
    pub settings: Option<BTreeMap<String, String>>,
    /// Settings that wait for a restart, as first seen.
    pub pending: BTreeMap<String, ConfigChange>,
    pub privileges: Option<BTreeMap<String, String>>,
    /// As last read, and when.
    pub(crate) versions: Option<(Timestamp, Versions)>,
    /// When the probe connects next while nothing is wrong.
    pub(crate) next_probe: Deadline,
    pub data_dir: Option<PathBuf>,
    pub(crate) files: Files,
    /// Blocks known or suspected to be damaged; looked at again until they read.
    pub suspects: BTreeSet<(Relation, u32)>,
    /// What the server last said of itself, and what is bounded.
    pub identity: Option<ServerIdentity>,
    pub limits: Vec<Limit>,
    /// What samplers found to have changed, until the change ledger takes it.
    pub(crate) news: Vec<News>,
    /// The last run of a pg_cron job that is known.
    pub last_job: Option<i64>,
    scan: Scan,
    /// The server's clock minus ours; its timestamps are compared with each other only.
    pub clock_offset: jiff::SignedDuration,
    /// An incident is open: probe harder.
    pub alarmed: bool,
}

/// The integrity scan in its own thread, with its own session.
struct Scan {
    reports: Receiver<ScanReport>,
    stop: Arc<AtomicBool>,
}

impl Drop for Scan {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Reports that may wait for the next tick; the scan pauses when they are not fetched.
const REPORTS_MAX: usize = 64;
/// A server that is down is asked once in two seconds.
const RETRY: Duration = Duration::from_secs(2);

impl Eyes {
    /// # Errors
    /// When the first connection fails.
    pub fn open(
        target: &Target,
        probe_target: &Target,
        scan: Arc<AtomicBool>,
    ) -> Result<Eyes, Error> {
        let session = Session::connect(target, Purpose::Watch)?;
        Ok(Eyes {
            clock_offset: clock_offset(&session)?,
            target: target.clone(),
            probe_target: probe_target.clone(),
            session: Some(session),
            next_try: Deadline::after(Duration::ZERO),
            log: None,
            log_closed: None,
            log_position: None,
            log_goes_on: false,
            texts: HashMap::new(),
            ddl_cursor: None,
            catalog: None,
            catalog_print: 0,
            catalog_is_old: false,
            roles: None,
            settings: None,
            pending: BTreeMap::new(),
            privileges: None,
            versions: None,
            next_probe: Deadline::after(Duration::ZERO),
            data_dir: None,
            files: Files::default(),
            suspects: BTreeSet::new(),
            identity: None,
            limits: Vec::new(),
            news: Vec::new(),
            last_job: None,
            scan: start_scan(target.clone(), scan),
            alarmed: false,
        })
    }

    /// The standing session; connects again when it was lost, at most every two seconds.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn session(&mut self) -> Result<&Session, Error> {
        if self.session.as_ref().is_some_and(Session::is_closed) {
            self.session = None;
        }
        if self.session.is_none() {
            if !self.next_try.passed() {
                return Err(Error::Sampler { sampler: "sessions", why: "not connected".into() });
            }
            self.next_try = Deadline::after(RETRY);
            let session =
                Session::connect_within(&self.target, Purpose::Watch, Duration::from_secs(1))?;
            if let Some(reader) = self.log.take() {
                self.log_position = Some(reader.position());
            }
            // A server that has come back may be another one, or collect a log now.
            self.log_closed = None;
            self.clock_offset = clock_offset(&session)?;
            self.session = Some(session);
        }
        self.session
            .as_ref()
            .ok_or(Error::Sampler { sampler: "sessions", why: "not connected".into() })
    }

    /// Compares the clocks again, where the server answers.
    pub(crate) fn compare_clocks(&mut self) {
        let offset = self.session.as_ref().map(clock_offset);
        if let Some(Ok(offset)) = offset {
            self.clock_offset = offset;
        }
    }

    /// What the scan has found since the last call.
    pub fn scan_reports(&self) -> Vec<ScanReport> {
        self.scan.reports.try_iter().collect()
    }
}

/// The server's clock minus ours, to half a round trip; zero where it is below what a round
/// trip blurs.
pub(crate) fn clock_offset(session: &Session) -> Result<jiff::SignedDuration, Error> {
    let before = clock::now();
    let server: Timestamp = session.query_one("SELECT pg_catalog.clock_timestamp()", &[])?;
    let round_trip = clock::now().duration_since(before);
    let offset = server.duration_since(before) - round_trip / 2;
    Ok(if offset.abs() <= round_trip { jiff::SignedDuration::ZERO } else { offset })
}

fn start_scan(target: Target, on: Arc<AtomicBool>) -> Scan {
    let (send, reports) = sync_channel(REPORTS_MAX);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    std::thread::spawn(move || {
        let mut scanner = Scanner::new(target);
        while !stopped.load(Ordering::Relaxed) {
            if !on.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(250));
                continue;
            }
            let start = clock::instant();
            let report = scanner.tick(Duration::from_millis(200));
            if send.send(report).is_err() {
                return;
            }
            // A fifth of the time at most; the scanner bounds its rate by itself too.
            std::thread::sleep(Duration::from_millis(250).saturating_sub(start.elapsed()));
        }
    });
    Scan { reports, stop }
}
