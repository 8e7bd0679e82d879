//! Findings of a change, each at its place in the source, and the gate's answer.

use super::words::{day_and_clock, evidence_text};
use crate::document::*;
use crate::place::path;
use jiff::tz::TimeZone;
use pgward_model::change::{
    ConditionsRead, Coverage, GateReport, KeptCatalog, LayerRun, Rehearsal, Since,
};
use pgward_model::evidence::{human, human_duration};
use pgward_model::prelude::{
    Evidence, Finding, FixPlace, Severity, Silenced, SilencedBy, SourceKind,
};
use std::collections::BTreeMap;

/// Lines of a long statement that are shown.
const LINES_MAX: usize = 6;
/// No screen is wider, and a file may be one line with thousands of findings.
const LINE_CHARS_MAX: usize = 1_000;
/// Silenced findings that are listed; all of them are in the JSON.
const SILENCED_MAX: usize = 10;

/// The findings in the order given; `sources` holds the text of each file.
pub fn findings(report: &[Finding], sources: &BTreeMap<String, String>) -> Document {
    let mut document = Document::new("findings");
    for finding in report {
        document.push(Block::Diagnostic(diagnostic(finding, sources)));
    }
    document.push(Block::Paragraph(count(report)));
    document
}

/// What the gate says of a change: its findings, its layers, its rehearsal.
pub fn gate(report: &GateReport, sources: &BTreeMap<String, String>) -> Document {
    let mut document = Document::new(format!("change {}", report.change_id));
    for finding in &report.findings {
        document.push(Block::Diagnostic(diagnostic(finding, sources)));
    }
    let answer = match report.stopped_by {
        Some(layer) => Text::new("stopped", Tone::Bad)
            .then(" by layer ", Tone::Plain)
            .then(layer.id(), Tone::Strong),
        None => Text::new("passed", Tone::Good).then(" every layer that ran", Tone::Plain),
    };
    let blind = report.coverage.as_ref().is_some_and(|c| !c.not_understood.is_empty());
    let answer = match blind {
        true => answer.then(", as far as it is understood", Tone::Warning),
        false => answer,
    };
    let mut rows = vec![Row {
        label: Text::new("change", Tone::Label),
        key: Text::code(&report.change_id),
        lines: vec![answer],
    }];
    rows.extend(report.layers.iter().map(|run| layer_row(run, report)));
    rows.extend(report.coverage.iter().map(coverage_row));
    rows.extend(report.catalog.iter().map(catalog_row));
    rows.extend(report.conditions.iter().map(conditions_row));
    rows.extend(report.since.iter().map(since_row));
    rows.extend(silenced_rows(&report.silenced));
    document.push(Block::Rows(Rows { indent: 0, rows }));
    if let Some(rehearsal) = &report.rehearsal {
        document.blocks.extend(rehearsed(rehearsal));
    }
    if let Some(runbook) = &report.runbook {
        document.blocks.extend(super::runbook(runbook).blocks);
    }
    document
}

/// Places that are named; a file of another language would fill the screen.
const UNCLEAR_MAX: usize = 5;

fn coverage_row(coverage: &Coverage) -> Row {
    let n = coverage.n_statements;
    let n_unclear = coverage.not_understood.len();
    let tone = if n_unclear == 0 { Tone::Dim } else { Tone::Warning };
    let share = match n_unclear {
        0 => format!("all {n} statements"),
        _ => format!("{} of {n} statements", n - n_unclear.min(n)),
    };
    let mut lines = vec![Text::new(share, tone)];
    let places = coverage.not_understood.iter().take(UNCLEAR_MAX);
    lines.extend(places.map(|(file, line, why)| {
        Text::plain("not ")
            .then(format!("{file}:{line}"), Tone::Code)
            .then(format!(": {why}"), Tone::Plain)
    }));
    if n_unclear > UNCLEAR_MAX {
        lines.push(Text::plain(format!("… and {} more", n_unclear - UNCLEAR_MAX)));
    }
    Row { label: Text::new("text", Tone::Label), key: Text::plain("understood"), lines }
}

fn layer_row(run: &LayerRun, report: &GateReport) -> Row {
    let n = report.findings.iter().filter(|f| f.layer == run.layer).count();
    let outcome = match (&run.skipped, n) {
        (Some(why), _) => Text::new("not run: ", Tone::Warning).then(why, Tone::Plain),
        (None, 0) => Text::new("nothing to say", Tone::Dim),
        (None, 1) => Text::plain("1 finding"),
        (None, n) => Text::plain(format!("{n} findings")),
    };
    let took = if run.skipped.is_some() {
        outcome
    } else {
        outcome.then(format!("  {}", human_duration(run.seconds)), Tone::Dim)
    };
    let tone = if report.stopped_by == Some(run.layer) { Tone::Bad } else { Tone::Plain };
    Row {
        label: Text::new("layer", Tone::Label),
        key: Text::new(run.layer.id(), tone),
        lines: vec![took],
    }
}

/// Which catalog stood for the live one, and how far it may be behind.
fn catalog_row(kept: &KeptCatalog) -> Row {
    let at = day_and_clock(kept.taken_at, &TimeZone::UTC);
    let age = human_duration(kept.age_s);
    Row {
        label: Text::new("catalog", Tone::Label),
        key: Text::code(&kept.file),
        lines: vec![Text::plain(format!("{} of {at} UTC, {age} old", kept.database))],
    }
}

/// What the lints could ask of the server as it is now; below it what they could not, and why.
fn conditions_row(conditions: &ConditionsRead) -> Row {
    let mut lines = vec![Text::new(conditions.read.join(", "), Tone::Dim)];
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for gap in &conditions.gaps {
        match by_reason.iter_mut().find(|(why, _)| *why == gap.why) {
            Some((_, parts)) => parts.push(&gap.sampler),
            None => by_reason.push((&gap.why, vec![&gap.sampler])),
        }
    }
    lines.extend(by_reason.into_iter().map(|(why, parts)| {
        Text::new("not ", Tone::Warning)
            .then(parts.join(", "), Tone::Plain)
            .then(format!(": {why}"), Tone::Plain)
    }));
    Row { label: Text::new("conditions", Tone::Label), key: Text::plain("read"), lines }
}

fn since_row(since: &Since) -> Row {
    let (judged, unchanged) = (since.n_files_judged, since.n_files_unchanged);
    Row {
        label: Text::new("since", Tone::Label),
        key: Text::code(&since.revision),
        lines: vec![Text::plain(format!("{judged} files judged, {unchanged} unchanged"))],
    }
}

/// Each finding that somebody has answered for, with the reason.
fn silenced_rows(silenced: &[Silenced]) -> Vec<Row> {
    let row = |key: Text, line: Text| Row {
        label: Text::new("allowed", Tone::Label),
        key,
        lines: vec![line],
    };
    let mut rows: Vec<Row> = silenced
        .iter()
        .take(SILENCED_MAX)
        .map(|s| {
            let done = if s.now.is_some() { "lowered" } else { "silenced" };
            let by = match s.by {
                SilencedBy::Comment => "",
                SilencedBy::Config => " in pgward.toml",
            };
            let place = format!("{done}{by}: {}:{}", path(&s.file), s.span.line);
            let line = Text::new(place, Tone::Dim).then(format!("  {}", s.reason), Tone::Plain);
            row(Text::code(&s.lint), line)
        })
        .collect();
    if silenced.len() > SILENCED_MAX {
        let more = format!("… and {} more", silenced.len() - SILENCED_MAX);
        rows.push(row(Text::default(), Text::plain(more)));
    }
    rows
}

fn rehearsed(rehearsal: &Rehearsal) -> Vec<Block> {
    let columns = vec![
        Column { head: "step".into(), align: Align::Left },
        Column { head: "took".into(), align: Align::Right },
        Column { head: "rows".into(), align: Align::Right },
        Column { head: "locks and what PostgreSQL said".into(), align: Align::Left },
    ];
    let rows = rehearsal.steps.iter().map(|step| {
        let mut said: Vec<String> =
            step.locks.iter().map(|(relation, mode)| format!("{mode} on {relation}")).collect();
        said.extend(step.notices.iter().cloned());
        let mut said = Text::plain(said.join("; "));
        if let Some(error) = &step.error {
            said = Text::new(error, Tone::Bad).then(" ", Tone::Plain).join(said);
        }
        TableRow::Cells(vec![
            Text::code(step.text.split_whitespace().collect::<Vec<_>>().join(" ")),
            Text::plain(human_duration(step.ms / 1000.0)),
            Text::plain(step.rows.map_or_else(|| "–".to_owned(), |n| human(n as f64))),
            said,
        ])
    });
    let mut blocks = vec![
        Block::Heading {
            level: 3,
            text: Text::plain(format!(
                "rehearsal on a clone ({}) in {}",
                rehearsal.clone,
                human_duration(rehearsal.seconds)
            )),
        },
        Block::Table(Table { columns, rows: rows.collect() }),
    ];
    let broken = rehearsal.broken_statements.iter().map(|b| {
        Text::new("breaks ", Tone::Bad).then(&b.text, Tone::Code).then(
            format!(" of role {} ({} calls): {}", b.role, human(b.calls as f64), b.error),
            Tone::Plain,
        )
    });
    let slower = rehearsal.slower_statements.iter().map(|s| {
        Text::new("slows ", Tone::Warning).then(&s.text, Tone::Code).then(
            format!(
                " of role {} ({} calls): estimated cost {} instead of {}",
                s.role,
                human(s.calls as f64),
                human(s.cost_after),
                human(s.cost_before)
            ),
            Tone::Plain,
        )
    });
    let items: Vec<Text> = broken.chain(slower).collect();
    if !items.is_empty() {
        blocks.push(Block::List { numbered: Numbered::No, items });
    }
    blocks
}

fn count(report: &[Finding]) -> Text {
    let n = |severity| report.iter().filter(|f| f.severity == severity).count();
    let named =
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let parts: Vec<String> = named
        .into_iter()
        .map(|(severity, name)| (n(severity), name))
        .filter(|(n, _)| *n > 0)
        .map(|(n, name)| format!("{n} {name}{}", if n == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() {
        return Text::new("nothing to say", Tone::Good);
    }
    let tone = if n(Severity::Error) > 0 { Tone::Bad } else { Tone::Warning };
    Text::new(parts.join(", "), tone)
}

/// A finding at its place in the source.
pub(crate) fn diagnostic(finding: &Finding, sources: &BTreeMap<String, String>) -> Diagnostic {
    let source = sources.get(&finding.file).map(String::as_str);
    // What the statement itself says stands beside the underline.
    let beside = finding.evidence().iter().position(|e| {
        source.is_some() && matches!(e.source.kind, SourceKind::Statement | SourceKind::Manual)
    });
    let label = beside.and_then(|i| finding.evidence().get(i)).map(evidence_text);
    let notes = finding.evidence().iter().enumerate().filter(|(i, _)| Some(*i) != beside);
    Diagnostic {
        severity: finding.severity,
        id: finding.lint.clone(),
        message: Text::prose(&finding.message),
        place: place(finding, source, label.unwrap_or_default()),
        notes: notes.map(|(_, e)| note(e)).collect(),
        fix: finding.fix.as_ref().map(|fix| DiagnosticFix {
            advice: Text::prose(&fix.advice),
            remove: match (&fix.sql, source) {
                (Some(_), Some(text)) if fix.place == FixPlace::Instead => {
                    lines_of(finding, text).into_iter().map(str::to_owned).collect()
                }
                _ => Vec::new(),
            },
            add: fix.sql.iter().flat_map(|sql| sql.trim_end().lines()).map(str::to_owned).collect(),
            line: finding.span.line,
        }),
    }
}

fn note(evidence: &Evidence) -> Note {
    let label = match evidence.source.kind {
        SourceKind::Statement => "written",
        SourceKind::Manual => "manual",
        SourceKind::Catalog | SourceKind::Sample | SourceKind::Probe => "measured",
        SourceKind::Rehearsal => "rehearsed",
        SourceKind::Log | SourceKind::Ddl | SourceKind::Wal => "logged",
        SourceKind::Integrity => "scanned",
        SourceKind::Journal | SourceKind::Ledger => "recorded",
    };
    Note {
        label: label.to_owned(),
        text: evidence_text(evidence),
        source: evidence.source.to_string(),
    }
}

/// The whole lines a finding's span touches.
fn lines_of<'a>(finding: &Finding, text: &'a str) -> Vec<&'a str> {
    let (start, end) = (finding.span.start, finding.span.end);
    let Some(before) = text.get(..start) else { return Vec::new() };
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let written = text.get(start..end).unwrap_or("").trim_end();
    let n_lines = written.matches('\n').count() + 1;
    text.get(begin..).unwrap_or("").lines().take(n_lines).collect()
}

/// The beginning of a line, as far as any screen shows it.
fn cut(line: &str) -> String {
    line.chars().take(LINE_CHARS_MAX).collect()
}

fn place(finding: &Finding, source: Option<&str>, label: Text) -> Option<Place> {
    if finding.file.is_empty() {
        return None;
    }
    let all = source.map(|text| lines_of(finding, text)).unwrap_or_default();
    let shown = all.iter().take(LINES_MAX).map(|line| cut(line));
    let first = all.first().map_or(0, |l| cut(l.trim_end()).chars().count());
    let from = (finding.span.column.saturating_sub(1) as usize).min(first);
    let n_chars = source
        .and_then(|text| text.get(finding.span.start..finding.span.end))
        .and_then(|text| text.lines().next())
        .map_or(0, |line| cut(line.trim_end()).chars().count());
    Some(Place {
        file: if finding.file == "-" { "<stdin>".to_owned() } else { finding.file.clone() },
        line: finding.span.line,
        column: finding.span.column,
        n_hidden: all.len().saturating_sub(LINES_MAX),
        lines: (finding.span.line..).zip(shown).collect(),
        underline: (from, (from + n_chars).min(first).max(from)),
        label,
    })
}
