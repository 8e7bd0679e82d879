//! The planner takes another plan, since its statistics are old or gone.

use super::{Cause, plan_missing_index, vac_xmin_held};
use crate::facts::{
    complete, computing, cut, ddl_source, mentions, regressions, sampled, verb, who,
};
use crate::reach::Reach;
use crate::written::changes;
use pgward_model::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(super) static CAUSE: Cause = Cause {
    id: "plan_stats_flip",
    name: "Plan flip from stale or missing statistics",
    necessary: "a statement reads many times the blocks per call, and the statistics of a table it \
                reads are gone, old or newly made, or those of several columns were dropped",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &["analyze_table", "restore_statistics"],
    prevention: &[
        "Run ANALYZE as the last step of every bulk change, restore and upgrade",
        "Lower autovacuum_analyze_scale_factor for tables whose values shift, and leave autovacuum on",
    ],
    judge,
};

/// What autovacuum itself takes for worth another look: `autovacuum_analyze_scale_factor`.
const SHARE: f64 = 0.10;
/// ... and `autovacuum_analyze_threshold`, in rows.
const ROWS: f64 = 50.0;
/// Statistics that were made so shortly before the onset may have brought it.
const JUST_BEFORE_S: f64 = 60.0;

/// An idle backend reports its counters after 10 s at the latest (`PGSTAT_IDLE_INTERVAL`).
const COUNTED_S: f64 = 15.0;

/// What is wrong with the statistics of a table.
struct Flaw {
    relation: Relation,
    says: String,
    evidence: Evidence,
    score: f64,
    /// Statistics of several columns that were dropped: ANALYZE brings them back no more.
    dropped: Option<DdlEvent>,
}

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "statements", "statements were not counted") {
        return unknown;
    }
    let pairs = regressions(&case.window);
    let Some((now, old)) = plan_missing_index::spoiled(&pairs).or_else(|| bare(case, &pairs))
    else {
        return plan_missing_index::unspoiled(case, &pairs);
    };
    let reach = Reach::of(case, &now.text);
    let mut flaws = gone(case, &reach);
    if flaws.is_empty() {
        flaws.extend(dropped(case, &reach));
    }
    let are_gone = !flaws.is_empty();
    if flaws.is_empty() {
        flaws.extend(oldest(case, &reach));
    }
    if flaws.is_empty() {
        flaws.extend(new(case, &reach));
    }
    if !are_gone && let Some(dead) = vac_xmin_held::explains_blocks(case, &now.text) {
        return match flaws.first() {
            None => Verdict::present_not_sufficient(dead),
            Some(flaw) => {
                Verdict::unknown(format!("which of two: {}, or {}", flaw.says, dead.claim))
            }
        };
    }
    let Some(worst) = flaws.first() else {
        return went_with_an_index(case, &now.text).unwrap_or_else(|| good(case, &reach));
    };
    if plan_missing_index::blame(case, &now.text).iter().any(|d| d.dropped) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!("{}; yet an index that served was dropped", worst.says),
            ..worst.evidence.clone()
        });
    }
    let all = flaws.iter().map(|f| f.says.clone()).collect::<Vec<_>>().join("; ");
    let how = if worst.dropped.is_some() { "without them" } else { "with such statistics" };
    let says = format!(
        "{all}. No index of it was dropped. Planned {how}: {}",
        plan_missing_index::costs(now, old)
    );
    let blocks = Evidence::measured(
        format!("blocks per call: {}", cut(&now.text, 60)),
        now.blks_per_call,
        "blocks/call",
        sampled("statements: pg_stat_statements"),
    )
    .against(old.blks_per_call)
    .at(case.window.now());
    let mut likely = Likely::new(worst.score, says, worst.evidence.clone()).and(blocks);
    for flaw in flaws.iter().skip(1) {
        likely = likely.and(flaw.evidence.clone());
    }
    let likely = likely.on(flaws.iter().map(|f| f.relation.clone()));
    let events: Vec<DdlEvent> = flaws.iter().filter_map(|f| f.dropped.clone()).collect();
    Verdict::Likely(match events.iter().any(|d| d.old_definition.is_some()) {
        true => likely.blaming(events).act(&["restore_statistics"]),
        false if events.is_empty() => likely.act(&["analyze_table"]),
        false => likely.blaming(events),
    })
}

/// The slowest statement on a table whose statistics are gone, or whose columns nobody tells to go
/// together any more: it may read no more and still be compiled, hashed or sorted for rows that are
/// not there.
fn bare<'a>(
    case: &Case,
    pairs: &'a [(StatementDelta, StatementDelta)],
) -> Option<&'a (StatementDelta, StatementDelta)> {
    let slower = |(now, old): &&(StatementDelta, StatementDelta)| {
        now.calls >= 3 && now.ms_per_call >= SLOWER * old.ms_per_call.max(0.02)
    };
    pairs.iter().filter(slower).find(|(now, _)| {
        let reach = Reach::of(case, &now.text);
        !gone(case, &reach).is_empty()
            || (!dropped(case, &reach).is_empty() && computing(case, now).is_some())
    })
}

/// An index of expressions has statistics of its own: they are gone with it, whoever scanned it.
fn went_with_an_index(case: &Case, statement: &str) -> Option<Verdict> {
    let of_expressions =
        |d: &&DdlEvent| d.dropped && d.old_definition.as_deref().is_some_and(has_expressions);
    let dropped = plan_missing_index::blame(case, statement);
    let index = dropped.iter().find(of_expressions)?;
    Some(Verdict::unknown(format!(
        "whether it was planned by the statistics of the expressions of {}, which went with it",
        index.identity
    )))
}

/// As the detector of slow statements has it.
const SLOWER: f64 = 5.0;

fn planner(samples: &[Sample]) -> Option<&PlannerSample> {
    samples.iter().rev().find_map(|s| s.planner.as_ref())
}

/// Tables that have lost all statistics since the onset, those of the statement first; none where
/// it reads none of them.
fn gone(case: &Case, reach: &Reach) -> Vec<Flaw> {
    let Some(before) = planner(case.window.baseline()) else { return Vec::new() };
    let looks = case.window.recent().iter().filter_map(|s| s.planner.as_ref());
    // The worst look counts: what a recovery has mended since is still the cause.
    let Some(now) = looks.max_by_key(|p| p.without_statistics.len()) else { return Vec::new() };
    let n_before = before.without_statistics.len();
    let lost = now.without_statistics.iter().filter(|r| !before.without_statistics.contains(r));
    let (named, others): (Vec<&Relation>, Vec<&Relation>) = lost.partition(|r| reach.touches(r));
    if named.is_empty() {
        return Vec::new();
    }
    // What took the statistics of one took those of the others, whose statements are slow next.
    named
        .into_iter()
        .chain(others)
        .map(|r| Flaw {
            relation: r.clone(),
            says: format!("the planner has no statistics of {r} any more"),
            evidence: Evidence::measured(
                format!("tables without statistics, {r} among them"),
                now.without_statistics.len() as f64,
                "tables",
                sampled("planner: pg_stats"),
            )
            .against(n_before as f64)
            .at(case.window.now()),
            score: 0.95,
            dropped: None,
        })
        .collect()
}

/// Objects of extended statistics, which tell how the values of several columns go together, that
/// were dropped just before the onset, of a table that the statement reads, the last first; or, where
/// nobody has noted of which table one was, in the schema of such a table.
fn dropped(case: &Case, reach: &Reach) -> Vec<Flaw> {
    let near = |d: &&DdlEvent| {
        d.dropped
            && d.object_kind == "statistics object"
            && (-5.0..JUST_BEFORE_S).contains(&seconds_between(d.at, case.onset))
    };
    let events = case.ddl.iter().rev().filter(near);
    events.filter_map(|event| dropped_one(case, reach, event)).collect()
}

fn dropped_one(case: &Case, reach: &Reach, event: &DdlEvent) -> Option<Flaw> {
    let relation = match &event.relation {
        Some(relation) => reach.touches(relation).then_some(relation)?,
        None => {
            let schema = event.identity.split('.').next().unwrap_or("").trim_matches('"');
            let counted = case.window.samples.iter().rev().filter_map(|s| s.tables.as_ref());
            let mut tables = counted.flatten().map(|t| &t.relation);
            tables.find(|r| r.schema == schema && reach.touches(r))?
        }
    };
    Some(Flaw {
        relation: relation.clone(),
        says: format!(
            "statistics {} told the planner which values of several columns go together, and were \
             dropped at {}",
            event.identity,
            event.at.strftime("%H:%M:%S UTC")
        ),
        evidence: Evidence::stated(cut(&event.statement, 160), ddl_source(event)).at(event.at),
        score: if event.relation.is_some() { 0.8 } else { 0.5 },
        dropped: Some(event.clone()),
    })
}

/// The tables of the statement, each as it was at its worst since the onset, with the counts
/// before. What a recovery has mended since is still the cause.
fn counted<'a>(
    case: &'a Case,
    reach: &Reach,
) -> Vec<(&'a TableCounters, Option<&'a TableCounters>)> {
    let mut worst: BTreeMap<u32, &TableCounters> = BTreeMap::new();
    let recent = case.window.recent().iter().filter_map(|s| s.tables.as_ref()).flatten();
    for table in recent.filter(|t| reach.touches(&t.relation)) {
        let known = worst.entry(table.oid).or_insert(table);
        if share(table) > share(known) {
            *known = table;
        }
    }
    // The best look: what spoils a plan may be written before the plan is seen to be slow, and
    // statistics may have been made while we learned what is usual.
    let best = |t: &TableCounters| {
        let looks = case.window.baseline().iter().filter_map(|s| s.tables.as_ref()).flatten();
        looks.filter(|b| b.oid == t.oid).min_by(|a, b| share(a).total_cmp(&share(b)))
    };
    worst.into_values().map(|t| (t, best(t))).collect()
}

/// Rows written since the statistics were made, as a share of the rows they speak of.
fn share(table: &TableCounters) -> f64 {
    let known = if table.planner_rows > 0.0 { table.planner_rows } else { table.n_live as f64 };
    table.written_since_analyze as f64 / (SHARE * known + ROWS)
}

/// The table of the statement that was written most since its statistics were made, when that
/// happened with the trouble and autovacuum itself would look at it.
fn oldest(case: &Case, reach: &Reach) -> Option<Flaw> {
    let outgrown = counted(case, reach).into_iter().filter(|(now, before)| {
        share(now) >= 1.0
            && before.is_none_or(|b| share(b) < 0.5 * share(now))
            && times_made(case, now.oid) < ROUTINE_N
    });
    let (table, before) = outgrown.max_by(|a, b| share(a.0).total_cmp(&share(b.0)))?;
    let made = table
        .last_analyze
        .map_or("never".to_owned(), |t| format!("at {}", t.strftime("%H:%M:%S UTC")));
    let n = table.written_since_analyze as f64;
    Some(Flaw {
        relation: table.relation.clone(),
        says: format!(
            "{} rows of {} were written since its statistics were made ({made}), of {} that they \
             speak of",
            human(n),
            table.relation,
            human(table.planner_rows.max(table.n_live as f64)),
        ),
        evidence: Evidence::measured(
            format!("rows of {} written since ANALYZE", table.relation),
            n,
            "rows",
            sampled("tables: pg_stat_user_tables.n_mod_since_analyze"),
        )
        .against(before.map_or(0.0, |b| b.written_since_analyze as f64))
        .at(case.window.now()),
        score: 0.85,
        dropped: None,
    })
}

/// Made anew so often before the onset, statistics are made anew all the time: that they were once
/// more explains nothing, nor that rows were written since.
const ROUTINE_N: usize = 3;

/// How often the statistics of a table were made, as far as samples before the onset show.
fn times_made(case: &Case, oid: u32) -> usize {
    let before = case.window.samples.iter().filter(|s| s.at <= case.onset);
    let seen = before.filter_map(|s| s.tables.as_ref()).flatten().filter(|t| t.oid == oid);
    seen.filter_map(|t| t.last_analyze).collect::<BTreeSet<_>>().len()
}

/// Statistics that were made anew just before the onset.
fn new(case: &Case, reach: &Reach) -> Option<Flaw> {
    let first = case.window.samples.first()?.at;
    let fresh = counted(case, reach).into_iter().filter_map(|(now, _)| {
        let made = now.last_analyze?;
        let age = seconds_between(made, case.onset);
        let is_new = made > first && (-5.0..JUST_BEFORE_S).contains(&age);
        (is_new && times_made(case, now.oid) < ROUTINE_N).then_some((now, made, age))
    });
    let (table, made, age) = fresh.min_by(|a, b| a.2.abs().total_cmp(&b.2.abs()))?;
    Some(Flaw {
        relation: table.relation.clone(),
        says: format!(
            "the statistics of {} were made anew at {}, just before",
            table.relation,
            made.strftime("%H:%M:%S UTC")
        ),
        evidence: Evidence::measured(
            format!("seconds from ANALYZE of {} to the onset", table.relation),
            age,
            "s",
            sampled("tables: pg_stat_user_tables.last_analyze"),
        )
        .at(made),
        score: 0.6,
        dropped: None,
    })
}

/// A session that has been at a statement for long that may write to a table which the slow one reads:
/// a block or a procedure may have committed many rows that are not counted before it ends.
fn still_writes<'a>(case: &'a Case, reach: &Reach) -> Option<&'a SessionSample> {
    let newest = case.window.recent().iter().rev().find(|s| !s.sessions.is_empty())?;
    let read = counted(case, reach);
    let may_write = |s: &&SessionSample| match verb(&s.query).as_str() {
        "CALL" | "DO" => true,
        _ => changes(&s.query) && read.iter().any(|(t, _)| mentions(&s.query, &t.relation.name)),
    };
    let mut at_work =
        newest.sessions.iter().filter(|s| s.state == "active" && s.wait_type != "Lock");
    at_work.find(|s| s.runs_s(newest.at) >= TELLS_LATE_S && may_write(s))
}

/// Counters come with the end of a statement: one that takes a tick is no matter.
const TELLS_LATE_S: f64 = 2.0;

/// The statistics are there and nearly as good as when they were made.
fn good(case: &Case, reach: &Reach) -> Verdict {
    if let Some(unknown) = complete(case, "planner", "statistics of tables were not looked at") {
        return unknown;
    }
    if seconds_between(case.onset, case.window.now()) < COUNTED_S {
        return Verdict::unknown(
            "how many rows were written since ANALYZE: a session that has just written reports it \
             up to 10 s later",
        );
    }
    if let Some(session) = still_writes(case, reach) {
        return Verdict::unknown(format!(
            "how many rows were written since ANALYZE: {} tells when its statement ends",
            who(session)
        ));
    }
    let seen = planner(case.window.recent());
    let hidden = seen.and_then(|p| p.hidden.iter().find(|r| reach.touches(r)));
    if let Some(hidden) = hidden {
        return Verdict::unknown(format!(
            "whether the planner has statistics of {hidden}: they are not shown to pgward, which \
             needs SELECT on it"
        ));
    }
    let all = counted(case, reach);
    let most = all.iter().map(|(now, _)| share(now)).max_by(f64::total_cmp);
    match (seen, most) {
        (Some(_), Some(most)) if most >= 1.0 => Verdict::unknown(
            "since when the statistics are too old: they were when we began to look",
        ),
        (Some(_), Some(most)) => Verdict::ruled_out(
            Evidence::measured(
                "rows written since ANALYZE, as a share of what autovacuum bears, in the table of \
                 the slow statement that has most",
                100.0 * most,
                "%",
                sampled("tables: pg_stat_user_tables.n_mod_since_analyze; planner: pg_stats"),
            )
            .against(100.0)
            .at(case.window.now()),
        ),
        _ => Verdict::unknown("the statistics of the tables that the slow statement reads"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, ddl, healthy, table};

    /// A statement on jobs that reads 500 times the blocks since second 30, when `written` rows
    /// of its table were written.
    fn samples(written: i64) -> Vec<Sample> {
        let mut samples = healthy(50);
        for (i, s) in samples.iter_mut().enumerate() {
            let slow = i.saturating_sub(29) as i64;
            s.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".into(),
                text: "SELECT id FROM jobs WHERE status = $1 ORDER BY created_at LIMIT 10".into(),
                calls: 100 * i as i64,
                total_ms: 10.0 * i as f64 + 2000.0 * slow as f64,
                rows: 0,
                blks: 400 * i as i64 + slow * 200_000,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
            let mut jobs = table("jobs", 10_000);
            jobs.planner_rows = 10_000.0;
            jobs.written_since_analyze = if slow > 0 { written } else { 0 };
            s.tables = Some(vec![jobs]);
            s.planner = Some(PlannerSample { n_tables: 1, ..PlannerSample::default() });
        }
        samples
    }

    #[test]
    fn statistics_of_several_columns_that_were_dropped_are_made_again() {
        let of = |table| Some(Relation::new("public", table));
        for (relation, schema, is_told) in [
            (of("jobs"), "public", true),
            (of("orders"), "public", false),
            (None, "public", true),
            (None, "other", false),
        ] {
            let mut case = case(samples(20), 30);
            let mut event = ddl(28, "DROP STATISTICS", "statistics object", "jobs_go_together");
            (event.relation, event.identity) = (relation, format!("{schema}.jobs_go_together"));
            let knows = event.relation.is_some();
            event.old_definition = knows.then(|| "CREATE STATISTICS …".to_owned());
            let later = ddl(29, "DROP STATISTICS", "statistics object", "of_another_table");
            case.ddl = vec![event, later];
            let verdict = judge(&case);
            let likely = verdict.likely();
            assert_eq!(likely.is_some(), is_told, "{verdict:?}");
            assert!(likely.is_none_or(|l| l.actions.is_empty() != knows), "{verdict:?}");
        }
    }

    #[test]
    fn rows_that_a_procedure_commits_are_not_counted_before_it_ends() {
        let judged = |query: &str| {
            let mut samples = samples(20);
            for s in samples.iter_mut().skip(30) {
                let mut worker = crate::testing::session(9, "active", &[]);
                (worker.query, worker.query_start) = (query.to_owned(), Some(at(20)));
                s.sessions = vec![worker];
            }
            judge(&case(samples, 30))
        };
        assert!(matches!(judged("CALL finish_jobs()"), Verdict::Unknown { .. }));
        assert!(matches!(judged("UPDATE jobs SET status = 'done'"), Verdict::Unknown { .. }));
        assert!(matches!(judged("UPDATE other SET a = 1"), Verdict::RuledOut { .. }));
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&case(samples(2_000), 30)).likely().unwrap().says.contains("2,000 rows"));
        assert!(matches!(judge(&case(samples(20), 30)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
        let mut hidden = samples(20);
        for planner in hidden.iter_mut().filter_map(|s| s.planner.as_mut()) {
            planner.hidden = vec![Relation::new("public", "jobs")];
        }
        assert!(matches!(judge(&case(hidden, 30)), Verdict::Unknown { .. }));
        let mut bare = samples(20);
        for planner in bare.iter_mut().skip(31).filter_map(|s| s.planner.as_mut()) {
            planner.without_statistics = vec![Relation::new("public", "jobs")];
        }
        let verdict = judge(&case(bare, 30));
        assert!(verdict.likely().unwrap().says.contains("no statistics of"));
    }

    #[test]
    fn statistics_count_from_when_they_were_best() {
        // Loaded, analyzed at second 5, written again two seconds before the plan is seen slow.
        let mut written = samples(2_000);
        for (i, s) in written.iter_mut().enumerate() {
            let n = match i {
                0..5 => 10_000,
                5..28 => 0,
                _ => 2_000,
            };
            s.tables.iter_mut().flatten().for_each(|t| t.written_since_analyze = n);
        }
        assert!(judge(&case(written.clone(), 30)).likely().is_some());
        // Too old ever since we look: nobody knows since when, so it is not ruled out either.
        for s in &mut written {
            s.tables.iter_mut().flatten().for_each(|t| t.written_since_analyze = 2_000);
        }
        assert!(matches!(judge(&case(written, 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn statistics_made_anew_once_may_have_brought_it_and_all_the_time_have_not() {
        let made = |every: i64| {
            let mut samples = samples(0);
            for (i, s) in (0..).zip(&mut samples) {
                let jobs = s.tables.iter_mut().flatten();
                jobs.for_each(|t| t.last_analyze = Some(at(28 - (28 - i).max(0) / every * every)));
            }
            judge(&case(samples, 30))
        };
        assert!(made(50).likely().unwrap().says.contains("made anew"));
        assert!(made(5).likely().is_none());
    }

    #[test]
    fn a_dropped_index_is_the_better_word() {
        let mut dropped = case(samples(2_000), 30);
        dropped.ddl = vec![crate::testing::ddl(28, "DROP INDEX", "index", "jobs")];
        assert!(matches!(judge(&dropped), Verdict::RuledOut { present: true, .. }));
    }
}
