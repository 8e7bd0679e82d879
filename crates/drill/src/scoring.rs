//! Scores an answer, 0 to 100, by the rules that every drill shares.

use crate::run::{State, Theatre};
use pgward_model::prelude::*;
use pgward_sandbox::load::Baseline;
use std::sync::Mutex;

/// What the guard has said and done since a moment.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Event>,
    pub(crate) incident: Option<Incident>,
    pub(crate) case: Option<Case>,
    pub(crate) is_closed: bool,
    ranked_first: Vec<(Timestamp, String)>,
    failures: Vec<String>,
}

impl Seen {
    pub(crate) fn of(state: &Mutex<State>, since: Timestamp) -> Seen {
        let state = state.lock().unwrap_or_else(|e| e.into_inner());
        let closed = state.closed.iter().rev().find(|(i, _)| i.opened >= since);
        let (incident, case) = match (closed, &state.open) {
            (Some((incident, case)), None) => (Some(incident.clone()), Some(case.clone())),
            (_, open) => (open.clone(), None),
        };
        Seen {
            is_closed: case.is_some(),
            events: state.events.iter().filter(|e| e.at >= since).cloned().collect(),
            incident,
            case,
            ranked_first: state
                .ranked_first
                .iter()
                .filter(|(at, _)| *at >= since)
                .cloned()
                .collect(),
            failures: state.failures.clone(),
        }
    }

    /// When the last recovery was done and proven.
    pub(crate) fn recovered_at(&self) -> Option<Timestamp> {
        self.events.iter().rev().find(|e| e.kind == EventKind::Recovered).map(|e| e.at)
    }

    /// Ids of the actions that were carried out to their end.
    pub(crate) fn actions(&self) -> Vec<String> {
        let runbooks = self.incident.iter().flat_map(|i| &i.runbooks);
        runbooks.map(|r| r.action.clone()).collect()
    }
}

/// Points of SCENARIOS' rule 7, in its order.
const DETECT: f64 = 15.0;
const RULE_OUT: f64 = 15.0;
const CAUSE: f64 = 25.0;
const RECOVERY: f64 = 20.0;
const NOTHING_LOST: f64 = 15.0;
const NO_NEW_HARM: f64 = 10.0;

pub(crate) fn blank(theatre: &Theatre<'_>, road: Road, baseline: &Baseline) -> Score {
    let scenario = theatre.scenario;
    Score {
        scenario: scenario.id.clone(),
        title: scenario.about.clone(),
        road,
        run: theatre.options.run,
        stopped_by: None,
        why: String::new(),
        detect_s: None,
        diagnose_s: None,
        recover_s: None,
        cause: None,
        cause_says: String::new(),
        expected_cause: scenario.expect.cause.clone(),
        cause_right: false,
        ruled_out: Vec::new(),
        missed_exclusions: Vec::new(),
        wrong_exclusions: Vec::new(),
        actions: Vec::new(),
        wrong_actions: Vec::new(),
        rows_acknowledged: 0,
        rows_lost: 0,
        broken_truths: Vec::new(),
        score: 0,
        lost_points: Vec::new(),
        postmortem: None,
        tps_baseline: baseline.per_s(),
        real_outage_min: scenario.header.real_outage_min,
    }
}

/// The guarded road: stopped before production felt it, or not.
pub(crate) fn guarded(score: &mut Score, n_harmed: usize) {
    let mut points = 100.0;
    let mut lose = |n: f64, why: String| {
        points -= n;
        score.lost_points.push(format!("-{n}: {why}"));
    };
    if score.stopped_by.is_none() {
        lose(60.0, "nothing stopped it".to_owned());
    }
    if n_harmed > 0 {
        lose(25.0, format!("{n_harmed} requests of clients felt it"));
    }
    if !score.broken_truths.is_empty() {
        lose(15.0, "production is not as it was".to_owned());
    }
    score.score = if score.rows_lost > 0 { 0 } else { points.max(0.0) as u32 };
}

/// The bypassed road: what the guard made of it.
pub(crate) fn bypassed(
    score: &mut Score,
    theatre: &Theatre<'_>,
    seen: &Seen,
    since: Timestamp,
    first_harmed: Option<Timestamp>,
    last_harmed: Option<Timestamp>,
) {
    let expect = &theatre.scenario.expect;
    let zero = first_harmed.unwrap_or(since);
    let incident = seen.incident.as_ref();
    score.detect_s = incident.map(|i| seconds_between(zero, i.opened));
    if let Some((cause, likely)) = incident.and_then(Incident::first) {
        score.cause = Some(cause.to_owned());
        score.cause_says.clone_from(&likely.says);
        let all = expect.names.iter().all(|n| likely.says.contains(n.as_str()));
        score.cause_right = cause == expect.cause && all;
    }
    let right_first = seen.ranked_first.iter().rev().find(|(_, c)| *c == expect.cause);
    score.diagnose_s = right_first.map(|(at, _)| seconds_between(zero, *at));
    let back = match (last_harmed, seen.recovered_at()) {
        (Some(harm), Some(done)) => Some(harm.max(done)),
        (None, done) => done,
        (Some(_), None) => None,
    };
    score.recover_s = back.filter(|_| seen.is_closed).map(|at| seconds_between(zero, at));
    score.actions = seen.actions();
    exclusions(score, incident, expect);
    score.why = match seen.failures.first() {
        Some(failure) => format!("failed: {failure}"),
        None => score.cause_says.clone(),
    };
    points(score, theatre);
}

fn exclusions(score: &mut Score, incident: Option<&Incident>, expect: &crate::scenario::Expect) {
    let verdicts = incident.map(|i| i.verdicts.as_slice()).unwrap_or_default();
    for judged in verdicts {
        if let Verdict::RuledOut { evidence, .. } = &judged.verdict {
            score.ruled_out.push(RuledOutScore {
                cause: judged.cause.clone(),
                claim: evidence.claim.clone(),
                value: evidence.value,
                unit: evidence.unit.clone(),
                baseline: evidence.baseline,
            });
        }
    }
    let with_numbers = |id: &String| {
        score.ruled_out.iter().any(|r| r.cause == *id && r.value.is_some() && r.baseline.is_some())
    };
    score.missed_exclusions =
        expect.ruled_out.iter().filter(|id| !with_numbers(id)).cloned().collect();
    score.wrong_exclusions = score
        .ruled_out
        .iter()
        .filter(|r| r.cause == expect.cause)
        .map(|r| r.cause.clone())
        .collect();
}

fn points(score: &mut Score, theatre: &Theatre<'_>) {
    let expect = &theatre.scenario.expect;
    let budget = theatre.scenario.header.budget;
    let mut total = 0.0;
    let mut lost = Vec::new();
    let mut give = |n: f64, of: f64, why: &str| {
        total += n;
        if n < of {
            lost.push(format!("-{}: {why}", human(of - n)));
        }
    };
    give(DETECT * timely(score.detect_s, budget.detect_s), DETECT, "detected late or not at all");
    let n_expected = expect.ruled_out.len().max(1) as f64;
    let n_missed = score.missed_exclusions.len() as f64;
    give(
        RULE_OUT * (1.0 - n_missed / n_expected),
        RULE_OUT,
        &format!("not ruled out with a number: {}", score.missed_exclusions.join(", ")),
    );
    let cause = match (score.cause_right, score.cause.as_deref() == Some(expect.cause.as_str())) {
        (true, _) => CAUSE * (0.6 + 0.4 * timely(score.diagnose_s, budget.diagnose_s)),
        (false, true) => CAUSE * 0.6, // right cause, but object or actor not named
        (false, false) => 0.0,
    };
    give(cause, CAUSE, "wrong cause, not all of it named, or named late");
    let acted = expect.action.iter().all(|a| score.actions.contains(a));
    let recovery = match (acted, score.broken_truths.is_empty()) {
        (true, true) => RECOVERY * timely(score.recover_s, budget.recover_s),
        (_, true) => RECOVERY * 0.5 * timely(score.recover_s, budget.recover_s),
        (_, false) => 0.0,
    };
    give(recovery, RECOVERY, "not recovered, late, by another action, or not whole");
    let kept = score.rows_lost == 0;
    give(if kept { NOTHING_LOST } else { 0.0 }, NOTHING_LOST, "acknowledged rows are lost");
    let calm = score.wrong_actions.is_empty() && score.wrong_exclusions.is_empty();
    give(if calm { NO_NEW_HARM } else { 0.0 }, NO_NEW_HARM, "new harm was done");
    score.score = if kept { total.round() as u32 } else { 0 };
    score.lost_points = lost;
}

/// 1 within the budget, falling to 0 at three times the budget.
fn timely(seconds: Option<f64>, budget: f64) -> f64 {
    match seconds {
        None => 0.0,
        Some(s) if s <= budget => 1.0,
        Some(s) => (1.0 - (s - budget) / (2.0 * budget)).clamp(0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_is_less_and_never_is_nothing() {
        assert_eq!(timely(Some(5.0), 10.0), 1.0);
        assert_eq!(timely(Some(20.0), 10.0), 0.5);
        assert_eq!(timely(Some(60.0), 10.0), 0.0);
        assert_eq!(timely(None, 10.0), 0.0);
    }
}
