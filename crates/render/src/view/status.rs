//! Servers on one screen: incidents first, then who blocks whom, what is near its limit, what
//! changed, and what could not be seen.

use super::words::{clock, cut};
use crate::document::*;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pgward_model::event::Event;
use pgward_model::evidence::{human, human_bytes, human_duration};
use pgward_model::sample::Gap;
use pgward_model::status::{Activity, Blocker, IncidentLine, Limit, ServerStatus};
use pgward_model::window::seconds_between;

/// Lines of each kind for one server; the rest is counted.
const INCIDENTS_MAX: usize = 3;
const BLOCKERS_MAX: usize = 4;
const CHANGES_MAX: usize = 5;
const MISSING_MAX: usize = 4;
/// A limit is told from this share of it on; connections always.
const NEAR: f64 = 0.5; // half is no trouble, and soon enough to read of it
const SHORT: f64 = 0.8;
/// Characters of a statement.
const STATEMENT_CHARS: usize = 70;

/// The servers as they stand, each in a few lines.
pub fn status(servers: &[ServerStatus], now: Timestamp) -> Document {
    let mut document = Document::new("status");
    for server in servers {
        document.push(Block::Paragraph(head(server, now)));
        document.push(Block::Rows(Rows { indent: 2, rows: rows(server, now) }));
    }
    document
}

fn head(server: &ServerStatus, now: Timestamp) -> Text {
    let mut text = Text::new(&server.server, Tone::Strong);
    match &server.identity {
        Some(identity) => {
            let up = human_duration(seconds_between(identity.started, now).max(0.0).round());
            let role = if identity.is_standby { ", standby" } else { "" };
            let version = identity.version.split(' ').next().unwrap_or("");
            text = text.then(format!("  PostgreSQL {version}{role}, up {up}"), Tone::Plain);
        }
        None => text = text.then("  not seen", Tone::Bad),
    }
    match server.incidents.iter().filter(|i| i.closed.is_none()).count() {
        0 => text,
        1 => text.then("  1 open incident", Tone::Bad),
        n => text.then(format!("  {n} open incidents"), Tone::Bad),
    }
}

fn rows(server: &ServerStatus, now: Timestamp) -> Vec<Row> {
    let mut rows = Vec::new();
    let (open, closed): (Vec<_>, Vec<_>) =
        server.incidents.iter().partition(|i| i.closed.is_none());
    let newest_first = open.iter().rev().chain(closed.iter().rev());
    folded(&mut rows, newest_first.map(|i| incident(i, now)).collect(), INCIDENTS_MAX);
    rows.extend(server.activity.as_ref().map(|a| activity(a, now)));
    folded(&mut rows, server.blockers.iter().map(|b| blocker(b, now)).collect(), BLOCKERS_MAX);
    rows.extend(server.limits.iter().filter(|l| is_told(l)).map(limit));
    folded(&mut rows, server.changes.iter().rev().map(change).collect(), CHANGES_MAX);
    folded(&mut rows, server.missing.iter().map(missing).collect(), MISSING_MAX);
    rows
}

/// At most so many rows, and a count of the others.
fn folded(rows: &mut Vec<Row>, all: Vec<Row>, most: usize) {
    let n_more = all.len().saturating_sub(most);
    let label = all.first().map(|r| r.label.clone());
    rows.extend(all.into_iter().take(most));
    if let (1.., Some(label)) = (n_more, label) {
        let more = Text::new(format!("… and {n_more} more"), Tone::Dim);
        rows.push(Row { label, key: Text::default(), lines: vec![more] });
    }
}

fn row(label: &str, tone: Tone, key: Text, lines: Vec<Text>) -> Row {
    Row { label: Text::new(label, tone), key, lines }
}

fn incident(incident: &IncidentLine, now: Timestamp) -> Row {
    let state = match incident.closed {
        None => Text::new(format!("open {}", ago(incident.opened, now)), Tone::Warning),
        Some(closed) => Text::new(format!("closed {} ago", ago(closed, now)), Tone::Good),
    };
    let mut lines = vec![state.then("  ", Tone::Plain).join(Text::prose(&incident.title))];
    if let Some((cause, says)) = &incident.cause {
        let text = Text::new(cause, Tone::Strong).then("  ", Tone::Plain);
        lines.push(text.join(Text::prose(says)));
    }
    if let Some(proposed) = incident.proposed.as_ref().filter(|_| incident.closed.is_none()) {
        lines.push(Text::new("proposed  ", Tone::Label).join(Text::prose(proposed)));
    }
    let tone = if incident.closed.is_none() { Tone::Bad } else { Tone::Dim };
    row("incident", tone, Text::plain(&incident.id), lines)
}

fn activity(activity: &Activity, now: Timestamp) -> Row {
    let mut text = format!(
        "{} active, {} waiting for a lock, {} idle in transaction, {} in all",
        activity.n_active, activity.n_waiting, activity.n_idle_in_transaction, activity.n_sessions
    );
    if let Some((since, pid)) = activity.oldest_transaction {
        text.push_str(&format!("; oldest transaction {} (pid {pid})", ago(since, now)));
    }
    row("sessions", Tone::Label, Text::default(), vec![Text::plain(text)])
}

fn blocker(blocker: &Blocker, now: Timestamp) -> Row {
    let waiting = match blocker.n_waiters {
        1 => "1 session waits".to_owned(),
        n => format!("{n} sessions wait"),
    };
    let mut first = Text::new(waiting, Tone::Strong).then(
        format!(
            ", the longest {}: {}",
            human_duration(blocker.longest_wait_s.round()),
            blocker.waits_for.join(", ")
        ),
        Tone::Plain,
    );
    if blocker.waits_for.is_empty() {
        first = first.then("a lock", Tone::Plain);
    }
    let state = blocker.since.map_or(blocker.state.clone(), |since| {
        format!("{} for {}", blocker.state, ago(since, now))
    });
    let whose = [blocker.role.as_str(), blocker.application.as_str(), state.as_str()];
    let whose = whose.iter().filter(|w| !w.is_empty()).copied().collect::<Vec<_>>().join(", ");
    let mut lines = vec![first, Text::plain(whose)];
    if !blocker.statement.is_empty() {
        lines.push(Text::code(cut(&blocker.statement, STATEMENT_CHARS)));
    }
    if let Some(head) = &blocker.queue_head {
        let n = head.n_resume;
        lines.push(
            Text::new(
                format!("pid {} heads the queue: without it {n} go on at once: ", head.pid),
                Tone::Plain,
            )
            .then(cut(&head.statement, STATEMENT_CHARS), Tone::Code),
        );
    }
    let key = match blocker.pid {
        0 => Text::plain("prepared"),
        pid => Text::plain(format!("pid {pid}")),
    };
    row("blocks", Tone::Bad, key, lines)
}

fn is_told(limit: &Limit) -> bool {
    let unbounded_wal = limit.most.is_none() && limit.unit == "bytes";
    limit.name == "connections" || unbounded_wal || limit.share().is_some_and(|s| s >= NEAR)
}

fn limit(limit: &Limit) -> Row {
    let number = |value: f64| match limit.unit.as_str() {
        "bytes" => human_bytes(value),
        _ => human(value),
    };
    let unit = if limit.unit == "bytes" { String::new() } else { format!(" {}", limit.unit) };
    let text = match (limit.most, limit.share()) {
        (Some(most), Some(share)) => format!(
            "{} of {}{unit}, {}%",
            number(limit.used),
            number(most),
            human((share * 100.0).round())
        ),
        _ => format!("{}{unit}, without limit", number(limit.used)),
    };
    let tone = match limit.share() {
        Some(share) if share >= SHORT => Tone::Bad,
        Some(share) if share >= NEAR => Tone::Warning,
        _ => Tone::Label,
    };
    let text = Text::plain(text).then(format!("  {}", limit.of), Tone::Dim);
    row("limit", tone, Text::plain(&limit.name), vec![text])
}

fn change(event: &Event) -> Row {
    let text = Text::prose(&event.what).then(format!("  {}", event.actor), Tone::Dim);
    row("changed", Tone::Label, Text::plain(clock(event.at, &TimeZone::UTC)), vec![text])
}

fn missing(gap: &Gap) -> Row {
    row("not seen", Tone::Warning, Text::plain(&gap.sampler), vec![Text::prose(&gap.why)])
}

fn ago(from: Timestamp, now: Timestamp) -> String {
    human_duration(seconds_between(from, now).max(0.0).round())
}
