//! One statement is sent many times as often as before, and no other is.

use super::Cause;
use crate::facts::{MORE_CLIENTS, complete, cut, is_frame, sampled, sessions_of};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "load_n_plus_1",
    name: "One release multiplies calls of one statement",
    necessary: "one statement's calls per second have multiplied, in sessions that are no more than \
                before, and the others' have not",
    explains: &["statement_slow", "throughput_drop", "connections_near_limit", "sessions_hang"],
    actions: &[],
    prevention: &["Count queries per request in the tests of the application"],
    judge,
};

/// A list of ten is the shortest that makes ten queries of one.
const TIMES: f64 = 10.0;
/// Below this many times as often, traffic as such is the better word.
const TIMES_MIN: f64 = 3.0;
/// Clients that ask as often as ever explain the calls up to so many times.
const SHARED: f64 = 1.5;
/// All other statements together vary less than this; more is more traffic.
const OTHERS: f64 = 2.0;
/// Of all calls now, or of their time: less loads nobody.
const SHARE: f64 = 0.3;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "statements", "statements were not counted") {
        return unknown;
    }
    let (before, now) = (work(case.window.baseline()), work(case.window.recent()));
    if before.is_empty() || now.is_empty() {
        return Verdict::unknown("statements were not counted both before and after the onset");
    }
    let rate_before = |d: &StatementDelta| rate_in(&before, d);
    let total: f64 = now.iter().map(|d| d.calls_per_s).sum();
    let grown = |d: &StatementDelta| d.calls_per_s - rate_before(d);
    let Some(most) = now.iter().max_by(|a, b| grown(a).total_cmp(&grown(b))) else {
        return Verdict::unknown("no statement ran since the onset");
    };
    // A statement never seen before is measured against the mean of those there were.
    let usual = match rate_before(most) {
        0.0 => before.iter().map(|b| b.calls_per_s).sum::<f64>() / before.len() as f64,
        rate => rate,
    };
    let times = most.calls_per_s / usual.max(0.1);
    let which = match rate_before(most) {
        0.0 => "a statement not seen before, beside the mean of those that were",
        _ => "the statement that grew most",
    };
    let evidence = Evidence::measured(
        format!("calls of {which}: {}", cut(&most.text, 80)),
        most.calls_per_s,
        "calls/s",
        sampled("statements: pg_stat_statements"),
    )
    .against(usual)
    .at(case.window.now());
    let time: f64 = now.iter().map(|d| d.total_ms).sum();
    if times < TIMES_MIN || most.calls_per_s < SHARE * total && most.total_ms < SHARE * time {
        return Verdict::ruled_out(evidence);
    }
    let clients = sessions_of(case, &most.role);
    if let Some((now, before)) = clients.filter(|(now, before)| times * before < SHARED * now) {
        let claim = format!(
            "sessions of role {}, whose one statement is sent {} times as often: more clients ask, \
             not each of them more",
            most.role,
            human(times)
        );
        let source = sampled("sessions: pg_stat_activity");
        let sessions = Evidence::measured(claim, now, "sessions", source);
        return Verdict::ruled_out(sessions.against(before).at(case.window.now()));
    }
    // Both: those that came may be the ones that ask.
    let more = clients.is_some_and(|(now, before)| now >= MORE_CLIENTS * before);
    let others = others(&now, &before, most);
    if more || times < TIMES || others.is_none_or(|others| others > OTHERS) {
        return Verdict::unknown(format!(
            "whether one release asks {} times as often, or more clients do: {}",
            human(times),
            cut(&most.text, 80)
        ));
    }
    let others = others.unwrap_or(1.0);
    let says = format!(
        "role {} sends one statement {} times as often as before ({} calls/s, {} before), and all \
         others {} times: {}",
        most.role,
        human(times),
        human(most.calls_per_s),
        human(usual),
        human(others),
        cut(&most.text, 160)
    );
    // Behind a pool of so many sessions and no more, a busy hour may look alike.
    let score = if TIMES * others <= times { 0.7 } else { 0.55 };
    Verdict::Likely(Likely::new(score, says, evidence))
}

fn rate_in(deltas: &[StatementDelta], of: &StatementDelta) -> f64 {
    let same = |b: &&StatementDelta| b.query_id == of.query_id && b.role == of.role;
    deltas.iter().find(same).map_or(0.0, |b| b.calls_per_s)
}

/// How many times as often as before all other statements are sent; `None` where there were few.
/// One request may ask several: what multiplied with it is none of the others.
fn others(now: &[StatementDelta], before: &[StatementDelta], most: &StatementDelta) -> Option<f64> {
    let same = |d: &StatementDelta| d.query_id == most.query_id && d.role == most.role;
    let other =
        |d: &&StatementDelta| !same(d) && d.calls_per_s < TIMES * rate_in(before, d).max(0.1);
    let sent = |all: &[StatementDelta]| all.iter().map(|d| d.calls_per_s).sum::<f64>();
    let others: f64 = now.iter().filter(other).map(|d| d.calls_per_s).sum();
    let grown: f64 = now.iter().filter(|d| !other(d)).map(|d| rate_in(before, d)).sum();
    let usual = sent(before) - grown;
    (usual >= SHARE * sent(before)).then(|| others / usual)
}

/// What statements did, but for those that drivers send around each.
fn work(samples: &[Sample]) -> Vec<StatementDelta> {
    statement_deltas(samples).into_iter().filter(|d| !is_frame(&d.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    /// Two statements at 10 calls/s each; the second at `per_s` from second 30 on.
    fn samples(per_s: i64) -> Vec<Sample> {
        let mut samples = healthy(40);
        for (i, s) in (0..).zip(&mut samples) {
            let of = |query_id, calls| StatementCounters {
                query_id,
                role: "site".into(),
                text: "SELECT name FROM users WHERE id = $1".into(),
                calls,
                total_ms: calls as f64,
                rows: calls,
                blks: 4 * calls,
                blks_read: 0,
                squares_ms2: 0.0,
            };
            let more = (i - 29).max(0) * (per_s - 10);
            s.statements = Some(vec![of(1, 10 * i), of(2, 10 * i + more)]);
        }
        samples
    }

    #[test]
    fn what_a_driver_sends_around_a_statement_is_not_asked() {
        let mut framed = samples(400);
        for s in framed.iter_mut().flat_map(|s| &mut s.statements) {
            let Some(asked) = s.last().cloned() else { continue };
            for (query_id, text) in [(3, "BEGIN"), (4, "COMMIT"), (5, "SET search_path = a")] {
                s.push(StatementCounters { query_id, text: text.into(), ..asked.clone() });
            }
        }
        assert!(judge(&case(framed, 30)).likely().unwrap().says.contains("users"));
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&case(samples(400), 30)).likely().unwrap().says.contains("users"));
        let with_clients = |n: i32| {
            let mut samples = samples(400);
            for (i, s) in (0..).zip(&mut samples) {
                let n = if i < 30 { 4 } else { n };
                s.sessions = (0..n).map(|pid| session(pid, "active", &[])).collect();
            }
            judge(&case(samples, 30))
        };
        assert!(with_clients(5).likely().is_some());
        assert!(matches!(with_clients(12), Verdict::Unknown { .. }), "more ask, and more each");
        assert!(matches!(with_clients(120), Verdict::RuledOut { .. }), "more clients ask");
        assert!(matches!(judge(&case(samples(12), 30)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(samples(60), 30)), Verdict::Unknown { .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }
}
