//! An index was left half-built: it costs every write and serves no read.

use super::{Cause, plan_missing_index};
use crate::facts::{complete, cut, is_ddl, mentions, regressions, sampled};
use crate::reach::Reach;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "plan_invalid_index",
    name: "Invalid or half-built index",
    necessary: "an index is invalid, and no session is building it",
    explains: &["invalid_index", "statement_slow", "throughput_drop", "sessions_hang"],
    actions: &["replace_invalid_index"],
    prevention: &[
        "Look for invalid indexes after each migration; `pgward apply` does",
        "Never build CONCURRENTLY with IF NOT EXISTS: it takes an invalid leftover for the index",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "planner", "indexes were not looked at") {
        return unknown;
    }
    // The worst look counts: what a recovery has mended since is still the cause.
    let n_left = |p: &&PlannerSample| p.invalid_indexes.iter().filter(|i| !i.building).count();
    let looks = case.window.recent().iter().filter_map(|s| s.planner.as_ref());
    let Some(now) = looks.max_by_key(n_left) else {
        return Verdict::unknown("indexes were not looked at since the onset");
    };
    let before = case.window.baseline().iter().rev().find_map(|s| s.planner.as_ref());
    let was = |i: &InvalidIndex| {
        before.is_some_and(|b| b.invalid_indexes.iter().any(|o| o.index == i.index && !o.building))
    };
    let left: Vec<&InvalidIndex> = now.invalid_indexes.iter().filter(|i| !i.building).collect();
    let evidence = Evidence::measured(
        "invalid indexes that nobody is building",
        left.len() as f64,
        "indexes",
        sampled("planner: pg_index.indisvalid, pg_stat_progress_create_index"),
    )
    .against(before.map_or(0, |b| b.invalid_indexes.len()) as f64)
    .at(case.window.now());
    if left.is_empty() {
        return match now.invalid_indexes.first() {
            Some(i) => {
                Verdict::unknown(format!("whether {} will be valid: it is being built", i.index))
            }
            None => Verdict::ruled_out(evidence),
        };
    }
    let pairs = regressions(&case.window);
    let spoiled = plan_missing_index::spoiled(&pairs);
    let reach = spoiled.map(|(now, _)| Reach::of(case, &now.text));
    let on_table = |i: &&&InvalidIndex| reach.as_ref().is_some_and(|reach| reach.touches(&i.table));
    let alarmed = case.symptoms.iter().any(|s| s.detector == "invalid_index");
    match (left.iter().find(on_table), left.iter().find(|i| !was(i))) {
        (Some(index), _) => likely(case, index, evidence, spoiled, 0.95),
        (None, Some(index)) if alarmed => likely(case, index, evidence, None, 0.8),
        _ if pairs.is_empty() => Verdict::unknown(
            "whether a statement lacks the index: none was counted both before and after the onset",
        ),
        _ => complete(case, "statements", "statements were not counted")
            .unwrap_or(Verdict::present_not_sufficient(evidence)),
    }
}

fn likely(
    case: &Case,
    index: &InvalidIndex,
    evidence: Evidence,
    spoiled: Option<&(StatementDelta, StatementDelta)>,
    score: f64,
) -> Verdict {
    let mut says =
        format!("index {} on {} is invalid and nobody is building it", index.index, index.table);
    if index.ready {
        says.push_str(": every write keeps it up, and no statement may use it");
    }
    if let Some(failure) = failed_build(case, &index.index) {
        says.push_str(&format!(
            ". Role {}{} failed at {} to build it: {} ({})",
            failure.role,
            if failure.application.is_empty() {
                String::new()
            } else {
                format!(" ({})", failure.application)
            },
            failure.at.strftime("%H:%M:%S UTC"),
            failure.message,
            failure.sqlstate,
        ));
    }
    let blamed: Vec<DdlEvent> =
        spoiled.map(|(now, _)| plan_missing_index::blame(case, &now.text)).unwrap_or_default();
    for event in blamed.iter().filter(|d| d.dropped) {
        says.push_str(&format!(
            ". Role {} dropped {} at {}, which had served",
            event.role,
            event.identity,
            event.at.strftime("%H:%M:%S UTC")
        ));
    }
    let mut likely =
        Likely::new(score, says, evidence).on([index.table.clone()]).act(CAUSE.actions);
    if let Some((now, old)) = spoiled {
        likely = likely.and(
            Evidence::measured(
                format!("blocks per call: {}", cut(&now.text, 60)),
                now.blks_per_call,
                "blocks/call",
                sampled("statements: pg_stat_statements"),
            )
            .against(old.blks_per_call)
            .at(case.window.now()),
        );
    }
    Verdict::Likely(likely.blaming(blamed))
}

/// The last statement of others that failed to build it, where the log still has it.
fn failed_build<'a>(case: &'a Case, index: &Relation) -> Option<&'a LogEntry> {
    let mut lines = case.window.samples.iter().flat_map(|s| &s.log);
    lines.rfind(|e| {
        e.severity == "ERROR"
            && is_ddl(&e.statement)
            && mentions(&e.statement, &index.name)
            && !e.application.starts_with(RECOVERY)
    })
}

/// Why no build of it can end: a value that it cannot hold, or cannot compute, whoever builds it.
/// Two rows of one key are not among them: they may have gone.
pub fn refused_by_rows(case: &Case, index: &Relation) -> Option<String> {
    let failure = failed_build(case, index)?;
    ["22", "54"]
        .iter()
        .any(|class| failure.sqlstate.starts_with(class))
        .then(|| format!("{} ({})", failure.message, failure.sqlstate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy};

    fn samples(building: bool) -> Vec<Sample> {
        let mut samples = healthy(40);
        for (i, s) in samples.iter_mut().enumerate() {
            let mut planner = PlannerSample::default();
            if i >= 30 {
                planner.invalid_indexes.push(InvalidIndex {
                    index: Relation::new("public", "users_email_key"),
                    table: Relation::new("public", "users"),
                    definition: String::new(),
                    unique: true,
                    ready: true,
                    building,
                });
            }
            s.planner = Some(planner);
            s.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".into(),
                text: "SELECT 1".into(),
                calls: 100 * i as i64,
                total_ms: i as f64,
                rows: 0,
                blks: 0,
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
        }
        samples
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut alarmed = case(samples(false), 30);
        assert!(matches!(judge(&alarmed), Verdict::RuledOut { present: true, .. }));
        let mut uncounted = alarmed.clone();
        uncounted.window.samples.iter_mut().for_each(|s| s.statements = None);
        assert!(matches!(judge(&uncounted), Verdict::Unknown { .. }));
        let evidence = Evidence::measured("x", 1.0, "x", sampled("planner"));
        let seen = Symptom::new("invalid_index", at(33), at(39), Weight::Harm, "x", evidence);
        alarmed.symptoms = vec![seen];
        assert!(judge(&alarmed).likely().unwrap().says.contains("users_email_key"));
        assert!(matches!(judge(&case(samples(true), 30)), Verdict::Unknown { .. }));
        assert!(matches!(judge(&case(samples(false), 40)), Verdict::Unknown { .. }));
        let mut none = samples(false);
        none.truncate(30);
        assert!(matches!(judge(&case(none, 25)), Verdict::RuledOut { .. }));
    }
}
