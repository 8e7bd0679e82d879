//! Markdown with its figures as files beside it.

use crate::document::*;
use pgward_model::finding::Severity;

/// A page and the files it refers to by relative links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markdown {
    pub text: String,
    /// File name and SVG.
    pub figures: Vec<(String, String)>,
}

pub fn markdown(document: &Document) -> Markdown {
    let mut figures = Vec::new();
    let mut parts = Vec::new();
    for block in &document.blocks {
        if let Block::Figure(figure) = block {
            figures.push((figure.name.clone(), figure.svg.clone()));
        }
        parts.push(written(block));
    }
    let mut text = parts.join("\n\n");
    text.push('\n');
    Markdown { text, figures }
}

fn written(block: &Block) -> String {
    match block {
        Block::Heading { level, text } => {
            format!("{} {}", "#".repeat(usize::from(*level)), bare_line(text))
        }
        Block::Paragraph(text) => inline(text),
        Block::List { numbered, items } => {
            let mark = |i: usize| match numbered {
                Numbered::Yes => format!("{}. ", i + 1),
                Numbered::No => "- ".to_owned(),
            };
            let lines = items.iter().enumerate().map(|(i, t)| format!("{}{}", mark(i), inline(t)));
            lines.collect::<Vec<_>>().join("\n")
        }
        Block::Table(table) => self::table(table),
        Block::Rows(rows) => rows.rows.iter().map(row).collect::<Vec<_>>().join("\n"),
        Block::Code { language, text } => fenced(language, text),
        Block::Figure(figure) => format!("![{}]({})", escaped(&figure.alt), figure.name),
        Block::Diagnostic(diagnostic) => self::diagnostic(diagnostic),
    }
}

fn row(row: &Row) -> String {
    let mut head = format!("- **{}**", bare_line(&row.label));
    if !row.key.is_empty() {
        head.push_str(&format!(" {}", inline(&row.key)));
    }
    let mut lines = row.lines.iter().map(inline);
    if let Some(first) = lines.next() {
        head.push_str(&format!(": {first}"));
    }
    for line in lines {
        head.push_str(&format!("\n  - {line}"));
    }
    head
}

fn table(table: &Table) -> String {
    let cell = |text: &Text| inline(text).replace('|', "\\|");
    let heads: Vec<String> = table.columns.iter().map(|c| escaped(&c.head)).collect();
    let rules: Vec<&str> = table
        .columns
        .iter()
        .map(|c| if c.align == Align::Right { "---:" } else { "---" })
        .collect();
    let mut lines =
        vec![format!("| {} |", heads.join(" | ")), format!("| {} |", rules.join(" | "))];
    let n = table.columns.len();
    for row in &table.rows {
        let mut cells = match row {
            TableRow::Cells(cells) => cells.iter().map(cell).collect(),
            TableRow::Group { text, aside } => {
                let gap = if aside.is_empty() { "" } else { " · " };
                vec![format!("{}{gap}{}", cell(text), cell(aside))]
            }
            TableRow::Note { from, text } => {
                let mut cells = vec![String::new(); *from];
                cells.push(cell(text));
                cells
            }
        };
        cells.resize(n, String::new());
        lines.push(format!("| {} |", cells.join(" | ")));
    }
    lines.join("\n")
}

/// A fence longer than any run of backticks inside.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}", text.trim_end())
}

/// Message, source lines, evidence and fix, without a line break at the end.
pub(crate) fn diagnostic(d: &Diagnostic) -> String {
    let word = match d.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut parts = vec![format!("**{word}** `{}`: {}", d.id, inline(&d.message))];
    if let Some(place) = &d.place {
        parts.push(format!("`{}:{}:{}`", place.file, place.line, place.column));
        if !place.lines.is_empty() {
            let lines: Vec<&str> = place.lines.iter().map(|(_, text)| text.as_str()).collect();
            parts.push(fenced("sql", &lines.join("\n")));
        }
    }
    let label = d.place.iter().map(|p| &p.label).filter(|l| !l.is_empty());
    let mut notes: Vec<String> = label.map(|l| format!("- {}", inline(l))).collect();
    notes.extend(
        d.notes
            .iter()
            .map(|n| format!("- *{}*: {} ({})", n.label, inline(&n.text), escaped(&n.source))),
    );
    if let Some(fix) = &d.fix {
        notes.push(format!("- **fix**: {}", inline(&fix.advice)));
    }
    parts.push(notes.join("\n"));
    if let Some(fix) = d.fix.as_ref().filter(|f| !f.add.is_empty()) {
        let minus = fix.remove.iter().map(|l| format!("-{l}"));
        let plus = fix.add.iter().map(|l| format!("+{l}"));
        parts.push(fenced("diff", &minus.chain(plus).collect::<Vec<_>>().join("\n")));
    }
    parts.retain(|p| !p.is_empty());
    parts.join("\n\n")
}

fn inline(text: &Text) -> String {
    text.0.iter().map(inline_piece).collect()
}

fn inline_piece(piece: &Piece) -> String {
    let text = one_line(&piece.text);
    match piece.tone {
        Tone::Code => coded(&text),
        Tone::Strong | Tone::Bad => around(&text, "**"),
        Tone::Plain | Tone::Dim | Tone::Good | Tone::Warning | Tone::Label => escaped(&text),
    }
}

/// Emphasis must touch its words, so that outer spaces stay outside.
fn around(text: &str, mark: &str) -> String {
    let inner = text.trim();
    if inner.is_empty() {
        return text.to_owned();
    }
    let before = text.len() - text.trim_start().len();
    let after = text.len() - text.trim_end().len();
    format!("{}{mark}{}{mark}{}", " ".repeat(before), escaped(inner), " ".repeat(after))
}

fn coded(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let ticks = "`".repeat(longest + 1);
    let pad = if longest > 0 { " " } else { "" };
    if text.trim().is_empty() { text.to_owned() } else { format!("{ticks}{pad}{text}{pad}{ticks}") }
}

fn bare_line(text: &Text) -> String {
    escaped(&one_line(&text.bare()))
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Characters that Markdown reads as marks; an underscore within a word is none.
pub(crate) fn escaped(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let near =
            |n: Option<usize>| n.and_then(|n| chars.get(n)).is_some_and(|c| c.is_alphanumeric());
        let in_word = near(i.checked_sub(1)) && near(i.checked_add(1));
        let mark = match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' => true,
            '_' => !in_word,
            '#' | '+' | '-' => i == 0 && chars.get(1).is_none_or(|c| *c == ' '),
            _ => false,
        };
        if mark {
            out.push('\\');
        }
        out.push(*c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_words_stay_words() {
        assert_eq!(escaped("a_b _c <d> *e* [f]"), "a_b \\_c \\<d\\> \\*e\\* \\[f\\]");
        assert_eq!(coded("a`b"), "`` a`b ``");
        assert_eq!(around(" x ", "**"), " **x** ");
        assert_eq!(fenced("sql", "SELECT '```';"), "````sql\nSELECT '```';\n````");
    }
}
