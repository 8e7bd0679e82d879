//! The server does not answer.

use super::Detector;
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "server_unreachable",
    title: "The server does not answer",
    rule: "three samples in a row without sessions, or three probes in a row that fail: one can \
           be a hiccup. What the server turns away for want of room (53200, 53300) or of a right \
           (28xxx) was answered",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let last: Vec<&Sample> = window.samples.iter().rev().take(3).collect();
    // Sessions with a gap beside them were seen in part: the server has answered.
    let unanswered = |g: &Gap| g.sampler == "sessions" && !g.why.contains("(53200)");
    let blind = |s: &&Sample| s.sessions.is_empty() && s.gaps.iter().any(unanswered);
    let failing = |s: &&Sample| s.probe.is_some_and(|p| p.tried > 0 && p.failed == p.tried);
    let (Some(first), 3) = (last.last(), last.len()) else { return Vec::new() };
    let n_blind = last.iter().copied().filter(|s| blind(s) || failing(s)).count();
    if n_blind < 3 {
        return Vec::new();
    }
    let why = last
        .iter()
        .flat_map(|s| &s.gaps)
        .find(|g| g.sampler == "sessions")
        .map_or("new connections fail".to_owned(), |g| g.why.clone());
    vec![Symptom::new(
        DETECTOR.id,
        first.at,
        window.now(),
        Weight::Harm,
        format!("the server does not answer: {why}"),
        Evidence::measured(
            "samples in a row without an answer",
            3.0,
            "samples",
            sampled("sessions"),
        )
        .against(0.0)
        .at(window.now()),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, session};

    #[test]
    fn three_blind_samples_are_an_outage_and_one_is_not() {
        let (refused, full) = ("connection refused", "out of shared memory (53200)");
        for (n, why, n_symptoms) in [(1, refused, 0), (3, refused, 1), (3, full, 0)] {
            let mut samples = healthy(30);
            for s in samples.iter_mut().rev().take(n) {
                s.gaps.push(Gap { sampler: "sessions".into(), why: why.into() });
            }
            let window = Window { samples, baseline_until: at(20), catalog: None };
            assert_eq!(detect(&window).len(), n_symptoms);
        }
    }

    #[test]
    fn a_server_that_hides_sessions_or_turns_probes_away_is_reachable() {
        let mut samples = healthy(30);
        for s in &mut samples {
            s.sessions = vec![session(1, "", &[])];
            s.gaps.push(Gap { sampler: "sessions".into(), why: "1 session is hidden".into() });
            s.probe = Some(NetworkProbe { tried: 4, refused: 4, ..NetworkProbe::default() });
        }
        let window = Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(detect(&window), []);
    }
}
