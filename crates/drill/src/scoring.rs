//! Scores an answer, 0 to 100, by the rules that every drill shares.

use crate::run::{HEALTHY_S, State, Theatre};
use crate::scenario::Expect;
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
    /// Every incident that was opened, with its title.
    opened: Vec<(Timestamp, String)>,
    ranked_first: Vec<(Timestamp, String)>,
    failures: Vec<String>,
}

impl Seen {
    pub(crate) fn of(state: &Mutex<State>, since: Timestamp) -> Seen {
        let state = state.lock().unwrap_or_else(|e| e.into_inner());
        let closed = state.closed.iter().rev().find(|(i, _)| answers(i, since));
        let (incident, case) = match (closed, &state.open) {
            (Some((incident, case)), None) => (Some(incident.clone()), Some(case.clone())),
            (_, open) => (open.clone(), None),
        };
        Seen {
            is_closed: case.is_some(),
            opened: state.opened.clone(),
            events: state
                .events
                .iter()
                .filter(|e| e.at >= since || incident.as_ref().is_some_and(|i| e.at >= i.opened))
                .cloned()
                .collect(),
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

    /// Ids of the actions that were carried out to their end and proven.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.acted(EventKind::Recovered)
    }

    /// Ids of the actions that were begun and did not reach their end.
    pub(crate) fn failed_actions(&self) -> Vec<String> {
        let proposed = self.acted(EventKind::Proposed);
        let failed = self.events.iter().filter(|e| e.kind == EventKind::Failed);
        let ids = failed.filter_map(|e| e.what.split_once(": ").map(|(id, _)| id.to_owned()));
        ids.filter(|id| proposed.contains(id)).collect()
    }

    fn acted(&self, kind: EventKind) -> Vec<String> {
        let events = self.events.iter().filter(|e| e.kind == kind);
        events.filter_map(|e| e.source.detail.strip_prefix("action ").map(str::to_owned)).collect()
    }

    /// Sessions that runbooks which were begun have signalled.
    fn signalled(&self) -> Vec<i32> {
        let begun: Vec<String> = self.actions().into_iter().chain(self.failed_actions()).collect();
        let runbooks = self.incident.iter().flat_map(|i| &i.runbooks);
        let steps = runbooks.filter(|r| begun.contains(&r.action)).flat_map(|r| &r.steps);
        steps
            .filter_map(|s| match &s.act {
                pgward_model::runbook::Act::Signal { pid, .. } => Some(*pid),
                _ => None,
            })
            .collect()
    }

    /// Incidents opened from `from` on and before `until`, when nothing was wrong.
    pub(crate) fn false_alarms(&self, from: Timestamp, until: Timestamp) -> Vec<String> {
        let opened = self.opened.iter().filter(|(at, _)| *at >= from && *at < until);
        opened
            .map(|(at, title)| {
                format!("{title}, {} s too early", human(seconds_between(*at, until)))
            })
            .collect()
    }
}

/// Is it about what happened from `since` on? One that was open before is, when it stayed open
/// for longer than healing alone takes.
fn answers(incident: &Incident, since: Timestamp) -> bool {
    let stayed = |closed| seconds_between(since, closed) > HEALTHY_S + 2.0;
    incident.opened >= since || incident.closed.is_some_and(stayed)
}

/// What was done that should not have been: signals to sessions that had nothing to do with it,
/// actions that were not needed or did not reach their end.
pub(crate) fn wrong_actions(seen: &Seen, expected: &[String], guilty: &[i32]) -> Vec<String> {
    let innocent = seen.signalled().into_iter().filter(|pid| !guilty.contains(pid));
    let mut wrong: Vec<String> = innocent
        .map(|pid| format!("signalled pid {pid}, which had nothing to do with it"))
        .collect();
    let unneeded = seen.actions().into_iter().filter(|a| !expected.contains(a));
    wrong.extend(unneeded.map(|a| format!("{a} was not needed")));
    wrong.extend(seen.failed_actions().into_iter().map(|a| format!("{a} did not reach its end")));
    wrong
}

/// Does the sentence name it, as whole words?
pub(crate) fn names(sentence: &str, phrase: &str) -> bool {
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (first, last) = (phrase.chars().next(), phrase.chars().next_back());
    sentence.match_indices(phrase).any(|(at, found)| {
        let before = sentence.get(..at).and_then(|s| s.chars().next_back());
        let after = sentence.get(at + found.len()..).and_then(|s| s.chars().next());
        first.is_some()
            && !(in_word(first) && in_word(before))
            && !(in_word(last) && in_word(after))
    })
}

/// What an answer lacks of the sealed truth, in words; nothing for a whole one.
pub fn lacks(expect: &Expect, symptoms: &[Symptom], verdicts: &[Judged]) -> Vec<String> {
    let mut lacking = Vec::new();
    if let Some(symptom) = &expect.symptom
        && !symptoms.iter().any(|s| s.detector == *symptom)
    {
        lacking.push(format!("symptom {symptom} was not seen"));
    }
    match verdicts.iter().find_map(|j| Some((&j.cause, j.verdict.likely()?))) {
        Some((cause, likely)) if *cause == expect.cause => {
            let unnamed = expect.names.iter().filter(|n| !names(&likely.says, n));
            lacking.extend(unnamed.map(|n| format!("`{n}` is not named: {}", likely.says)));
        }
        Some((cause, likely)) => lacking.push(format!("first is {cause}: {}", likely.says)),
        None => lacking.push("no cause is likely".to_owned()),
    }
    let of = |id: &String| verdicts.iter().find(|j| j.cause == *id).map(|j| &j.verdict);
    if matches!(of(&expect.cause), Some(Verdict::RuledOut { .. })) {
        lacking.push(format!("{} is ruled out and is the cause", expect.cause));
    }
    for (id, decoy) in expect
        .ruled_out
        .iter()
        .map(|id| (id, false))
        .chain(expect.present.iter().map(|id| (id, true)))
    {
        let with_numbers = matches!(of(id), Some(Verdict::RuledOut { evidence, present })
            if evidence.value.is_some() && evidence.baseline.is_some() && (*present || !decoy));
        if !with_numbers {
            lacking.push(format!("{id} is not ruled out with a number: {:?}", of(id)));
        }
    }
    lacking
}

/// The whole post-mortem was written so long after the recovery.
pub fn postmortem_written(score: &mut Score, seconds: f64) {
    score.postmortem_s = Some(seconds);
    if seconds > POSTMORTEM_S {
        let late = (POSTMORTEM as u32).min(score.score);
        score.score -= late;
        score.lost_points.push(format!("-{late}: post-mortem {} s after recovery", human(seconds)));
    }
}

/// Points of SCENARIOS' rule 7, in its order.
const DETECT: f64 = 15.0;
const RULE_OUT: f64 = 15.0;
const CAUSE: f64 = 25.0;
const RECOVERY: f64 = 20.0;
const NOTHING_LOST: f64 = 15.0;
const NO_NEW_HARM: f64 = 10.0;
/// Taken off when the post-mortem comes later than this after the recovery.
const POSTMORTEM: f64 = 5.0;
const POSTMORTEM_S: f64 = 60.0;

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
        symptom_seen: None,
        false_alarms: Vec::new(),
        rows_acknowledged: 0,
        rows_lost: 0,
        duplicates: 0,
        broken_truths: Vec::new(),
        score: 0,
        lost_points: Vec::new(),
        postmortem: None,
        postmortem_s: None,
        scale: theatre.options.scale,
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
        let s = if n_harmed == 1 { "" } else { "s" };
        lose(25.0, format!("{n_harmed} request{s} of clients felt it"));
    }
    if !score.broken_truths.is_empty() {
        lose(15.0, "production is not as it was".to_owned());
    }
    score.score = if score.rows_lost > 0 { 0 } else { points.max(0.0) as u32 };
}

/// The moments that times are counted from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct When {
    /// When the change or the fault went in.
    pub(crate) since: Timestamp,
    pub(crate) first_harmed: Option<Timestamp>,
    pub(crate) last_harmed: Option<Timestamp>,
}

/// The bypassed road: what the guard made of it. `staged` are names that only the stage knows,
/// such as the damaged block; they must be said like those the scenario expects.
pub(crate) fn bypassed(
    score: &mut Score,
    theatre: &Theatre<'_>,
    seen: &Seen,
    staged: &[String],
    when: When,
) {
    let expect = &theatre.scenario.expect;
    // Where no client was ever harmed, there was nobody to be late for.
    let opened = seen.incident.as_ref().map(|i| i.opened);
    let zero = when.first_harmed.or(opened).unwrap_or(when.since);
    let incident = seen.incident.as_ref();
    score.detect_s = incident.map(|i| seconds_between(zero, i.opened));
    if let Some((cause, likely)) = incident.and_then(Incident::first) {
        score.cause = Some(cause.to_owned());
        score.cause_says.clone_from(&likely.says);
        let all = expect.names.iter().chain(staged).all(|n| names(&likely.says, n));
        score.cause_right = cause == expect.cause && all;
    }
    let right_first = seen.ranked_first.iter().rev().find(|(_, c)| *c == expect.cause);
    score.diagnose_s = right_first.map(|(at, _)| seconds_between(zero, *at));
    let back = match (when.last_harmed, seen.recovered_at()) {
        (Some(harm), Some(done)) => Some(harm.max(done)),
        (None, done) => done,
        (Some(_), None) => None,
    };
    // What a person must mend is over when it no longer does harm.
    let closed = incident.and_then(|i| i.closed).filter(|_| expect.action.is_empty());
    let back = back.or(closed);
    score.recover_s = back.filter(|_| seen.is_closed).map(|at| seconds_between(zero, at));
    score.symptom_seen = expect
        .symptom
        .as_ref()
        .map(|s| incident.is_some_and(|i| i.symptoms.iter().any(|seen| seen.detector == *s)));
    score.actions = seen.actions();
    exclusions(score, incident, expect);
    score.why = match seen.failures.first() {
        Some(failure) => format!("failed: {failure}"),
        None => score.cause_says.clone(),
    };
    points(score, theatre);
}

fn exclusions(score: &mut Score, incident: Option<&Incident>, expect: &Expect) {
    let verdicts = incident.map(|i| i.verdicts.as_slice()).unwrap_or_default();
    for judged in verdicts {
        if let Verdict::RuledOut { evidence, present } = &judged.verdict {
            score.ruled_out.push(RuledOutScore {
                cause: judged.cause.clone(),
                claim: evidence.claim.clone(),
                value: evidence.value,
                unit: evidence.unit.clone(),
                baseline: evidence.baseline,
                present: *present,
            });
        }
    }
    let with_numbers = |id: &String, present: bool| {
        score.ruled_out.iter().any(|r| {
            r.cause == *id && r.value.is_some() && r.baseline.is_some() && (r.present || !present)
        })
    };
    let missed = expect.ruled_out.iter().filter(|id| !with_numbers(id, false)).cloned();
    let unseen = expect.present.iter().filter(|id| !with_numbers(id, true)).cloned();
    score.missed_exclusions = missed.chain(unseen).collect();
    score.wrong_exclusions = score
        .ruled_out
        .iter()
        .filter(|r| r.cause == expect.cause)
        .map(|r| r.cause.clone())
        .collect();
}

fn detection(score: &Score, budget_s: f64) -> f64 {
    if score.symptom_seen == Some(false) || !score.false_alarms.is_empty() {
        return 0.0;
    }
    DETECT * timely(score.detect_s, budget_s)
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
    give(
        detection(score, budget.detect_s),
        DETECT,
        "detected late, not by its symptom, or too early",
    );
    let n_expected = (expect.ruled_out.len() + expect.present.len()).max(1) as f64;
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

    #[test]
    fn only_whole_words_name_something() {
        for (sentence, phrase, expected) in [
            ("role deploy dropped orders", "orders", true),
            ("dropped public.orders (LSN 0/15)", "orders", true),
            ("dropped orders_pkey", "orders", false),
            ("dropped reorders", "orders", false),
            ("block 71 of orders", "block 7", false),
            ("block 7 of orders", "block 7", true),
            ("2 of 4 steps applied", "2 of 4 steps", true),
            ("anything", "", false),
        ] {
            assert_eq!(names(sentence, phrase), expected, "{phrase} in {sentence}");
        }
    }

    fn told(kind: EventKind, what: &str, detail: &str) -> Event {
        Event {
            at: Timestamp::UNIX_EPOCH,
            server: String::new(),
            kind,
            subject: String::new(),
            actor: "pgward".to_owned(),
            what: what.to_owned(),
            source: Source::new(SourceKind::Journal, detail),
        }
    }

    #[test]
    fn planned_is_not_done_and_needless_is_wrong() {
        let mut seen = Seen::default();
        for id in ["undo_rows", "restore_table", "cancel_waiter", "rebuild_index"] {
            seen.events.push(told(EventKind::Proposed, "proposes", &format!("action {id}")));
        }
        seen.events.push(told(EventKind::Recovered, "done", "action undo_rows"));
        seen.events.push(told(EventKind::Recovered, "done", "action rebuild_index"));
        seen.events.push(told(EventKind::Failed, "restore_table: no space", ""));
        seen.events.push(told(EventKind::Failed, "analyze_table: not planned", ""));
        assert_eq!(seen.actions(), ["undo_rows", "rebuild_index"]);
        let wrong = wrong_actions(&seen, &["undo_rows".to_owned()], &[]);
        assert_eq!(wrong, ["rebuild_index was not needed", "restore_table did not reach its end"]);
    }
}
