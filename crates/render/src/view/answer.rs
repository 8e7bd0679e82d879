//! What SQL over the history answers, and the tables there are to ask.

use crate::document::*;
use pgward_model::answer::{Answer, Cell, KeptColumn, KeptTable};
use pgward_model::evidence::human;

/// A question that most want to ask.
const EXAMPLE: &str = "pgward history \"SELECT fingerprint, sum(calls) FROM statements
    WHERE at > now() - INTERVAL '1 hour' GROUP BY 1 ORDER BY 2 DESC LIMIT 10\"";

/// Its rows as they came.
pub fn answer(answer: &Answer) -> Document {
    let mut document = Document::new("answer");
    let is_number = |i: usize| {
        let mut cells = answer.rows.iter().filter_map(|row| row.get(i)).peekable();
        cells.peek().is_some() && cells.all(|c| matches!(c, Cell::Number(_) | Cell::Null))
    };
    let column = |(i, name): (usize, &String)| Column {
        head: name.clone(),
        align: if is_number(i) { Align::Right } else { Align::Left },
    };
    let text = |cell: &Cell| match cell {
        Cell::Null => Text::new("–", Tone::Dim),
        cell => Text::plain(crate::rows::text(cell)),
    };
    let row = |row: &Vec<Cell>| TableRow::Cells(row.iter().map(text).collect());
    document.push(Block::Table(Table {
        columns: answer.columns.iter().enumerate().map(column).collect(),
        rows: answer.rows.iter().map(row).collect(),
    }));
    if answer.rows.is_empty() {
        document.push(Block::Paragraph(Text::new("no row", Tone::Dim)));
    }
    if answer.is_cut {
        let more = format!("only the first {} rows; --limit N gives more", answer.rows.len());
        document.push(Block::Paragraph(Text::new(more, Tone::Warning)));
    }
    document
}

/// Each table with its columns, what is kept in it, and an example.
pub fn kept_tables(tables: &[KeptTable]) -> Document {
    let mut document = Document::new("tables of the history");
    for table in tables {
        document.heading(3, &table.name);
        let about = Text::prose(&table.about).then(format!(": {}", kept(table)), Tone::Dim);
        document.push(Block::Paragraph(about));
        let row = |column: &KeptColumn| Row {
            label: Text::code(&column.name),
            key: Text::new(&column.kind, Tone::Dim),
            lines: vec![Text::prose(&column.about)],
        };
        let rows = table.columns.iter().map(row).collect();
        document.push(Block::Rows(Rows { indent: 2, rows }));
    }
    document.push(Block::Code { language: "sh".to_owned(), text: EXAMPLE.to_owned() });
    document
}

fn kept(table: &KeptTable) -> String {
    let moment = |at: jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    match table.kept {
        None => "not counted within --timeout".to_owned(),
        Some(kept) => match (kept.from, kept.to) {
            (Some(from), Some(to)) => {
                let n_rows = human(kept.n_rows as f64);
                format!("{n_rows} rows, {} to {} UTC", moment(from), moment(to))
            }
            _ => "no row".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format;
    use pgward_model::answer::Kept;

    #[test]
    fn numbers_stand_at_the_right_and_what_steers_a_terminal_does_not_reach_it() {
        let cells = |text: &str, n: Cell| vec![Cell::Text(text.to_owned()), n];
        let given = Answer {
            columns: vec!["what".to_owned(), "calls".to_owned()],
            rows: vec![
                cells("select\u{1b}[2J", Cell::Number("7".to_owned())),
                cells("update", Cell::Number("1234".to_owned())),
                cells("a list", Cell::Null),
            ],
            is_cut: true,
        };
        insta::assert_snapshot!(format::plain(&answer(&given), 100), @r"
        what        calls
        ─────────────────
        select�[2J      7
        update       1234
        a list          –

        only the first 3 rows; --limit N gives more
        ");
    }

    #[test]
    fn tables_say_what_is_kept_in_them() {
        let at = |s: i64| jiff::Timestamp::from_second(1_795_237_200 + s).unwrap();
        let column = |name: &str, kind: &str, about: &str| KeptColumn {
            name: name.to_owned(),
            kind: kind.to_owned(),
            about: about.to_owned(),
        };
        let table = |kept| KeptTable {
            name: "ticks".to_owned(),
            about: "each look at the server".to_owned(),
            columns: vec![
                column("at", "timestamptz", "when it was"),
                column("own_ms", "numeric", "what the look took"),
            ],
            kept,
        };
        let none = Kept { n_rows: 0, from: None, to: None };
        let some = Kept { n_rows: 86_400, from: Some(at(0)), to: Some(at(86_400)) };
        let tables = [table(Some(some)), table(Some(none)), table(None)];
        insta::assert_snapshot!(format::plain(&kept_tables(&tables), 100), @r#"
        ticks
        each look at the server: 86,400 rows, 2026-11-21 05:00:00 to 2026-11-22 05:00:00 UTC
          at      timestamptz  when it was
          own_ms  numeric      what the look took

        ticks
        each look at the server: no row
          at      timestamptz  when it was
          own_ms  numeric      what the look took

        ticks
        each look at the server: not counted within --timeout
          at      timestamptz  when it was
          own_ms  numeric      what the look took

            pgward history "SELECT fingerprint, sum(calls) FROM statements
                WHERE at > now() - INTERVAL '1 hour' GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
        "#);
    }
}
