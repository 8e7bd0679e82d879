//! The timeline: recorded events in order, told once each, every line with its source.

use super::Input;
use jiff::Timestamp;
use pgward_model::prelude::*;
use std::collections::HashSet;

/// Lines people still read; the ledger keeps the rest.
const LINES_MAX: usize = 60;
/// Theories named in the one line that tells of those ruled out in the same second.
const NAMES_MAX: usize = 4;
/// The last minutes before the onset belong to the story: a change may come before its harm.
const BEFORE_S: f64 = 900.0; // five outages: the first alarm came within 11 min of the cause

/// The timeline of the incident, oldest first.
pub(super) fn timeline(input: &Input, started: Timestamp, impact: &Impact) -> Vec<Event> {
    let mut events: Vec<Event> = input
        .events
        .iter()
        .filter(|e| seconds_between(e.at, started) <= BEFORE_S)
        .cloned()
        .collect();
    events.extend(from_record(input, &events));
    events.extend(first_harm(input, started, impact));
    // A change comes before the harm it does in the same moment.
    events.sort_by_key(|e| (e.at, e.kind != EventKind::Change));
    let told = told_once(events);
    bounded(merged(told), &input.incident.server)
}

/// What the incident's own record knows and no event told.
fn from_record(input: &Input, events: &[Event]) -> Vec<Event> {
    let incident = input.incident;
    let missing = |kind: EventKind| !events.iter().any(|e| e.kind == kind);
    let event = |at, kind, subject: &str, what: String, source: Source| Event {
        at,
        server: incident.server.clone(),
        kind,
        subject: subject.to_owned(),
        actor: "pgward".to_owned(),
        what,
        source,
    };
    let record = || Source::new(SourceKind::Ledger, format!("incident {}", incident.id));
    let mut told = Vec::new();
    if missing(EventKind::Symptom) {
        told.extend(incident.symptoms.iter().map(|s| {
            let source = s.evidence().first().map_or_else(record, |e| e.source.clone());
            event(s.since, EventKind::Symptom, &s.detector, s.title.clone(), source)
        }));
    }
    if missing(EventKind::Opened) {
        let what = format!("incident {} opened", incident.id);
        told.push(event(incident.opened, EventKind::Opened, &incident.id, what, record()));
    }
    if missing(EventKind::RuledOut) {
        told.extend(incident.verdicts.iter().filter_map(|judged| {
            let Verdict::RuledOut { evidence, present: false } = &judged.verdict else {
                return None;
            };
            let (_, at) = super::asked(incident, &judged.cause, evidence);
            let what = format!("ruled out {}: {}", judged.cause, evidence.claim);
            Some(event(at, EventKind::RuledOut, &judged.cause, what, evidence.source.clone()))
        }));
    }
    if let (true, Some(closed)) = (missing(EventKind::Closed), incident.closed) {
        let what = format!("incident {} closed", incident.id);
        told.push(event(closed, EventKind::Closed, &incident.id, what, record()));
    }
    told.extend(blamed(input, events));
    told
}

/// The change that is blamed, where no event of a change tells of the same moment and object.
fn blamed(input: &Input, events: &[Event]) -> Vec<Event> {
    let ddl = input.incident.first().map(|(_, likely)| likely.ddl.as_slice()).unwrap_or_default();
    let known = |d: &DdlEvent| {
        events.iter().any(|e| {
            e.kind == EventKind::Change
                && seconds_between(e.at, d.at).abs() < 2.0
                && (e.subject == d.identity || e.what.contains(&d.identity))
        })
    };
    ddl.iter()
        .filter(|d| !known(d))
        .map(|d| Event {
            at: d.at,
            server: input.incident.server.clone(),
            kind: EventKind::Change,
            subject: d.identity.clone(),
            actor: d.role.clone(),
            what: format!("{} {} with application {}", d.command, d.identity, d.application),
            source: Source::new(
                SourceKind::Ddl,
                match d.seen_by {
                    DdlWitness::EventTrigger => "event trigger of pgward",
                    DdlWitness::CatalogDifference => "two catalog samples differ",
                },
            ),
        })
        .collect()
}

/// The first harmed moment, where the users' side counted it.
fn first_harm(input: &Input, started: Timestamp, impact: &Impact) -> Option<Event> {
    input.impact.as_ref()?;
    let point = impact.per_second.iter().find(|p| p.at >= started && p.harmed > 0.0)?;
    Some(Event {
        at: point.at,
        server: input.incident.server.clone(),
        kind: EventKind::Symptom,
        subject: "impact".to_owned(),
        actor: "clients".to_owned(),
        what: format!(
            "first harmed second: {} of {} {}",
            human(point.harmed),
            human(point.total),
            impact.of
        ),
        source: Source::new(SourceKind::Ledger, "the clients' own count"),
    })
}

/// A symptom that repeats with other numbers, or an answer given again, is told once.
fn told_once(events: Vec<Event>) -> Vec<Event> {
    use EventKind::{Change, Failed, Recovered, Step, Verified};
    let mut seen = HashSet::new();
    events
        .into_iter()
        .filter(|e| {
            let exact = matches!(e.kind, Change | Step | Verified | Failed | Recovered);
            let what: String = e
                .what
                .chars()
                .filter(|c| exact || !(c.is_ascii_digit() || ".,".contains(*c)))
                .collect();
            let at = exact.then_some(e.at);
            seen.insert((format!("{:?}", e.kind), e.subject.clone(), e.actor.clone(), what, at))
        })
        .collect()
}

/// Theories ruled out in the same second make one line.
fn merged(events: Vec<Event>) -> Vec<Event> {
    let mut lines: Vec<Event> = Vec::new();
    let mut together: Vec<Event> = Vec::new();
    for event in events {
        let same = together.first().is_some_and(|t| t.at.as_second() == event.at.as_second());
        if event.kind == EventKind::RuledOut && (together.is_empty() || same) {
            together.push(event);
            continue;
        }
        if event.kind == EventKind::RuledOut || !same {
            lines.extend(one_of(std::mem::take(&mut together)));
        }
        if event.kind == EventKind::RuledOut {
            together.push(event);
        } else {
            lines.push(event);
        }
    }
    lines.extend(one_of(together));
    lines.sort_by_key(|e| e.at);
    lines
}

fn one_of(together: Vec<Event>) -> Option<Event> {
    let n = together.len();
    let names: Vec<&str> = together.iter().map(|e| e.subject.as_str()).collect();
    let shown = names.get(..NAMES_MAX.min(n)).unwrap_or_default().join(", ");
    let more = if n > NAMES_MAX { format!(" and {} more", n - NAMES_MAX) } else { String::new() };
    let what = format!("ruled out {shown}{more}, each by a number (see below)");
    let first = together.first()?.clone();
    if n == 1 {
        return Some(first);
    }
    let detail = format!("verdicts on {n} causes, each with its own source");
    Some(Event { what, source: Source::new(SourceKind::Ledger, detail), ..first })
}

/// At most [`LINES_MAX`] lines, the least telling left out first, and a line that says so.
fn bounded(mut lines: Vec<Event>, server: &str) -> Vec<Event> {
    if lines.len() <= LINES_MAX {
        return lines;
    }
    let n_out = lines.len() - (LINES_MAX - 1);
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let weight = |i: &usize| lines.get(*i).map_or(0, |e| telling(e.kind));
    // Among equals the later ones go: the beginning of a story explains the rest.
    order.sort_by_key(|i| (weight(i), std::cmp::Reverse(*i)));
    let out: HashSet<usize> = order.into_iter().take(n_out).collect();
    let mut i = 0;
    lines.retain(|_| {
        i += 1;
        !out.contains(&(i - 1))
    });
    let at = lines.last().map(|e| e.at).unwrap_or_default();
    lines.push(Event {
        at,
        server: server.to_owned(),
        kind: EventKind::Note,
        subject: "timeline".to_owned(),
        actor: "pgward".to_owned(),
        what: format!("… and {n_out} more events in the ledger"),
        source: Source::new(SourceKind::Ledger, format!("ledger/{server}")),
    });
    lines
}

fn telling(kind: EventKind) -> u8 {
    match kind {
        EventKind::Note => 0,
        EventKind::RuledOut => 1,
        EventKind::Symptom | EventKind::Proposed => 2,
        EventKind::Verified | EventKind::Diagnosed => 3,
        EventKind::Step | EventKind::Failed => 4,
        EventKind::Change | EventKind::Opened | EventKind::Recovered | EventKind::Closed => 5,
    }
}
