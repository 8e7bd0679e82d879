//! A runbook: each step with what it does, its limits, what it expects to see and its way back.

use super::words::limit_ms;
use crate::document::*;
use pgward_model::evidence::human;
use pgward_model::runbook::{Act, BackendSignal, Limits, Runbook, Step, Undo};

/// Statements of one step that are shown.
const STATEMENTS_MAX: usize = 8;

pub fn runbook(runbook: &Runbook) -> Document {
    let mut document = Document::new(format!("runbook {}", runbook.action));
    let head = Text::new("runbook", Tone::Label)
        .then(" ", Tone::Plain)
        .then(&runbook.action, Tone::Strong)
        .then("  ", Tone::Plain)
        .join(Text::prose(&runbook.title));
    document.push(Block::Paragraph(head));
    let mut rows = Vec::new();
    if !runbook.why.is_empty() {
        rows.push(row("why", vec![Text::prose(&runbook.why)]));
    }
    rows.push(row("loss", vec![Text::prose(&super::incident::loss(&runbook.loss))]));
    document.push(Block::Rows(Rows { indent: 2, rows }));
    for step in &runbook.steps {
        let title = Text::new(format!("step {}", step.number), Tone::Strong)
            .then("  ", Tone::Plain)
            .join(Text::prose(&step.title));
        document.push(Block::Paragraph(title));
        document.push(Block::Rows(Rows { indent: 2, rows: step_rows(step) }));
    }
    document
}

fn row(label: &str, lines: Vec<Text>) -> Row {
    Row { label: Text::new(label, Tone::Label), key: Text::default(), lines }
}

fn step_rows(step: &Step) -> Vec<Row> {
    let mut rows = vec![row("does", act(&step.act))];
    if !matches!(step.act, Act::Verify) {
        rows.push(row("limits", vec![limits(&step.limits)]));
    }
    if !step.expectations.is_empty() {
        let lines = step.expectations.iter().map(|e| {
            Text::prose(&e.claim).then(format!("  within {}", limit_ms(e.within_ms)), Tone::Dim)
        });
        rows.push(row("expects", lines.collect()));
    }
    rows.push(row("undo", undo(&step.undo)));
    rows
}

fn act(act: &Act) -> Vec<Text> {
    match act {
        Act::Sql { statements, transaction } => {
            let how = if *transaction { "in one transaction" } else { "each by itself" };
            let mut lines = sql(statements);
            if statements.len() > 1 || !transaction {
                lines.push(Text::new(how, Tone::Dim));
            }
            lines
        }
        Act::Signal { pid, backend_start, signal, .. } => {
            let (function, effect) = match signal {
                BackendSignal::Cancel => ("pg_cancel_backend", "ends its statement"),
                BackendSignal::Terminate => ("pg_terminate_backend", "ends its session"),
                BackendSignal::CancelThenTerminate => (
                    "pg_cancel_backend",
                    "ends its statement; after 2 s its session, if others still wait",
                ),
            };
            vec![
                Text::code(format!("{function}({pid})")).then(format!("  {effect}"), Tone::Plain),
                Text::new(
                    format!("only if it is still the session that began at {backend_start}"),
                    Tone::Dim,
                ),
            ]
        }
        Act::RestoreObjects { relations, target_lsn } => {
            let names: Vec<String> = relations.iter().map(ToString::to_string).collect();
            vec![Text::plain(format!(
                "brings {} back as before WAL position {target_lsn}, from a side server",
                names.join(", ")
            ))]
        }
        Act::RefillTables { relations, target_lsn } => {
            let names: Vec<String> = relations.iter().map(ToString::to_string).collect();
            vec![Text::plain(format!(
                "fills {} again with the rows of before WAL position {target_lsn}, beside those \
                 that came since, from a side server",
                names.join(", ")
            ))]
        }
        Act::RestoreBlock { relation, block } => vec![Text::plain(format!(
            "writes block {block} of {relation} back, from a side server with all WAL replayed"
        ))],
        Act::RestoreRows { relation, xid, target_lsn } => vec![Text::plain(format!(
            "gives the rows of {relation} that transaction {xid} changed, and nobody since, their \
             values of before WAL position {target_lsn}"
        ))],
        Act::Verify => vec![Text::plain("looks, and changes nothing")],
    }
}

fn sql(statements: &[String]) -> Vec<Text> {
    let one_line = |s: &String| s.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines: Vec<Text> =
        statements.iter().take(STATEMENTS_MAX).map(|s| Text::code(one_line(s))).collect();
    if statements.len() > STATEMENTS_MAX {
        let more = statements.len() - STATEMENTS_MAX;
        lines.push(Text::new(format!("… and {more} more statements"), Tone::Dim));
    }
    lines
}

fn limits(limits: &Limits) -> Text {
    let rows = limits.rows_max.map(|n| format!(" · at most {} rows", human(n as f64)));
    Text::plain(format!(
        "lock wait {} · statement {} · at most {} sessions behind it{}",
        limit_ms(limits.lock_timeout_ms),
        limit_ms(limits.statement_timeout_ms),
        limits.waiters_max,
        rows.unwrap_or_default()
    ))
}

fn undo(undo: &Undo) -> Vec<Text> {
    match undo {
        Undo::Nothing => vec![Text::new("nothing to undo", Tone::Dim)],
        Undo::Exact { statements } => sql(statements),
        Undo::Lossy { statements, loses } => {
            let mut lines = vec![Text::new("loses ", Tone::Warning).join(Text::prose(loses))];
            lines.extend(sql(statements));
            lines
        }
        Undo::Impossible { why } => {
            vec![Text::new("impossible: ", Tone::Bad).join(Text::prose(why))]
        }
    }
}
