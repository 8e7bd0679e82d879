//! A timeout ends statements or sessions that did not take longer than before.

use super::Cause;
use crate::facts::{
    changes_near, complete, count_log, cut, logged, most_waiters, no_baseline, regressions, sampled,
};
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
/// As the detector of slow statements has it.
const SLOWER: f64 = 5.0;
/// Two sessions that wait behind one are a queue.
const WAITERS_MIN: f64 = 2.0;

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
    unchanged(case, n)
}

/// No timeout was changed in the server. Statements that became slow, or wait, run into one that
/// was right all along; else a client may have set another itself, which nobody sees.
fn unchanged(case: &Case, n: usize) -> Verdict {
    if let Some(unknown) = complete(case, "statements", "statements were not counted") {
        return unknown;
    }
    let yet = |claim: &str| format!("{n} timeouts, yet no timeout was changed; {claim}");
    let (recent, baseline) = (case.window.recent(), case.window.baseline());
    let (waiters, before) = (most_waiters(recent), most_waiters(baseline));
    if waiters >= WAITERS_MIN && waiters > 3.0 * before {
        let source = sampled("config: pg_settings, pg_db_role_setting; sessions");
        let claim = yet("so many sessions wait behind one");
        let queue = Evidence::measured(claim, waiters, "sessions", source);
        return Verdict::present_not_sufficient(queue.against(before).at(case.window.now()));
    }
    let pairs = regressions(&case.window);
    let times = pairs.iter().map(|(now, old)| now.ms_per_call / old.ms_per_call.max(0.02));
    match times.max_by(f64::total_cmp) {
        Some(slowest) if slowest >= SLOWER => {
            let source = sampled("config: pg_settings, pg_db_role_setting; statements");
            let claim = yet("the slowest statement takes so many times as long as before");
            let slower = Evidence::measured(claim, slowest, "x", source);
            Verdict::present_not_sufficient(slower.against(1.0).at(case.window.now()))
        }
        _ => Verdict::unknown(format!(
            "which timeout ended {n} statements or sessions: no setting was changed and none \
             became slow; a client may set a timeout of its own (SET statement_timeout)"
        )),
    }
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
    // Also `role site: statement_timeout`.
    let ends = |c: &&ConfigChange| c.name.rsplit(' ').next().is_some_and(|n| ENDING.contains(&n));
    // Not the one that was taken back since: it ends nothing any more.
    let shorter = |c: &&ConfigChange| c.after != "0";
    let last = changes_near(case, "setting").rfind(ends);
    changes_near(case, "setting").filter(shorter).rfind(ends).or(last)
}

/// Timeouts that end statements and sessions; others (`checkpoint_timeout`) end neither.
const ENDING: [&str; 8] = [
    "statement_timeout",
    "lock_timeout",
    "transaction_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "authentication_timeout",
    "tcp_user_timeout",
    "wal_sender_timeout",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log};

    /// Ten calls a second, of which each took so long.
    fn statement(s: i64, ms: f64) -> StatementCounters {
        StatementCounters {
            query_id: 1,
            role: "site".into(),
            text: "SELECT * FROM orders WHERE id = $1".into(),
            calls: 10 * s,
            total_ms: 10.0 * s as f64 * ms,
            rows: 0,
            blks: 0,
            blks_read: 0,
            squares_ms2: 0.0,
        }
    }

    #[test]
    fn a_client_that_sets_a_timeout_itself_is_not_ruled_out_by_statements_as_fast_as_ever() {
        let mut samples = healthy(35);
        for (s, sample) in (0..).zip(&mut samples) {
            sample.statements = Some(vec![statement(s, 10.0)]);
        }
        let message = "canceling statement due to statement timeout";
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "57014", message); 30];
        let verdict = judge(&case(samples, 30));
        assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
    }

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
        assert!(matches!(unchanged, Verdict::Unknown { .. }));
        let mut slow = samples.clone();
        for (s, sample) in slow.iter_mut().enumerate() {
            sample.statements =
                Some(vec![statement(s as i64, if s >= 30 { 9_000.0 } else { 10.0 })]);
        }
        let slow = judge(&case(slow, 30));
        assert!(matches!(slow, Verdict::RuledOut { present: true, .. }), "{slow:?}");
        samples.get_mut(31).unwrap().changes = vec![ConfigChange {
            at: at(31),
            kind: "setting".into(),
            name: "role site: statement_timeout".into(),
            before: "absent".into(),
            after: "20ms".into(),
        }];
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        let mut other = samples.clone();
        let changes = other.iter_mut().flat_map(|s| &mut s.changes);
        changes.for_each(|c| c.name = "checkpoint_timeout".into());
        assert!(judge(&case(other, 30)).likely().is_none());
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "log".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
