//! HTML in one file: style and pictures inside, no script, no link that leaves the page.

use crate::document::*;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use pgward_model::finding::Severity;

/// 72 characters of text a line, as books have it; tables and figures may be wider.
const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn html(document: &Document) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (clean(&document.title)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main { @for block in &document.blocks { (written(block)) } }
            }
        }
    }
    .into_string()
}

fn written(block: &Block) -> Markup {
    match block {
        Block::Heading { level, text } => heading(*level, text),
        Block::Paragraph(text) => html! { p { (inline(text)) } },
        Block::List { numbered, items } => {
            let items = html! { @for item in items { li { (inline(item)) } } };
            match numbered {
                Numbered::Yes => html! { ol { (items) } },
                Numbered::No => html! { ul { (items) } },
            }
        }
        Block::Table(table) => self::table(table),
        Block::Rows(rows) => html! {
            dl { @for row in &rows.rows { (self::row(row)) } }
        },
        Block::Code { language, text } => html! {
            pre { code class=(language) { (clean(text)) } }
        },
        // The picture is made by pgward with every text escaped.
        Block::Figure(figure) => html! {
            figure { (PreEscaped(&figure.svg)) figcaption { (clean(&figure.alt)) } }
        },
        Block::Diagnostic(diagnostic) => self::diagnostic(diagnostic),
    }
}

fn heading(level: u8, text: &Text) -> Markup {
    match level {
        1 => html! { h1 { (inline(text)) } },
        2 => html! { h2 { (inline(text)) } },
        _ => html! { h3 { (inline(text)) } },
    }
}

fn row(row: &Row) -> Markup {
    html! {
        div {
            dt { (inline(&row.label)) @if !row.key.is_empty() { " " (inline(&row.key)) } }
            dd { @for line in &row.lines { div { (inline(line)) } } }
        }
    }
}

fn table(table: &Table) -> Markup {
    let n = table.columns.len();
    let class = |i: usize| {
        let right = table.columns.get(i).is_some_and(|c| c.align == Align::Right);
        right.then_some("n")
    };
    html! {
        div class="wide" { table {
            thead { tr {
                @for (i, column) in table.columns.iter().enumerate() {
                    th class=[class(i)] { (clean(&column.head)) }
                }
            } }
            tbody { @for row in &table.rows { tr { @match row {
                TableRow::Cells(cells) => {
                    @for (i, cell) in cells.iter().enumerate() {
                        td class=[class(i)] { (inline(cell)) }
                    }
                }
                TableRow::Group { text, aside } => th colspan=(n) class="group" {
                    (inline(text)) " " (inline(aside))
                },
                TableRow::Note { from, text } => {
                    @if *from > 0 { td colspan=(from) {} }
                    td colspan=(n.saturating_sub(*from).max(1)) { (inline(text)) }
                }
            } } } }
        } }
    }
}

fn diagnostic(d: &Diagnostic) -> Markup {
    let (word, class) = match d.severity {
        Severity::Error => ("error", "bad"),
        Severity::Warning => ("warning", "warning"),
        Severity::Note => ("note", "label"),
    };
    html! {
        section class="diagnostic" {
            p { span class=(class) { (word) } " " code { (d.id) } ": " b { (inline(&d.message)) } }
            @if let Some(place) = &d.place {
                p class="place" { code { (clean(&format!(
                    "{}:{}:{}", place.file, place.line, place.column))) } }
                @if !place.lines.is_empty() {
                    pre { code { @for (n, text) in &place.lines {
                        span class="number" { (n) } (clean(text)) "\n"
                    } } }
                }
                @if !place.label.is_empty() { p class=(class) { (inline(&place.label)) } }
            }
            dl { @for note in &d.notes { div {
                dt { (note.label) }
                dd { (inline(&note.text)) " " span class="dim" { (clean(&note.source)) } }
            } } }
            @if let Some(fix) = &d.fix {
                p { span class="good" { "fix" } " " (inline(&fix.advice)) }
                @if !fix.add.is_empty() {
                    pre { code {
                        @for line in &fix.remove { span class="bad" { "- " (clean(line)) } "\n" }
                        @for line in &fix.add { span class="good" { "+ " (clean(line)) } "\n" }
                    } }
                }
            }
        }
    }
}

fn inline(text: &Text) -> Markup {
    html! { @for piece in &text.0 { (inline_piece(piece)) } }
}

fn inline_piece(piece: &Piece) -> Markup {
    let text = clean(&piece.text);
    match piece.tone {
        Tone::Plain => html! { (text) },
        Tone::Strong => html! { b { (text) } },
        Tone::Code => html! { code { (text) } },
        Tone::Dim => html! { span class="dim" { (text) } },
        Tone::Good => html! { span class="good" { (text) } },
        Tone::Warning => html! { span class="warning" { (text) } },
        Tone::Bad => html! { span class="bad" { (text) } },
        Tone::Label => html! { span class="label" { (text) } },
    }
}

/// Without control characters, which HTML forbids.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}
