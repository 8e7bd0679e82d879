//! A scheduled job runs again before its last run has ended.

use super::Cause;
use crate::facts::{complete, cut, no_baseline, sampled};
use crate::newcomers::{newcomers, overlap};
use pgward_model::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(super) static CAUSE: Cause = Cause {
    id: "batch_cron",
    name: "Runaway or overlapping scheduled job",
    necessary: "two runs of one job are at work at the same time",
    explains: &[
        "statement_slow",
        "throughput_drop",
        "lock_queue",
        "connections_near_limit",
        "sessions_hang",
    ],
    actions: &[],
    prevention: &[
        "Let each job take an advisory lock of its own, and give up when another run has it",
        "Give the role of the jobs a statement_timeout below their period",
    ],
    judge,
};

/// Two of one statement are also two people, or two clients that retry: without a sign of a
/// schedule no action follows, and what has facts of its own comes first.
const UNPLANNED: f64 = 0.35;
/// Runs whose distances tell a period, and by how much those may differ.
const RUNS_MIN: usize = 3;
const JITTER_S: f64 = 2.0; // schedulers look at the clock each second

/// A run that others meet has worked for as long as users are patient.
const RUNS_S: f64 = 10.0;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let usual: BTreeSet<(&str, &str)> = case
        .window
        .baseline()
        .iter()
        .flat_map(overlaps)
        .filter(|(_, runs)| runs.len() > 1)
        .map(|(job, _)| job)
        .collect();
    let recent = case.window.recent();
    let worst = recent
        .iter()
        .flat_map(|s| overlaps(s).into_iter().map(move |(job, runs)| (s.at, job, runs)))
        .filter(|(_, job, _)| !usual.contains(job))
        .max_by_key(|(_, _, runs)| runs.len());
    let n = worst.as_ref().map_or(0, |(_, _, runs)| runs.len());
    let evidence = Evidence::measured(
        "sessions of one application that run the same statement, each begun at another time and \
         10 s ago or more, and wait for no lock",
        n as f64,
        "sessions",
        sampled("sessions: pg_stat_activity"),
    )
    .against(1.0)
    .at(worst.as_ref().map_or(case.window.now(), |(at, _, _)| *at));
    match worst {
        Some((at, (application, query), runs)) if runs.len() > 1 => {
            let oldest = runs.iter().filter_map(|s| s.query_start).min().unwrap_or(at);
            let role = runs.first().map_or("", |s| s.role.as_str());
            let says = format!(
                "{n} runs of {application} of role {role} overlap, the oldest since {} s: {}",
                human(seconds_between(oldest, at)),
                cut(query, 160)
            );
            let score = if is_scheduled(case, application, role, query) { 0.7 } else { UNPLANNED };
            Verdict::Likely(Likely::new(score, says, evidence).by(runs.iter().map(|s| s.pid)))
        }
        _ if overlap(&newcomers(case)) => Verdict::unknown(format!(
            "whether runs of one statement that overlap are a job: none is {RUNS_S} s old"
        )),
        _ => Verdict::ruled_out(evidence),
    }
}

/// Is there a sign that a clock begins it: a job of pg_cron, a name that says so, or a period?
fn is_scheduled(case: &Case, application: &str, role: &str, query: &str) -> bool {
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let query_flat = flat(query);
    let job = |e: &Event| {
        let command = e.what.split_once(": ").map(|(_, command)| flat(command));
        e.subject == "job" && command.is_some_and(|c| !c.is_empty() && query_flat.starts_with(&c))
    };
    let says_so = [application, role].iter().any(|n| n.to_ascii_lowercase().contains("cron"));
    says_so || case.events.iter().any(job) || is_periodic(case, application, query)
}

/// Did three runs or more begin at equal distances?
fn is_periodic(case: &Case, application: &str, query: &str) -> bool {
    let sessions = case.window.samples.iter().flat_map(|s| &s.sessions);
    let same = sessions.filter(|s| s.application == application && s.query == query);
    let mut starts: Vec<Timestamp> = same.filter_map(|s| s.query_start).collect();
    starts.sort();
    starts.dedup_by(|b, a| seconds_between(*a, *b) < 1.0);
    let pairs = starts.windows(2).filter_map(|w| Some(seconds_between(*w.first()?, *w.last()?)));
    let gaps: Vec<f64> = pairs.collect();
    let (least, most) = gaps.iter().fold((f64::MAX, 0.0_f64), |(a, b), g| (a.min(*g), b.max(*g)));
    starts.len() >= RUNS_MIN && least >= RUNS_S && most - least <= JITTER_S
}

/// Sessions at work for long by application and statement; those that began within a second of
/// each other are one run.
fn overlaps(sample: &Sample) -> BTreeMap<(&str, &str), Vec<&SessionSample>> {
    let mut jobs: BTreeMap<(&str, &str), Vec<&SessionSample>> = BTreeMap::new();
    let long = |s: &&SessionSample| {
        s.state == "active" && s.blocked_by.is_empty() && s.runs_s(sample.at) >= RUNS_S
    };
    for session in sample.sessions.iter().filter(long) {
        let runs = jobs.entry((session.application.as_str(), session.query.as_str())).or_default();
        let together = |other: &&SessionSample| {
            let (Some(a), Some(b)) = (other.query_start, session.query_start) else { return false };
            seconds_between(a, b).abs() < 1.0
        };
        if !runs.iter().any(together) {
            runs.push(session);
        }
    }
    jobs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, sample, session};

    /// Two sessions that began at these seconds, seen at second 60.
    fn samples(first: i64, second: i64) -> Vec<Sample> {
        let mut samples = healthy(50);
        let mut last = sample(60, 5000);
        last.sessions = vec![session(1, "active", &[]), session(2, "active", &[])];
        for (s, began) in last.sessions.iter_mut().zip([first, second]) {
            s.query_start = Some(at(began));
        }
        samples.push(last);
        samples
    }

    #[test]
    fn two_of_one_statement_are_a_job_only_where_a_schedule_is_seen() {
        let score = |case: &Case| judge(case).likely().unwrap().score;
        let plain = case(samples(20, 45), 50);
        assert!(score(&plain) < 0.4);
        let mut job = plain.clone();
        job.events = vec![Event {
            at: at(20),
            server: "test".to_owned(),
            kind: EventKind::Change,
            subject: "job".to_owned(),
            actor: "site".to_owned(),
            what: format!("cron job 3: {}", session(1, "active", &[]).query),
            source: sampled("jobs"),
        }];
        assert!(score(&job) > 0.5);
        let mut named = samples(20, 45);
        let last = named.last_mut().unwrap();
        last.sessions.iter_mut().for_each(|s| s.application = "pg_cron".to_owned());
        assert!(score(&case(named, 50)) > 0.5);
        let mut periodic = samples(15, 30);
        let last = periodic.last_mut().unwrap();
        last.sessions
            .push(SessionSample { query_start: Some(at(45)), ..session(3, "active", &[]) });
        assert!(score(&case(periodic, 50)) > 0.5);
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert_eq!(judge(&case(samples(20, 45), 50)).likely().unwrap().pids, [1, 2]);
        assert!(matches!(judge(&case(samples(20, 59), 50)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(samples(20, 20), 50)), Verdict::RuledOut { .. }));
        let mut blind = samples(20, 45);
        blind.last_mut().unwrap().gaps.push(Gap { sampler: "sessions".into(), why: "x".into() });
        assert!(matches!(judge(&case(blind, 50)), Verdict::Unknown { .. }));
    }
}
