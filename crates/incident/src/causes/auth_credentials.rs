//! A role of the application cannot log in any more.

use super::Cause;
use crate::facts::{complete, count_log, is_login_failure, logged, no_baseline};
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
    let (n, per_s) = count_log(case.window.recent(), wanted);
    let (_, before) = count_log(case.window.baseline(), wanted);
    let first = case.window.recent().iter().flat_map(|s| &s.log).find(|e| wanted(e));
    match first {
        Some(first) if n >= 3 && per_s > 3.0 * before => Verdict::Likely(Likely::new(
            0.7,
            format!(
                "{n} logins of role {} failed, which had sessions before: {}",
                first.role, first.detail
            ),
            Evidence::measured(
                format!("failed logins of role {}", first.role),
                per_s,
                "failures/s",
                logged(first),
            )
            .against(before)
            .at(case.window.now()),
        )),
        _ => Verdict::ruled_out(
            Evidence::measured(
                format!("failed logins of the {} roles and addresses that work here", known.len()),
                per_s,
                "failures/s",
                Source::new(SourceKind::Log, "FATAL, class 28"),
            )
            .against(before)
            .at(case.window.now()),
        ),
    }
}

/// `10.0.0.1:4000` without the port.
fn host(client: &str) -> &str {
    client.rsplit_once(':').map_or(client, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log, session};

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
}
