//! Judges a run of samples as the loop would have, one after the other: a look back in time.

use crate::course::{baseline_end, baseline_until, note};
use crate::{causes, detectors, ledger};
use pgward_model::prelude::*;

/// What a run of samples shows at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The incident that is open at the end; `None` when users feel no harm.
    pub incident: Option<Incident>,
    /// What its causes saw.
    pub case: Case,
}

/// What a level is learned from. The loop has two minutes of it every two seconds; of what was
/// kept, counters may cover a minute each, so that ten minutes show as many.
const BASELINE_KEPT_S: f64 = 600.0;
/// An incident without harm for so long is over, as in the loop.
const HEALTHY_S: f64 = 300.0;

/// Goes through `samples`, oldest first, and judges what is open after the last of them.
///
/// `case` gives what is known beside the samples; its symptoms, onset and window are not read.
pub fn replay(samples: Vec<Sample>, case: Case) -> Replayed {
    let mut window = Window { samples: Vec::new(), ..case.window };
    let mut open: Option<Open> = None;
    for sample in samples {
        let at = sample.at;
        window.samples.push(sample);
        if open.as_ref().is_some_and(|o| seconds_between(o.last_harm, at) >= HEALTHY_S) {
            open = None;
            window.samples.retain(|s| s.at >= at); // what is normal is learned anew
        }
        if open.is_none() {
            window.samples.retain(|s| seconds_between(s.at, at) <= BASELINE_KEPT_S);
            window.baseline_until = baseline_until(at);
        }
        let symptoms = detectors::detect(&window);
        let harm = symptoms.iter().any(|s| s.weight == Weight::Harm && s.is_present(at));
        match &mut open {
            None if harm => {
                let since = symptoms.iter().map(|s| s.since).min().unwrap_or(at);
                window.baseline_until = baseline_end(&window, since);
                open = Some(Open { opened: at, last_harm: at, symptoms });
            }
            None => {}
            Some(open) => {
                open.last_harm = if harm { at } else { open.last_harm };
                for symptom in symptoms {
                    note(&mut open.symptoms, symptom);
                }
            }
        }
    }
    judged(window, open, case.server.clone(), Case { window: Window::default(), ..case })
}

struct Open {
    opened: Timestamp,
    last_harm: Timestamp,
    symptoms: Vec<Symptom>,
}

fn judged(window: Window, open: Option<Open>, server: String, case: Case) -> Replayed {
    let now = window.now();
    let Some(open) = open else {
        return Replayed { incident: None, case: Case { window, ..case } };
    };
    let onset = open.symptoms.iter().map(|s| s.since).min().unwrap_or(open.opened);
    let case = Case { symptoms: open.symptoms.clone(), onset, window, ..case };
    let verdicts = causes::judge(&case);
    let changes = ledger::weigh(&case, &verdicts);
    let incident = Incident {
        id: format!("at-{}", now.strftime("%Y%m%dT%H%M%SZ")),
        server,
        opened: open.opened,
        closed: None,
        symptoms: open.symptoms,
        verdicts,
        hypotheses: Vec::new(),
        runbooks: Vec::new(),
        changes,
    };
    Replayed { incident: Some(incident), case }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, session};

    fn case() -> Case {
        Case::new(Window::default(), Timestamp::MIN, "test")
    }

    #[test]
    fn a_healthy_run_has_no_incident_and_a_queue_has_one_until_it_is_over() {
        let mut samples = healthy(700);
        assert_eq!(replay(samples.clone(), case()).incident, None);
        for (i, sample) in samples.iter_mut().enumerate().filter(|(i, _)| (300..320).contains(i)) {
            let mut waiting: Vec<SessionSample> =
                (2..9).map(|pid| session(pid, "active", &[1])).collect();
            waiting.iter_mut().for_each(|s| s.query_start = Some(at(300)));
            sample.sessions = vec![session(1, "idle in transaction", &[])];
            sample.sessions.extend(waiting);
            assert_eq!(sample.at, at(i as i64));
        }
        let until = |n: usize| replay(samples.iter().take(n).cloned().collect(), case()).incident;
        assert_eq!(until(299), None);
        let incident = until(315).unwrap();
        assert!(incident.symptoms.iter().any(|s| s.detector == "lock_queue"));
        assert_eq!(incident.first().unwrap().0, "lock_idle_tx");
        assert_eq!(until(700), None, "five minutes without harm end it");
    }
}
