//! An index that a statement needs is missing or was dropped.

use super::{Cause, vac_xmin_held};
use crate::facts::{
    complete, computing, cut, ddl_source, is_recovery, is_same_work, regressions, sampled,
};
use crate::reach::Reach;
use crate::reference;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "plan_missing_index",
    name: "Missing or dropped index",
    necessary: "a statement reads many times the blocks per call, at the same rows; or a change of \
                a table's keys reads all of a table that refers to it",
    explains: &["statement_slow", "throughput_drop", "lock_queue", "sessions_hang"],
    actions: &["rebuild_index", "cancel_blocker"],
    prevention: &[
        "Drop an index only after its replacement is valid and proven; `pgward apply` checks both",
        "Compare the plans of the busiest statements on a clone before each index change",
        "Index the columns of every foreign key whose referenced rows are ever deleted",
    ],
    judge,
};

/// Blocks per call grow with the table; three times within minutes is another plan.
const TIMES: f64 = 3.0;
/// One call may have had rows of its own.
const CALLS_MIN: i64 = 3;

/// Two intervals of statements and the slowest of polls that may run the statement first.
const BLAMED_S: f64 = 300.0;

fn judge(case: &Case) -> Verdict {
    if let Some(verdict) = reference::judge(case) {
        return verdict;
    }
    if let Some(unknown) = complete(case, "statements", "statements were not counted") {
        return unknown;
    }
    let pairs = regressions(&case.window);
    let Some((now, old)) = spoiled(&pairs) else { return unspoiled(case, &pairs) };
    let times = now.blks_per_call / old.blks_per_call.max(1.0);
    let blamed = blame(case, &now.text);
    if blamed.is_empty()
        && let Some(dead) = vac_xmin_held::explains_blocks(case, &now.text)
    {
        return Verdict::present_not_sufficient(dead);
    }
    let blocks = Evidence::measured(
        format!("blocks per call, {} times as many: {}", human(times), cut(&now.text, 60)),
        now.blks_per_call,
        "blocks/call",
        sampled("statements: pg_stat_statements"),
    )
    .against(old.blks_per_call)
    .at(case.window.now());
    if !blamed.is_empty() && !blamed.iter().any(|d| d.dropped) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!("{}; yet no index of it was dropped: one was created", blocks.claim),
            ..blocks
        });
    }
    if blamed.is_empty() && case.symptoms.iter().any(|s| s.detector == "lock_queue") {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!("{}; yet no index changed, and sessions wait for locks", blocks.claim),
            ..blocks
        });
    }
    let (change, score) = match blamed.as_slice() {
        [] => match grown(case, &now.text) {
            Some(grown) => {
                (format!("{grown}, and no index change is known: one may be missing"), 0.4)
            }
            None => {
                return Verdict::unknown(format!(
                    "what makes it read {} times the blocks: no index of it changed, and no table \
                     of it has grown: {}",
                    human(times),
                    cut(&now.text, 80)
                ));
            }
        },
        events => (events.iter().map(describe).collect::<Vec<_>>().join("; "), 0.92),
    };
    let says = format!("{change}. It spoiled the plan of: {}", costs(now, old));
    let mut likely =
        Likely::new(score, says, blocks).and(time_per_call(case, now, old)).act(&["rebuild_index"]);
    for event in &blamed {
        likely = likely.and(Evidence::stated(describe(event), ddl_source(event)).at(event.at));
    }
    let relations: std::collections::BTreeSet<Relation> =
        blamed.iter().filter_map(|d| d.relation.clone()).collect();
    Verdict::Likely(likely.on(relations).blaming(blamed))
}

/// A table of the statement that has several times the rows it had.
fn grown(case: &Case, statement: &str) -> Option<String> {
    let reach = Reach::of(case, statement);
    let rows = |samples: &[Sample], oid: u32| {
        let tables = samples.iter().filter_map(|s| s.tables.as_ref()).flatten();
        tables.filter(|t| t.oid == oid).map(TableCounters::rows).max()
    };
    let tables = case.window.recent().iter().rev().find_map(|s| s.tables.as_ref())?;
    tables.iter().filter(|t| reach.touches(&t.relation)).find_map(|t| {
        let before = rows(case.window.baseline(), t.oid)?;
        (t.rows() as f64 >= TIMES * before.max(1) as f64).then(|| {
            let (n, before) = (human(t.rows() as f64), human(before as f64));
            format!("{} has grown from {before} to {n} rows", t.relation)
        })
    })
}

/// A statement with what it costs now and cost before.
pub(super) fn costs(now: &StatementDelta, old: &StatementDelta) -> String {
    format!(
        "{} ({} ms per call, {} before; {} blocks per call, {} before)",
        cut(&now.text, 120),
        human(now.ms_per_call),
        human(old.ms_per_call),
        human(now.blks_per_call),
        human(old.blks_per_call),
    )
}

pub(super) fn time_per_call(case: &Case, now: &StatementDelta, old: &StatementDelta) -> Evidence {
    let source = sampled("statements: pg_stat_statements");
    Evidence::measured("time per call", now.ms_per_call, "ms", source)
        .against(old.ms_per_call)
        .at(case.window.now())
}

/// A block takes no longer to read than a slow disk to find it.
const BLOCK_MS: f64 = 25.0;

/// Can the blocks that it reads more take the time that it takes longer? One that waits for a lock
/// or for its client reads a few more and takes seconds.
fn takes_their_time((now, old): &(StatementDelta, StatementDelta)) -> bool {
    now.ms_per_call - old.ms_per_call <= BLOCK_MS * (now.blks_per_call - old.blks_per_call)
}

/// The statement whose plan was spoiled and cost most since: many times the blocks per call.
pub(super) fn spoiled(
    pairs: &[(StatementDelta, StatementDelta)],
) -> Option<&(StatementDelta, StatementDelta)> {
    pairs
        .iter()
        .filter(|(now, old)| now.calls >= CALLS_MIN && now.ms_per_call > old.ms_per_call)
        .filter(|(now, old)| now.blks_per_call >= TIMES * old.blks_per_call.max(1.0))
        .filter(|pair| takes_their_time(pair))
        .max_by(|a, b| added(a).total_cmp(&added(b)))
}

/// So many times as long, computing, with more blocks or rows, though not many times as many: a loop
/// over rows that are in memory reads no more.
const DEARER: f64 = 5.0;

/// No statement reads many times the blocks: its plan is as it was.
pub(super) fn unspoiled(case: &Case, pairs: &[(StatementDelta, StatementDelta)]) -> Verdict {
    let most = pairs
        .iter()
        .map(|(now, old)| now.blks_per_call / old.blks_per_call.max(1.0))
        .max_by(f64::total_cmp);
    let Some(most) = most else {
        return Verdict::unknown("no statement ran both before and after the onset");
    };
    let grown = |(now, old): &(StatementDelta, StatementDelta)| {
        now.blks_per_call >= TIMES * old.blks_per_call.max(1.0)
    };
    if let Some((now, _)) = pairs.iter().find(|p| grown(p) && p.0.calls < CALLS_MIN) {
        return Verdict::unknown(format!(
            "whether its plan changed: {} reads many times the blocks, and was called only {} times",
            cut(&now.text, 80),
            now.calls
        ));
    }
    let dearer = |(now, old): &&(StatementDelta, StatementDelta)| {
        !is_same_work(now, old)
            && now.ms_per_call >= DEARER * old.ms_per_call.max(0.02)
            && computing(case, now).is_some()
    };
    if let Some((now, old)) = pairs.iter().find(dearer) {
        return Verdict::unknown(format!("whether its plan changed: {}", costs(now, old)));
    }
    if let Some((now, old)) = pairs.iter().find(|p| grown(p) && !takes_their_time(p)) {
        let claim = format!(
            "blocks per call, which take no {} ms: it waits, {}",
            human(now.ms_per_call - old.ms_per_call),
            costs(now, old)
        );
        let source = sampled("statements: pg_stat_statements");
        let blocks = Evidence::measured(claim, now.blks_per_call, "blocks/call", source);
        let blocks = blocks.against(old.blks_per_call).at(case.window.now());
        return Verdict::present_not_sufficient(blocks);
    }
    Verdict::ruled_out(
        Evidence::measured(
            "blocks per call of the statement that grew most, as a multiple of before",
            most,
            "x",
            sampled("statements: pg_stat_statements"),
        )
        .against(1.0)
        .at(case.window.now()),
    )
}

fn added(pair: &(StatementDelta, StatementDelta)) -> f64 {
    (pair.0.ms_per_call - pair.1.ms_per_call) * pair.0.calls_per_s
}

/// Index changes shortly before the onset that touch a table of the statement. A plan that an
/// index change spoils is made anew at once, so what is older than some minutes is not to
/// blame. Half a minute of grace: the onset is when a sample showed it, the change when it
/// committed.
pub(super) fn blame(case: &Case, statement: &str) -> Vec<DdlEvent> {
    let near = |d: &&DdlEvent| {
        d.object_kind == "index"
            && (-BLAMED_S..30.0).contains(&seconds_between(case.onset, d.at))
            && !is_recovery(d)
    };
    let near: Vec<&DdlEvent> = case.ddl.iter().filter(near).collect();
    if near.is_empty() {
        return Vec::new(); // the usual case is not worth a look into the catalog
    }
    let reach = Reach::of(case, statement);
    let touches = |d: &&&DdlEvent| d.relation.as_ref().is_some_and(|r| reach.touches(r));
    let may_serve = |d: &&&DdlEvent| !d.dropped || may_serve(d, &reach);
    let all: Vec<&&DdlEvent> = near.iter().filter(touches).filter(may_serve).collect();
    // Who took an index away made what was to replace it; what others built beside it did not.
    let droppers: Vec<&str> = all.iter().filter(|d| d.dropped).map(|d| d.role.as_str()).collect();
    let by_dropper = |d: &&&&DdlEvent| droppers.is_empty() || droppers.contains(&d.role.as_str());
    all.iter().filter(by_dropper).map(|d| (**d).clone()).collect()
}

/// Can an index have served the statement? One that it names no column of, though it names the
/// table, cannot.
fn may_serve(event: &DdlEvent, reach: &Reach) -> bool {
    let named = event.relation.as_ref().is_some_and(|r| reach.names(&r.name));
    let columns = event.old_definition.as_ref().and_then(|d| Some(d.split_once('(')?.1));
    match columns.filter(|_| named) {
        Some(columns) => columns
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .any(|word| reach.names(word)),
        None => true,
    }
}

pub(super) fn describe(event: &DdlEvent) -> String {
    let verb = match event.command.as_str() {
        _ if event.dropped => "dropped",
        command if command.starts_with("ALTER") => "altered",
        _ => "created",
    };
    let on = event.relation.as_ref().map(|r| format!(" on {r}")).unwrap_or_default();
    format!(
        "role {} {verb} index {}{on} at {}",
        event.role,
        event.identity,
        event.at.strftime("%H:%M:%S UTC")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, ddl, healthy, session, table};

    fn samples(blks_after: i64) -> Vec<Sample> {
        let mut samples = healthy(40);
        for (i, s) in samples.iter_mut().enumerate() {
            let slow = i.saturating_sub(30) as i64;
            s.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".into(),
                text: "SELECT * FROM orders WHERE customer_id = $1".into(),
                calls: 100 * i as i64,
                total_ms: 10.0 * i as f64 + slow as f64 * blks_after as f64,
                rows: 0,
                blks: 400 * i as i64 + slow * 100 * blks_after,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
        }
        samples
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut guilty = case(samples(2000), 31);
        guilty.ddl = vec![ddl(28, "DROP INDEX", "index", "orders")];
        let verdict = judge(&guilty);
        assert_eq!(verdict.likely().unwrap().ddl.len(), 1);
        assert!(verdict.likely().unwrap().score > 0.9);
        assert!(matches!(judge(&case(samples(0), 31)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(40), 31)), Verdict::Unknown { .. }));
    }

    #[test]
    fn a_statement_that_computes_many_times_as_long_for_some_more_blocks_rules_no_plan_out() {
        for (blks_after, is_unknown) in [(6, true), (0, false)] {
            let mut samples = samples(blks_after);
            for (i, s) in (0..).zip(&mut samples) {
                let statement = &mut s.statements.as_mut().unwrap()[0];
                statement.total_ms += 300.0 * f64::from((i - 30).max(0));
                let mut asks = session(7, "active", &[]);
                asks.query_id = 1;
                s.sessions = vec![asks];
            }
            let verdict = judge(&case(samples, 31));
            assert_eq!(matches!(verdict, Verdict::Unknown { .. }), is_unknown, "{verdict:?}");
        }
    }

    #[test]
    fn a_dropped_index_on_columns_that_the_statement_does_not_name_is_not_blamed() {
        for (columns, n) in [("customer_id, day", 1), ("lower(city)", 0)] {
            let mut case = case(samples(2000), 31);
            let mut dropped = ddl(28, "DROP INDEX", "index", "orders");
            dropped.old_definition =
                Some(format!("CREATE INDEX orders_i ON public.orders USING btree ({columns})"));
            case.ddl = vec![dropped];
            assert_eq!(judge(&case).likely().map_or(0, |l| l.ddl.len()), n, "{columns}");
        }
    }

    #[test]
    fn an_index_that_was_only_created_is_not_missing() {
        let mut case = case(samples(2000), 31);
        case.ddl = vec![ddl(28, "CREATE INDEX", "index", "orders")];
        assert!(matches!(judge(&case), Verdict::RuledOut { present: true, .. }));
    }

    #[test]
    fn a_change_of_another_table_is_not_blamed() {
        let mut case = case(samples(2000), 31);
        case.ddl = vec![ddl(28, "DROP INDEX", "index", "invoices")];
        assert!(matches!(judge(&case), Verdict::Unknown { .. }));
    }

    #[test]
    fn without_a_change_only_a_table_that_has_grown_may_lack_one() {
        for (rows_after, may_lack) in [(40_000, true), (12_000, false)] {
            let mut samples = samples(2000);
            for (i, s) in samples.iter_mut().enumerate() {
                s.tables = Some(vec![table("orders", if i > 30 { rows_after } else { 10_000 })]);
            }
            assert_eq!(judge(&case(samples, 31)).likely().is_some(), may_lack, "{rows_after}");
        }
    }
}
