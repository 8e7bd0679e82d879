//! Live load: clients that behave like an application, and what they felt.

mod client;
pub mod record;
pub mod template;

use crate::error::Error;
use crate::ledger::{Ledger, LedgerSpec};
use client::{Broken, Client, Kind, Link, hangs, is_passing, is_wrong_text, lock};
use jiff::Timestamp;
use pgward_model::postmortem::ImpactPoint;
use pgward_pg::prelude::*;
use record::{NOTICED, Record, Request, SessionReport, end_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;
use template::{Share, Template};

/// One kind of client of a load.
#[derive(Debug, Clone)]
pub struct SessionSpec {
    pub name: String,
    /// `application_name`.
    pub application: String,
    pub clients: u32,
    /// From the start of one request of a client to the start of its next; zero: at once.
    pub every: Duration,
    /// See [`template`].
    pub sql: String,
    /// For writes: the request must end with `RETURNING key, stamp`.
    pub ledger: Option<LedgerSpec>,
    /// A new connection every so many requests, as applications without a pool do.
    pub reconnect_every: Option<u32>,
    pub statement_timeout: Option<Duration>,
}

/// Clients that run until they are stopped or dropped.
pub struct Load {
    kinds: Vec<Arc<Kind>>,
    clients: Mutex<Vec<Running>>,
    ledger: Arc<Ledger>,
    broken: Arc<Broken>,
    baseline: Mutex<Option<Baseline>>,
    seed: u64,
}

struct Running {
    kind: usize,
    link: Arc<Link>,
    thread: Option<JoinHandle<()>>,
}

/// What the load was like when all was well, per session.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    pub from: Timestamp,
    pub to: Timestamp,
    pub sessions: Vec<SessionReport>,
}

/// What the load did in a time: whole seconds from `from` to before `to`.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadReport {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Of all sessions together.
    pub per_s: f64,
    pub n_total: u64,
    pub n_failed: u64,
    pub sessions: Vec<SessionReport>,
}

/// A request that its client noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harmed {
    pub session: String,
    pub start: Timestamp,
    /// So far, for one that has not ended.
    pub latency: Duration,
    /// SQLSTATE, or [`record::LOST`]; `None`: it was too slow.
    pub failed: Option<String>,
}

/// Clients added to a running load; they leave when this is stopped or dropped.
pub struct Added {
    links: Vec<Arc<Link>>,
}

/// A request is slow from ten times what 99 of 100 took before: beyond any noise of a shared
/// machine, yet far below what people give up at.
const SLOW_FACTOR: f64 = 10.0;

/// Who waits for rows of others may find them yet, but not after so many requests and seconds.
const WAITS_TIMES: u64 = 10;
const WAITS_S: i64 = 15;

/// Clients of one session; each is a thread.
pub(crate) const CLIENTS_MAX: u32 = 500;

impl Baseline {
    /// From this latency on a request of that session is harmed.
    pub fn bound(&self, session: &str) -> Duration {
        let p99_ms = self.sessions.iter().find(|s| s.name == session).map_or(0.0, |s| s.p99_ms);
        Duration::from_secs_f64(p99_ms * SLOW_FACTOR / 1_000.0).max(NOTICED)
    }

    /// Requests per second of all sessions together.
    pub fn per_s(&self) -> f64 {
        self.sessions.iter().map(|s| s.per_s).sum()
    }
}

impl Load {
    /// Starts the clients. Their requests go to `target`, in its role; what is acknowledged to
    /// a session with a ledger is written to `ledger`. The same seed draws the same keys.
    ///
    /// # Errors
    /// [`Error::Template`], [`Error::Load`] for a session that cannot run as it is written.
    /// A server that does not answer is no error: its clients are harmed.
    pub fn start(
        target: &Target,
        specs: &[SessionSpec],
        seed: u64,
        ledger: Arc<Ledger>,
    ) -> Result<Load, Error> {
        let mut kinds = Vec::new();
        for spec in specs {
            let template = read(spec)?;
            kinds.push(Arc::new(Kind {
                name: spec.name.clone(),
                application: interned(&spec.application),
                every: spec.every,
                template,
                ledger: spec.ledger.clone(),
                reconnect_every: spec.reconnect_every,
                statement_timeout: spec.statement_timeout,
                target: target.clone(),
                record: Record::new(),
                mistake: Mutex::default(),
            }));
        }
        let shares = shares(specs);
        for (kind, share) in kinds.iter().zip(&shares) {
            kind.template.enough_keys(&kind.name, share.of)?;
        }
        let load = Load {
            kinds,
            clients: Mutex::new(Vec::new()),
            ledger,
            broken: Arc::new(Broken::default()),
            baseline: Mutex::new(None),
            seed,
        };
        for (index, (spec, share)) in specs.iter().zip(shares).enumerate() {
            for client in 0..spec.clients {
                load.spawn(index, client, Share { index: share.index + client, ..share })?;
            }
        }
        Ok(load)
    }

    /// Adds clients to a session: a decoy, or a stampede.
    ///
    /// # Errors
    /// [`Error::Load`] when there is no such session, or when its clients share out the keys
    /// they write.
    pub fn add_clients(&self, session: &str, n: u32) -> Result<Added, Error> {
        let refused = |why: &str| Error::Load { session: session.to_owned(), why: why.to_owned() };
        let index = self
            .kinds
            .iter()
            .position(|k| k.name == session)
            .ok_or_else(|| refused("the load has no session of that name"))?;
        let kind = self.kinds.get(index).ok_or_else(|| refused("it is gone"))?;
        if kind.template.shares_keys() {
            return Err(refused("its clients share out the keys of :mine; add to a reading one"));
        }
        let present = self.lock().iter().filter(|c| c.kind == index).count();
        let first = u32::try_from(present).unwrap_or(u32::MAX);
        if first.saturating_add(n) > CLIENTS_MAX {
            return Err(refused("at most 500 clients of one session"));
        }
        let mut added = Added { links: Vec::new() };
        for client in first..first + n {
            let share = Share { index: client, of: first + n };
            added.links.push(self.spawn(index, client, share)?);
        }
        Ok(added)
    }

    fn spawn(&self, index: usize, number: u32, share: Share) -> Result<Arc<Link>, Error> {
        let Some(kind) = self.kinds.get(index) else {
            return Err(Error::Load { session: String::new(), why: "there is none".to_owned() });
        };
        let link = Arc::new(Link::default());
        // Clients of one load must not draw the same keys; 1,000 is above CLIENTS_MAX.
        let seed = self.seed.wrapping_add(1_000 * (index as u64 + 1) + u64::from(number));
        let client = Client {
            kind: Arc::clone(kind),
            number,
            share,
            seed,
            ledger: Arc::clone(&self.ledger),
            link: Arc::clone(&link),
            broken: Arc::clone(&self.broken),
        };
        let thread = std::thread::Builder::new()
            .name(format!("load {number}"))
            .stack_size(512 * 1024) // 500 of them must fit
            .spawn(move || client.run())
            .map_err(|e| Error::Load { session: kind.name.clone(), why: e.to_string() })?;
        self.lock().push(Running { kind: index, link: Arc::clone(&link), thread: Some(thread) });
        Ok(link)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        lock(&self.clients)
    }

    /// The error that ended the load by itself, once: the ledger could not be kept.
    pub fn take_error(&self) -> Option<Error> {
        self.broken.take()
    }

    /// Did the load end by itself?
    pub fn is_broken(&self) -> bool {
        self.broken.is_set()
    }

    /// The error of a session that can never work as it is written: all of its requests have
    /// failed, two of them at least. Only before anything was changed does that say so.
    pub fn mistaken(&self) -> Option<Error> {
        self.kinds.iter().find_map(|kind| {
            let (from, to) = kind.record.span()?;
            let report = kind.record.report(&kind.name, from, to);
            let times = |(state, n): (&String, &u64)| match is_wrong_text(state) {
                true => *n >= 2,
                false => !is_passing(state) && *n >= WAITS_TIMES && to - from >= WAITS_S,
            };
            let never = report.n_failed == report.n_total && report.errors.iter().any(times);
            never.then(|| Error::NeverWorked {
                session: kind.name.clone(),
                n: report.n_total,
                source: lock(&kind.mistake).take().map(Box::new),
            })
        })
    }

    /// Takes the last whole seconds as what is normal; later answers compare with it.
    pub fn take_baseline(&self, last: Duration) -> Baseline {
        let report = self.report(last);
        let baseline = Baseline { from: report.from, to: report.to, sessions: report.sessions };
        *lock(&self.baseline) = Some(baseline.clone());
        baseline
    }

    fn baseline(&self) -> Baseline {
        let taken = lock(&self.baseline).clone();
        taken.unwrap_or_else(|| {
            let now = clock::now();
            Baseline { from: now, to: now, sessions: Vec::new() }
        })
    }

    /// The start of the first request after `since` that failed or took more than ten times
    /// the baseline's p99 and at least 100 ms; one still in flight counts once it is over that.
    pub fn first_harmed(&self, since: Timestamp, baseline: &Baseline) -> Option<Timestamp> {
        self.harmed(since, baseline).into_iter().map(|h| h.start).min()
    }

    /// All requests that began at or after `since` and were harmed, oldest first.
    pub fn harmed(&self, since: Timestamp, baseline: &Baseline) -> Vec<Harmed> {
        let mut harmed = self.hanging(baseline);
        harmed.retain(|h| h.start >= since);
        for kind in &self.kinds {
            let bound = baseline.bound(&kind.name);
            let wanted =
                |r: &Request| r.start >= since && (r.failed.is_some() || r.latency > bound);
            harmed.extend(kind.record.slow(wanted).into_iter().map(|r| Harmed {
                session: kind.name.clone(),
                start: r.start,
                latency: r.latency,
                failed: r.failed,
            }));
        }
        harmed.sort_by_key(|h| h.start);
        harmed
    }

    /// Requests in flight that are already over the bound.
    fn hanging(&self, baseline: &Baseline) -> Vec<Harmed> {
        let now = clock::now();
        let clients = self.lock();
        let in_flight = clients.iter().filter_map(|c| {
            let start = c.link.in_flight.since()?;
            let session = &self.kinds.get(c.kind)?.name;
            hangs(start, now, baseline.bound(session)).then(|| Harmed {
                session: session.clone(),
                start,
                latency: Duration::try_from(now.duration_since(start)).unwrap_or_default(),
                failed: None,
            })
        });
        in_flight.collect()
    }

    /// When somebody was harmed for the last time: now, while a request hangs.
    pub fn last_harmed(&self) -> Option<Timestamp> {
        let baseline = self.baseline();
        if !self.hanging(&baseline).is_empty() {
            return Some(clock::now());
        }
        let ends = self.kinds.iter().filter_map(|kind| {
            let bound = baseline.bound(&kind.name);
            let wanted = |r: &Request| r.failed.is_some() || r.latency > bound;
            kind.record.slow(wanted).iter().map(end_of).max()
        });
        ends.max()
    }

    /// Harmed and all requests that ended within the last `last`, and those that hang.
    pub fn harmed_now(&self, last: Duration) -> (u64, u64) {
        let (from, to) = last_seconds(last);
        let (harmed, total) = self.harmed_between(from, to + 1);
        let n_hanging = self.hanging(&self.baseline()).len() as u64;
        (harmed + n_hanging, total + n_hanging)
    }

    /// Harmed and all requests that ended from unix second `from` to before `to`.
    fn harmed_between(&self, from: i64, to: i64) -> (u64, u64) {
        let baseline = self.baseline();
        let counts = self.kinds.iter().flat_map(|kind| {
            kind.record.counts(from, to, baseline.bound(&kind.name)).into_values()
        });
        counts.fold((0, 0), |(h, t), c| (h + c.n_harmed, t + c.n_total))
    }

    /// Harmed and all requests that ended between two times, and those that still hang.
    pub fn impact(&self, from: Timestamp, to: Timestamp) -> (u64, u64) {
        let (harmed, total) = self.harmed_between(from.as_second(), to.as_second() + 1);
        let hanging = self.hanging(&self.baseline());
        let n_hanging = hanging.iter().filter(|h| h.start >= from && h.start <= to).count() as u64;
        (harmed + n_hanging, total + n_hanging)
    }

    /// Requests per second and how many were harmed, for each whole second since the start.
    /// A request over the bound counts as harmed in every second in which it hangs, so that
    /// a standstill shows as one.
    pub fn per_second(&self) -> Vec<ImpactPoint> {
        let baseline = self.baseline();
        let spans: Vec<_> = self.kinds.iter().filter_map(|k| k.record.span()).collect();
        let Some(from) = spans.iter().map(|s| s.0).min() else { return Vec::new() };
        let to = clock::now().as_second();
        let mut points: BTreeMap<i64, (u64, u64)> = (from..to).map(|at| (at, (0, 0))).collect();
        let mut add = |at: i64, total: u64, harmed: u64| {
            if let Some(point) = points.get_mut(&at) {
                point.0 += total;
                point.1 += harmed;
            }
        };
        for kind in &self.kinds {
            for (at, count) in kind.record.counts(from, to, baseline.bound(&kind.name)) {
                add(at, count.n_total, count.n_harmed);
            }
        }
        for h in self.harmed(Timestamp::MIN, &baseline) {
            let bound = baseline.bound(&h.session);
            let over = h.start.as_second() + bound.as_secs() as i64 + 1;
            let end = h.start.as_second() + h.latency.as_secs() as i64;
            for at in over..end {
                add(at, 1, 1);
            }
        }
        let point = |(at, (total, harmed)): (i64, (u64, u64))| {
            let at = Timestamp::from_second(at).unwrap_or_default();
            ImpactPoint { at, total: total as f64, harmed: harmed as f64 }
        };
        points.into_iter().map(point).collect()
    }

    /// What the load did in the last whole seconds.
    pub fn report(&self, last: Duration) -> LoadReport {
        let (from, to) = last_seconds(last);
        self.report_seconds(from, to)
    }

    /// What the load did between two times, in whole seconds.
    pub fn report_between(&self, from: Timestamp, to: Timestamp) -> LoadReport {
        self.report_seconds(from.as_second(), to.as_second().max(from.as_second() + 1))
    }

    fn report_seconds(&self, from: i64, to: i64) -> LoadReport {
        let sessions: Vec<_> =
            self.kinds.iter().map(|k| k.record.report(&k.name, from, to)).collect();
        LoadReport {
            from: Timestamp::from_second(from).unwrap_or_default(),
            to: Timestamp::from_second(to).unwrap_or_default(),
            per_s: sessions.iter().map(|s| s.per_s).sum(),
            n_total: sessions.iter().map(|s| s.n_total).sum(),
            n_failed: sessions.iter().map(|s| s.n_failed).sum(),
            sessions,
        }
    }

    /// Ends all clients. A request that hangs is cancelled; what the load has recorded stays.
    pub fn stop(&self) {
        let mut clients = self.lock();
        let links: Vec<_> = clients.iter().map(|c| Arc::clone(&c.link)).collect();
        for client in clients.iter() {
            client.link.stop.store(true, Ordering::SeqCst);
            if let Some(thread) = &client.thread {
                thread.thread().unpark();
            }
        }
        // Most requests take milliseconds; the rest wait for something and are cancelled.
        if !all_ended(&clients, Duration::from_secs(1)) {
            cancel(&links);
        }
        // A client whose server does not even answer a cancel ends with its socket, later.
        if all_ended(&clients, Duration::from_secs(5)) {
            for client in clients.iter_mut() {
                if let Some(thread) = client.thread.take() {
                    thread.join().ok();
                }
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Added {
    /// Tells the clients to leave after their present request.
    pub fn stop(&self) {
        for link in &self.links {
            link.stop.store(true, Ordering::SeqCst);
        }
    }
}

impl Drop for Added {
    fn drop(&mut self) {
        self.stop();
    }
}

fn all_ended(clients: &[Running], within: Duration) -> bool {
    let done = || {
        let ended = |c: &Running| c.thread.as_ref().is_none_or(JoinHandle::is_finished);
        Ok::<_, Error>(clients.iter().all(ended).then_some(()))
    };
    matches!(clock::poll(within, Duration::from_millis(5), done), Ok(Some(())))
}

fn cancel(links: &[Arc<Link>]) {
    for link in links.iter().filter(|l| l.in_flight.since().is_some()) {
        if let Some(cancel) = &*lock(&link.cancel) {
            // It may have ended by now, or its server is gone: both end the client as well.
            cancel().ok();
        }
    }
}

/// The request of a session, for who wants to know before anything starts.
///
/// # Errors
/// [`Error::Template`], [`Error::Load`] for a session that cannot run as it is written.
pub fn read(spec: &SessionSpec) -> Result<Template, Error> {
    let template = template::parse(&spec.name, &spec.sql)?;
    refuse(spec, &template)?;
    Ok(template)
}

fn refuse(spec: &SessionSpec, template: &Template) -> Result<(), Error> {
    let refused = |why: &str| Err(Error::Load { session: spec.name.clone(), why: why.to_owned() });
    let last = template.statements.last().map_or("", |s| s.sql.as_str()).to_lowercase();
    if spec.clients == 0 || spec.clients > CLIENTS_MAX {
        return refused("a session has 1 to 500 clients");
    }
    if spec.ledger.is_some() && !last.contains("returning") {
        return refused("with a ledger its last statement must end with RETURNING key, stamp");
    }
    Ok(())
}

/// Which keys belong to the first client of each session. Sessions that write the same
/// relation share its keys out among all their clients.
fn shares(specs: &[SessionSpec]) -> Vec<Share> {
    let writes = |s: &SessionSpec| s.ledger.as_ref().map(|l| l.relation.clone());
    let mut shares = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let together = |(j, other): &(usize, &SessionSpec)| {
            *j == i || (writes(spec).is_some() && writes(spec) == writes(other))
        };
        let all = specs.iter().enumerate().filter(together);
        let of = all.clone().map(|(_, s)| s.clients).sum();
        let index = all.filter(|(j, _)| *j < i).map(|(_, s)| s.clients).sum();
        shares.push(Share { index, of });
    }
    shares
}

/// The last whole seconds, at least one, as unix seconds: from, and before.
fn last_seconds(last: Duration) -> (i64, i64) {
    let to = clock::now().as_second();
    (to - (last.as_secs().max(1) as i64), to)
}

/// A session's name lives as long as the process; a scenario has a handful.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = lock(&NAMES);
    match names.get(name) {
        Some(known) => known,
        None => {
            let new: &'static str = Box::leak(name.to_owned().into_boxed_str());
            names.insert(new);
            new
        }
    }
}
