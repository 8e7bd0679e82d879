//! An alert: what someone woken at night must know first, in a few rows.

use super::words::{cut, day_and_clock};
use crate::document::*;
use jiff::tz::TimeZone;
use pgward_model::alert::{Alert, AlertNews};
use pgward_model::evidence::human_duration;
use pgward_model::status::Blocker;
use pgward_model::window::seconds_between;

/// Characters of a statement in a message.
const STATEMENT_CHARS: usize = 200;
/// Alerts told in one message; the rest is counted.
const TOGETHER_MAX: usize = 20;

/// The one line that a subject or a notification shows.
pub fn alert_subject(alert: &Alert) -> String {
    let news = match alert.news {
        AlertNews::Opened => "open",
        AlertNews::Cause => "cause found",
        AlertNews::Open => "still open, not acknowledged",
        AlertNews::Closed => "closed",
    };
    let cause = alert.cause.as_ref().map_or(String::new(), |cause| format!(" ({cause})"));
    format!("[{}] {news}: {}{cause}", alert.server, alert.title)
}

/// The whole message; `with` are others told at the same time.
pub fn alert(alert: &Alert, with: &[Alert]) -> Document {
    let mut document = Document::new(alert_subject(alert));
    document.push(Block::Paragraph(Text::new(alert_subject(alert), Tone::Strong)));
    document.push(Block::Rows(Rows { indent: 0, rows: rows(alert) }));
    if !with.is_empty() {
        document.prose(&format!("{} more at the same time:", with.len()));
        let told = with.iter().take(TOGETHER_MAX).map(|a| Text::prose(&alert_subject(a)));
        let mut items: Vec<Text> = told.collect();
        if with.len() > TOGETHER_MAX {
            items.push(Text::plain(format!("… and {} more", with.len() - TOGETHER_MAX)));
        }
        document.push(Block::List { numbered: Numbered::No, items });
    }
    document
}

fn rows(alert: &Alert) -> Vec<Row> {
    let open = human_duration(seconds_between(alert.since, alert.at).max(0.0).round());
    let since = format!("{} UTC, {open}", day_and_clock(alert.since, &TimeZone::UTC));
    let mut rows = vec![
        row("incident", vec![Text::plain(&alert.incident)]),
        row("since", vec![Text::plain(since)]),
        row("impact", vec![Text::prose(&alert.impact)]),
    ];
    if !alert.objects.is_empty() {
        rows.push(row("object", vec![Text::code(alert.objects.join(", "))]));
    }
    let cause = match &alert.cause {
        Some(cause) => vec![Text::new(cause, Tone::Strong), Text::prose(&alert.says)],
        None => vec![Text::plain("not found yet")],
    };
    rows.push(row("cause", cause));
    rows.extend(alert.blocker.as_ref().map(blocker));
    rows.extend(alert.change.as_ref().map(|c| row("change", vec![Text::prose(c)])));
    rows.push(row("next", vec![Text::prose(&alert.next)]));
    if alert.news != AlertNews::Closed {
        rows.push(row("acknowledge", vec![Text::code(format!("pgward ack {}", alert.incident))]));
    }
    rows
}

fn blocker(blocker: &Blocker) -> Row {
    let mut who = format!("pid {} of role {}", blocker.pid, blocker.role);
    if blocker.pid == 0 {
        who = "a prepared transaction".to_owned();
    }
    for part in [&blocker.application, &blocker.client, &blocker.state] {
        if !part.is_empty() {
            who.push_str(&format!(", {part}"));
        }
    }
    let mut lines = vec![Text::plain(who)];
    if !blocker.statement.is_empty() {
        lines.push(Text::code(cut(&blocker.statement, STATEMENT_CHARS)));
    }
    if let Some(head) = &blocker.queue_head {
        let who = format!("queue behind pid {} of role {}: ", head.pid, head.role);
        lines.push(Text::plain(who).then(cut(&head.statement, STATEMENT_CHARS), Tone::Code));
    }
    row("blocker", lines)
}

fn row(label: &str, lines: Vec<Text>) -> Row {
    Row { label: Text::new(label, Tone::Label), key: Text::default(), lines }
}
