//! More traffic than before.

use super::Cause;
use crate::facts::{
    MORE_CLIENTS, attempts, complete, cut, is_crowd, is_same_work, peak_throughput, regressions,
    sampled, sessions_of, throughput,
};
use pgward_model::prelude::*;
use std::collections::HashMap;

pub(super) static CAUSE: Cause = Cause {
    id: "load_spike",
    name: "Traffic spike",
    necessary: "more transactions per second than before, or more clients at one statement, at the \
                same work per call",
    explains: &["statement_slow", "connections_near_limit", "throughput_drop", "sessions_hang"],
    actions: &[],
    prevention: &["Limit the rate per role in front of the database, and test at twice the peak"],
    judge,
};

/// Traffic varies; half as much again is still a busy minute.
const SPIKE: f64 = 1.5;
/// One statement varies more than their sum: three times as often is no busy minute.
const OFTEN: f64 = 3.0;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "database", "transactions were not counted") {
        return unknown;
    }
    let (Some((peak, before)), Some((now, _))) = (peak_throughput(case), throughput(case)) else {
        return Verdict::unknown("no rate of transactions before the onset");
    };
    let rate = Evidence::measured(
        "transactions per second",
        now,
        "transactions/s",
        sampled("database: pg_stat_database"),
    )
    .against(before)
    .at(case.window.now());
    if let Some(likely) = stampede(case).or_else(|| crowd_of_one(case)) {
        return Verdict::Likely(likely.and(rate));
    }
    if let Some((sent, usual)) = attempts(case)
        && peak >= SPIKE * before
        && sent < SENT * usual
    {
        return Verdict::ruled_out(
            Evidence::measured(
                "statements sent per second, those that failed among them",
                sent,
                "statements/s",
                sampled("statements: pg_stat_statements; log: ERROR"),
            )
            .against(usual)
            .at(case.window.now()),
        );
    }
    if peak < SPIKE * before {
        return match crowded(case) {
            Some(why) => Verdict::unknown(why),
            None => Verdict::ruled_out(rate),
        };
    }
    let grown = regressions(&case.window)
        .into_iter()
        .map(|(now, old)| (now.blks_per_call / old.blks_per_call.max(1.0), now.text))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match grown {
        Some((times, text)) if times >= 3.0 => Verdict::present_not_sufficient(
            Evidence::measured(
                format!(
                    "more calls, but each does more work too, which traffic cannot cause: {}",
                    cut(&text, 60)
                ),
                times,
                "x blocks/call",
                sampled("statements: pg_stat_statements"),
            )
            .against(1.0)
            .at(case.window.now()),
        ),
        _ => Verdict::Likely(Likely::new(
            0.6,
            format!("{} transactions/s at the peak, {} before", human(peak), human(before)),
            rate,
        )),
    }
}

/// One statement called many times as often as before, at the same work each: with all others
/// held up by it, the sum of transactions need not have grown.
fn stampede(case: &Case) -> Option<Likely> {
    let slows = |s: &Symptom| CAUSE.explains.contains(&s.detector.as_str());
    case.symptoms.iter().find(|s| slows(s))?;
    let pairs = regressions(&case.window);
    let all_ms: f64 = pairs.iter().map(|(now, _)| now.total_ms).sum();
    let often = |p: &&(StatementDelta, StatementDelta)| p.0.calls_per_s >= OFTEN * p.1.calls_per_s;
    let (now, old) = pairs
        .iter()
        .filter(often)
        .filter(|(now, old)| is_same_work(now, old))
        .max_by(|a, b| a.0.total_ms.total_cmp(&b.0.total_ms))
        .filter(|(now, _)| now.total_ms >= 0.5 * all_ms)?;
    let says = format!(
        "{} calls/s of one statement of role {}, {} before, at the same work each ({} blocks per \
         call, {} before): {}",
        human(now.calls_per_s),
        now.role,
        human(old.calls_per_s),
        human(now.blks_per_call),
        human(old.blks_per_call),
        cut(&now.text, 120)
    );
    let calls = Evidence::measured(
        format!("calls of {}", cut(&now.text, 60)),
        now.calls_per_s,
        "calls/s",
        sampled("statements: pg_stat_statements"),
    );
    // As many sessions as before: then rather each of them asks more.
    let more =
        sessions_of(case, &now.role).is_none_or(|(now, before)| now >= MORE_CLIENTS * before);
    let score = if more { 0.75 } else { 0.6 };
    Some(Likely::new(score, says, calls.against(old.calls_per_s).at(case.window.now())))
}

/// One statement that many more clients ask at once than before, at the same work each. Who gives up
/// before the answer is counted nowhere, so its calls need not have grown. As many sessions as before
/// that all stand at one statement are held up there.
fn crowd_of_one(case: &Case) -> Option<Likely> {
    let (now, before) = (standing(case.window.recent()), standing(case.window.baseline()));
    let seen = |of: &Standing<'_>, d: &StatementDelta| {
        of.get(&(d.query_id, d.role.as_str())).copied().unwrap_or_default()
    };
    let pairs = regressions(&case.window);
    let crowds = pairs.iter().filter_map(|(d, old)| {
        let ((asks, works), (asked, worked)) = (seen(&now, d), seen(&before, d));
        let crowd = is_crowd(works, worked) && asks >= OFTEN * asked.max(1.0);
        (crowd && is_same_work(d, old)).then_some((d, asks, works, asked, worked))
    });
    let (d, asks, works, asked, worked) = crowds.max_by(|a, b| a.2.total_cmp(&b.2))?;
    let (sessions, usual) = sessions_of(case, &d.role)?;
    if sessions < MORE_CLIENTS * usual {
        return None;
    }
    let says = format!(
        "{} sessions of role {} ask one statement, {} before, and {} of them are at it at any moment, \
         {} before, at the same work each ({} blocks per call): {}",
        human(asks),
        d.role,
        human(asked),
        human(works),
        human(worked),
        human(d.blks_per_call),
        cut(&d.text, 120)
    );
    let crowd = Evidence::measured(
        format!("sessions at work on {}", cut(&d.text, 60)),
        works,
        "sessions",
        sampled("sessions: pg_stat_activity.query_id"),
    );
    Some(Likely::new(0.75, says, crowd.against(worked).at(case.window.now())))
}

/// By statement and role: sessions whose last statement it is, and those at work on it and waiting
/// for no lock, in the mean of the samples.
type Standing<'a> = HashMap<(i64, &'a str), (f64, f64)>;

fn standing(samples: &[Sample]) -> Standing<'_> {
    let mut all = Standing::new();
    let each = 1.0 / (samples.len() as f64).max(1.0);
    for session in samples.iter().flat_map(|s| &s.sessions) {
        let (asks, works) = all.entry((session.query_id, session.role.as_str())).or_default();
        *asks += each;
        if session.state == "active" && session.blocked_by.is_empty() {
            *works += each;
        }
    }
    all
}

/// Between two looks at statements a spike shows only in part.
const SENT: f64 = 1.25;

/// An overloaded server does no more transactions than before, however many are asked for:
/// then twice as many sessions are at work, and neither locks nor dearer statements hold them.
fn crowded(case: &Case) -> Option<String> {
    let at_work = |samples: &[Sample]| {
        let busy = |s: &Sample| s.sessions.iter().filter(|x| x.state == "active").count();
        samples.iter().map(busy).sum::<usize>() as f64 / (samples.len() as f64).max(1.0)
    };
    let (now, before) = (at_work(case.window.recent()), at_work(case.window.baseline()));
    let locks = case.symptoms.iter().any(|s| s.detector == "lock_queue");
    let dearer = regressions(&case.window)
        .iter()
        .any(|(now, old)| now.blks_per_call >= 3.0 * old.blks_per_call.max(1.0));
    (is_crowd(now, before) && !locks && !dearer).then(|| {
        format!(
            "{} sessions are at work, {} before; whether more is asked than is answered is not seen",
            human(now),
            human(before)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, sample, session};

    #[test]
    fn a_stampede_is_told_though_the_sum_has_not_grown_and_a_worse_plan_is_none() {
        for (blocks, likely) in [(100, true), (1000, false)] {
            let mut samples = healthy(44);
            for (i, s) in (0..).zip(&mut samples) {
                let after = (i - 31).max(0);
                let calls = i * 40 + after * 200;
                s.statements = Some(vec![StatementCounters {
                    query_id: 1,
                    role: "site".into(),
                    text: "SELECT count(*) FROM articles WHERE section = $1".into(),
                    calls,
                    total_ms: calls as f64 * 8.0 + after as f64 * 20_000.0,
                    rows: calls,
                    blks: i * 40 * 100 + after * 200 * blocks,
                    blks_read: 0,
                    squares_ms2: 0.0,
                }]);
            }
            let mut case = case(samples, 32);
            let at = case.window.now();
            let evidence = Evidence::measured("x", 1.0, "ms", sampled("statements"));
            case.symptoms =
                vec![Symptom::new("statement_slow", at, at, Weight::Harm, "x", evidence)];
            let says = judge(&case).likely().map(|l| l.says.clone());
            assert_eq!(says.is_some_and(|s| s.contains("FROM articles")), likely);
        }
    }

    #[test]
    fn clients_that_ask_the_same_and_give_up_are_a_spike_though_few_calls_are_counted() {
        for (n_clients, blocks, likely) in [(40, 100, true), (40, 1000, false), (2, 100, false)] {
            let mut samples = healthy(44);
            for (i, s) in (0..).zip(&mut samples) {
                let after: i64 = (i - 31).max(0);
                s.statements = Some(vec![StatementCounters {
                    query_id: 7,
                    role: "site".into(),
                    text: "SELECT avg(grains) FROM counts".into(),
                    calls: i,
                    total_ms: i as f64 * 300.0,
                    rows: i,
                    blks: i * 100 + after * (blocks - 100),
                    blks_read: 0,
                    squares_ms2: 0.0,
                }]);
                let n = if after > 0 { n_clients } else { 1 };
                s.sessions = (0..n).map(|pid| session(pid, "active", &[])).collect();
                s.sessions.iter_mut().for_each(|x| x.query_id = 7);
            }
            let says = judge(&case(samples, 32)).likely().map(|l| l.says.clone());
            assert_eq!(says.is_some_and(|s| s.contains("FROM counts")), likely, "{n_clients}");
        }
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(30);
        samples.extend((30..40).map(|s| sample(s, 2900 + (s - 29) * 400)));
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::RuledOut { .. }));
        let mut samples = healthy(40);
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "database".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
