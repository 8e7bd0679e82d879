//! The only place that writes to a user's server: one step under its limits, watched by a second
//! session, with what it expects checked before it commits.

mod fence;
mod leftovers;
mod signal;

use crate::clock;
use crate::error::Error;
use crate::session::{Session, first_words};
use fence::Fence;
pub use fence::waiters_behind;
use pgward_model::prelude::{Act, BackendSignal, Expectation, Limits, Step, quote_literal};
use signal::Meant;
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
    /// A statement outside of a transaction has failed; what it has left is cleared away next.
    Failed,
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

/// Runs one step; for [`Act::Sql`], [`Act::Signal`] and [`Act::Verify`].
///
/// `session` does the work, `control` is a second session, opened before, that watches who
/// waits behind it and cancels it: when trouble is there, a new connection may not be had.
///
/// # Errors
/// What the server answers; [`Error::WaitersBehind`], [`Error::RowsAboveLimit`],
/// [`Error::Expected`] after everything was rolled back; [`Error::Refused`] for an act that
/// belongs to another door or a signal to what is no client's session, [`Error::NotNow`] for one
/// to a session that is no longer the one that was meant.
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
                BackendSignal::CancelThenTerminate => {
                    signal::cancel_then_end(control, &meant, step)?
                }
                signal => signal::send(control, &meant, *signal, step)?,
            };
            verify(control, &step.expectations)?;
            Ok(report)
        }
        Act::Verify => {
            let began = clock::instant();
            verify(session, &step.expectations)?;
            Ok(StepReport { ms: ms_since(began), ..StepReport::default() })
        }
        Act::RestoreObjects { .. }
        | Act::RefillTables { .. }
        | Act::RestoreBlock { .. }
        | Act::RestoreRows { .. } => {
            let why = "a restore does not go through this door; give it to recover".to_owned();
            Err(Error::Refused { step: step.title.clone(), why })
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
                report.waited_behind = fence.most();
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
    fence.allow(step.limits.waiters_max);
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
    fence.allow(step.limits.waiters_max);
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
    let most = fence.most();
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
    let before = leftovers::before(session, statement)?;
    loop {
        let tried = one_statement(session, step, index, statement, report, context);
        let Err(error) = tried else { return Ok(()) };
        context.tell(session, Moment::Failed)?;
        if let Some(before) = &before {
            leftovers::remove(session, statement, before, context);
        }
        // A build that waited for an old transaction in vain would only be done all over again.
        let again = error.sqlstate() == Some("55P03") && is_ddl(statement) && before.is_none();
        if !again || report.retries >= RETRIES_MAX {
            return Err(error);
        }
        report.retries += 1;
        std::thread::sleep(back_off(report.retries));
    }
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
