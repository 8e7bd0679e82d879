//! Statements that nobody asked before, and that keep a processor busy for as long as they run.

use crate::facts::{is_ours, verb, words};
use pgward_model::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// A session that runs such a statement.
pub(crate) struct Newcomer<'a> {
    /// As it was seen last.
    pub session: &'a SessionSample,
    pub at: Timestamp,
    /// Samples in which it ran the statement.
    pub n_seen: usize,
    /// % of these in which it waited for nothing but its own workers.
    pub computing: f64,
}

/// A statement that computes for as long as users are patient.
const RUNS_S: f64 = 2.0;
/// A symptom shows so much later than what brings it, at most.
const LEAD_S: f64 = 30.0;
/// Clocks and samples are a second off.
const LATE_S: f64 = 2.0;
/// % of the samples in which it ran: what it waits for else is not a processor.
const COMPUTES: f64 = 60.0;

/// The sessions that compute since the onset or shortly before it and have written nothing, the
/// longest first. Not those whose statement was asked in the baseline, whose application ran another
/// one for as long, and who keep others waiting for a lock: that tells more.
pub(crate) fn newcomers(case: &Case) -> Vec<Newcomer<'_>> {
    let (recent, baseline) = (case.window.recent(), case.window.baseline());
    let asked: BTreeSet<i64> =
        statement_deltas(baseline).iter().filter(|d| d.calls > 0).map(|d| d.query_id).collect();
    // What begins after the onset may take long for want of a processor.
    let begun = |s: &SessionSample| {
        s.query_start.is_some_and(|t| (-LATE_S..LEAD_S).contains(&seconds_between(t, case.onset)))
    };
    let long = |sample: &Sample, s: &SessionSample| {
        s.state == "active" && s.runs_s(sample.at) >= RUNS_S && !is_ours(s)
    };
    let usual: BTreeSet<(&str, &str)> = baseline
        .iter()
        .flat_map(|sample| sample.sessions.iter().filter(|s| long(sample, s) && !begun(s)))
        .map(|s| (s.role.as_str(), s.application.as_str()))
        .collect();
    let blockers: BTreeSet<Pid> =
        recent.iter().flat_map(|s| &s.sessions).flat_map(|s| &s.blocked_by).copied().collect();
    let is_new = |s: &SessionSample| {
        begun(s)
            && (s.xid.is_none() || makes_its_own(s))
            && !asked.contains(&s.query_id)
            && !usual.contains(&(s.role.as_str(), s.application.as_str()))
            && !blockers.contains(&s.pid)
    };
    type Seen<'a> = Vec<(&'a Sample, &'a SessionSample)>;
    let mut seen: BTreeMap<(Pid, Option<Timestamp>), Seen<'_>> = BTreeMap::new();
    for sample in recent {
        for s in sample.sessions.iter().filter(|s| s.state == "active" && is_new(s)) {
            seen.entry((s.pid, s.query_start)).or_default().push((sample, s));
        }
    }
    let mut all: Vec<Newcomer> = seen
        .into_values()
        .filter_map(|of_one| {
            let (sample, session) = *of_one.last()?;
            let n = of_one.iter().filter(|(_, s)| computes(s)).count();
            let computing = 100.0 * n as f64 / of_one.len() as f64;
            let found = Newcomer { session, at: sample.at, n_seen: of_one.len(), computing };
            (long(sample, session) && computing >= COMPUTES).then_some(found)
        })
        .collect();
    all.sort_by(|a, b| b.session.runs_s(b.at).total_cmp(&a.session.runs_s(a.at)));
    all
}

/// Does it write nothing but a relation that its statement makes, and is that all of its transaction?
/// `CREATE TABLE ... AS` and `REFRESH` on their own: nobody else has seen what is written.
pub fn makes_its_own(session: &SessionSample) -> bool {
    let is_alone = session
        .xact_start
        .zip(session.query_start)
        .is_some_and(|(xact, query)| seconds_between(xact, query).abs() < ALONE_S);
    let words: Vec<String> =
        words(&session.query).take(HEAD_WORDS).map(str::to_ascii_uppercase).collect();
    let has = |word: &str| words.iter().any(|w| w == word);
    // One text may send more statements, and a long one was cut off.
    let one = session.query.trim_end().trim_end_matches(';').split(';').count() == 1
        && session.query.len() < CUT_AT;
    is_alone
        && one
        && match verb(&session.query).as_str() {
            "REFRESH" => !has("CONCURRENTLY"),
            "CREATE" => (has("TABLE") || has("MATERIALIZED")) && has("AS"),
            _ => false,
        }
}

/// A transaction begins with its statement, but for a BEGIN sent on its own.
const ALONE_S: f64 = 0.05;
/// Characters that are kept of a text.
const CUT_AT: usize = 1_000;
/// Words in which the head of `CREATE TABLE ... AS` is looked for: it may name its columns.
const HEAD_WORDS: usize = 60;

/// Newcomers of one application that run the same statement, each begun at another time: runs of one
/// job that overlap.
pub(crate) fn overlap(all: &[Newcomer<'_>]) -> bool {
    let of = |n: &Newcomer<'_>| (n.session.application.clone(), n.session.query_id);
    let apart = |a: &Newcomer<'_>, b: &Newcomer<'_>| {
        let (Some(a), Some(b)) = (a.session.query_start, b.session.query_start) else {
            return false;
        };
        seconds_between(a, b).abs() >= APART_S
    };
    all.iter().any(|a| all.iter().any(|b| of(a) == of(b) && apart(a, b)))
}

/// Sessions that begin at once are one run.
const APART_S: f64 = 1.0;

/// Did anybody look for temporary files once it had run for long, and find none? What sorts or
/// hashes computes at first, too, on a busy server for longer than users are patient.
pub(crate) fn spills_not(case: &Case, newcomer: &Newcomer<'_>) -> bool {
    let gathers = |word: &str| GATHERS.iter().any(|of| word.eq_ignore_ascii_case(of));
    let gathers = words(&newcomer.session.query).any(gathers);
    let spills_by_s = if gathers { GATHERED_S } else { RUNS_S };
    let looks = case.window.recent().iter().filter(|sample| {
        newcomer.session.query_start.is_some_and(|t| seconds_between(t, sample.at) >= spills_by_s)
    });
    let mut open = looks.filter_map(|s| s.temp_files.as_ref()).peekable();
    open.peek().is_some() && open.all(Vec::is_empty)
}

/// What makes a statement keep rows before it answers.
const GATHERS: [&str; 5] = ["ORDER", "GROUP", "DISTINCT", "JOIN", "UNION"];
/// By then it has more of them than its memory holds, or it has not so many.
const GATHERED_S: f64 = 10.0;

/// Waits for nothing, or for the workers that compute for it.
fn computes(session: &SessionSample) -> bool {
    let of_workers = || PARALLEL.iter().any(|of| session.wait_event.starts_with(of));
    session.wait_type.is_empty() || (session.wait_type == "IPC" && of_workers())
}

/// How the waits for parallel workers begin.
///
/// Source: manual, 28.2 The Cumulative Statistics System, Wait Events of Type IPC.
const PARALLEL: [&str; 7] =
    ["AppendReady", "Bgworker", "BgWorker", "ExecuteGather", "Hash", "MessageQueue", "Parallel"];
