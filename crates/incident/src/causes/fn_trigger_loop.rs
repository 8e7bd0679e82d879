//! A trigger calls itself, or one statement sets off thousands.

use super::Cause;
use crate::facts::{complete, cut, ddl_source, is_dml, is_statement_error, logged, sampled, who};
use crate::reach::Reach;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "fn_trigger_loop",
    name: "Trigger recursion or cascade explosion",
    necessary: "the stack's depth is reached, or far more rows are written than statements ask for",
    explains: &["error_burst", "statement_slow", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Let triggers end themselves with pg_trigger_depth()",
        "Index every column that a foreign key with an action refers from",
    ],
    judge,
};

/// Rows written for each row that a statement asked for; an audit trigger makes it 2.
const TIMES: f64 = 10.0;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    let deep = |e: &&LogEntry| is_statement_error(e) && e.sqlstate == "54001";
    let lines: Vec<&LogEntry> =
        case.window.recent().iter().flat_map(|s| &s.log).filter(deep).collect();
    if let Some(first) = lines.first() {
        let claim = "statements that reached the stack's depth (54001)";
        let evidence = Evidence::measured(claim, lines.len() as f64, "statements", logged(first));
        let before = case.window.baseline().iter().flat_map(|s| &s.log).filter(deep).count();
        let says = format!(
            "{} in a statement of role {}: {}",
            cut(&first.message, 80),
            first.role,
            cut(&first.statement, 160)
        );
        let evidence = evidence.against(before as f64).at(first.at);
        return Verdict::Likely(with_trigger(case, Likely::new(0.9, says, evidence)));
    }
    let (Some(now), Some(before)) =
        (multiple(case.window.recent()), multiple(case.window.baseline()))
    else {
        return Verdict::unknown("how many rows statements wrote, before the onset and since");
    };
    let evidence = Evidence::measured(
        "rows written to tables for each row that a statement asked to write",
        now,
        "rows",
        sampled("tables: pg_stat_user_tables; statements: pg_stat_statements"),
    )
    .against(before)
    .at(case.window.now());
    if now < TIMES * before.max(1.0) {
        return Verdict::ruled_out(evidence);
    }
    if let Some(none) = without_triggers(case, &evidence) {
        return none;
    }
    if let Some(function) = writer(case) {
        return Verdict::unknown(format!(
            "whether triggers wrote them or {function}, whose rows are counted for no statement: {}",
            evidence.claim
        ));
    }
    if let Some(session) = uncounted(case) {
        return Verdict::unknown(format!(
            "whether triggers wrote them or {}, whose statements were not counted: {}",
            who(session),
            evidence.claim
        ));
    }
    if let Some(line) = failed_writer(case).filter(|_| newest_trigger(case).is_none()) {
        return Verdict::unknown(format!(
            "whether triggers wrote them or statements that failed, whose rows are counted all the \
             same ({}): {}",
            cut(&line.statement, 60),
            evidence.claim
        ));
    }
    let says = format!(
        "{} rows are written for each that a statement asks for, {} before: triggers or cascades do it",
        human(now),
        human(before)
    );
    Verdict::Likely(with_trigger(case, Likely::new(0.6, says, evidence)))
}

/// A trigger made so shortly before is the one.
const MADE_S: f64 = 300.0;

/// The trigger that was made last before the onset.
fn newest_trigger(case: &Case) -> Option<&DdlEvent> {
    case.ddl.iter().rfind(|d| {
        d.command == "CREATE TRIGGER"
            && (-MADE_S..30.0).contains(&seconds_between(case.onset, d.at))
    })
}

/// A statement that wrote rows, as tables count them, and was rolled back, as no statement is.
fn failed_writer(case: &Case) -> Option<&LogEntry> {
    let mut failed = case.window.recent().iter().flat_map(|s| &s.log);
    // What is refused row by row has written none to speak of.
    let long = |e: &LogEntry| ["57", "53", "22"].iter().any(|class| e.sqlstate.starts_with(class));
    failed.find(|e| is_statement_error(e) && is_dml(&e.statement) && long(e))
}

/// The same with the trigger that was made last before the onset.
fn with_trigger(case: &Case, mut likely: Likely) -> Likely {
    let Some(made) = newest_trigger(case) else { return likely };
    let what = format!(
        "role {} made trigger {} at {}",
        made.role,
        made.identity,
        made.at.strftime("%H:%M:%S UTC")
    );
    likely.says.push_str(&format!("; {what}"));
    let told = Evidence::stated(what, ddl_source(made)).at(made.at);
    likely.and(told).on(made.relation.clone()).blaming([made.clone()])
}

/// Neither a trigger nor a foreign key with an action stands on any table that most rows since the
/// onset went into: something else wrote them.
fn without_triggers(case: &Case, written: &Evidence) -> Option<Verdict> {
    let catalog = case.window.catalog.as_ref().or(case.catalog.as_ref())?;
    let wrote = |t: &TableCounters| t.inserted + t.updated + t.deleted;
    let mut counted = case.window.recent().iter().filter_map(|s| s.tables.as_ref());
    let (first, last) = (counted.next()?, counted.next_back()?);
    let grown = last.iter().map(|t| {
        let old = first.iter().find(|f| f.oid == t.oid).map_or(0, wrote);
        (&t.relation, wrote(t) - old)
    });
    let grown: Vec<(&Relation, i64)> = grown.filter(|(_, n)| *n > 0).collect();
    let all: i64 = grown.iter().map(|(_, n)| n).sum();
    let most = grown.iter().filter(|(_, n)| *n as f64 >= SHARE * all as f64);
    let grown: Vec<&Relation> = most.map(|(r, _)| *r).collect();
    let is_written = |r: &Relation| grown.iter().any(|g| g.same_as(r));
    let triggers = catalog.objects.iter().filter(|o| o.kind == "trigger");
    let n_triggers = triggers.filter(|o| o.uses.iter().any(is_written)).count();
    let keys = catalog.relations.iter().filter(|r| is_written(&r.relation));
    let n_keys = keys.flat_map(|r| &r.constraints).filter(|c| acts(c)).count();
    (n_triggers + n_keys == 0).then(|| {
        Verdict::present_not_sufficient(
            Evidence::measured(
                format!(
                    "triggers, and foreign keys with an action, on the tables written since; yet {} \
                     {}",
                    human(written.value.unwrap_or(0.0)),
                    written.claim
                ),
                0.0,
                "triggers and keys",
                Source::new(SourceKind::Catalog, "pg_trigger, pg_constraint"),
            )
            .at(catalog.taken_at),
        )
    })
}

/// Of all rows written, those of a table that tells where they came from.
const SHARE: f64 = 0.1;

/// Does a change of the rows that it refers to write rows of its own table?
fn acts(key: &ConstraintInfo) -> bool {
    let does = ["CASCADE", "SET NULL", "SET DEFAULT"];
    key.kind == 'f' && does.iter().any(|action| key.definition.contains(action))
}

/// A function that some statement calls and that writes: its rows are not among those of the
/// statement.
fn writer(case: &Case) -> Option<String> {
    let ran = statement_deltas(case.window.recent());
    let calls = ran.iter().filter(|d| d.calls > 0 && d.text.contains('('));
    calls.flat_map(|d| Reach::of(case, &d.text).writers).next()
}

/// A transaction that has written for so long is seen by samples of a second.
const OPEN_S: f64 = 2.0;

/// A session that has written in a transaction of its own length, by what is never counted with
/// its rows: a block, a procedure, a statement that did not come to its end.
fn uncounted(case: &Case) -> Option<&SessionSample> {
    let counted = statement_deltas(case.window.recent());
    let has_rows = |s: &SessionSample| {
        counted
            .iter()
            .any(|d| d.query_id == s.query_id && d.role == s.role && d.rows_per_call > 0.0)
    };
    let seen = case.window.recent().iter().flat_map(|sample| {
        let open_s =
            |s: &SessionSample| s.xact_start.map_or(0.0, |t| seconds_between(t, sample.at));
        sample.sessions.iter().filter(move |s| s.xid.is_some() && open_s(s) >= OPEN_S)
    });
    seen.into_iter().find(|s| !has_rows(s))
}

/// Rows that tables took for each row that statements of clients wrote; `None` where neither was
/// counted twice, or nothing was written.
fn multiple(samples: &[Sample]) -> Option<f64> {
    let asked: f64 = statement_deltas(samples)
        .iter()
        .filter(|d| is_dml(&d.text))
        .map(|d| d.rows_per_call * d.calls as f64)
        .sum();
    let written = |s: &Sample| -> Option<i64> {
        Some(s.tables.as_ref()?.iter().map(|t| t.inserted + t.updated + t.deleted).sum())
    };
    let mut counted = samples.iter().filter_map(written);
    let (first, last) = (counted.next()?, counted.next_back()?);
    (asked >= 1.0).then(|| (last - first).max(0) as f64 / asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log, session, table};

    /// A statement that writes ten rows a second, for each of which `times` are written after
    /// second 30.
    fn samples(times: i64) -> Vec<Sample> {
        let mut samples = healthy(40);
        for (i, s) in (0..).zip(&mut samples) {
            let mut orders = table("orders", 1000);
            orders.updated = 10 * i + (i - 29).max(0) * 10 * (times - 1);
            s.tables = Some(vec![orders]);
            s.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".into(),
                text: "UPDATE orders SET note = $1 WHERE id = $2".into(),
                calls: 10 * i,
                total_ms: 0.0,
                rows: 10 * i,
                blks: 0,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
        }
        samples
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&case(samples(50), 30)).likely().is_some());
        assert!(matches!(judge(&case(samples(1), 30)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
        let mut block = samples(50);
        for sample in block.iter_mut().skip(30) {
            let mut job = session(9, "idle in transaction", &[]);
            (job.xid, job.query_id, job.query) = (Some(7), 2, "DO $$ … $$".to_owned());
            sample.sessions = vec![job];
        }
        assert!(matches!(judge(&case(block, 30)), Verdict::Unknown { .. }), "a block wrote them");
        let mut deep = samples(1);
        deep.last_mut().unwrap().log =
            vec![log(39, "ERROR", "54001", "stack depth limit exceeded")];
        assert!(judge(&case(deep, 30)).likely().is_some());
    }
}
