//! A signal to one session, sent only while it is the one that was meant.

use super::StepReport;
use super::{WATCH_EVERY, ms_since, waiters_behind};
use crate::clock;
use crate::error::Error;
use crate::session::{Row, Session, get};
use pgward_model::prelude::{BackendSignal, Pid, Step, Still};
use std::time::Duration;

/// The session a signal is for, and what must be true of it.
pub(super) struct Meant<'a> {
    pub pid: Pid,
    pub backend_start: jiff::Timestamp,
    pub still: &'a Still,
    /// Our own sessions.
    pub own: [Pid; 2],
}

/// Waiters that give up and come back leave a moment in which nobody waits.
const BLOCKS_WITHIN: Duration = Duration::from_secs(2);

/// How long a signalled backend may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// How long the locks of a cancelled statement may take to go.
const FREED_WITHIN: Duration = Duration::from_secs(2);

/// A cancel takes effect at once, or not: a backend that waits for its client to read looks at no
/// cancel, only at its end.
const CANCELLED_WITHIN: Duration = Duration::from_secs(3);

/// A cancelled statement aborts its transaction, which frees its locks, unless a savepoint
/// holds them or it does not look at the signal: then the session must end.
pub(super) fn cancel_then_end(
    session: &Session,
    meant: &Meant<'_>,
    step: &Step,
) -> Result<StepReport, Error> {
    let cancel = BackendSignal::Cancel;
    let (cancelled, is_over) = send_within(session, meant, cancel, step, CANCELLED_WITHIN)?;
    let freed = clock::poll(FREED_WITHIN, WATCH_EVERY, || {
        let (n_waiters, _) = waiters_behind(session, meant.pid, &meant.own)?;
        Ok::<_, Error>((n_waiters == 0).then_some(()))
    })?;
    // It may have taken a little longer.
    let works_on = |b: Backend| {
        b.backend_start == Some(meant.backend_start)
            && b.state == "active"
            && meant.still.query_start.is_none_or(|start| b.query_start == Some(start))
    };
    let is_over = is_over || !backend(session, meant.pid)?.is_some_and(works_on);
    if is_over && freed.is_some() {
        return Ok(cancelled);
    }
    let still = Still {
        xact_start: meant.still.xact_start,
        blocks: meant.still.blocks,
        ..Still::default()
    };
    let ended = send(session, &Meant { still: &still, ..*meant }, BackendSignal::Terminate, step)?;
    Ok(StepReport { ms: cancelled.ms + ended.ms, ..ended })
}

/// Sends it and waits for its effect.
pub(super) fn send(
    session: &Session,
    meant: &Meant<'_>,
    signal: BackendSignal,
    step: &Step,
) -> Result<StepReport, Error> {
    let (report, is_over) = send_within(session, meant, signal, step, GONE_WITHIN)?;
    if !is_over {
        let why =
            format!("pid {} got the signal and still runs after {:.0} ms", meant.pid, report.ms);
        return Err(Error::Server { what: why });
    }
    Ok(report)
}

/// Likewise, and whether it had its effect within that time.
fn send_within(
    session: &Session,
    meant: &Meant<'_>,
    signal: BackendSignal,
    step: &Step,
    within: Duration,
) -> Result<(StepReport, bool), Error> {
    let began = clock::instant();
    let (pid, backend_start) = (meant.pid, meant.backend_start);
    let before = backend(session, pid)?;
    let title = || step.title.clone();
    let not_now = |why| Error::NotNow { step: title(), why };
    if let Some(why) = never(meant, before.as_ref()) {
        return Err(Error::Refused { step: title(), why });
    }
    if let Some(why) = unfit(meant, signal, before.as_ref()) {
        return Err(not_now(why));
    }
    if !signalled(session, meant, signal)? {
        let now = backend(session, pid)?;
        let gone = || format!("no session waits for pid {pid} any longer");
        return Err(not_now(unfit(meant, signal, now.as_ref()).unwrap_or_else(gone)));
    }
    let query_start = before.and_then(|b| b.query_start);
    let done = clock::poll(within, WATCH_EVERY, || {
        let now = backend(session, pid)?.filter(|b| b.backend_start == Some(backend_start));
        let over = match (signal, &now) {
            (_, None) => true,
            (BackendSignal::Terminate, Some(_)) => false,
            (_, Some(b)) => b.state != "active" || b.query_start != query_start,
        };
        Ok::<_, Error>(over.then_some(()))
    })?;
    Ok((StepReport { rows: 1, ms: ms_since(began), ..StepReport::default() }, done.is_some()))
}

/// Check and signal are one statement: nothing fits between them that a session can do.
fn signalled(session: &Session, meant: &Meant<'_>, signal: BackendSignal) -> Result<bool, Error> {
    let word = match signal {
        BackendSignal::Terminate => "terminate",
        BackendSignal::Cancel | BackendSignal::CancelThenTerminate => "cancel",
    };
    let sql = include_str!("../../queries/signal_backend.sql");
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
    let rows = session.query(include_str!("../../queries/backend.sql"), &[&pid])?;
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

/// Why this backend must not be signalled at any moment.
fn never(meant: &Meant<'_>, backend: Option<&Backend>) -> Option<String> {
    let pid = meant.pid;
    if meant.own.contains(&pid) {
        return Some(format!("pid {pid} is pgward itself"));
    }
    let b = backend?;
    if b.backend_start.is_none() {
        return Some(format!(
            "pid {pid}: its start cannot be read, so nothing proves that it is the session meant; \
             GRANT pg_monitor to the role"
        ));
    }
    match b.backend_type.as_str() {
        _ if b.backend_start != Some(meant.backend_start) => None, // another session by now
        "client backend" | "autovacuum worker" => None,
        other => Some(format!("pid {pid} is a {other}, not a client's session")),
    }
}

/// Why this backend must not be signalled now.
fn unfit(meant: &Meant<'_>, signal: BackendSignal, backend: Option<&Backend>) -> Option<String> {
    let (pid, backend_start) = (meant.pid, meant.backend_start);
    let Some(b) = backend else {
        return Some(format!("pid {pid} is gone already"));
    };
    if let Some(start) = b.backend_start.filter(|start| *start != backend_start) {
        return Some(format!(
            "pid {pid} is another session by now: it started {start}, meant was the one started \
             {backend_start}"
        ));
    }
    if b.wraparound {
        return Some(format!("pid {pid} is a vacuum that prevents wraparound"));
    }
    let is_client = b.backend_type == "client backend";
    if is_client && signal != BackendSignal::Terminate && b.state != "active" {
        return Some(format!("pid {pid} is {}: a cancel would end nothing", b.state));
    }
    changed(pid, meant.still, b)
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
