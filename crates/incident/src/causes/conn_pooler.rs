//! A connection pooler in front of the server is full while the server is not.

use super::Cause;
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "conn_pooler",
    name: "Connection pooler saturated",
    necessary: "a pooler turns clients away while the server has slots left",
    explains: &["server_unreachable", "throughput_drop"],
    actions: &[],
    prevention: &[
        "Size pools by Little's law, and alarm on clients that wait in the pooler (SHOW POOLS)",
        "Look for sessions that are idle in transaction first: each holds a place in the pool",
    ],
    judge,
};

/// What PgBouncer, Odyssey and their kin answer when no server connection is to be had.
const WORDS: [&str; 4] = [
    "query_wait_timeout",
    "max_client_conn",
    "no more connections allowed",
    "pooler is shut down or in paused mode",
];
/// Above this share the server itself is near its limit.
const FULL_PERCENT: f64 = 90.0;

fn judge(case: &Case) -> Verdict {
    let used = |s: &Sample| s.database.map(|d| d.slots_used());
    let recent = case.window.recent();
    let most = recent
        .iter()
        .filter_map(used)
        .fold(None, |m: Option<f64>, x| Some(m.map_or(x, |m| m.max(x))));
    let before = case.window.baseline().iter().filter_map(used).fold(0.0, f64::max);
    let slots = |percent| {
        Evidence::measured(
            "connection slots of the server in use",
            percent,
            "%",
            sampled("database: pg_stat_database.numbackends, max_connections"),
        )
        .against(before)
        .at(case.window.now())
    };
    let turned_away = recent.iter().find(|s| WORDS.iter().any(|w| s.probe_error.contains(w)));
    match (turned_away, most) {
        (_, Some(percent)) if percent >= FULL_PERCENT => Verdict::ruled_out(slots(percent)),
        (Some(sample), percent) => {
            let says = format!(
                "the pooler turns clients away, the server does not: {}",
                sample.probe_error
            );
            let n = recent.iter().filter_map(|s| s.probe).map(|p| p.failed).sum::<u32>();
            let probes =
                Evidence::measured("probes that failed", f64::from(n), "probes", sampled("probe"));
            let likely = Likely::new(0.8, says, probes.at(sample.at));
            Verdict::Likely(percent.map_or(likely.clone(), |p| likely.and(slots(p))))
        }
        (None, _) => Verdict::unknown(
            "how many clients wait in a pooler: its console is not read, and no probe was turned \
             away by one",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
        let mut samples = healthy(40);
        samples.last_mut().unwrap().probe_error = "FATAL: query_wait_timeout".to_owned();
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        samples.last_mut().unwrap().database.as_mut().unwrap().n_backends = 99;
        assert!(matches!(judge(&case(samples, 30)), Verdict::RuledOut { .. }));
    }
}
