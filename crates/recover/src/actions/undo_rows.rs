//! Gives rows that a script changed and committed their old values, where nobody changed
//! them since.

use super::{Action, Cx, plan as refuse, runbook, step};
use crate::error::Error;
use crate::moment::{self, Writer};
use pgward_incident::reach::Reach;
use pgward_incident::written;
use pgward_model::prelude::*;
use pgward_sql::action::Action as Change;
use std::collections::BTreeSet;

pub(super) static ACTION: Action = Action {
    id: "undo_rows",
    title: "Undo committed rows of one transaction",
    price: "needs a backup and all WAL since; rows that others changed since keep the newer value",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let relation =
        likely.relations.first().ok_or_else(|| refuse(&ACTION, "no table is to blame"))?;
    if let Some(pid) = still_writing(likely, &case.window) {
        let why = format!("pid {pid} still has its transaction open, and the locks of its rows");
        return Err(Error::NotYet { action: ACTION.id, why });
    }
    let measured: Vec<&Symptom> = case
        .symptoms
        .iter()
        .filter(|s| ["mass_write", "rows_missing"].contains(&s.detector.as_str()))
        .filter(|s| s.relations.iter().any(|r| r.same_as(relation)))
        .collect();
    let n_live = case.window.table(relation).map_or(0.0, |t| t.n_live as f64);
    let culprit = moment::largest_writer(cx, relation, &measured, n_live, before(case, &measured))?;
    let loss = match did_it(likely, case, relation, &measured, &culprit) {
        Some(how) if likely.perhaps_meant => Loss {
            n_rows: Some(culprit.n_written),
            explain: format!(
                "{how}; but nothing fails by it, so it may have been meant: that is for a person \
                 to say; newer values of others stay"
            ),
        },
        Some(how) => {
            Loss { n_rows: Some(0), explain: format!("{how}; newer values of others stay") }
        }
        None => Loss {
            n_rows: Some(culprit.n_written),
            explain: "that the session to blame wrote them is not proven: somebody may want \
                      them; newer values of others stay"
                .into(),
        },
    };
    let mut undo = step(
        match culprit.n_rows {
            0 => format!(
                "bring {} rows of {relation} back that transaction {} deleted or changed",
                culprit.n_written, culprit.xid
            ),
            n => format!(
                "give {} rows of {relation} the values of before transaction {}",
                (n - culprit.n_inserted.cast_signed()).max(0),
                culprit.xid
            ),
        },
        Act::RestoreRows {
            relation: relation.clone(),
            xid: culprit.xid,
            target_lsn: culprit.target_lsn.clone(),
        },
        Limits::RESTORE,
    );
    undo.expectations = vec![none_left(relation, &culprit)];
    undo.undo = Undo::Impossible {
        why: "the values it wrote are in the WAL of the transaction only".into(),
    };
    Ok(runbook(
        &ACTION,
        format!("Undo what transaction {} wrote into {relation}", culprit.xid),
        "row by row by primary key: a table restored as a whole would lose what others wrote since",
        loss,
        vec![undo],
    ))
}

/// What it inserted stays, for a person to look at: nothing tells of whom it is.
fn none_left(relation: &Relation, culprit: &Writer) -> Expectation {
    let Writer { xid, n_inserted, .. } = culprit;
    let claim = format!("no row of {relation} is as transaction {xid} left it");
    let claim = match n_inserted {
        0 => claim,
        n => format!(
            "{claim} but the {n} that it inserted, which stay: SELECT * FROM {} WHERE xmin::text \
             = '{}'",
            relation.quoted(),
            xid & u64::from(u32::MAX)
        ),
    };
    Expectation {
        claim,
        sql: format!(
            "SELECT pg_catalog.count(*) <= {n_inserted} FROM {} WHERE xmin::text = '{}'",
            relation.quoted(),
            xid & u64::from(u32::MAX)
        ),
        within_ms: 2_000,
    }
}

/// The last WAL position of the baseline, from before the first that was measured can have been
/// written: an idle session reports its rows late. Else the first there is.
fn before<'a>(case: &'a Case, measured: &[&Symptom]) -> Option<&'a str> {
    let baseline = case.window.baseline().iter();
    let mut known = baseline.filter_map(|s| Some((s.at, s.wal.as_ref()?.lsn.as_str())));
    let first = known.find(|(_, lsn)| !lsn.is_empty())?;
    let is_before =
        |at: Timestamp| measured.iter().all(|s| seconds_between(at, s.since) >= written::LATE_S);
    let last = known.rfind(|(at, lsn)| !lsn.is_empty() && is_before(*at));
    Some(last.unwrap_or(first).1)
}

/// The session to blame, while it is in a transaction by the last sample: what it holds must be
/// freed first, and what it has not committed is not there to be undone.
fn still_writing(likely: &Likely, window: &Window) -> Option<Pid> {
    let now = window.samples.iter().rev().find(|s| !s.sessions.is_empty())?;
    let blamed = |s: &&SessionSample| likely.pids.contains(&s.pid) && s.xact_start.is_some();
    now.sessions.iter().find(blamed).map(|s| s.pid)
}

/// A script goes on at once; what committed longer before may be another's.
const GOES_ON_S: f64 = 5.0;

/// What proves that the session to blame committed the transaction, if anything does:
///
/// - its xid was seen on that session; or
/// - it committed within the session's life, just before the transaction that harmed others
///   began, which changes the same table, and all others change it by statements of daily
///   life only, which do not write a large share of it.
/// - one statement, first run since the onset, has changed as many rows of the table as the
///   transaction did.
fn did_it(
    likely: &Likely,
    case: &Case,
    table: &Relation,
    measured: &[&Symptom],
    writer: &Writer,
) -> Option<&'static str> {
    if let Some(proof) = counted(likely, case, table, measured, writer) {
        return Some(proof);
    }
    let samples = || case.window.samples.iter().flat_map(|s| &s.sessions);
    let newest = samples().rfind(|s| likely.pids.contains(&s.pid))?;
    let same = |s: &&SessionSample| s.pid == newest.pid && s.backend_start == newest.backend_start;
    let low = |xid: u64| xid & u64::from(u32::MAX);
    if samples().filter(same).any(|s| s.xid.map(low) == Some(low(writer.xid))) {
        return Some("its transaction was seen on the session to blame");
    }
    let goes_on = samples().filter(same).any(|s| {
        let begun = s.xact_start.map(|x| seconds_between(writer.ended_at, x));
        begun.is_some_and(|s| (0.0..GOES_ON_S).contains(&s)) && changes(&s.query, table)
    });
    let daily: BTreeSet<String> = case
        .window
        .baseline()
        .iter()
        .flat_map(|s| &s.sessions)
        .filter(|s| !same(s) && pgward_sql::uses(&s.query).parsed)
        .map(|s| pgward_sql::fingerprint(&s.query))
        .collect();
    let recent = || case.window.recent().iter().flat_map(|s| &s.sessions);
    let others_daily = recent().filter(|s| !same(s)).all(|s| {
        !may_change(&s.query, table)
            || (pgward_sql::uses(&s.query).parsed
                && daily.contains(&pgward_sql::fingerprint(&s.query)))
    });
    let proven = newest.backend_start <= writer.ended_at && goes_on && others_daily;
    proven.then_some("the session to blame committed it just before it went on")
}

/// What speaks for the one statement that was never counted before the onset and can have written
/// into the table, where the verdict blames a statement at all: it has changed as many rows as the
/// transaction, or it calls a function, whose rows are counted nowhere. A verdict about a session in
/// the way is about what that one did.
fn counted(
    likely: &Likely,
    case: &Case,
    table: &Relation,
    measured: &[&Symptom],
    writer: &Writer,
) -> Option<&'static str> {
    let by_statement = |e: &Evidence| e.source.detail.starts_with("statements:");
    if !likely.evidence().iter().any(by_statement) {
        return None;
    }
    let reach = |text: &str| Reach::of(case, text);
    let since = measured.iter().map(|s| s.since).min().unwrap_or(case.onset);
    if written::is_daily(&case.window, since, writer.n_written as f64, table, &reach) {
        return None;
    }
    // By its name, through a view, or as a part of a partitioned table.
    let itself = |s: &StatementCounters| {
        changes(&s.text, table) || (written::changes(&s.text) && reach(&s.text).touches(table))
    };
    // A function's rows are counted for no statement: that no other can have done it must do.
    let calls = |s: &StatementCounters| {
        let reach = reach(&s.text);
        !reach.writers.is_empty() && reach.touches(table)
    };
    let new = written::first_run(&case.window, since, written::until(since));
    let mut writers = new.into_iter().filter(|s| itself(s) || calls(s));
    let one = writers.next().filter(|_| writers.next().is_none())?;
    if !itself(one) {
        return Some("no other statement that is new can have written into the table");
    }
    // Of an upsert, both those that were there and those that were not are counted.
    let Writer { n_written, n_inserted, .. } = writer;
    [*n_written, n_written + n_inserted]
        .contains(&one.rows.unsigned_abs())
        .then_some("the statement to blame has changed as many rows as it did")
}

fn changes(query: &str, table: &Relation) -> bool {
    let file = pgward_sql::read("-", query);
    file.statements.iter().flat_map(pgward_sql::actions).any(|action| match action {
        Change::Rows(rows) => rows.relation.same_as(table),
        _ => false,
    })
}

/// A text that cannot be read, or calls what cannot be seen into, may change anything.
fn may_change(query: &str, table: &Relation) -> bool {
    let hidden = query.starts_with('<'); // <insufficient privilege>
    let uses = pgward_sql::uses(query);
    hidden || changes(query, table) || (!query.trim().is_empty() && !uses.parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;

    const SCRIPT: &str = "UPDATE accounts SET reviewed = true WHERE plan = plan";

    fn session(pid: Pid, start: Timestamp, query: &str, xid: Option<u64>) -> SessionSample {
        SessionSample {
            pid,
            role: "deploy".into(),
            application: String::new(),
            client: String::new(),
            database: String::new(),
            backend_start: start,
            xact_start: Some(start + 3.seconds()),
            query_start: None,
            state_change: None,
            state: "idle in transaction".into(),
            wait_type: String::new(),
            wait_event: String::new(),
            xid,
            query: query.into(),
            query_id: 0,
            blocked_by: Vec::new(),
            waits_for: None,
            holds: Vec::new(),
        }
    }

    /// What is said of a writer that ended so many seconds after the blamed session began.
    fn proof(ended_s: i64, xid: Option<u64>, other: &str) -> Option<&'static str> {
        let start = Timestamp::UNIX_EPOCH;
        let daily = session(1, start, "UPDATE accounts SET stamp = $1 WHERE id = $2", None);
        let sample = |s: i64, sessions: Vec<SessionSample>| Sample {
            at: start + s.seconds(),
            sessions,
            ..Sample::default()
        };
        let recent =
            vec![daily.clone(), session(2, start, SCRIPT, xid), session(3, start, other, None)];
        let samples = vec![sample(-1, vec![daily]), sample(5, recent)];
        let window = Window { samples, baseline_until: start, catalog: None };
        let case = Case::new(window, start, "test");
        let fact = Evidence::stated("x", Source::new(SourceKind::Sample, ""));
        let writer = Writer {
            xid: 700,
            n_rows: 10,
            n_written: 10,
            n_inserted: 0,
            ended_at: start + ended_s.seconds(),
            target_lsn: String::new(),
        };
        let table = Relation::new("public", "accounts");
        did_it(&Likely::new(0.9, "x", fact).by([2]), &case, &table, &[], &writer)
    }

    #[test]
    fn rows_of_others_are_not_taken_for_those_of_the_session_to_blame() {
        let daily = "UPDATE accounts SET stamp = $1 WHERE id = $2";
        for (ended_s, xid, other, is_proven) in [
            (2, None, daily, true),
            (2, None, "SELECT 1", true),
            (2, None, "UPDATE accounts SET plan = 'x'", false),
            (2, None, "<insufficient privilege>", false),
            (-2, None, daily, false),
            (4, None, daily, false),
            (4, Some(700), "UPDATE accounts SET plan = 'x'", true),
        ] {
            let proof = proof(ended_s, xid, other);
            assert_eq!(proof.is_some(), is_proven, "{ended_s} {xid:?} {other}: {proof:?}");
        }
    }

    #[test]
    fn nothing_is_undone_while_the_session_to_blame_is_in_its_transaction() {
        let start = Timestamp::UNIX_EPOCH;
        let fact = Evidence::stated("x", Source::new(SourceKind::Sample, ""));
        let likely = Likely::new(0.9, "x", fact).by([2]);
        let seen = |blamed: SessionSample| {
            let sessions = vec![session(1, start, "SELECT 1", None), blamed];
            let samples = vec![Sample { at: start, sessions, ..Sample::default() }];
            still_writing(&likely, &Window { samples, ..Window::default() })
        };
        let within = session(2, start, SCRIPT, None);
        assert_eq!(seen(within.clone()), Some(2));
        assert_eq!(seen(SessionSample { xact_start: None, ..within }), None);
    }
}
