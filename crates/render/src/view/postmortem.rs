//! A post-mortem in the outline people know: summary, timeline, root cause and resolution,
//! corrective and preventative measures, and besides them what was ruled out and what was lost.

use super::words::{abbreviation, capital, clock, day_and_clock, evidence_text, folded, zone};
use crate::document::*;
use crate::figure;
use jiff::tz::TimeZone;
use pgward_model::event::{Event, EventKind};
use pgward_model::evidence::{human, human_duration};
use pgward_model::incident::{Standing, WeighedChange};
use pgward_model::postmortem::{ActionItem, ActionKind, ActionState, Postmortem, RuledOutTheory};

/// Theories told one by one; the rest is named.
const THEORIES_MAX: usize = 15;
/// Keys of lost rows printed; the JSON has all.
const KEYS_MAX: usize = 20;

/// The whole document with its figures.
pub fn postmortem(pm: &Postmortem) -> Document {
    let kind = if pm.drill { "DRILL post-mortem" } else { "Post-mortem" };
    let mut document = Document::new(format!("{kind} {}: {}", pm.incident_id, pm.title));
    document.heading(1, document.title.clone());
    summary(&mut document, pm);
    timeline(&mut document, pm);
    cause(&mut document, pm);
    theories(&mut document, pm);
    resolution(&mut document, pm);
    measures(&mut document, pm);
    document
}

fn section(document: &mut Document, pm: &Postmortem, level: u8, title: &str) {
    let mark = if pm.drill { "DRILL · " } else { "" };
    document.heading(level, format!("{mark}{title}"));
}

fn summary(document: &mut Document, pm: &Postmortem) {
    section(document, pm, 2, "Issue summary");
    document.prose(&pm.summary);
    let row = |label: &str, text: Text| Row {
        label: Text::new(label, Tone::Label),
        key: Text::default(),
        lines: vec![text],
    };
    let all = vec![
        row("Server", Text::code(&pm.server)),
        row("Duration", Text::plain(duration(pm))),
        row("Of which", Text::plain(segments(pm))),
        row("Start", Text::plain(both(pm.started, pm))),
        row("End", Text::plain(pm.ended.map_or("still open".to_owned(), |end| both(end, pm)))),
        row("Impact", Text::plain(share(pm))),
        row("Cause", pm.cause_id.as_ref().map_or(Text::plain("not known yet"), Text::code)),
        row("Lost", Text::plain(lost(pm))),
    ];
    let mut rows: Vec<Row> =
        all.into_iter().filter(|r| r.lines.iter().any(|l| !l.is_empty())).collect();
    if pm.drill {
        rows.push(row("Drill", Text::plain("staged on a private server; no user was harmed")));
    }
    document.push(Block::Rows(Rows { indent: 2, rows }));
    section(document, pm, 2, "Impact");
    document.prose(&with_stop(&pm.impact.explain));
    if let Some(svg) = figure::impact(pm) {
        let alt = format!(
            "{} per second over time, the harmed share in red; {}",
            capital(&pm.impact.of),
            share(pm)
        );
        document.push(Block::Figure(Figure { name: name(pm, "impact"), alt, svg }));
    }
    section(document, pm, 2, "Detection");
    document.prose(&pm.detection);
}

fn name(pm: &Postmortem, figure: &str) -> String {
    format!("{}-{figure}.svg", pm.incident_id)
}

fn duration(pm: &Postmortem) -> String {
    match pm.ended {
        Some(end) => human_duration(end.duration_since(pm.started).as_secs_f64()),
        None => "not over".to_owned(),
    }
}

/// The duration in parts that add up to it; empty where one of them was not recorded in order.
fn segments(pm: &Postmortem) -> String {
    let first = |kind: EventKind| {
        let after = |e: &&Event| e.kind == kind && e.at >= pm.started;
        pm.timeline.iter().filter(after).map(|e| e.at).min()
    };
    let (Some(opened), Some(diagnosed), Some(ended)) =
        (first(EventKind::Opened), pm.diagnosed(), pm.ended)
    else {
        return String::new();
    };
    let moments = [pm.started, opened, diagnosed, ended];
    if !moments.is_sorted() {
        return String::new();
    }
    let words = ["to detect", "to diagnose", "to recover"];
    let parts = moments.iter().zip(moments.iter().skip(1)).zip(words).map(|((from, to), word)| {
        format!("{} {word}", human_duration(to.duration_since(*from).as_secs_f64()))
    });
    parts.collect::<Vec<_>>().join(" · ")
}

/// A moment in UTC and in the chosen zone.
fn both(at: jiff::Timestamp, pm: &Postmortem) -> String {
    let utc = format!("{} UTC", day_and_clock(at, &TimeZone::UTC));
    let tz = zone(&pm.zone);
    if tz == TimeZone::UTC || pm.zone.eq_ignore_ascii_case("utc") {
        return utc;
    }
    format!("{utc} · {} {} ({})", day_and_clock(at, &tz), abbreviation(at, &tz), pm.zone)
}

fn share(pm: &Postmortem) -> String {
    let impact = &pm.impact;
    if impact.n_total == 0 {
        return "not measured".to_owned();
    }
    let percent = 100.0 * impact.n_harmed as f64 / impact.n_total as f64;
    format!(
        "{} of {} {} ({}%)",
        human(impact.n_harmed as f64),
        human(impact.n_total as f64),
        impact.of,
        human(percent)
    )
}

fn lost(pm: &Postmortem) -> String {
    match (pm.losses.n_lost, pm.losses.n_acknowledged) {
        (Some(lost), Some(all)) => {
            format!("{} of {} acknowledged writes", human(lost as f64), human(all as f64))
        }
        (Some(lost), None) => format!("{} writes", human(lost as f64)),
        (None, _) => "not known: nobody kept a ledger of acknowledged writes".to_owned(),
    }
}

fn timeline(document: &mut Document, pm: &Postmortem) {
    section(document, pm, 2, "Timeline");
    let tz = zone(&pm.zone);
    let local = tz != TimeZone::UTC && !pm.zone.eq_ignore_ascii_case("utc");
    let first = pm.timeline.first().map_or(pm.started, |e| e.at);
    let day = first.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string();
    let zones = if local { format!("UTC and {}", pm.zone) } else { "UTC".to_owned() };
    document.prose(&format!("From {day}, times in {zones}."));
    if let Some(svg) = figure::timeline(pm) {
        let alt = format!("Timeline of incident {}, one mark for each line", pm.incident_id);
        document.push(Block::Figure(Figure { name: name(pm, "timeline"), alt, svg }));
    }
    let mut columns = vec![left("UTC")];
    if local {
        columns.push(left(&abbreviation(first, &tz)));
    }
    columns.extend(["Who", "What", "Source"].map(left));
    let rows = pm.timeline.iter().map(|event| {
        let mut cells = vec![Text::plain(clock(event.at, &TimeZone::UTC))];
        if local {
            cells.push(Text::plain(clock(event.at, &tz)));
        }
        cells.push(Text::plain(&event.actor));
        cells.push(Text::prose(&event.what));
        cells.push(Text::new(event.source.to_string(), Tone::Dim));
        TableRow::Cells(cells)
    });
    document.push(Block::Table(Table { columns, rows: rows.collect() }));
}

fn left(head: &str) -> Column {
    Column { head: head.to_owned(), align: Align::Left }
}

fn right(head: &str) -> Column {
    Column { head: head.to_owned(), align: Align::Right }
}

fn cause(document: &mut Document, pm: &Postmortem) {
    section(document, pm, 2, "Root cause");
    document.prose(&pm.root_cause);
    if let Some(svg) = figure::lock_tree(&pm.figures.lock_tree) {
        let n = pm.figures.lock_tree.len().saturating_sub(1);
        let alt = format!("Lock tree at the worst moment: {n} sessions wait behind the root");
        document.push(Block::Figure(Figure { name: name(pm, "lock-tree"), alt, svg }));
    }
    if !pm.evidence.is_empty() {
        let rows = pm.evidence.iter().map(|e| {
            TableRow::Cells(vec![
                evidence_text(e),
                Text::plain(measure(e.value, &e.unit)),
                Text::plain(measure(e.baseline, &e.unit)),
                Text::new(e.source.to_string(), Tone::Dim),
            ])
        });
        let columns = vec![left("Evidence"), right("Measured"), right("Baseline"), left("Source")];
        document.push(Block::Table(Table { columns, rows: rows.collect() }));
    }
    if !pm.contributing.is_empty() {
        section(document, pm, 3, "Contributing conditions");
        let items = pm.contributing.iter().map(|text| Text::prose(text)).collect();
        document.push(Block::List { numbered: Numbered::No, items });
    }
}

fn measure(value: Option<f64>, unit: &str) -> String {
    match (value, unit) {
        (None, _) => "–".to_owned(),
        (Some(v), "") => human(v),
        (Some(v), "%") => format!("{}%", human(v)),
        (Some(v), unit) => format!("{} {unit}", human(v)),
    }
}

fn theories(document: &mut Document, pm: &Postmortem) {
    section(document, pm, 2, "What was ruled out");
    if pm.ruled_out.is_empty() {
        document.prose("Nothing: no theory was refuted by a number.");
    } else {
        document.prose(
            "Each theory is refuted by a measured number. The last column tells what following \
             such a theory has cost in published outages.",
        );
        let columns = vec![
            left("Theory"),
            left("Refuted by"),
            right("Measured"),
            right("Baseline"),
            right("Ruled out in"),
            right("Cost elsewhere"),
        ];
        let rows = pm.ruled_out.iter().take(THEORIES_MAX).map(theory);
        document.push(Block::Table(Table { columns, rows: rows.collect() }));
        let rest: Vec<&str> =
            pm.ruled_out.iter().skip(THEORIES_MAX).map(|t| t.cause.as_str()).collect();
        if !rest.is_empty() {
            document.prose(&format!("And {} more: {}.", rest.len(), folded(&rest, 40)));
        }
        document.push(Block::List { numbered: Numbered::No, items: cost_sources(pm) });
    }
    if !pm.unknown.is_empty() {
        section(document, pm, 3, "What could not be decided");
        document.push(Block::List { numbered: Numbered::No, items: undecided(pm) });
    }
    if !pm.changes.is_empty() {
        section(document, pm, 3, "What changed");
        document.push(changes(pm));
    }
}

/// Each change, and whether it can be to blame.
fn changes(pm: &Postmortem) -> Block {
    let columns = vec![left("At"), left("Change"), left("By"), left("Standing"), left("Because")];
    let row = |change: &WeighedChange| {
        let (standing, why) = match &change.standing {
            Standing::Suspect { why } => (Text::new("suspect", Tone::Bad), why),
            Standing::Decoy { why } => (Text::new("decoy", Tone::Good), why),
            Standing::Unknown { why } => (Text::plain("unknown"), why),
        };
        TableRow::Cells(vec![
            Text::plain(clock(change.at, &TimeZone::UTC)),
            Text::plain(&change.what),
            Text::plain(&change.actor),
            standing,
            Text::plain(why),
        ])
    };
    Block::Table(Table { columns, rows: pm.changes.iter().map(row).collect() })
}

fn theory(theory: &RuledOutTheory) -> TableRow {
    let took = theory.closed.duration_since(theory.opened).as_secs_f64();
    let e = &theory.evidence;
    TableRow::Cells(vec![
        named(theory),
        Text::prose(&e.claim).then(format!(" ({})", e.source), Tone::Dim),
        Text::plain(measure(e.value, &e.unit)),
        Text::plain(measure(e.baseline, &e.unit)),
        Text::plain(human_duration(took)),
        Text::plain(format!("{} min", human(theory.would_have_cost_min))),
    ])
}

/// The name and the id, or the id alone where it is its own name.
fn named(theory: &RuledOutTheory) -> Text {
    if theory.name == theory.cause.replace('_', " ") {
        return Text::code(&theory.cause);
    }
    Text::plain(&theory.name).then(" ", Tone::Plain).then(&theory.cause, Tone::Code)
}

/// Each origin of a cost once.
fn cost_sources(pm: &Postmortem) -> Vec<Text> {
    let mut told: Vec<(&str, f64)> = Vec::new();
    for theory in pm.ruled_out.iter().take(THEORIES_MAX) {
        if !told.iter().any(|(source, _)| *source == theory.cost_source) {
            told.push((&theory.cost_source, theory.would_have_cost_min));
        }
    }
    told.into_iter()
        .map(|(source, minutes)| {
            Text::new(format!("{} min: ", human(minutes)), Tone::Strong).join(Text::plain(source))
        })
        .collect()
}

/// Grouped by what is missing.
fn undecided(pm: &Postmortem) -> Vec<Text> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (cause, missing) in &pm.unknown {
        match groups.iter_mut().find(|(reason, _)| reason == missing) {
            Some((_, causes)) => causes.push(cause),
            None => groups.push((missing, vec![cause])),
        }
    }
    groups
        .into_iter()
        .map(|(missing, causes)| {
            Text::prose(missing).then(format!(": {}", folded(&causes, 12)), Tone::Dim)
        })
        .collect()
}

fn resolution(document: &mut Document, pm: &Postmortem) {
    section(document, pm, 2, "Resolution and recovery");
    if pm.resolution.is_empty() {
        document.prose("No step has been recorded.");
    } else {
        let items = pm.resolution.iter().map(|text| Text::prose(text)).collect();
        document.push(Block::List { numbered: Numbered::Yes, items });
    }
    section(document, pm, 2, "What was lost");
    document.prose(&format!("{}.", capital(&lost(pm))));
    document.prose(&with_stop(&capital(&pm.losses.explain)));
    if !pm.losses.lost_keys.is_empty() {
        let keys: Vec<&str> = pm.losses.lost_keys.iter().map(String::as_str).collect();
        let text = format!("Keys: {}", folded(&keys, KEYS_MAX));
        document.push(Block::Code { language: "text".into(), text });
    }
}

fn with_stop(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', '!', '?', '…']) {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

fn measures(document: &mut Document, pm: &Postmortem) {
    section(document, pm, 2, "Corrective and preventative measures");
    let columns = ["Id", "Measure", "Kind", "Owner", "Due", "State"].map(left).to_vec();
    let rows = pm.action_items.iter().map(|item| TableRow::Cells(measure_cells(item)));
    document.push(Block::Table(Table { columns, rows: rows.collect() }));
}

fn measure_cells(item: &ActionItem) -> Vec<Text> {
    let kind = match item.kind {
        ActionKind::Corrective => "corrective",
        ActionKind::Preventative => "preventative",
    };
    let (state, tone) = match item.state {
        ActionState::Open => ("open", Tone::Warning),
        ActionState::Scheduled => ("scheduled", Tone::Plain),
        ActionState::InProgress => ("in progress", Tone::Plain),
        ActionState::Blocked => ("blocked", Tone::Bad),
        ActionState::Done => ("done", Tone::Good),
        ActionState::Verified => ("verified", Tone::Good),
        ActionState::Dropped => ("dropped", Tone::Dim),
    };
    vec![
        Text::plain(&item.id),
        Text::prose(&item.title),
        Text::plain(kind),
        Text::plain(&item.owner),
        Text::plain(&item.due),
        Text::new(state, tone),
    ]
}
