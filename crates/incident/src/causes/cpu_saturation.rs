//! More work than processors: a statement that nobody asked before, work spread over all
//! statements, or one that computes many times as much.

use super::{Cause, plan_generic::function_made};
use crate::facts::{
    MORE_CLIENTS, complete, computing, cut, is_same_work, regressions, sampled, sessions_of, who,
};
use crate::newcomers::{newcomers, overlap, spills_not};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "cpu_saturation",
    name: "CPU saturation",
    necessary: "all statements slow down in proportion, and none of them reads more per call; or one \
                that waits for nothing takes many times as long for the same blocks and rows",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &["cancel_query"],
    prevention: &[
        "Find the statement with the most CPU time before adding processors",
        "Give roles that report a statement_timeout, few parallel workers, and a server of their own",
    ],
    judge,
};

/// A statement since the onset, and the same before it.
type Pair = (StatementDelta, StatementDelta);

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "statements", "statements were not counted") {
        return unknown;
    }
    let pairs = regressions(&case.window);
    if pairs.is_empty() {
        return Verdict::unknown("no statement ran both before and after the onset");
    }
    if let Some(verdict) = newcomer(case, &pairs) {
        return verdict;
    }
    let slower = pairs.iter().filter(|(now, old)| now.ms_per_call >= 2.0 * old.ms_per_call).count();
    let share = 100.0 * slower as f64 / pairs.len() as f64;
    let grown = pairs
        .iter()
        .map(|(now, old)| now.blks_per_call / old.blks_per_call.max(1.0))
        .fold(0.0, f64::max);
    if grown >= MANY {
        return Verdict::ruled_out(
            Evidence::measured(
                "one statement does many times the work per call: the load is its consequence",
                grown,
                "x blocks/call",
                sampled("statements: pg_stat_statements"),
            )
            .against(1.0)
            .at(case.window.now()),
        );
    }
    let evidence = Evidence::measured(
        format!("{slower} of {} statements take twice as long or more", pairs.len()),
        share,
        "% of statements",
        sampled("statements: pg_stat_statements"),
    )
    .against(0.0)
    .at(case.window.now());
    let load = case.window.recent().iter().filter_map(|s| s.host?.load_per_cpu).fold(0.0, f64::max);
    if (share < ALL || pairs.len() < 2)
        && let Some(verdict) = one_statement(case, &pairs)
    {
        return verdict;
    }
    match share {
        _ if pairs.len() < 2 => Verdict::unknown("one statement cannot tell whether all slow down"),
        s if s < ALL => Verdict::ruled_out(evidence),
        _ if load > 1.5 => Verdict::Likely(Likely::new(
            0.5,
            format!(
                "all statements slow down together; {} runnable processes per CPU",
                human(load)
            ),
            evidence,
        )),
        _ => Verdict::unknown("all statements slow down, and the host's load is not visible"),
    }
}

/// % of the statements: the others wait for something else.
const ALL: f64 = 80.0;
/// So many times the blocks per call are another plan, or other data.
const MANY: f64 = 3.0;
/// Who shares a processor with one more takes twice as long.
const SLOWER: f64 = 2.0;
/// So many times as long at the same work is no noise of the machine.
const TIMES: f64 = 5.0;
/// Calls of which a mean can be told.
const CALLS_MIN: i64 = 10;
/// Of the time of all statements: the one that fills the processors.
const SHARE: f64 = 0.5;
/// One statement that takes many times as long for the same blocks and rows, asked no more often,
/// waiting for nothing: what it computes has become dearer.
fn one_statement(case: &Case, pairs: &[Pair]) -> Option<Verdict> {
    let all_ms: f64 = pairs.iter().map(|(now, _)| now.total_ms).sum();
    let dearer = |(now, old): &&Pair| {
        now.calls >= CALLS_MIN
            && now.ms_per_call >= TIMES * old.ms_per_call.max(0.02)
            && now.calls_per_s < 2.0 * old.calls_per_s
            && is_same_work(now, old)
            && now.total_ms >= SHARE * all_ms
    };
    let (now, old) = pairs.iter().find(dearer)?;
    let made = function_made(case, &now.text);
    let more =
        sessions_of(case, &now.role).is_some_and(|(now, before)| now >= MORE_CLIENTS * before);
    if more && made.is_none() {
        return None; // they share what there is, and each call takes longer
    }
    let evidence = computing(case, now)?;
    let says = format!(
        "one statement takes {} ms per call, {} before, at the same work each ({} blocks per call, \
         {} before), and waits for nothing: it computes: {}",
        human(now.ms_per_call),
        human(old.ms_per_call),
        human(now.blks_per_call),
        human(old.blks_per_call),
        cut(&now.text, 160)
    );
    Some(Verdict::Likely(match made {
        Some(made) => Likely::new(0.6, format!("{}; {says}", made.claim), evidence).and(made),
        None => Likely::new(0.4, says, evidence),
    }))
}

/// A statement that nobody asked before computes, and what others ask takes many times as long for
/// the same blocks and rows, waiting for nothing: it has the processors. Not where most of the time
/// goes to statements that read many times as much.
fn newcomer(case: &Case, pairs: &[Pair]) -> Option<Verdict> {
    let reads_more = |(now, old): &Pair| now.blks_per_call >= MANY * old.blks_per_call.max(1.0);
    let ms = |of: &dyn Fn(&Pair) -> bool| -> f64 {
        pairs.iter().filter(|p| of(p)).map(|(now, _)| now.total_ms).sum()
    };
    if ms(&reads_more) >= SHARE * ms(&|_| true) {
        return None;
    }
    let all = newcomers(case);
    let first = all.first().filter(|_| !overlap(&all))?;
    let slower = |(now, old): &&Pair| {
        now.calls >= CALLS_MIN
            && now.ms_per_call >= SLOWER * old.ms_per_call.max(0.02)
            && now.calls_per_s < 2.0 * old.calls_per_s
            && is_same_work(now, old)
    };
    let of_time = |a: &&Pair, b: &&Pair| a.0.total_ms.total_cmp(&b.0.total_ms);
    let (now, old) = pairs.iter().filter(slower).max_by(of_time)?;
    let victim = computing(case, now)?;
    let more =
        sessions_of(case, &now.role).is_some_and(|(now, before)| now >= MORE_CLIENTS * before);
    if more || function_made(case, &now.text).is_some() {
        return None; // they share what there is, or what they ask has become dearer
    }
    if !spills_not(case, first) {
        return Some(Verdict::unknown(format!(
            "whether {} computes only, or sorts and spills: it has run one statement for {} s",
            who(first.session),
            human(first.session.runs_s(first.at))
        )));
    }
    let others = match all.len() {
        1 => String::new(),
        n => format!(" and {} more sessions", n - 1),
    };
    let says = format!(
        "{}{others}: one statement computes for {} s, asked by nobody in the {} s before: {}; what \
         others ask takes {} ms per call, {} before, at the same work each: {}",
        who(first.session),
        human(first.session.runs_s(first.at)),
        human(case.window.baseline_s()),
        cut(&first.session.query, 160),
        human(now.ms_per_call),
        human(old.ms_per_call),
        cut(&now.text, 100)
    );
    let computes = Evidence::measured(
        format!(
            "of {} times that pid {} was seen at it, it waited for nothing but its own workers",
            first.n_seen, first.session.pid
        ),
        first.computing,
        "% of times",
        sampled("sessions: pg_stat_activity"),
    )
    .at(first.at);
    let pids = all.iter().map(|n| n.session.pid);
    Some(Verdict::Likely(Likely::new(0.7, says, computes).and(victim).by(pids).act(CAUSE.actions)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, ddl, healthy, session};

    #[test]
    fn unknown_without_statements() {
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
    }

    /// One of two statements takes 30 ms instead of 0.1 since second 30, and its sessions wait for
    /// that; a function was made at second 28.
    fn dearer(wait_type: &str) -> Verdict {
        let mut samples = healthy(40);
        for (i, s) in (0..).zip(&mut samples) {
            let slow = f64::from((i - 29).max(0));
            let of = |query_id, calls: i32, ms: f64| StatementCounters {
                query_id,
                role: "site".into(),
                text: "SELECT shop.price(id) FROM orders WHERE id = $1".into(),
                calls: i64::from(calls * i),
                total_ms: f64::from(calls * i) * 0.1 + slow * f64::from(calls) * ms,
                rows: i64::from(calls * i),
                blks: i64::from(4 * calls * i),
                blks_read: 0,
                squares_ms2: 0.0,
            };
            s.statements = Some(vec![of(1, 100, 30.0), of(2, 50, 0.0)]);
            let mut asks = session(7, "active", &[]);
            asks.wait_type = wait_type.to_owned();
            s.sessions = vec![asks];
        }
        let mut case = case(samples, 30);
        case.ddl = vec![ddl(28, "CREATE FUNCTION", "function", "shop.price(bigint)")];
        judge(&case)
    }

    #[test]
    fn one_statement_that_computes_more_is_told_with_the_function_it_calls() {
        let verdict = dearer("");
        let says = &verdict.likely().unwrap().says;
        assert!(says.contains("shop.price(bigint)") && says.contains("it computes"), "{says}");
        assert!(dearer("IO").likely().is_none());
    }

    /// From second 30 on pid 9 computes for good, and each call of the site takes 30 ms instead of
    /// 0.1; `before`: the same application did so earlier.
    fn report(before: bool, wait_type: &str, temp_files: Option<Vec<TempFiles>>) -> Verdict {
        let mut samples = healthy(40);
        for (i, s) in (0..).zip(&mut samples) {
            s.statements = Some(vec![StatementCounters {
                query_id: 1,
                role: "site".into(),
                text: "SELECT price FROM orders WHERE id = $1".into(),
                calls: 100 * i64::from(i),
                total_ms: 10.0 * f64::from(i) + 3000.0 * f64::from((i - 29).max(0)),
                rows: 100 * i64::from(i),
                blks: 400 * i64::from(i),
                blks_read: 0,
                squares_ms2: 0.0,
            }]);
            let mut asks = session(7, "active", &[]);
            (asks.query_id, asks.query_start) = (1, Some(s.at));
            let mut reports = session(9, "active", &[]);
            (reports.role, reports.application) = ("bi".into(), "rstudio".into());
            (reports.query_id, reports.wait_type) = (2, wait_type.to_owned());
            reports.wait_event = "ExecuteGather".to_owned();
            reports.query_start = Some(crate::testing::at(if i < 30 { -60 } else { 30 }));
            s.sessions = vec![asks];
            s.temp_files.clone_from(&temp_files);
            if before || i >= 30 {
                s.sessions.push(reports);
            }
        }
        judge(&case(samples, 30))
    }

    #[test]
    fn a_statement_that_nobody_asked_before_and_that_computes_is_told_and_cancelled() {
        let none = || Some(Vec::new());
        let verdict = report(false, "IPC", none());
        let likely = verdict.likely().unwrap();
        let says = &likely.says;
        assert!(says.contains("role bi (rstudio): one statement computes"), "{says}");
        assert_eq!(likely.pids, [9]);
        assert_eq!(likely.actions, CAUSE.actions);
        let spilt = Some(vec![TempFiles { pid: 9, bytes: 1 << 20 }]);
        for other in [
            report(true, "", none()),
            report(false, "IO", none()),
            report(false, "", None),
            report(false, "", spilt),
        ] {
            assert!(other.likely().is_none_or(|l| l.pids.is_empty()), "{other:?}");
        }
    }

    #[test]
    fn likely_when_all_slow_down_and_ruled_out_when_one_does() {
        for (second_ms, likely) in [(10.0, true), (0.01, false)] {
            let mut samples = healthy(36);
            for (i, s) in samples.iter_mut().enumerate() {
                let slow = i.saturating_sub(30) as f64;
                let of = |id, ms: f64| StatementCounters {
                    query_id: id,
                    role: "site".into(),
                    text: "".into(),
                    calls: 100 * i as i64,
                    total_ms: 10.0 * i as f64 + slow * 100.0 * ms,
                    rows: 0,
                    blks: 400 * i as i64,
                    blks_read: 0,
                    squares_ms2: 0.0,
                };
                s.statements = Some(vec![of(1, 10.0), of(2, second_ms)]);
                s.host = Some(HostSample {
                    disk_free_bytes: 1.0,
                    disk_total_bytes: 2.0,
                    load_per_cpu: Some(4.0),
                    ..HostSample::default()
                });
            }
            assert_eq!(judge(&case(samples, 30)).likely().is_some(), likely);
        }
    }
}
