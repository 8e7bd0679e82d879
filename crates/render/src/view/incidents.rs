//! Incidents in a list: when, how long, what users felt and why.

use crate::document::*;
use jiff::Timestamp;
use pgward_model::evidence::human_duration;
use pgward_model::incident::{Incident, Weight};
use pgward_model::window::seconds_between;

/// One line an incident, in the order given; `n_left_out` more are known.
pub fn incidents(incidents: &[Incident], n_left_out: usize, now: Timestamp) -> Document {
    let mut document = Document::new("incidents");
    let columns = ["incident", "server", "began (UTC)", "lasted", "cause"];
    let column = |head: &str| Column { head: head.to_owned(), align: Align::Left };
    let mut rows = Vec::new();
    for incident in incidents {
        rows.push(TableRow::Cells(cells(incident, now)));
        let worst = incident.symptoms.iter().find(|s| s.weight == Weight::Harm);
        if let Some(symptom) = worst.or(incident.symptoms.first()) {
            rows.push(TableRow::Note { from: 1, text: Text::prose(&symptom.title) });
        }
    }
    document.push(Block::Table(Table { columns: columns.map(column).to_vec(), rows }));
    if n_left_out > 0 {
        let more = format!("… and {n_left_out} more");
        document.push(Block::Paragraph(Text::new(more, Tone::Dim)));
    }
    document
}

fn cells(incident: &Incident, now: Timestamp) -> Vec<Text> {
    let lasted_s = |until| seconds_between(incident.onset(), until).max(0.0);
    let lasted = match incident.closed {
        Some(closed) => Text::plain(human_duration(lasted_s(closed))),
        None => Text::new(format!("open, {}", human_duration(lasted_s(now))), Tone::Bad),
    };
    let cause = incident
        .first()
        .map_or(Text::new("unknown", Tone::Dim), |(id, _)| Text::new(id, Tone::Strong));
    vec![
        Text::plain(&incident.id),
        Text::plain(&incident.server),
        Text::plain(incident.onset().strftime("%Y-%m-%d %H:%M:%S").to_string()),
        lasted,
        cause,
    ]
}
