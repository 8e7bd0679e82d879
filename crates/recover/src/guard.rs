//! The loop that guards a server: watch, respond, close. Production and drills run this one.

use crate::respond::Responder;
use pgward_model::prelude::*;
use pgward_pg::clock;
use pgward_watch::watcher::Watcher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a tick brought.
pub enum News<'a> {
    Events(&'a [Event]),
    /// The incident as it stands, after each tick while it is open.
    Open(&'a Incident),
    /// A runbook was done and proven; there may be more to do.
    Recovered {
        incident: &'a Incident,
        case: Box<Case>,
    },
    Closed {
        incident: Box<Incident>,
        case: Box<Case>,
    },
}

/// Guards one server until `stop` is set; `tell` hears of everything.
pub fn run(
    watcher: &mut Watcher,
    responder: &mut Responder,
    stop: &AtomicBool,
    mut tell: impl FnMut(News<'_>),
) {
    while !stop.load(Ordering::Relaxed) {
        let start = clock::instant();
        tick(watcher, responder, &mut tell);
        // One tick a second; a tick that takes longer is followed by a short rest.
        let rest = Duration::from_secs(1).saturating_sub(start.elapsed());
        std::thread::sleep(rest.max(Duration::from_millis(100)));
    }
}

/// One second's work.
pub fn tick(watcher: &mut Watcher, responder: &mut Responder, tell: &mut impl FnMut(News<'_>)) {
    let mut events = watcher.tick();
    let at = watcher.window().now();
    let blind = is_blind(watcher.window());
    responder.clock_offset = watcher.clock_offset();
    if let Some(mut incident) = watcher.incident().cloned() {
        events.extend(responder.step(at, blind, &mut incident, || watcher.case()));
        if let Some(open) = watcher.incident_mut() {
            open.runbooks.clone_from(&incident.runbooks);
        }
    }
    if !events.is_empty() {
        tell(News::Events(&events));
    }
    let waits = watcher
        .incident()
        .is_some_and(|incident| responder.is_busy() || responder.has_more(at, incident));
    if let Some(incident) = watcher.incident() {
        tell(News::Open(incident));
    }
    let recovered = events.iter().any(|e| e.kind == EventKind::Recovered);
    if recovered && let (Some(incident), Some(case)) = (watcher.incident(), watcher.case()) {
        tell(News::Recovered { incident, case: Box::new(case) });
    }
    if !waits && let Some((incident, case, event)) = watcher.close_if_healthy() {
        tell(News::Events(&[event]));
        tell(News::Closed { incident: Box::new(incident), case: Box::new(case) });
    }
}

/// Is something not seen now that was seen in the last minute? What no sampler ever saw, for want
/// of a right or of a file, has shown no symptom and hides none.
fn is_blind(window: &Window) -> bool {
    const LOOK_S: f64 = 60.0;
    let recent = window.last_seconds(LOOK_S);
    let saw = |s: &Sample, sampler: &str| s.gaps.iter().all(|gap| gap.sampler != sampler);
    window
        .last()
        .is_none_or(|now| now.gaps.iter().any(|gap| recent.iter().any(|s| saw(s, &gap.sampler))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_seen_hides_nothing() {
        let at = |s: i64| Timestamp::from_second(1_795_219_200 + s).unwrap();
        let gap = |sampler: &str| Gap { sampler: sampler.to_owned(), why: "no right".to_owned() };
        let samples: Vec<Sample> = (0..90)
            .map(|s| Sample { at: at(s), gaps: vec![gap("log")], ..Sample::default() })
            .collect();
        let mut window = Window { samples, ..Window::default() };
        assert!(!is_blind(&window));
        window.samples.last_mut().unwrap().gaps.push(gap("sessions"));
        assert!(is_blind(&window));
        assert!(is_blind(&Window::default()));
    }
}
