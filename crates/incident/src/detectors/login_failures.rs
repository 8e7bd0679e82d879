//! Logins fail more often than before.

use super::Detector;
use crate::facts::{count_log, is_login_failure, logged};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "login_failures",
    title: "Logins fail",
    rule: "five failed logins in 5 s and three times the baseline. A notice by itself: a stranger \
           who fails to log in harms no user",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let recent = window.last_seconds(5.0);
    let (n, per_s) = count_log(recent, is_login_failure);
    let (_, before) = count_log(window.baseline(), is_login_failure);
    let first = recent.iter().flat_map(|s| &s.log).find(|e| is_login_failure(e));
    match first {
        Some(first) if n >= 5 && per_s > 3.0 * before => vec![Symptom::new(
            DETECTOR.id,
            first.at,
            window.now(),
            Weight::Notice,
            format!("{} logins fail each second", human(per_s)),
            Evidence::measured("failed logins", per_s, "failures/s", logged(first))
                .against(before)
                .at(window.now()),
        )],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, log};

    #[test]
    fn a_burst_is_a_notice() {
        let mut samples = healthy(30);
        samples.last_mut().unwrap().log =
            vec![log(29, "FATAL", "28P01", "password authentication failed"); 20];
        let window = Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(detect(&window).first().unwrap().weight, Weight::Notice);
    }
}
