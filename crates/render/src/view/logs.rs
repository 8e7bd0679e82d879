//! What server logs tell: what went wrong first, then where time, errors and disk went.

use super::words::day_and_clock;
use crate::document::*;
use crate::figure;
use jiff::tz::TimeZone;
use pgward_model::evidence::{human, human_bytes, human_duration};
use pgward_model::log_report::*;

/// Characters of a statement or message in a table.
const TEXT_MAX: usize = 160;

/// The whole report; at most `top` rows of each list.
pub fn logs(report: &LogReport, top: usize) -> Document {
    let mut document = Document::new("server log");
    document.heading(1, "Server log");
    document.push(Block::Paragraph(summary(report)));
    for note in notes(report) {
        document.push(Block::Paragraph(Text::new(note, Tone::Warning)));
    }
    troubles(&mut document, report, top);
    if let Some(svg) = figure::log_rate(report) {
        document.push(Block::Figure(Figure {
            name: "log-rate.svg".to_owned(),
            alt: "Messages, errors and statement time over the time of the log".to_owned(),
            svg,
        }));
    }
    statements(&mut document, report, top);
    errors(&mut document, report, top);
    locks(&mut document, report, top);
    checkpoints(&mut document, report);
    temp_files(&mut document, report, top);
    vacuums(&mut document, report, top);
    connections(&mut document, report, top);
    classes(&mut document, report);
    over_time(&mut document, report);
    document
}

fn summary(report: &LogReport) -> Text {
    let times = match (report.first, report.last) {
        (Some(first), Some(last)) => format!(
            " from {} to {} UTC, {}",
            day_and_clock(first, &TimeZone::UTC),
            day_and_clock(last, &TimeZone::UTC),
            human_duration(last.duration_since(first).as_secs_f64())
        ),
        _ => String::new(),
    };
    let formats: Vec<String> = report
        .files
        .iter()
        .map(|f| match f.prefix.as_str() {
            "" => format!("{} ({})", f.path, f.format),
            prefix => format!("{} ({}, prefix `{}`)", f.path, f.format, prefix.trim_end()),
        })
        .collect();
    let shown = formats.iter().map(String::as_str).collect::<Vec<_>>();
    Text::prose(&format!(
        "{} messages in {}{times}: {}.",
        human(report.n_records as f64),
        human_bytes(report.bytes as f64),
        super::words::folded(&shown, 4)
    ))
}

fn notes(report: &LogReport) -> Vec<String> {
    let mut notes = report.notes.clone();
    if report.n_lines_unread > 0 {
        notes.push(format!(
            "{} lines belong to no message and were passed over",
            human(report.n_lines_unread as f64)
        ));
    }
    if report.n_records_cut > 0 {
        notes.push(format!(
            "of {} very long messages only the beginning was read",
            human(report.n_records_cut as f64)
        ));
    }
    notes
}

fn troubles(document: &mut Document, report: &LogReport, top: usize) {
    document.heading(2, "What went wrong");
    if report.troubles.is_empty() {
        document.prose("Nothing in the log speaks of trouble.");
        return;
    }
    let mut rows: Vec<Row> = report
        .troubles
        .iter()
        .take(top)
        .map(|t| {
            let mut lines = vec![Text::plain(t.says.clone())];
            if !t.example.is_empty() {
                lines.push(Text::new(cut(&t.example), Tone::Dim));
            }
            let cause = t.cause.as_deref().unwrap_or("–");
            let key = if t.cause.is_some() { Tone::Strong } else { Tone::Dim };
            Row { label: Text::code(&t.class), key: Text::new(cause, key), lines }
        })
        .collect();
    if let Some(more) = more(report.troubles.len(), top) {
        rows.push(Row { label: Text::default(), key: Text::default(), lines: vec![more] });
    }
    document.push(Block::Rows(Rows { indent: 2, rows }));
}

fn statements(document: &mut Document, report: &LogReport, top: usize) {
    if report.n_statements == 0 {
        return;
    }
    document.heading(2, "Statements");
    document.prose(&format!(
        "{} finished, {} in all.",
        human(report.n_statements as f64),
        human_duration(report.statements_ms / 1000.0)
    ));
    let heads = ["total", "calls", "mean", "p95", "max", "statement"];
    let rows = report.statements.iter().take(top).map(|s| {
        let ms = |ms: f64| Text::plain(human_duration(ms / 1000.0));
        vec![
            ms(s.total_ms),
            Text::plain(human(s.calls as f64)),
            ms(s.mean_ms),
            ms(s.p95_ms),
            ms(s.max_ms),
            Text::code(cut(&s.text)),
        ]
    });
    table(document, &heads, rows.collect(), more(report.statements.len(), top));
}

fn errors(document: &mut Document, report: &LogReport, top: usize) {
    if report.errors.is_empty() {
        return;
    }
    document.heading(2, "Errors and warnings");
    let heads = ["n", "state", "class", "message"];
    let mut rows = Vec::new();
    for e in report.errors.iter().take(top) {
        let mut message = Text::plain(cut(&e.message));
        if !e.statement.is_empty() {
            message = message.then("  ", Tone::Plain).then(cut(&e.statement), Tone::Code);
        }
        rows.push(vec![
            Text::plain(human(e.n as f64)),
            Text::code(&e.sqlstate),
            Text::plain(&e.class),
            message,
        ]);
    }
    table(document, &heads, rows, more(report.errors.len(), top));
}

fn locks(document: &mut Document, report: &LogReport, top: usize) {
    let l = &report.locks;
    if l.n_waits + l.n_acquired + l.n_deadlocks == 0 {
        return;
    }
    document.heading(2, "Locks");
    document.prose(&format!(
        "{} long waits, {} ended after {} in all; the longest {}; {} deadlocks.",
        human(l.n_waits as f64),
        human(l.n_acquired as f64),
        human_duration(l.waited_ms / 1000.0),
        human_duration(l.longest_ms / 1000.0),
        human(l.n_deadlocks as f64)
    ));
    let heads = ["n", "waited", "longest", "lock", "statement"];
    let rows = l.by_lock.iter().take(top).map(|k| {
        vec![
            Text::plain(human(k.n as f64)),
            Text::plain(human_duration(k.waited_ms / 1000.0)),
            Text::plain(human_duration(k.longest_ms / 1000.0)),
            Text::plain(format!("{} on {}", k.mode, k.on)),
            Text::code(cut(&k.statement)),
        ]
    });
    table(document, &heads, rows.collect(), more(l.by_lock.len(), top));
}

fn checkpoints(document: &mut Document, report: &LogReport) {
    let c = &report.checkpoints;
    if c.n + c.n_too_frequent == 0 {
        return;
    }
    document.heading(2, "Checkpoints");
    let reasons: Vec<String> =
        c.by_reason.iter().take(6).map(|(w, n)| format!("{n} {w}")).collect();
    document.prose(&format!(
        "{} complete ({}), {} times too soon after the one before; {} buffers in {} of writing, \
         syncs {} at most, the longest {}; WAL files {} added, {} removed, {} recycled.",
        human(c.n as f64),
        if reasons.is_empty() { "no reasons logged".to_owned() } else { reasons.join(", ") },
        human(c.n_too_frequent as f64),
        human(c.buffers),
        human_duration(c.write_s),
        human_duration(c.longest_sync_s),
        human_duration(c.longest_s),
        human(c.wal_added),
        human(c.wal_removed),
        human(c.wal_recycled)
    ));
}

fn temp_files(document: &mut Document, report: &LogReport, top: usize) {
    let t = &report.temp_files;
    if t.n == 0 {
        return;
    }
    document.heading(2, "Temporary files");
    document.prose(&format!(
        "{} files, {}, the largest {}.",
        human(t.n as f64),
        human_bytes(t.bytes),
        human_bytes(t.largest_bytes)
    ));
    let rows = t.statements.iter().take(top).map(|(text, n, bytes)| {
        vec![Text::plain(human_bytes(*bytes)), Text::plain(human(*n as f64)), Text::code(cut(text))]
    });
    table(
        document,
        &["bytes", "files", "statement"],
        rows.collect(),
        more(t.statements.len(), top),
    );
}

fn vacuums(document: &mut Document, report: &LogReport, top: usize) {
    let v = &report.vacuums;
    if v.n_vacuums + v.n_analyzes + v.n_cancelled == 0 {
        return;
    }
    document.heading(2, "Autovacuum");
    document.prose(&format!(
        "{} vacuums and {} analyzes took {}; {} were cancelled.",
        human(v.n_vacuums as f64),
        human(v.n_analyzes as f64),
        human_duration(v.elapsed_s),
        human(v.n_cancelled as f64)
    ));
    let heads = ["time", "vacuums", "analyzes", "rows removed", "dead rows kept", "table"];
    let rows = v.tables.iter().take(top).map(|t| {
        vec![
            Text::plain(human_duration(t.elapsed_s)),
            Text::plain(human(t.n_vacuums as f64)),
            Text::plain(human(t.n_analyzes as f64)),
            Text::plain(human(t.removed)),
            Text::plain(human(t.dead_kept_max)),
            Text::code(&t.table),
        ]
    });
    table(document, &heads, rows.collect(), more(v.tables.len(), top));
}

fn connections(document: &mut Document, report: &LogReport, top: usize) {
    let c = &report.connections;
    if c.n_received + c.n_authorized + c.n_ended == 0 {
        return;
    }
    document.heading(2, "Connections");
    document.prose(&format!(
        "{} received, {} let in, {} ended; half of the sessions lasted {} at most, 95% {}.",
        human(c.n_received as f64),
        human(c.n_authorized as f64),
        human(c.n_ended as f64),
        human_duration(c.session_p50_s),
        human_duration(c.session_p95_s)
    ));
    let by =
        [("role", &c.by_role), ("database", &c.by_database), ("application", &c.by_application)];
    let rows = by.into_iter().filter(|(_, counts)| !counts.is_empty()).map(|(what, counts)| {
        let named = |(name, n): &(String, u64)| {
            format!("{} {}", if name.is_empty() { "(none)" } else { name }, human(*n as f64))
        };
        let names: Vec<String> = counts.iter().map(named).collect();
        let shown: Vec<&str> = names.iter().map(String::as_str).collect();
        Row {
            label: Text::new(what, Tone::Label),
            key: Text::default(),
            lines: vec![Text::plain(super::words::folded(&shown, top))],
        }
    });
    document.push(Block::Rows(Rows { indent: 2, rows: rows.collect() }));
}

fn classes(document: &mut Document, report: &LogReport) {
    if report.classes.is_empty() {
        return;
    }
    document.heading(2, "Classes of messages");
    let rows = report.classes.iter().map(|c| {
        let tone = match c.weight.as_str() {
            "harm" => Tone::Bad,
            "notice" => Tone::Warning,
            _ => Tone::Dim,
        };
        vec![
            Text::plain(human(c.n as f64)),
            Text::new(&c.weight, tone),
            Text::code(&c.class),
            Text::plain(&c.means),
        ]
    });
    table(document, &["n", "weight", "class", "means"], rows.collect(), None);
}

/// Rows of the table over time.
const ROWS_OF_TIME: usize = 24;

fn over_time(document: &mut Document, report: &LogReport) {
    let buckets = figure::buckets(report, ROWS_OF_TIME);
    if buckets.len() < 2 {
        return;
    }
    document.heading(2, "Over time");
    let heads = [
        "from",
        "messages",
        "errors",
        "statements",
        "their time",
        "connections",
        "lock waits",
        "temp",
    ];
    let rows = buckets.iter().map(|b| {
        let count = |n: u64| Text::plain(human(n as f64));
        vec![
            Text::plain(day_and_clock(b.at, &TimeZone::UTC)),
            count(b.n_records),
            count(b.n_errors),
            count(b.n_statements),
            Text::plain(human_duration(b.statements_ms / 1000.0)),
            count(b.n_connections),
            count(b.n_lock_waits),
            Text::plain(human_bytes(b.temp_bytes)),
        ]
    });
    table(document, &heads, rows.collect(), None);
}

/// All columns but the last are numbers, except those whose head names a word.
fn table(document: &mut Document, heads: &[&str], rows: Vec<Vec<Text>>, more: Option<Text>) {
    if rows.is_empty() {
        return;
    }
    let words =
        ["statement", "state", "class", "message", "lock", "table", "means", "weight", "from"];
    let columns = heads.iter().map(|head| Column {
        head: (*head).to_owned(),
        align: if words.contains(head) { Align::Left } else { Align::Right },
    });
    let mut rows: Vec<TableRow> = rows.into_iter().map(TableRow::Cells).collect();
    rows.extend(more.map(|text| TableRow::Note { from: 0, text }));
    document.push(Block::Table(Table { columns: columns.collect(), rows }));
}

fn more(n: usize, top: usize) -> Option<Text> {
    (n > top).then(|| Text::new(format!("… and {} more", n - top), Tone::Dim))
}

fn cut(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= TEXT_MAX {
        return line;
    }
    format!("{}…", line.chars().take(TEXT_MAX).collect::<String>())
}
