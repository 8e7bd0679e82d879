//! A role of the application cannot log in any more.

use super::Cause;
use crate::counted::{Fresh, fresh};
use crate::facts::{complete, host, is_login_failure, logged, no_baseline};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static CAUSE: Cause = Cause {
    id: "auth_credentials",
    name: "Bad credentials after rotation or expiry",
    necessary: "logins fail for a role from an address from which it had sessions before",
    explains: &["login_failures", "throughput_drop"],
    actions: &[],
    prevention: &["Rotate with two roles and an overlap; alarm 14 days before a password expires"],
    judge,
};

/// One or two are a person who mistypes.
const N_MIN: usize = 3;
/// As long as the detector of failing logins looks back.
const LATELY_S: f64 = 5.0;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    for sampler in ["log", "sessions"] {
        if let Some(unknown) = complete(case, sampler, "logins cannot be judged") {
            return unknown;
        }
    }
    let known: BTreeSet<(&str, &str)> = case
        .window
        .baseline()
        .iter()
        .flat_map(|s| &s.sessions)
        .map(|s| (s.role.as_str(), s.client.as_str()))
        .collect();
    let wanted =
        |e: &LogEntry| is_login_failure(e) && known.contains(&(e.role.as_str(), host(&e.client)));
    let Fresh { lines, keys, n_old, all } =
        fresh(&case.window, wanted, |e| (e.role.as_str(), host(&e.client)));
    let measured = |claim: String, (now, before): (f64, f64), source| {
        Evidence::measured(claim, now, "failures/s", source).against(before).at(case.window.now())
    };
    let n = lines.len();
    let Some(first) = lines.first().filter(|_| n >= N_MIN) else {
        let claim = format!(
            "failed logins of the {} roles and addresses that work here, {n_old} of those that \
             failed before",
            known.len()
        );
        return Verdict::ruled_out(measured(
            claim,
            all,
            Source::new(SourceKind::Log, "FATAL, class 28"),
        ));
    };
    // A stranger who tries the name of a role from its own host is refused; the role is not. What
    // the last seconds brought counts: a session from before the password changed says nothing.
    let lately = |at: Timestamp| seconds_between(at, case.window.now()) <= LATELY_S;
    let logs_in = |line: &LogEntry| {
        let same = |e: &&&LogEntry| {
            (&e.role, host(&e.client), &e.database)
                == (&line.role, host(&line.client), &line.database)
        };
        let Some(failed) = lines.iter().filter(same).find(|e| lately(e.at)) else { return false };
        case.window.recent().iter().flat_map(|s| &s.sessions).any(|s| {
            (&s.role, s.client.as_str(), &s.database)
                == (&line.role, host(&line.client), &line.database)
                && s.backend_start > failed.at
        })
    };
    let shut_out = lines.iter().find(|e| !logs_in(e));
    let says = format!(
        "{n} logins of role {} failed, which had sessions before: {}",
        shut_out.unwrap_or(first).role,
        shut_out.unwrap_or(first).detail
    );
    let sum = |of: fn(&(f64, f64)) -> f64| keys.values().map(of).sum();
    let claim = format!("failed logins of {} roles and addresses", keys.len());
    let total = (sum(|r| r.0), sum(|r| r.1));
    let failed = measured(claim, total, logged(first));
    // Statements that are refused are those of sessions that have come in.
    let felt = |id: &str| case.symptoms.iter().any(|s| s.detector == id);
    if shut_out.is_none() && felt("error_burst") && !felt("throughput_drop") {
        let claim =
            format!("{}; yet it goes on to log in, and statements inside fail", failed.claim);
        return Verdict::present_not_sufficient(Evidence { claim, ..failed });
    }
    if shut_out.is_none() {
        return Verdict::unknown(format!(
            "whether its clients are shut out: {says}; yet it goes on to log in"
        ));
    }
    Verdict::Likely(Likely::new(0.7, says, failed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        for s in &mut samples {
            s.sessions = vec![session(1, "active", &[])];
        }
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().log =
            vec![log(34, "FATAL", "28P01", "password authentication failed"); 5];
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        for e in &mut samples.last_mut().unwrap().log {
            e.role = "stranger".into();
        }
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "log".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn a_role_that_goes_on_to_log_in_is_not_shut_out() {
        let mut samples = healthy(36);
        for (s, sample) in (0..).zip(&mut samples) {
            let mut pooled = session(s as i32, "active", &[]);
            pooled.backend_start = at(s);
            sample.sessions = vec![pooled];
        }
        let line = log(34, "FATAL", "28P01", "password authentication failed");
        samples.get_mut(34).unwrap().log = vec![line; 5];
        let mut case = case(samples, 30);
        let verdict = judge(&case);
        assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
        let source = Source::new(SourceKind::Log, "");
        let errors = Evidence::measured("x", 60.0, "errors/s", source).against(0.0);
        let harm = Symptom::new("error_burst", at(34), at(35), Weight::Harm, "x", errors);
        case.symptoms = vec![harm];
        assert!(matches!(judge(&case), Verdict::RuledOut { present: true, .. }));
    }

    #[test]
    fn a_role_that_fails_anew_shows_beside_one_that_always_fails() {
        let mut samples = healthy(35);
        let failed = |s, role: &str| LogEntry {
            role: role.to_owned(),
            ..log(s, "FATAL", "28P01", "password authentication failed")
        };
        let mut batch = session(2, "active", &[]);
        batch.role = "batch".to_owned();
        for (s, sample) in (0..).zip(&mut samples) {
            sample.sessions = vec![session(1, "active", &[]), batch.clone()];
            sample.log = vec![failed(s, "batch"); 4];
        }
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().log.extend(vec![failed(34, "site"); 3]);
        let verdict = judge(&case(samples, 30));
        assert!(verdict.likely().unwrap().says.starts_with("3 logins of role site"));
    }
}
