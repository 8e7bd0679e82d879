//! No connection slot is left.

use super::Cause;
use crate::detectors::connections_near_limit::NEAR_LIMIT_PERCENT;
use crate::facts::{complete, sampled};
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static CAUSE: Cause = Cause {
    id: "conn_exhausted",
    name: "Connection exhaustion",
    necessary: "nearly all connection slots that are not reserved are taken, and not by sessions \
                that wait for locks",
    explains: &["connections_near_limit", "server_unreachable"],
    actions: &["end_idle_sessions"],
    prevention: &[
        "Give each role a CONNECTION LIMIT, and each pool a size whose sum fits",
        "Set idle_session_timeout for people and jobs (from 14 on), never for a pool",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "database", "connections were not counted") {
        return unknown;
    }
    let share = |s: &Sample| s.database.map(|d| d.slots_used());
    let worst = case.window.recent().iter().filter(|s| share(s).is_some());
    let Some(worst) =
        worst.max_by(|a, b| share(a).unwrap_or(0.0).total_cmp(&share(b).unwrap_or(0.0)))
    else {
        return Verdict::unknown("no count of connections since the onset");
    };
    let before = case.window.baseline().iter().filter_map(share).fold(0.0, f64::max);
    let evidence = Evidence::measured(
        "connection slots in use, of those that are not reserved",
        share(worst).unwrap_or(0.0),
        "%",
        sampled("database: pg_stat_database.numbackends, max_connections, reserved_connections"),
    )
    .against(before)
    .at(worst.at);
    if share(worst).unwrap_or(0.0) < NEAR_LIMIT_PERCENT {
        return Verdict::ruled_out(evidence);
    }
    let waiting = worst.sessions.iter().filter(|s| !s.blocked_by.is_empty()).count();
    if waiting * 2 > worst.sessions.len() {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "slots are taken, yet {waiting} of {} sessions wait for locks: a consequence",
                worst.sessions.len()
            ),
            ..evidence
        });
    }
    Verdict::Likely(owners(worst, evidence))
}

/// Who holds the slots: the role, application and state with most sessions; where those are
/// idle, they are a leak that may be ended.
fn owners(worst: &Sample, evidence: Evidence) -> Likely {
    let mut groups: BTreeMap<(String, &str), Vec<&SessionSample>> = BTreeMap::new();
    for s in &worst.sessions {
        groups.entry((s.called(), s.state.as_str())).or_default().push(s);
    }
    let Some(((owner, state), held)) = groups.into_iter().max_by_key(|(_, all)| all.len()) else {
        return Likely::new(0.8, "connection slots ran out", evidence);
    };
    let idle_s = held.iter().filter_map(|s| Some(seconds_between(s.state_change?, worst.at)));
    let oldest = idle_s.fold(0.0, f64::max);
    let says = format!(
        "connection slots ran out: {owner} has {} sessions {state}, the longest for {}",
        held.len(),
        human_duration(oldest)
    );
    let share = Evidence::measured(
        format!("sessions of {owner} that are {state}"),
        held.len() as f64,
        "sessions",
        sampled("sessions: pg_stat_activity"),
    );
    let likely = Likely::new(0.85, says, evidence).and(share.at(worst.at));
    match state {
        "idle" => likely.by(held.iter().map(|s| s.pid)).act(CAUSE.actions),
        _ => likely,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_counter(judge, |d| d.n_backends = 99);
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn reserved_slots_are_nobodys() {
        let mut samples = healthy(35);
        let database = samples.last_mut().unwrap().database.as_mut().unwrap();
        (database.max_connections, database.open_connections) = (50, Some(47));
        database.n_backends = 47; // one more is refused, at 94% of max_connections
        assert!(judge(&case(samples, 30)).likely().is_some());
    }

    #[test]
    fn the_role_that_leaks_is_named_and_only_idle_sessions_may_be_ended() {
        for (state, n_pids) in [("idle", 80), ("active", 0)] {
            let mut samples = healthy(35);
            let last = samples.last_mut().unwrap();
            last.database.as_mut().unwrap().n_backends = 98;
            last.sessions = (0..80).map(|pid| session(pid, state, &[])).collect();
            last.sessions.extend((80..98).map(|pid| session(pid, "idle in transaction", &[])));
            let verdict = judge(&case(samples, 30));
            let likely = verdict.likely().unwrap();
            let told = format!("role site (shop) has 80 sessions {state}");
            assert!(likely.says.contains(&told), "{}", likely.says);
            assert_eq!(likely.pids.len(), n_pids);
        }
    }
}
