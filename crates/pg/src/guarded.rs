//! The only place that writes to a user's server: one step under its limits, watched by a second
//! session, with what it expects checked before it commits.

use crate::clock;
use crate::error::Error;
use crate::session::{Row, Session, first_words, get};
use pgward_model::name::Relation;
use pgward_model::prelude::{
    Act, BackendSignal, Expectation, Limits, Pid, Step, Still, quote_literal,
};
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

/// What happens around a step, for those who keep a journal or check more than the step says.
#[derive(Debug, Clone, Copy)]
pub enum Moment<'a> {
    /// The statement is about to be sent; runs in the step's transaction where there is one.
    Before { step: u32, index: usize, statement: &'a str },
    /// The statement has run; not committed yet where there is a transaction.
    After { step: u32, index: usize, statement: &'a str, rows: u64, ms: f64 },
    /// All statements have run and the steps' expectations hold; COMMIT comes next.
    BeforeCommit,
}

/// Called at each [`Moment`]; an error rolls the transaction back.
pub type Observer<'a> = &'a mut dyn FnMut(&Session, Moment<'_>) -> Result<(), Error>;

/// Whose step it is and who looks on.
pub struct Context<'a> {
    /// Follows `pgward act` in `application_name`: a change id, an incident id.
    pub name: String,
    /// How long any session may wait behind the step before the step is cancelled.
    pub wait_budget: Duration,
    pub observer: Option<Observer<'a>>,
    /// What was done beside the step itself, such as an invalid index dropped after a failure.
    pub notes: Vec<String>,
}

/// Users give up after about 10 s; a tenth of that is felt as a hiccup, twice that is borne.
const WAIT_BUDGET: Duration = Duration::from_secs(2);

impl<'a> Context<'a> {
    pub fn new(name: impl Into<String>) -> Context<'a> {
        Context { name: name.into(), wait_budget: WAIT_BUDGET, observer: None, notes: Vec::new() }
    }

    pub fn observed_by(mut self, observer: Observer<'a>) -> Context<'a> {
        self.observer = Some(observer);
        self
    }

    fn tell(&mut self, session: &Session, moment: Moment<'_>) -> Result<(), Error> {
        match self.observer.as_mut() {
            Some(observer) => observer(session, moment),
            None => Ok(()),
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
pub struct StepReport {
    /// Rows affected, all statements together; sessions signalled.
    pub rows: u64,
    pub ms: f64,
    /// Most sessions that waited behind it at one moment.
    pub waited_behind: u32,
    pub retries: u32,
    /// What the server said meanwhile.
    pub notices: Vec<String>,
}

/// An expectation that holds, and how long it took to become true.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub claim: String,
    pub ms: f64,
}

/// Three tries must fit into the ~10 s after which users give up; DDL that waits for its lock
/// 2 s at a time and backs off in between gets five more before a person should look.
const RETRIES_MAX: u32 = 5;
/// How often the second session looks for sessions that wait behind the step: a twentieth of
/// a second is below what users notice, and costs the server less than one query in a hundred.
const WATCH_EVERY: Duration = Duration::from_millis(50);
/// Users do not notice a tenth of a second: a crowd that waits less is let wait.
const NOTICED_MS: f64 = 100.0;
/// How long a signalled backend may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Runs one step; for [`Act::Sql`], [`Act::Signal`] and [`Act::Verify`].
///
/// `session` does the work, `control` is a second session, opened before, that watches who
/// waits behind it and cancels it: when trouble is there, a new connection may not be had.
///
/// # Errors
/// What the server answers; [`Error::WaitersBehind`], [`Error::RowsAboveLimit`],
/// [`Error::Expected`] after everything was rolled back; [`Error::Refused`] for an act that
/// belongs to another door or a signal whose session is no longer the one that was meant.
pub fn run(
    session: &Session,
    control: &Session,
    step: &Step,
    context: &mut Context<'_>,
) -> Result<StepReport, Error> {
    match &step.act {
        Act::Sql { transaction: true, .. } => {
            let reports = run_together(session, control, &[step], context)?;
            Ok(reports.into_iter().next().unwrap_or_default())
        }
        Act::Sql { statements, transaction: false } => {
            alone(session, control, step, statements, context)
        }
        Act::Signal { pid, backend_start, signal, still } => {
            let meant = Meant {
                pid: *pid,
                backend_start: *backend_start,
                still,
                own: [session.pid(), control.pid()],
            };
            let report = match signal {
                BackendSignal::CancelThenTerminate => cancel_then_end(control, &meant, step)?,
                signal => send_signal(control, &meant, *signal, step)?,
            };
            verify(control, &step.expectations)?;
            Ok(report)
        }
        Act::Verify => {
            let began = clock::instant();
            verify(session, &step.expectations)?;
            Ok(StepReport { ms: ms_since(began), ..StepReport::default() })
        }
        Act::RestoreObjects { .. } | Act::RestoreBlock { .. } | Act::RestoreRows { .. } => {
            Err(refused(step, "a restore does not go through this door; give it to recover"))
        }
    }
}

/// Runs several SQL steps in one transaction: all of them, or nothing.
///
/// # Errors
/// As [`run`].
pub fn run_together(
    session: &Session,
    control: &Session,
    steps: &[&Step],
    context: &mut Context<'_>,
) -> Result<Vec<StepReport>, Error> {
    let mut retries = 0;
    let again = |s: &String| is_ddl(s) || is_guard(s);
    let ddl_only = steps.iter().flat_map(|s| statements_of(s)).all(again);
    named(session, &context.name)?;
    let outcome = loop {
        let tried = attempt(session, control, steps, context);
        match tried {
            Err(error)
                if ddl_only && error.sqlstate() == Some("55P03") && retries < RETRIES_MAX =>
            {
                retries += 1;
                std::thread::sleep(back_off(retries));
            }
            other => break other,
        }
    };
    unnamed(session);
    let mut reports = outcome?;
    for report in &mut reports {
        report.retries = retries;
    }
    Ok(reports)
}

/// Waits until each expectation is true.
///
/// # Errors
/// [`Error::Expected`] for the first that is not true within its time.
pub fn verify(session: &Session, expectations: &[Expectation]) -> Result<Vec<Held>, Error> {
    expectations.iter().map(|e| holds(session, e, "ROLLBACK", "BEGIN READ ONLY")).collect()
}

/// Sessions that wait, at whatever distance, for something `pid` holds, and the longest wait
/// in milliseconds. Those queued behind a waiter count too.
///
/// Source: `pg_blocking_pids` (PostgreSQL manual, System Information Functions), which also
/// names those ahead in the queue.
///
/// # Errors
/// As [`Session::query`].
pub fn waiters_behind(session: &Session, pid: Pid, leave_out: &[Pid]) -> Result<(u32, f64), Error> {
    let rows = session.query(include_str!("../queries/waiting.sql"), &[&leave_out])?;
    let mut waiting = BTreeMap::new();
    for row in &rows {
        let (waiter, blockers): (Pid, Vec<Pid>) = (get(row, 0)?, get(row, 1)?);
        let waited: Option<f64> = get(row, 2)?;
        waiting.insert(waiter, (blockers, waited.unwrap_or(0.0)));
    }
    Ok(closure(pid, &waiting))
}

fn closure(pid: Pid, waiting: &BTreeMap<Pid, (Vec<Pid>, f64)>) -> (u32, f64) {
    let mut behind = BTreeSet::from([pid]);
    let mut longest: f64 = 0.0;
    loop {
        let next: Vec<Pid> = waiting
            .iter()
            .filter(|(waiter, (blockers, _))| {
                !behind.contains(waiter) && blockers.iter().any(|b| behind.contains(b))
            })
            .map(|(waiter, _)| *waiter)
            .collect();
        if next.is_empty() {
            let n_behind = u32::try_from(behind.len() - 1).unwrap_or(u32::MAX);
            return (n_behind, longest);
        }
        for waiter in next {
            longest = longest.max(waiting.get(&waiter).map_or(0.0, |(_, ms)| *ms));
            behind.insert(waiter);
        }
    }
}

// One transaction.

fn attempt(
    session: &Session,
    control: &Session,
    steps: &[&Step],
    context: &mut Context<'_>,
) -> Result<Vec<StepReport>, Error> {
    let fence = Fence::new(session.pid(), context);
    let outcome = fence.around(session, control, || {
        session.simple("BEGIN")?;
        let reports = steps
            .iter()
            .map(|step| in_transaction(session, step, &fence, context))
            .collect::<Result<Vec<_>, _>>()?;
        for expectation in steps.iter().flat_map(|s| &s.expectations) {
            holds(session, expectation, "ROLLBACK TO SAVEPOINT pgward_expect", EXPECT_BEGIN)?;
        }
        context.tell(session, Moment::BeforeCommit)?;
        fence.intact(steps.last().copied())?;
        session.simple("COMMIT")?;
        Ok(reports)
    });
    match outcome {
        Ok(mut reports) => {
            for report in &mut reports {
                report.waited_behind = fence.most.load(Ordering::Relaxed);
            }
            context.notes.append(&mut fence.notes());
            Ok(reports)
        }
        Err(error) => {
            roll_back(session);
            context.notes.append(&mut fence.notes());
            // A cancelled statement says only that it was cancelled; the fence knows why.
            fence.intact(steps.last().copied())?;
            Err(error)
        }
    }
}

const EXPECT_BEGIN: &str = "SAVEPOINT pgward_expect; SET TRANSACTION READ ONLY";

fn in_transaction(
    session: &Session,
    step: &Step,
    fence: &Fence,
    context: &mut Context<'_>,
) -> Result<StepReport, Error> {
    fence.waiters_max.store(step.limits.waiters_max, Ordering::Relaxed);
    session.simple(&limits_sql("SET LOCAL", step.limits))?;
    let mut report = StepReport::default();
    for (index, statement) in statements_of(step).iter().enumerate() {
        context.tell(session, Moment::Before { step: step.number, index, statement })?;
        one_statement(session, step, index, statement, &mut report, context)?;
        fence.intact(Some(step))?;
    }
    Ok(report)
}

fn one_statement(
    session: &Session,
    step: &Step,
    index: usize,
    statement: &str,
    report: &mut StepReport,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    session.take_notices();
    let began = clock::instant();
    let outcome = session.execute(statement, &[]);
    let ms = ms_since(began);
    report.ms += ms;
    let notices = session.take_notices();
    report.notices.extend(notices.into_iter().map(|n| format!("{}: {}", n.severity, n.message)));
    let rows = outcome?;
    report.rows += rows;
    if let Some(rows_max) = step.limits.rows_max
        && report.rows > rows_max
    {
        return Err(Error::RowsAboveLimit {
            step: first_words(statement),
            rows: report.rows,
            rows_max,
        });
    }
    context.tell(session, Moment::After { step: step.number, index, statement, rows, ms })
}

fn roll_back(session: &Session) {
    // A cancel that was on its way may hit the ROLLBACK itself: the second one then works.
    for _ in 0..2 {
        if session.is_closed() || session.simple("ROLLBACK").is_ok() {
            return;
        }
    }
}

// Statements that may not run in a transaction.

fn alone(
    session: &Session,
    control: &Session,
    step: &Step,
    statements: &[String],
    context: &mut Context<'_>,
) -> Result<StepReport, Error> {
    named(session, &context.name)?;
    let fence = Fence::new(session.pid(), context);
    fence.waiters_max.store(step.limits.waiters_max, Ordering::Relaxed);
    let outcome = fence.around(session, control, || {
        session.simple(&limits_sql("SET", step.limits))?;
        let mut report = StepReport::default();
        for (index, statement) in statements.iter().enumerate() {
            context.tell(session, Moment::Before { step: step.number, index, statement })?;
            alone_with_retries(session, step, index, statement, &mut report, context)?;
            fence.intact(Some(step))?;
        }
        for expectation in &step.expectations {
            holds(session, expectation, "ROLLBACK", "BEGIN READ ONLY")?;
        }
        Ok(report)
    });
    let _ = session.simple("RESET lock_timeout; RESET statement_timeout");
    unnamed(session);
    context.notes.append(&mut fence.notes());
    let most = fence.most.load(Ordering::Relaxed);
    match outcome {
        Ok(report) => Ok(StepReport { waited_behind: most, ..report }),
        Err(error) => {
            fence.intact(Some(step))?;
            Err(error)
        }
    }
}

fn alone_with_retries(
    session: &Session,
    step: &Step,
    index: usize,
    statement: &str,
    report: &mut StepReport,
    context: &mut Context<'_>,
) -> Result<(), Error> {
    let before = match builds_concurrently(statement) {
        true => Some(invalid_indexes(session)?),
        false => None,
    };
    loop {
        let tried = one_statement(session, step, index, statement, report, context);
        let Err(error) = tried else { return Ok(()) };
        if let Some(before) = &before {
            drop_leftovers(session, statement, before, context);
        }
        let again = error.sqlstate() == Some("55P03") && is_ddl(statement);
        if !again || report.retries >= RETRIES_MAX {
            return Err(error);
        }
        report.retries += 1;
        std::thread::sleep(back_off(report.retries));
    }
}

/// A failed `CREATE INDEX CONCURRENTLY` leaves an invalid index, which costs every write and
/// serves no read. Only what came since, bears the statement's name where it gives one, and is
/// not being built by somebody else is dropped.
fn drop_leftovers(
    session: &Session,
    statement: &str,
    before: &BTreeMap<u32, Relation>,
    context: &mut Context<'_>,
) {
    let after = match invalid_indexes(session) {
        Ok(after) => after,
        Err(error) => {
            context.notes.push(format!("could not look for an invalid index left: {error}"));
            return;
        }
    };
    let name = index_name(statement);
    for (oid, index) in after {
        let ours = name.as_ref().is_none_or(|n| index.name.starts_with(n.as_str()));
        if before.contains_key(&oid) || !ours {
            continue;
        }
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.quoted());
        context.notes.push(match session.execute(&drop, &[]) {
            Ok(_) => format!("the failed build left invalid index {index}; it was dropped"),
            Err(error) => format!("invalid index {index} is left ({error}); drop it with: {drop}"),
        });
    }
}

fn invalid_indexes(session: &Session) -> Result<BTreeMap<u32, Relation>, Error> {
    let rows = session.query(include_str!("../queries/invalid_indexes.sql"), &[])?;
    rows.iter()
        .map(|row| {
            Ok((get::<u32>(row, 2)?, Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?)))
        })
        .collect()
}

static BUILD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?is)^\s*(?:create\s+(?:unique\s+)?index|reindex\b.*?)\s+concurrently\b")
        .expect("a constant pattern that the tests compile")
});

static INDEX_NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?isx)^\s*create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?
           (?:"((?:[^"]|"")+)"|([\w$]+))\s+on\b"#,
    )
    .expect("a constant pattern that the tests compile")
});

fn builds_concurrently(statement: &str) -> bool {
    BUILD.is_match(statement)
}

fn index_name(statement: &str) -> Option<String> {
    let found = INDEX_NAME.captures(statement)?;
    let quoted = found.get(1).map(|m| m.as_str().replace("\"\"", "\""));
    quoted.or_else(|| found.get(2).map(|m| m.as_str().to_lowercase()))
}

// Signals.

/// The session a signal is for, and what must be true of it.
struct Meant<'a> {
    pid: Pid,
    backend_start: jiff::Timestamp,
    still: &'a Still,
    /// Our own sessions.
    own: [Pid; 2],
}

/// Waiters that give up and come back leave a moment in which nobody waits.
const BLOCKS_WITHIN: Duration = Duration::from_secs(2);

/// How long the locks of a cancelled statement may take to go.
const FREED_WITHIN: Duration = Duration::from_secs(2);

/// A cancelled statement aborts its transaction, which frees its locks, unless a savepoint
/// holds them: then the session must end.
fn cancel_then_end(session: &Session, meant: &Meant<'_>, step: &Step) -> Result<StepReport, Error> {
    let cancelled = send_signal(session, meant, BackendSignal::Cancel, step)?;
    let freed = clock::poll(FREED_WITHIN, WATCH_EVERY, || {
        let (n_waiters, _) = waiters_behind(session, meant.pid, &meant.own)?;
        Ok::<_, Error>((n_waiters == 0).then_some(()))
    })?;
    if freed.is_some() {
        return Ok(cancelled);
    }
    let still = Still {
        xact_start: meant.still.xact_start,
        blocks: meant.still.blocks,
        ..Still::default()
    };
    let ended =
        send_signal(session, &Meant { still: &still, ..*meant }, BackendSignal::Terminate, step)?;
    Ok(StepReport { ms: cancelled.ms + ended.ms, ..ended })
}

fn send_signal(
    session: &Session,
    meant: &Meant<'_>,
    signal: BackendSignal,
    step: &Step,
) -> Result<StepReport, Error> {
    let began = clock::instant();
    let (pid, backend_start) = (meant.pid, meant.backend_start);
    let before = backend(session, pid)?;
    if let Some(why) = unfit(meant, signal, before.as_ref()) {
        return Err(refused(step, why));
    }
    if !signalled(session, meant, signal)? {
        let now = backend(session, pid)?;
        let why = unfit(meant, signal, now.as_ref())
            .unwrap_or_else(|| format!("no session waits for pid {pid} any longer"));
        return Err(refused(step, why));
    }
    let query_start = before.and_then(|b| b.query_start);
    let done = clock::poll(GONE_WITHIN, WATCH_EVERY, || {
        let now = backend(session, pid)?.filter(|b| b.backend_start == Some(backend_start));
        let over = match (signal, &now) {
            (_, None) => true,
            (BackendSignal::Terminate, Some(_)) => false,
            (_, Some(b)) => b.state != "active" || b.query_start != query_start,
        };
        Ok::<_, Error>(over.then_some(()))
    })?;
    let ms = ms_since(began);
    if done.is_none() {
        let why = format!("pid {pid} got the signal and still runs after {ms:.0} ms");
        return Err(Error::Server { what: why });
    }
    Ok(StepReport { rows: 1, ms, ..StepReport::default() })
}

/// Check and signal are one statement: nothing fits between them that a session can do.
fn signalled(session: &Session, meant: &Meant<'_>, signal: BackendSignal) -> Result<bool, Error> {
    let word = match signal {
        BackendSignal::Terminate => "terminate",
        BackendSignal::Cancel | BackendSignal::CancelThenTerminate => "cancel",
    };
    let sql = include_str!("../queries/signal_backend.sql");
    let Still { state, query_start, xact_start, waits, blocks } = meant.still;
    let within = if *blocks { BLOCKS_WITHIN } else { Duration::ZERO };
    let sent = clock::poll(within, WATCH_EVERY, || {
        let rows = session.query(
            sql,
            &[
                &meant.pid,
                &meant.backend_start,
                &word,
                &meant.own.as_slice(),
                state,
                query_start,
                xact_start,
                waits,
                blocks,
            ],
        )?;
        let sent = rows.first().map(|row| get::<bool>(row, 0)).transpose()?;
        Ok::<_, Error>(sent.filter(|sent| *sent))
    })?;
    Ok(sent.is_some())
}

struct Backend {
    backend_start: Option<jiff::Timestamp>,
    backend_type: String,
    state: String,
    wraparound: bool,
    query_start: Option<jiff::Timestamp>,
    xact_start: Option<jiff::Timestamp>,
    waits: bool,
}

fn backend(session: &Session, pid: Pid) -> Result<Option<Backend>, Error> {
    let rows = session.query(include_str!("../queries/backend.sql"), &[&pid])?;
    let read = |row: &Row| {
        Ok(Backend {
            backend_start: get(row, 0)?,
            backend_type: get::<Option<String>>(row, 1)?.unwrap_or_default(),
            state: get(row, 2)?,
            wraparound: get(row, 3)?,
            query_start: get(row, 4)?,
            xact_start: get(row, 5)?,
            waits: get(row, 6)?,
        })
    };
    rows.first().map(read).transpose()
}

/// Why this backend must not be signalled.
fn unfit(meant: &Meant<'_>, signal: BackendSignal, backend: Option<&Backend>) -> Option<String> {
    let (pid, backend_start) = (meant.pid, meant.backend_start);
    let Some(b) = backend else {
        return Some(format!("pid {pid} is gone already"));
    };
    if meant.own.contains(&pid) {
        return Some(format!("pid {pid} is pgward itself"));
    }
    match b.backend_start {
        None => {
            return Some(format!(
                "pid {pid}: its start cannot be read, so nothing proves that it is the session \
                 meant; GRANT pg_monitor to the role"
            ));
        }
        Some(start) if start != backend_start => {
            return Some(format!(
                "pid {pid} is another session by now: it started {start}, meant was the one \
                 started {backend_start}"
            ));
        }
        Some(_) => {}
    }
    if b.wraparound {
        return Some(format!("pid {pid} is a vacuum that prevents wraparound"));
    }
    match b.backend_type.as_str() {
        "client backend" if signal != BackendSignal::Terminate && b.state != "active" => {
            Some(format!("pid {pid} is {}: a cancel would end nothing", b.state))
        }
        "client backend" | "autovacuum worker" => changed(pid, meant.still, b),
        other => Some(format!("pid {pid} is a {other}, not a client's session")),
    }
}

/// What is no longer as it was when the signal was planned.
fn changed(pid: Pid, still: &Still, b: &Backend) -> Option<String> {
    if still.state.as_ref().is_some_and(|state| *state != b.state) {
        let was = still.state.as_deref().unwrap_or_default();
        return Some(format!("pid {pid} is no longer {was}: it is {}", b.state));
    }
    if still.xact_start.is_some() && still.xact_start != b.xact_start {
        return Some(format!("pid {pid} is no longer in the same transaction"));
    }
    if still.query_start.is_some() && still.query_start != b.query_start {
        return Some(format!("pid {pid} no longer runs the same statement"));
    }
    (still.waits && !b.waits).then(|| format!("pid {pid} no longer waits for a lock"))
}

// Expectations.

fn holds(
    session: &Session,
    expectation: &Expectation,
    end: &str,
    begin: &str,
) -> Result<Held, Error> {
    let began = clock::instant();
    let within = Duration::from_millis(expectation.within_ms);
    let mut last = String::new();
    let held = clock::poll(within, WATCH_EVERY, || {
        session.simple(begin)?;
        let answer = session.query_one::<Option<bool>>(&expectation.sql, &[]);
        session.simple(end)?;
        match answer {
            Ok(Some(true)) => return Ok(Some(())),
            Ok(Some(false)) => last = "false".to_owned(),
            Ok(None) => last = "null".to_owned(),
            Err(error) if error.is_connection_lost() => return Err(error),
            Err(error) => last = error.message(),
        }
        Ok(None)
    })?;
    match held {
        Some(()) => Ok(Held { claim: expectation.claim.clone(), ms: ms_since(began) }),
        None => Err(Error::Expected {
            claim: expectation.claim.clone(),
            answer: last,
            within_ms: expectation.within_ms,
        }),
    }
}

// The fence: a second session that looks who waits behind the first.

struct Fence {
    pid: Pid,
    waiters_max: AtomicU32,
    wait_budget: Duration,
    most: AtomicU32,
    over: AtomicBool,
    tripped: Mutex<Option<(u32, f64)>>,
    notes: Mutex<Vec<String>>,
}

impl Fence {
    fn new(pid: Pid, context: &Context<'_>) -> Fence {
        Fence {
            pid,
            waiters_max: AtomicU32::new(u32::MAX),
            wait_budget: context.wait_budget,
            most: AtomicU32::new(0),
            over: AtomicBool::new(false),
            tripped: Mutex::new(None),
            notes: Mutex::new(Vec::new()),
        }
    }

    fn around<T>(&self, session: &Session, control: &Session, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| self.watch(session, control));
            let result = work();
            self.over.store(true, Ordering::Release);
            watcher.thread().unpark();
            result
        })
    }

    fn watch(&self, session: &Session, control: &Session) {
        let own = [session.pid(), control.pid()];
        while !self.over.load(Ordering::Acquire) {
            match waiters_behind(control, self.pid, &own) {
                Ok((waiters, longest_ms)) => {
                    self.most.fetch_max(waiters, Ordering::Relaxed);
                    if self.too_many(waiters, longest_ms) && !self.over.load(Ordering::Acquire) {
                        *lock(&self.tripped) = Some((waiters, longest_ms));
                        let cancel = "SELECT pg_catalog.pg_cancel_backend($1)";
                        if let Err(error) = control.query(cancel, &[&self.pid]) {
                            self.note(format!("could not cancel our own statement: {error}"));
                        }
                        return;
                    }
                }
                Err(error) => {
                    self.note(format!("waiters behind the step were not watched: {error}"));
                    return;
                }
            }
            std::thread::park_timeout(WATCH_EVERY);
        }
    }

    fn too_many(&self, waiters: u32, longest_ms: f64) -> bool {
        let many = waiters > self.waiters_max.load(Ordering::Relaxed);
        (many && longest_ms > NOTICED_MS) || longest_ms > self.wait_budget.as_secs_f64() * 1000.0
    }

    fn note(&self, text: String) {
        lock(&self.notes).push(text);
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.notes))
    }

    /// An error when the step had to be stopped for those who wait behind it.
    fn intact(&self, step: Option<&Step>) -> Result<(), Error> {
        match *lock(&self.tripped) {
            None => Ok(()),
            Some((waiters, longest_ms)) => Err(Error::WaitersBehind {
                step: step.map_or_else(String::new, |s| s.title.clone()),
                waiters,
                waiters_max: self.waiters_max.load(Ordering::Relaxed),
                longest_ms: longest_ms as u64,
                budget_ms: self.wait_budget.as_millis() as u64,
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

// Leaves.

fn statements_of(step: &Step) -> &[String] {
    match &step.act {
        Act::Sql { statements, .. } => statements,
        _ => &[],
    }
}

fn limits_sql(set: &str, limits: Limits) -> String {
    format!(
        "{set} lock_timeout = {}; {set} statement_timeout = {}",
        limits.lock_timeout_ms, limits.statement_timeout_ms
    )
}

/// `application_name` holds 63 bytes; ids are far shorter.
fn named(session: &Session, name: &str) -> Result<(), Error> {
    let application = format!("pgward act {name}");
    session.simple(&format!("SET application_name = {}", quote_literal(&application)))?;
    Ok(())
}

fn unnamed(session: &Session) {
    let _ = session.simple("RESET application_name");
}

/// Comments may stand before it; those pgward reads are cut off already.
fn is_ddl(statement: &str) -> bool {
    let word = statement.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
    let ddl = ["ALTER", "CREATE", "DROP", "COMMENT", "GRANT", "REVOKE", "REINDEX", "TRUNCATE"];
    ddl.contains(&word.as_str())
}

/// What stands before DDL to check that it may run; rolled back with it.
fn is_guard(statement: &str) -> bool {
    let word = statement.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
    matches!(word.as_str(), "LOCK" | "DO")
}

/// 200, 400, 800, ... ms, plus up to half of it, so that two who collide part.
fn back_off(retry: u32) -> Duration {
    let base_ms = 100_u64 << retry.min(RETRIES_MAX);
    let jitter = u64::from(clock::now().subsec_nanosecond().unsigned_abs()) % (base_ms / 2);
    Duration::from_millis(base_ms + jitter)
}

fn ms_since(began: std::time::Instant) -> f64 {
    clock::instant().duration_since(began).as_secs_f64() * 1000.0
}

fn refused(step: &Step, why: impl Into<String>) -> Error {
    Error::Refused { step: step.title.clone(), why: why.into() }
}
