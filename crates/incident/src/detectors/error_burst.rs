//! Statements fail that did not fail before.

use super::{BASELINE_S_MIN, Detector};
use crate::facts::{count_log, cut, errors_by_state, is_statement_error, logged};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "error_burst",
    title: "Statements fail with an error they did not have before",
    rule: "three errors of one SQLSTATE from two sessions or more within 5 s (one session is a \
           person who mistypes), and at least three times its rate in the baseline; errors that \
           applications ask for themselves (constraints, bad input, raised exceptions, \
           serialization failures, cancelled by the user) count from ten",
    detect,
};

const LAST_S: f64 = 5.0; // half of the 10 s in which trouble must be seen

fn detect(window: &Window) -> Vec<Symptom> {
    if window.baseline_s() < BASELINE_S_MIN {
        return Vec::new();
    }
    let recent = window.last_seconds(LAST_S);
    errors_by_state(recent)
        .into_iter()
        .filter(|(state, entries)| entries.len() >= least(state) && n_sessions(entries) >= 2)
        .filter(|(state, entries)| {
            let (_, before) =
                count_log(window.baseline(), |e| is_statement_error(e) && e.sqlstate == *state);
            entries.len() as f64 / LAST_S > 3.0 * before
        })
        .filter_map(|(state, entries)| symptom(window, &state, &entries))
        .collect()
}

fn n_sessions(entries: &[&LogEntry]) -> usize {
    entries.iter().map(|e| e.pid).collect::<std::collections::BTreeSet<_>>().len()
}

/// Errors that belong to normal life need more of them.
fn least(state: &str) -> usize {
    match state {
        "40001" | "40P01" | "57014" | "55P03" => 10,
        _ if ["22", "23", "P0"].iter().any(|class| state.starts_with(class)) => 10,
        _ => 3,
    }
}

fn symptom(window: &Window, state: &str, entries: &[&LogEntry]) -> Option<Symptom> {
    let first = entries.first()?;
    let since = window
        .samples
        .iter()
        .filter(|s| s.at > window.baseline_until)
        .flat_map(|s| &s.log)
        .find(|e| is_statement_error(e) && e.sqlstate == state)
        .map_or(first.at, |e| e.at);
    let (_, before) =
        count_log(window.baseline(), |e| is_statement_error(e) && e.sqlstate == state);
    Some(
        Symptom::new(
            DETECTOR.id,
            since,
            window.now(),
            Weight::Harm,
            format!("statements fail: {} ({state})", cut(&first.message, 80)),
            Evidence::measured(
                format!("{} errors {state} in {LAST_S} s", entries.len()),
                entries.len() as f64 / LAST_S,
                "errors/s",
                logged(first),
            )
            .against(before)
            .at(window.now()),
        )
        .by(std::iter::empty()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, log};

    fn window(n_errors: usize, state: &str) -> Window {
        let mut samples = healthy(40);
        samples.last_mut().unwrap().log =
            vec![log(39, "ERROR", state, "column \"email\" does not exist"); n_errors];
        for (i, e) in samples.last_mut().unwrap().log.iter_mut().enumerate() {
            e.pid = 90 + (i % 2) as Pid;
        }
        Window { samples, baseline_until: at(30), catalog: None }
    }

    #[test]
    fn three_new_errors_are_a_burst_and_two_are_not() {
        assert_eq!(detect(&window(2, "42703")), []);
        assert_eq!(detect(&window(3, "42703")).len(), 1);
    }

    #[test]
    fn nobody_hides_behind_our_name() {
        let mut named = window(3, "42703");
        for e in named.samples.iter_mut().flat_map(|s| &mut s.log) {
            e.application = "pgward act 7".to_owned();
        }
        assert_eq!(detect(&named).len(), 1);
    }

    #[test]
    fn a_few_unique_violations_are_life() {
        assert_eq!(detect(&window(5, "23505")), []);
    }
}
