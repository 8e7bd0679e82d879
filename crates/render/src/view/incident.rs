//! An incident: one line that says how bad it is, then every cause's answer and what to do.

use super::words::clock;
use crate::document::*;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pgward_model::incident::{Incident, Standing, Symptom, WeighedChange, Weight};
use pgward_model::runbook::{Loss, Runbook};

/// Symptoms told besides the one in the title.
const SYMPTOMS_MAX: usize = 4;

/// Changes told, suspects first.
const CHANGES_MAX: usize = 5;

/// The incident as it stands at `now`.
pub fn incident(incident: &Incident, now: Timestamp) -> Document {
    let mut document = Document::new(format!("incident {}", incident.id));
    document.push(Block::Paragraph(head(incident, now)));
    let mut rows = super::verdicts::rows(&incident.verdicts);
    let at = rows.iter().position(|r| r.label.bare() != "likely").unwrap_or(rows.len());
    rows.splice(at..at, symptoms(incident));
    rows.extend(changes(&incident.changes));
    rows.extend(incident.runbooks.iter().map(action));
    document.push(Block::Rows(Rows { indent: 2, rows }));
    document
}

fn worst(incident: &Incident) -> Option<&Symptom> {
    incident.symptoms.iter().find(|s| s.weight == Weight::Harm).or(incident.symptoms.first())
}

fn head(incident: &Incident, now: Timestamp) -> Text {
    let title = worst(incident).map_or("", |s| s.title.as_str());
    let mut text = Text::new(format!("incident {}", incident.id), Tone::Bad)
        .then("  ", Tone::Plain)
        .then(title, Tone::Strong)
        .then("  ", Tone::Plain);
    text = match incident.closed {
        None => text.then(format!("open {}", stopwatch(incident.onset(), now)), Tone::Warning),
        Some(closed) => {
            text.then(format!("closed after {}", stopwatch(incident.onset(), closed)), Tone::Good)
        }
    };
    if let Some(evidence) = worst(incident).and_then(|s| s.evidence().first()) {
        text = text.then("  ", Tone::Plain).join(Text::prose(&evidence.claim));
    }
    text
}

/// `00:00:41`; hours run on beyond a day.
fn stopwatch(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs().max(0);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn symptoms(incident: &Incident) -> Vec<Row> {
    let first = worst(incident);
    let others: Vec<&Symptom> =
        incident.symptoms.iter().filter(|s| first.is_none_or(|f| !std::ptr::eq(f, *s))).collect();
    let label = || Text::new("symptom", Tone::Label);
    let mut rows: Vec<Row> = others
        .iter()
        .take(SYMPTOMS_MAX)
        .map(|s| Row {
            label: label(),
            key: Text::plain(&s.detector),
            lines: vec![
                Text::prose(&s.title)
                    .then(format!("  since {} UTC", clock(s.since, &TimeZone::UTC)), Tone::Dim),
            ],
        })
        .collect();
    if others.len() > SYMPTOMS_MAX {
        let more = Text::new(format!("… and {} more", others.len() - SYMPTOMS_MAX), Tone::Dim);
        rows.push(Row { label: label(), key: more, lines: Vec::new() });
    }
    rows
}

/// Suspects first, then what coincided only, the newest of each.
fn changes(changes: &[WeighedChange]) -> Vec<Row> {
    let rank = |c: &WeighedChange| match c.standing {
        Standing::Suspect { .. } => 0,
        Standing::Unknown { .. } => 1,
        Standing::Decoy { .. } => 2,
    };
    let mut all: Vec<&WeighedChange> = changes.iter().rev().collect();
    all.sort_by_key(|c| rank(c));
    let mut rows: Vec<Row> = all.iter().take(CHANGES_MAX).map(|c| change(c)).collect();
    if all.len() > CHANGES_MAX {
        let more = Text::new(format!("… and {} more", all.len() - CHANGES_MAX), Tone::Dim);
        rows.push(Row { label: Text::new("changed", Tone::Label), key: more, lines: Vec::new() });
    }
    rows
}

fn change(change: &WeighedChange) -> Row {
    let (label, tone, why) = match &change.standing {
        Standing::Suspect { why } => ("suspect", Tone::Bad, why),
        Standing::Unknown { why } => ("changed", Tone::Label, why),
        Standing::Decoy { why } => ("decoy", Tone::Good, why),
    };
    let what = format!("{} by {}: {why}", change.what, change.actor);
    Row {
        label: Text::new(label, tone),
        key: Text::plain(clock(change.at, &TimeZone::UTC)),
        lines: vec![Text::plain(what)],
    }
}

fn action(runbook: &Runbook) -> Row {
    let lines = vec![
        Text::prose(&runbook.title),
        Text::prose(&runbook.why),
        Text::new(loss(&runbook.loss), Tone::Dim),
    ];
    Row {
        label: Text::new("action", Tone::Label),
        key: Text::new(&runbook.action, Tone::Strong),
        lines: lines.into_iter().filter(|l| !l.is_empty()).collect(),
    }
}

/// What an action costs, in one phrase.
pub(super) fn loss(loss: &Loss) -> String {
    let rows = match loss.n_rows {
        Some(0) => "loses no row".to_owned(),
        Some(1) => "loses 1 row".to_owned(),
        Some(n) => format!("loses {} rows", pgward_model::evidence::human(n as f64)),
        None => "how many rows it loses is not known before".to_owned(),
    };
    if loss.explain.is_empty() { rows } else { format!("{rows}: {}", loss.explain) }
}
