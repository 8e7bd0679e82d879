//! Logins fail more often than before.

use super::Detector;
use crate::facts::{is_login_failure, logged, risen};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "login_failures",
    title: "Logins fail",
    rule: "five failed logins in 5 s and three times the baseline. A notice by itself: a stranger \
           who fails to log in harms no user",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let risen = risen(window, 5.0, 5, is_login_failure);
    let notice = risen.map(|(first, per_s, before)| {
        Symptom::new(
            DETECTOR.id,
            first.at,
            window.now(),
            Weight::Notice,
            format!("{} logins fail each second", human(per_s)),
            Evidence::measured("failed logins", per_s, "failures/s", logged(first))
                .against(before)
                .at(window.now()),
        )
    });
    notice.into_iter().collect()
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
