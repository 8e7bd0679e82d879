//! Strangers try passwords.

use super::Cause;
use crate::facts::{
    complete, count_log, is_login_failure, is_recovering, is_statement_error, logged, no_baseline,
};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static CAUSE: Cause = Cause {
    id: "auth_brute_force",
    name: "Brute force or scanning",
    necessary: "logins fail, and what users feel is that they cannot connect",
    explains: &["login_failures"],
    actions: &[],
    prevention: &["Close the listener to the outside; reject the addresses in pg_hba.conf"],
    judge,
};

/// Less of the connections is missed by nobody.
const SLOTS: f64 = 0.05;

/// Failed logins are real or not; whether they explain the harm is another question. Harm
/// that users feel in sessions they already have (waiting, failing, slow statements) cannot
/// come from logins that failed.
fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    let recent = case.window.recent();
    let (n, per_s) = count_log(recent, is_login_failure);
    let (_, before) = count_log(case.window.baseline(), is_login_failure);
    let source = Source::new(SourceKind::Log, "FATAL, class 28");
    let rate = Evidence::measured("failed logins", per_s, "failures/s", source)
        .against(before)
        .at(case.window.now());
    if n < 5 || per_s <= 3.0 * before {
        return Verdict::ruled_out(rate);
    }
    let strangers: BTreeSet<&str> = recent
        .iter()
        .flat_map(|s| &s.log)
        .filter(|e| is_login_failure(e))
        .map(|e| e.role.as_str())
        .collect();
    let inside = case.symptoms.iter().filter(|s| s.weight == Weight::Harm).count();
    let connecting = case
        .symptoms
        .iter()
        .any(|s| matches!(s.detector.as_str(), "connections_near_limit" | "server_unreachable"));
    let waiting = recent
        .iter()
        .flat_map(|s| &s.sessions)
        .filter(|s| !s.blocked_by.is_empty() && !is_recovering(s));
    let shared = waiting.filter(|s| strangers.contains(s.role.as_str())).count();
    if inside > 0 && !connecting && shared == 0 {
        let (n_errors, _) = count_log(recent, is_statement_error);

        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{n} failed logins ({} per s) of {} roles, none of which has a waiting session; the harm \
                 ({n_errors} failed statements) is inside sessions that are logged in",
                human(per_s),
                strangers.len()
            ),
            ..rate
        });
    }
    // A login that is refused holds a connection for less than a second.
    let slots = recent.iter().rev().find_map(|s| s.database).map(|d| d.slots() as f64);
    if let Some(slots) = slots.filter(|slots| per_s < SLOTS * slots) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{n} failed logins of {} roles; of {} connections they hold less than one in twenty",
                strangers.len(),
                human(slots)
            ),
            ..rate
        });
    }
    let first = recent.iter().flat_map(|s| &s.log).find(|e| is_login_failure(e));
    let source = first.map_or(Source::new(SourceKind::Log, ""), logged);
    Verdict::Likely(Likely::new(
        0.4,
        format!("{n} logins failed for {} roles", strangers.len()),
        Evidence { source, ..rate },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log, session};

    #[test]
    fn likely_ruled_out_present_and_unknown() {
        crate::counted::tests::check_log(
            judge,
            "FATAL",
            "28P01",
            "password authentication failed",
            20,
        );
        let mut samples = healthy(35);
        samples.last_mut().unwrap().log = vec![log(34, "FATAL", "28P01", "x"); 20];
        let mut with_harm = case(samples, 30);
        let evidence =
            Evidence::measured("x", 1.0, "sessions", Source::new(SourceKind::Sample, ""));
        with_harm.symptoms =
            vec![Symptom::new("lock_queue", at(30), at(34), Weight::Harm, "x", evidence)];
        assert!(matches!(judge(&with_harm), Verdict::RuledOut { present: true, .. }));
        let waiting = |application: &str| {
            let mut case = with_harm.clone();
            let mut waiter = session(1, "active", &[2]);
            waiter.application = application.to_owned();
            case.window.samples.last_mut().unwrap().sessions = vec![waiter];
            judge(&case)
        };
        assert!(waiting("shop").likely().is_some(), "a role that is tried waits");
        let recovery = waiting("pgward act recovery 7");
        assert!(matches!(recovery, Verdict::RuledOut { present: true, .. }));
    }
}
