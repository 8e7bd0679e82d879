//! A timeout ends statements or sessions that did not take longer than before.

use super::Cause;
use crate::facts::{complete, count_log, cut, logged, no_baseline, regressions, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "cfg_timeout",
    name: "Timeout misconfigured",
    necessary: "statements or sessions are ended by a timeout, and more of them than before",
    explains: &["error_burst", "connection_resets"],
    actions: &[],
    prevention: &["Keep timeouts under change control, also those of roles and databases"],
    judge,
};

/// One that runs into its limit is life.
const N_MIN: usize = 3;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let recent = case.window.recent();
    let (n, per_s) = count_log(recent, is_timeout);
    let (_, before) = count_log(case.window.baseline(), is_timeout);
    let first = recent.iter().flat_map(|s| &s.log).find(|e| is_timeout(e));
    let words = "statements and sessions ended by a timeout";
    let (Some(first), true) = (first, n >= N_MIN && per_s > 3.0 * before) else {
        let source = Source::new(SourceKind::Log, "57014 by timeout, 25P03, 25P04, 57P05");
        let evidence = Evidence::measured(words, per_s, "endings/s", source);
        return Verdict::ruled_out(evidence.against(before).at(case.window.now()));
    };
    let evidence = Evidence::measured(words, per_s, "endings/s", logged(first))
        .against(before)
        .at(case.window.now());
    if let Some(change) = changed(case) {
        let says = format!(
            "{} changed from {} to {}, and {n} statements or sessions were ended by a timeout since, \
             the first of role {}: {}",
            change.name,
            change.before,
            change.after,
            first.role,
            cut(&first.statement, 120)
        );
        return Verdict::Likely(Likely::new(0.9, says, evidence));
    }
    if let Some(unknown) = complete(case, "config", "settings were not read") {
        return unknown;
    }
    // Statements that became slow, or wait, run into a timeout that was right all along.
    let slowest = regressions(&case.window)
        .iter()
        .map(|(now, old)| now.ms_per_call / old.ms_per_call.max(0.02))
        .fold(1.0, f64::max);
    Verdict::present_not_sufficient(
        Evidence::measured(
            format!(
                "{n} timeouts, yet no timeout was changed; the slowest statement takes so many \
                     times as long as before"
            ),
            slowest,
            "x",
            sampled("config: pg_settings, pg_db_role_setting; statements"),
        )
        .against(1.0)
        .at(case.window.now()),
    )
}

fn is_timeout(entry: &LogEntry) -> bool {
    match entry.sqlstate.as_str() {
        "57014" => entry.message.contains("timeout"),
        "25P03" | "25P04" | "57P05" | "55P03" => entry.message.contains("timeout"),
        _ => false,
    }
}

/// A timeout's setting that changed since shortly before the onset, for all or for a role.
fn changed(case: &Case) -> Option<&ConfigChange> {
    let near = |c: &&ConfigChange| seconds_between(case.onset, c.at).abs() < NEAR_S;
    let mut changes = case.window.samples.iter().flat_map(|s| &s.changes).filter(near);
    changes.rfind(|c| c.kind == "setting" && c.name.ends_with("_timeout"))
}

/// Sessions keep the value they began with until they connect again.
const NEAR_S: f64 = 300.0; // pools renew their connections within minutes

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let message = "canceling statement due to statement timeout";
        let by_user = "canceling statement due to user request";
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "57014", by_user); 9];
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "57014", message); 3];
        let unchanged = judge(&case(samples.clone(), 30));
        assert!(matches!(unchanged, Verdict::RuledOut { present: true, .. }));
        samples.get_mut(31).unwrap().changes = vec![ConfigChange {
            at: at(31),
            kind: "setting".into(),
            name: "role site: statement_timeout".into(),
            before: "absent".into(),
            after: "20ms".into(),
        }];
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "log".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
