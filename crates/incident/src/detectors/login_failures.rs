//! Logins fail more often than before.

use super::Detector;
use crate::facts::{host, is_login_failure, logged, median, risen};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static DETECTOR: Detector = Detector {
    id: "login_failures",
    title: "Logins fail",
    rule: "five failed logins in 5 s and three times the baseline. A notice by itself: a stranger \
           who fails to log in harms no user. Harm when they are of a role and address that had \
           sessions in the baseline, and half of these at most are left",
    detect,
};

const LAST_S: f64 = 5.0;
const N_MIN: usize = 5;
/// Pools keep some sessions while they cannot open others.
const LEFT: f64 = 0.5;

fn detect(window: &Window) -> Vec<Symptom> {
    // Those of a role at work may rise beside a steady rain of strangers.
    let harm = locked_out(window).map(|(rise, title)| (rise, Weight::Harm, title));
    let notice = || {
        let rise = risen(window, LAST_S, N_MIN, is_login_failure)?;
        Some((rise, Weight::Notice, format!("{} logins fail each second", human(rise.1))))
    };
    let symptom = |((first, per_s, before), weight, title): ((&LogEntry, f64, f64), _, String)| {
        let evidence = Evidence::measured("failed logins", per_s, "failures/s", logged(first));
        let evidence = evidence.against(before).at(window.now());
        Symptom::new(DETECTOR.id, first.at, window.now(), weight, title, evidence)
    };
    harm.or_else(notice).map(symptom).into_iter().collect()
}

/// A role that worked here, from the same address, and fails to log in now, while most of its
/// sessions are gone.
fn locked_out(window: &Window) -> Option<((&LogEntry, f64, f64), String)> {
    let last = window.last()?;
    let failing = window.last_seconds(LAST_S).iter().flat_map(|s| &s.log);
    let roles: BTreeSet<(&str, &str)> = failing
        .filter(|e| is_login_failure(e))
        .map(|e| (e.role.as_str(), host(&e.client)))
        .collect();
    roles.into_iter().find_map(|(role, client)| {
        let n = |s: &Sample| {
            s.sessions.iter().filter(|x| x.role == role && x.client == client).count() as f64
        };
        let usual = median(window.baseline().iter().map(n).collect())?;
        let of_it =
            |e: &LogEntry| is_login_failure(e) && e.role == role && host(&e.client) == client;
        let risen = risen(window, LAST_S, N_MIN, of_it)?;
        (usual >= 1.0 && n(last) <= LEFT * usual).then(|| {
            let title = format!(
                "role {role} cannot log in any more: {} logins fail each second, {} of its {} \
                 sessions are left",
                human(risen.1),
                human(n(last)),
                human(usual)
            );
            (risen, title)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, log, session};

    #[test]
    fn a_burst_is_a_notice() {
        let mut samples = healthy(30);
        samples.last_mut().unwrap().log =
            vec![log(29, "FATAL", "28P01", "password authentication failed"); 20];
        let window = Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(detect(&window).first().unwrap().weight, Weight::Notice);
    }

    #[test]
    fn a_role_that_worked_here_and_is_shut_out_is_harm() {
        let mut samples = healthy(30);
        for (i, sample) in samples.iter_mut().enumerate() {
            let n = if i < 25 { 4 } else { 1 };
            let mut sessions: Vec<SessionSample> =
                (1..=n).map(|pid| session(pid, "active", &[])).collect();
            sessions.iter_mut().for_each(|s| s.client = "10.0.0.1".into());
            sample.sessions = sessions;
        }
        let line = log(29, "FATAL", "28P01", "password authentication failed for user \"site\"");
        samples.last_mut().unwrap().log = vec![line; 6];
        let window = Window { samples: samples.clone(), baseline_until: at(20), catalog: None };
        let found = detect(&window);
        let symptom = found.first().unwrap();
        assert_eq!(symptom.weight, Weight::Harm);
        assert!(symptom.title.contains("1 of its 4 sessions are left"), "{}", symptom.title);
        // A stranger's failures beside sessions that are there are not.
        samples.last_mut().unwrap().log.iter_mut().for_each(|e| e.role = "root".into());
        let window = Window { samples, ..window };
        assert_eq!(detect(&window).first().unwrap().weight, Weight::Notice);
    }
}
