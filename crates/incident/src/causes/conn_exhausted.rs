//! No connection slot is left.

use super::Cause;
use crate::facts::{complete, sampled};
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static CAUSE: Cause = Cause {
    id: "conn_exhausted",
    name: "Connection exhaustion",
    necessary: "nearly all connection slots are taken, and not by sessions that wait for locks",
    explains: &["connections_near_limit", "server_unreachable"],
    actions: &[],
    prevention: &["Give each role a CONNECTION LIMIT, and each pool a size whose sum fits"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "database", "connections were not counted") {
        return unknown;
    }
    let share = |s: &Sample| {
        s.database.map(|d| 100.0 * d.n_backends as f64 / (d.max_connections as f64).max(1.0))
    };
    let worst = case.window.recent().iter().filter(|s| share(s).is_some());
    let Some(worst) =
        worst.max_by(|a, b| share(a).unwrap_or(0.0).total_cmp(&share(b).unwrap_or(0.0)))
    else {
        return Verdict::unknown("no count of connections since the onset");
    };
    let before = case.window.baseline().iter().filter_map(share).fold(0.0, f64::max);
    let evidence = Evidence::measured(
        "connection slots in use",
        share(worst).unwrap_or(0.0),
        "%",
        sampled("database: pg_stat_database.numbackends, max_connections"),
    )
    .against(before)
    .at(worst.at);
    if share(worst).unwrap_or(0.0) < 95.0 {
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
    let mut by_role: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for s in &worst.sessions {
        *by_role.entry((s.role.as_str(), s.state.as_str())).or_default() += 1;
    }
    let most = by_role.iter().max_by_key(|(_, n)| **n);
    let who = most.map_or(String::new(), |((role, state), n)| {
        format!(": role {role} has {n} sessions {state}")
    });
    Verdict::Likely(Likely::new(0.8, format!("connection slots ran out{who}"), evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_counter(judge, |d| d.n_backends = 99);
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
