//! Sorts and hashes spill to disk.

use super::Cause;
use crate::facts::{complete, cut, is_crowd, is_ours, no_baseline, sampled, who};
use crate::newcomers::{newcomers, spills_not};
use pgward_model::prelude::*;
use std::collections::HashMap;

pub(super) static CAUSE: Cause = Cause {
    id: "mem_temp_spill",
    name: "Temporary files on disk",
    necessary: "temporary bytes grow",
    explains: &[
        "statement_slow",
        "throughput_drop",
        "sessions_hang",
        "disk_filling",
        "error_burst",
    ],
    actions: &["cancel_query"],
    prevention: &[
        "Set work_mem for the role that spills, or temp_file_limit to bound it",
        "Give roles that report a statement_timeout, and a server of their own",
    ],
    judge,
};

/// Sixteen times the default work_mem; less is written faster than anyone notices.
const BYTES_MIN: f64 = (64 << 20) as f64;
/// A statement that spills for as long as users are patient is the one.
const RUNS_S: f64 = 2.0;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "database", "database counters were not read") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let (recent, baseline) = (case.window.recent(), case.window.baseline());
    // The counter grows when a file is closed; what is open is seen in the directory.
    let (now, before) = (written(recent) + open(recent), written(baseline) + open(baseline));
    let share = recent.len() as f64 / (baseline.len() as f64).max(1.0);
    let usual = written(baseline) * share + open(baseline);
    let evidence = Evidence::measured(
        "temporary bytes written or open since the onset",
        now,
        "bytes",
        sampled("database: pg_stat_database.temp_bytes; temp_files: pg_ls_tmpdir"),
    )
    .against(usual)
    .at(case.window.now());
    if now < BYTES_MIN || now < 3.0 * usual {
        let words = "files that are still open were not seen";
        if let Some(unknown) = complete(case, "temp_files", words) {
            return unknown;
        }
        let undecided = newcomers(case).into_iter().find(|n| !spills_not(case, n));
        return undecided.map_or(Verdict::ruled_out(evidence), |n| {
            let runs_s = human(n.session.runs_s(n.at));
            Verdict::unknown(format!(
                "whether {} will spill, which has run one statement for {runs_s} s",
                who(n.session)
            ))
        });
    }
    let Some((sample, session, bytes)) = spiller(case) else {
        if let Some(n) = busiest(recent).and_then(|(sample, of)| one_of_many(case, sample, of)) {
            return asked_more(evidence, n);
        }
        let says =
            format!("{} bytes went to temporary files, {} before", human(now), human(before));
        return Verdict::Likely(Likely::new(0.5, says, evidence));
    };
    if let Some(n) = one_of_many(case, sample, session) {
        return asked_more(evidence, n);
    }
    let runs_s = session.runs_s(sample.at);
    let says = format!(
        "{} has run one statement for {} s and holds {} MB of temporary files: {}",
        who(session),
        human(runs_s),
        human(bytes as f64 / f64::from(1 << 20)),
        cut(&session.query, 200)
    );
    let own = Evidence::measured(
        format!("temporary files of pid {}", session.pid),
        bytes as f64,
        "bytes",
        sampled("temp_files: pg_ls_tmpdir"),
    )
    .against(0.0)
    .at(sample.at);
    Verdict::Likely(Likely::new(0.75, says, own).and(evidence).by([session.pid]).act(CAUSE.actions))
}

fn asked_more(evidence: Evidence, n: usize) -> Verdict {
    let claim = format!(
        "{}, yet {n} sessions run the same statement at once, which was run before: it is asked more \
         often",
        evidence.claim
    );
    Verdict::present_not_sufficient(Evidence { claim, ..evidence })
}

/// The sample with most sessions at one statement, and one of them.
fn busiest(samples: &[Sample]) -> Option<(&Sample, &SessionSample)> {
    let of_one = |sample: &Sample| {
        let mut n: HashMap<i64, usize> = HashMap::new();
        for session in sample.sessions.iter().filter(|s| s.state == "active") {
            *n.entry(session.query_id).or_insert(0) += 1;
        }
        n.into_iter().filter(|(id, _)| *id != 0).max_by_key(|(_, n)| *n)
    };
    let most = samples.iter().filter_map(|s| Some((s, of_one(s)?)));
    let (sample, (id, _)) = most.max_by_key(|(_, (_, n))| *n)?;
    let mut sessions = sample.sessions.iter();
    let session = sessions.find(|s| s.state == "active" && s.query_id == id)?;
    Some((sample, session))
}

/// Sessions that run its statement at the same moment, where many do and where it was run before.
fn one_of_many(case: &Case, sample: &Sample, session: &SessionSample) -> Option<usize> {
    let same = |s: &&SessionSample| s.state == "active" && s.query_id == session.query_id;
    let n_in = |s: &Sample| s.sessions.iter().filter(same).count();
    let n = n_in(sample);
    let before = case.window.baseline();
    let asked = statement_deltas(before).iter().any(|d| d.query_id == session.query_id)
        || before.iter().any(|s| n_in(s) > 0);
    let usual = before.iter().map(n_in).max().unwrap_or(0);
    (session.query_id != 0 && asked && is_crowd(n as f64, usual as f64)).then_some(n)
}

/// Bytes of files that were closed in these samples.
fn written(samples: &[Sample]) -> f64 {
    let mut counted = samples.iter().filter_map(|s| s.database.map(|d| d.temp_bytes));
    let first = counted.next().unwrap_or(0);
    counted.next_back().map_or(0.0, |last| (last - first).max(0) as f64)
}

/// Most bytes of files that were open at one time.
fn open(samples: &[Sample]) -> f64 {
    let sum = |s: &Sample| -> i64 { s.temp_files.iter().flatten().map(|f| f.bytes).sum() };
    samples.iter().map(sum).max().unwrap_or(0) as f64
}

/// The client session with most temporary files, which has run its statement for long.
pub(super) fn spiller(case: &Case) -> Option<(&Sample, &SessionSample, i64)> {
    let held = case.window.recent().iter().flat_map(|sample| {
        sample.temp_files.iter().flatten().filter_map(move |files| {
            let mut others = sample.sessions.iter().filter(|s| !is_ours(s));
            let session = others.find(|s| s.pid == files.pid)?;
            let runs_s = session.runs_s(sample.at);
            (session.state == "active" && runs_s >= RUNS_S).then_some((
                sample,
                session,
                files.bytes,
            ))
        })
    });
    held.max_by_key(|(_, _, bytes)| *bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_counter(super::judge, |d| d.temp_bytes = 1 << 30);
    }

    #[test]
    fn a_sort_at_work_is_not_ruled_out_by_files_that_were_closed() {
        let mut blind = healthy(35);
        blind.last_mut().unwrap().gaps.push(Gap { sampler: "temp_files".into(), why: "x".into() });
        assert!(matches!(judge(&case(blind, 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn one_of_many_that_ask_what_was_asked_before_is_not_the_one_that_spills() {
        let judged = |n: i32| {
            let mut samples = healthy(35);
            for (i, s) in (0..).zip(&mut samples) {
                s.database.as_mut().unwrap().temp_bytes = if i < 31 { 0 } else { 1 << 30 };
                let n = if i < 31 { 1 } else { n };
                s.sessions = (0..n).map(|pid| session(pid, "active", &[])).collect();
                s.sessions.iter_mut().for_each(|x| x.query_id = 7);
            }
            judge(&case(samples, 30))
        };
        assert!(matches!(judged(20), Verdict::RuledOut { present: true, .. }));
        assert!(judged(1).likely().is_some());
    }

    #[test]
    fn the_session_that_spills_is_named_while_it_does() {
        let mut samples = healthy(35);
        let last = samples.last_mut().unwrap();
        let mut report = session(7, "active", &[]);
        report.query = "SELECT * FROM orders ORDER BY note".into();
        last.sessions = vec![session(1, "active", &[]), report];
        last.temp_files = Some(vec![TempFiles { pid: 7, bytes: 1 << 30 }]);
        let verdict = judge(&case(samples, 30));
        let likely = verdict.likely().unwrap();
        assert_eq!(likely.pids, [7]);
        assert!(likely.says.contains("ORDER BY note"), "{}", likely.says);
    }
}
