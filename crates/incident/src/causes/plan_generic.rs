//! A prepared statement has one plan for all parameters, and some of them need another.

use super::{Cause, plan_missing_index};
use crate::facts::{complete, cut, ddl_source, regressions, sampled, words};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "plan_generic",
    name: "Generic plan or parameter sensitivity",
    necessary: "calls of one statement take very different times, and wait for no lock",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Set plan_cache_mode = force_custom_plan for the role whose parameters are skewed",
        "Give the common values a partial index of their own",
    ],
    judge,
};

/// Times of one plan over like rows spread about as wide as their mean; of two, wider.
const SPREAD: f64 = 2.0;
/// The statement is slower at all.
const SLOWER: f64 = 3.0;
/// A session that holds a plan of before keeps it until it has called the function anew.
const MADE_S: f64 = 300.0;
/// Calls of which a spread can be told.
const CALLS_MIN: i64 = 10;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "statements", "statements were not counted") {
        return unknown;
    }
    let pairs = regressions(&case.window);
    let times =
        |(now, old): &(StatementDelta, StatementDelta)| now.ms_per_call / old.ms_per_call.max(0.02);
    let slower = pairs.iter().filter(|pair| pair.0.calls >= CALLS_MIN && times(pair) >= SLOWER);
    // One without parameters has one plan for all its calls.
    let widest = slower.max_by(|(a, _), (b, _)| {
        has_parameter(a).cmp(&has_parameter(b)).then(spread(a).total_cmp(&spread(b)))
    });
    let Some((now, old)) = widest else {
        let Some(most) = pairs.iter().map(times).max_by(f64::total_cmp) else {
            return Verdict::unknown("no statement ran both before and after the onset");
        };
        if most >= SLOWER {
            return Verdict::unknown(format!(
                "how the times of a statement spread that takes {} times as long: it was called \
                 fewer than {CALLS_MIN} times",
                human(most)
            ));
        }
        let claim = "time per call of the statement that slowed most, as a multiple of before";
        return Verdict::ruled_out(measured(case, claim, most, "x", 1.0));
    };
    of_spread(case, now, old)
}

/// What it means how the calls of the slower statement spread.
fn of_spread(case: &Case, now: &StatementDelta, old: &StatementDelta) -> Verdict {
    let claim = format!(
        "standard deviation of the calls' time as a multiple of their mean: {}",
        cut(&now.text, 60)
    );
    let evidence = measured(case, &claim, spread(now), "x the mean", spread(old));
    if spread(now) < SPREAD {
        return Verdict::ruled_out(evidence);
    }
    let waits = case.symptoms.iter().any(|s| s.detector == "lock_queue");
    if waits || !has_parameter(now) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!("{claim}; yet locks are waited for, or it has no parameter"),
            ..evidence
        });
    }
    let blamed = plan_missing_index::blame(case, &now.text);
    if let Some(change) = blamed.last() {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{claim}; yet within these calls {}",
                plan_missing_index::describe(change)
            ),
            ..evidence
        });
    }
    // Which calls had which plan is not seen, so this fits and is not proven.
    let times = now.blks_per_call / old.blks_per_call.max(1.0);
    if times < SLOWER {
        return Verdict::unknown(format!(
            "whether the slow calls have a plan of their own: plans were not seen (auto_explain) \
             for {}",
            cut(&now.text, 80)
        ));
    }
    let Some(later) = since_onset(case, now) else {
        return Verdict::unknown(format!(
            "how the calls since the onset spread: they were counted only together with earlier \
             ones, {}",
            cut(&now.text, 80)
        ));
    };
    if spread(&later) < SPREAD {
        return Verdict::ruled_out(measured(
            case,
            &claim,
            spread(&later),
            "x the mean",
            spread(old),
        ));
    }
    let says = format!(
        "one statement reads {} times the blocks, and its calls take very different times, which a \
         plan made for other parameters would explain: {}",
        human(times),
        cut(&now.text, 160)
    );
    // One that holds its queries as they are has one plan for them where one that put them
    // together had many.
    Verdict::Likely(match function_made(case, &now.text) {
        Some(made) => Likely::new(0.6, format!("{}; {says}", made.claim), evidence).and(made),
        None => Likely::new(0.4, says, evidence),
    })
}

/// Does the name stand before a parenthesis?
fn calls(statement: &str, name: &str) -> bool {
    statement.match_indices(name).any(|(at, _)| {
        let before = statement.get(..at).unwrap_or("");
        let behind = statement.get(at + name.len()..).unwrap_or("");
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            && behind.trim_start_matches('"').trim_start().starts_with('(')
    })
}

/// That a function which the statement calls by its name was made anew just before the onset.
pub(super) fn function_made(case: &Case, statement: &str) -> Option<Evidence> {
    let near = |d: &&DdlEvent| (-MADE_S..5.0).contains(&seconds_between(case.onset, d.at));
    let called = |d: &&DdlEvent| {
        let name = d.identity.split('(').next().and_then(|n| n.rsplit('.').next());
        d.command == "CREATE FUNCTION"
            && name.is_some_and(|n| calls(statement, n.trim_matches('"')))
    };
    let made = case.ddl.iter().filter(near).rfind(called)?;
    let at = made.at.strftime("%H:%M:%S UTC");
    let says = format!("role {} made {}, which it calls, at {at}", made.role, made.identity);
    Some(Evidence::stated(says, ddl_source(made)).at(made.at))
}

fn has_parameter(of: &StatementDelta) -> bool {
    words(&of.text).any(|w| w.starts_with('$'))
}

fn spread(of: &StatementDelta) -> f64 {
    of.spread_ms / of.ms_per_call.max(0.001)
}

/// The same statement's calls since the onset: those from before it differ, whatever the plan.
fn since_onset(case: &Case, now: &StatementDelta) -> Option<StatementDelta> {
    let from = case.window.samples.partition_point(|s| s.at < case.onset);
    let since = statement_deltas(case.window.samples.get(from..)?);
    let same = |d: &StatementDelta| (d.query_id, &d.role) == (now.query_id, &now.role);
    since.into_iter().find(|d| same(d) && d.calls >= CALLS_MIN)
}

fn measured(case: &Case, claim: &str, value: f64, unit: &str, before: f64) -> Evidence {
    Evidence::measured(claim, value, unit, sampled("statements: pg_stat_statements"))
        .against(before)
        .at(case.window.now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    /// 100 calls a second of 0.1 ms and 4 blocks; since second 30 every tenth takes `ms`.
    fn samples(ms: f64, blks: i64, tenth: f64) -> Vec<Sample> {
        let mut samples = healthy(40);
        for (i, s) in samples.iter_mut().enumerate() {
            let (n, slow) = (i as f64, i.saturating_sub(29) as f64);
            s.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".into(),
                text: "SELECT * FROM orders WHERE customer_id = $1".into(),
                calls: 100 * i as i64,
                total_ms: 10.0 * n + slow * 100.0 * tenth * ms,
                rows: 0,
                blks: 400 * i as i64 + slow as i64 * 100 * blks,
                blks_read: 0,
                squares_ms2: n + slow * 100.0 * tenth * ms * ms,
            }]);
        }
        samples
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&case(samples(50.0, 200, 0.1), 30)).likely().is_some());
        let all = judge(&case(samples(50.0, 200, 1.0), 30));
        assert!(matches!(all, Verdict::RuledOut { .. }), "{all:?}");
        assert!(matches!(judge(&case(samples(0.0, 0, 0.1), 30)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(samples(50.0, 0, 0.1), 30)), Verdict::Unknown { .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn a_few_calls_that_are_slow_rule_nothing_out() {
        let mut few = samples(50.0, 200, 1.0);
        for (i, s) in few.iter_mut().enumerate() {
            let slow = i.saturating_sub(29) as i64;
            for statement in s.statements.iter_mut().flatten() {
                statement.calls = 100 * (i as i64 - slow) + slow / 2;
            }
        }
        let verdict = judge(&case(few, 30));
        assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
    }
}
