//! Writes reach a server that takes none: a standby, or one that was demoted.

use super::Cause;
use crate::facts::{complete, count_log, cut, logged, no_baseline, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "ha_wrong_role",
    name: "Writes reach a read-only server",
    necessary: "writes fail with 25006, and this server is in recovery",
    explains: &["error_burst"],
    actions: &[],
    prevention: &[
        "Give clients all hosts and target_session_attrs=read-write, and addresses a short life",
        "Fence the old primary before the new one takes writes",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    for (sampler, words) in
        [("log", "the server log was not read"), ("replication", "the server's role was not seen")]
    {
        if let Some(unknown) = complete(case, sampler, words) {
            return unknown;
        }
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let refused = |e: &LogEntry| e.sqlstate == "25006";
    let recent = case.window.recent();
    let (n, per_s) = count_log(recent, refused);
    let (_, before) = count_log(case.window.baseline(), refused);
    let role = |s: &Sample| s.replication.clone();
    let Some(now) = newest(recent, role) else {
        return Verdict::unknown("whether this server is in recovery");
    };
    let line = recent.iter().flat_map(|s| &s.log).find(|e| refused(e));
    let source = line.map_or(Source::new(SourceKind::Log, "25006"), logged);
    let evidence =
        Evidence::measured("writes refused as read-only (25006)", per_s, "errors/s", source)
            .against(before)
            .at(case.window.now());
    if n == 0 || per_s <= 3.0 * before {
        return Verdict::ruled_out(evidence);
    }
    if !now.in_recovery {
        let why =
            if now.read_only { "default_transaction_read_only is on" } else { "it is a primary" };
        let claim = format!("{}, yet this server is not in recovery: {why}", evidence.claim);
        return Verdict::ruled_out(Evidence { claim, ..evidence });
    }
    let was = newest(case.window.baseline(), role).is_some_and(|r| !r.in_recovery);
    let says = format!(
        "{n} writes reached a server that {}: {}",
        if was { "has become a standby" } else { "is a standby" },
        line.map_or(String::new(), |e| cut(&e.message, 120))
    );
    let recovery = Evidence::measured(
        "pg_is_in_recovery()",
        1.0,
        "true",
        sampled("replication: pg_is_in_recovery()"),
    );
    Verdict::Likely(Likely::new(0.9, says, evidence).and(recovery.against(f64::from(!was))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let with = |in_recovery| {
            let mut samples = healthy(40);
            let role = Replication { in_recovery, ..Replication::default() };
            samples.iter_mut().for_each(|s| s.replication = Some(role.clone()));
            let message = "cannot execute INSERT in a read-only transaction";
            samples.last_mut().unwrap().log = vec![log(39, "ERROR", "25006", message); 4];
            case(samples, 30)
        };
        assert!(judge(&with(true)).likely().is_some());
        assert!(matches!(judge(&with(false)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }
}
