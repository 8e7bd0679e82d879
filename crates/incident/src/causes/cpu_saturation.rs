//! More work than processors, spread over all statements.

use super::Cause;
use crate::facts::{complete, regressions, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "cpu_saturation",
    name: "CPU saturation",
    necessary: "all statements slow down in proportion, and none of them does more work per call",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &["Find the statement with the most CPU time before adding processors"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "statements", "statements were not counted") {
        return unknown;
    }
    let pairs = regressions(&case.window);
    if pairs.is_empty() {
        return Verdict::unknown("no statement ran both before and after the onset");
    }
    let slower = pairs.iter().filter(|(now, old)| now.ms_per_call >= 2.0 * old.ms_per_call).count();
    let share = 100.0 * slower as f64 / pairs.len() as f64;
    let grown = pairs
        .iter()
        .map(|(now, old)| now.blks_per_call / old.blks_per_call.max(1.0))
        .fold(0.0, f64::max);
    if grown >= 3.0 {
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
    match share {
        _ if pairs.len() < 2 => Verdict::unknown("one statement cannot tell whether all slow down"),
        s if s < 80.0 => Verdict::ruled_out(evidence),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn unknown_without_statements() {
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
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
