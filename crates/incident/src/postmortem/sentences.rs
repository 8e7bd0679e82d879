//! The paragraphs: each names the object, the role and the change, and blames nobody.

use super::{Input, name, title};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use pgward_model::prelude::*;

/// Characters of a statement quoted in a paragraph; the alarm's measure.
const STATEMENT_CHARS: usize = 200;

/// How long, how much, why, and whether it is over.
pub(super) fn summary(
    input: &Input,
    started: Timestamp,
    ended: Option<Timestamp>,
    impact: &Impact,
) -> String {
    let until = ended.unwrap_or(input.now);
    let lasted = human_duration(seconds_between(started, until));
    let span = match ended {
        Some(end) => format!("It lasted {lasted}, {}.", span(started, end, input.zone)),
        None => format!("It is open for {lasted}, since {}.", moment(started, input.zone)),
    };
    let harm = match (impact.n_total, share(impact)) {
        (0, _) | (_, None) => "How many were harmed was not measured.".to_owned(),
        (_, Some(share)) => format!(
            "{} of {} {} ({}%) were harmed.",
            human(impact.n_harmed as f64),
            human(impact.n_total as f64),
            impact.of,
            human(share * 100.0)
        ),
    };
    let cause = match input.incident.first() {
        Some((cause, likely)) => format!("Root cause, `{cause}`: {}.", sentence(&likely.says)),
        None => "The root cause is not known yet.".to_owned(),
    };
    format!("{} on `{}`. {span} {harm} {cause}", capital(&title(input.incident)), {
        &input.incident.server
    })
}

pub(super) fn share(impact: &Impact) -> Option<f64> {
    (impact.n_total > 0).then(|| impact.n_harmed as f64 / impact.n_total as f64)
}

/// What saw it, from which source, and after how many seconds.
pub(super) fn detection(input: &Input, started: Timestamp) -> String {
    let incident = input.incident;
    let opened_s = seconds_between(started, incident.opened);
    // A notice opens no incident; what users feel does.
    let harm = incident.symptoms.iter().filter(|s| s.weight == Weight::Harm);
    let Some(first) = harm.min_by_key(|s| (s.since, s.last_seen)) else {
        return format!(
            "The incident was opened by hand, {} after the first harmed moment.",
            human_duration(opened_s)
        );
    };
    let after = if opened_s >= 0.0 { "after" } else { "before" };
    let source = first.evidence().first().map(|e| e.source.to_string()).unwrap_or_default();
    let mut text = format!(
        "pgward's watch loop opened the incident at {}, {} {after} the first harmed moment. \
         Detector `{}` saw it ({source}): {}.",
        clock(incident.opened),
        human_duration(opened_s.abs()),
        first.detector,
        sentence(&first.title),
    );
    let cause = incident.first().map(|(cause, _)| cause);
    if let Some(at) = diagnosed(input.events, cause) {
        text.push_str(&format!(
            " The cause stood {} after the first harmed moment.",
            human_duration(seconds_between(started, at).max(0.0))
        ));
    }
    text
}

/// Object, actor and change in one paragraph.
pub(super) fn root_cause(input: &Input) -> String {
    let Some((cause, likely)) = input.incident.first() else {
        let n = input
            .incident
            .verdicts
            .iter()
            .filter(|j| matches!(j.verdict, Verdict::Unknown { .. }))
            .count();
        return format!(
            "Not known. No cause fits what was measured; {n} causes could not be judged for want \
             of data and are listed below."
        );
    };
    let mut parts = vec![format!(
        "{} (`{cause}`, score {}): {}.",
        capital(&name(input, cause)),
        human(likely.score),
        sentence(&likely.says)
    )];
    if !likely.relations.is_empty() {
        let objects: Vec<String> = likely.relations.iter().map(|r| format!("`{r}`")).collect();
        parts.push(format!("Object: {}.", objects.join(", ")));
    }
    let mut actors: Vec<String> = likely.pids.iter().filter_map(|pid| actor(input, *pid)).collect();
    if !actors.is_empty() {
        let n_more = actors.len().saturating_sub(ACTORS_MAX);
        actors.truncate(ACTORS_MAX);
        let more = if n_more > 0 { format!("; and {n_more} more") } else { String::new() };
        parts.push(format!("Acting: {}{more}.", actors.join("; ")));
    }
    parts.extend(likely.ddl.iter().map(change));
    parts.join(" ")
}

/// Sessions that one paragraph bears.
const ACTORS_MAX: usize = 3;

/// The session by role, application and what it ran.
fn actor(input: &Input, pid: Pid) -> Option<String> {
    let samples = &input.case?.window.samples;
    let seen = samples.iter().rev().flat_map(|s| s.sessions.iter());
    let session = seen.filter(|s| s.pid == pid).find(|s| !s.query.is_empty())?;
    Some(format!(
        "role `{}`{} (pid {pid}, {}), statement `{}`",
        session.role,
        with_application(&session.application),
        session.state,
        quoted(&session.query)
    ))
}

fn change(ddl: &DdlEvent) -> String {
    let place = match (&ddl.xid, &ddl.lsn) {
        (Some(xid), Some(lsn)) => format!(", transaction {xid}, WAL position {lsn}"),
        (Some(xid), None) => format!(", transaction {xid}"),
        (None, Some(lsn)) => format!(", WAL position {lsn}"),
        (None, None) => String::new(),
    };
    let statement = if ddl.statement.is_empty() {
        String::new()
    } else {
        format!(": `{}`", quoted(&ddl.statement))
    };
    format!(
        "The change: `{} {}` at {}{}{}{place}{statement}.",
        ddl.command,
        ddl.identity,
        clock(ddl.at),
        if ddl.role.is_empty() { String::new() } else { format!(" by role `{}`", ddl.role) },
        with_application(&ddl.application),
    )
}

fn with_application(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" with application `{name}`") }
}

/// What was there and does not suffice, and what is likely besides the first.
pub(super) fn contributing(input: &Input) -> Vec<String> {
    let present = input.incident.verdicts.iter().filter_map(|j| match &j.verdict {
        Verdict::RuledOut { evidence, present: true } => Some(format!(
            "{} (`{}`) was present and does not suffice to explain the harm: {}.",
            capital(&name(input, &j.cause)),
            j.cause,
            sentence(&evidence.claim)
        )),
        _ => None,
    });
    let likely = input.incident.verdicts.iter().filter_map(|j| Some((j, j.verdict.likely()?)));
    let besides = likely.skip(1).map(|(j, likely)| {
        format!(
            "{} (`{}`, score {}) fits too: {}.",
            capital(&name(input, &j.cause)),
            j.cause,
            human(likely.score),
            sentence(&likely.says)
        )
    });
    present.chain(besides).collect()
}

/// What was done, in order, with when.
pub(super) fn resolution(input: &Input) -> Vec<String> {
    let mut done: Vec<&Event> = input
        .events
        .iter()
        .filter(|e| {
            use EventKind::{Closed, Failed, Recovered, Step, Verified};
            matches!(e.kind, Step | Verified | Recovered | Failed | Closed)
        })
        .collect();
    done.sort_by_key(|e| e.at);
    done.dedup_by(|b, a| a.what == b.what && a.kind == b.kind);
    done.iter().map(|e| format!("{}: {}.", clock(e.at), sentence(&e.what))).collect()
}

/// `05:00:03 UTC`.
fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%H:%M:%S UTC").to_string()
}

fn moment(at: Timestamp, zone: &str) -> String {
    let utc = at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    match zone_of(zone) {
        Some(tz) => format!("{utc} ({})", at.to_zoned(tz).strftime("%H:%M:%S %Z, %Q")),
        None => utc,
    }
}

/// `from 2026-11-21 05:00:03 to 05:00:44 UTC (07:00:03 to 07:00:44 SAST, Africa/Johannesburg)`.
fn span(from: Timestamp, to: Timestamp, zone: &str) -> String {
    let utc = between(from, to, TimeZone::UTC);
    match zone_of(zone) {
        Some(tz) => format!("from {utc} ({}, {zone})", between(from, to, tz)),
        None => format!("from {utc}"),
    }
}

fn between(from: Timestamp, to: Timestamp, tz: TimeZone) -> String {
    let (from, to) = (from.to_zoned(tz.clone()), to.to_zoned(tz));
    let end = if from.date() == to.date() { "%H:%M:%S %Z" } else { "%Y-%m-%d %H:%M:%S %Z" };
    format!("{} to {}", from.strftime("%Y-%m-%d %H:%M:%S"), to.strftime(end))
}

/// The zone, from the tables inside the program; `None` where it is UTC or unknown.
pub(super) fn zone_of(zone: &str) -> Option<TimeZone> {
    let zone = zone.trim();
    let utc = zone.is_empty() || zone.eq_ignore_ascii_case("utc") || zone == "Etc/UTC";
    if utc { None } else { TimeZoneDatabase::bundled().get(zone).ok() }
}

/// Without the full stop, since the sentence around it brings one.
pub(super) fn sentence(text: &str) -> &str {
    text.trim().trim_end_matches('.')
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// One line, cut, and free of the backticks that mark code around it.
pub(super) fn quoted(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'");
    if line.chars().count() <= STATEMENT_CHARS {
        return line;
    }
    line.chars().take(STATEMENT_CHARS - 1).chain(['…']).collect()
}
