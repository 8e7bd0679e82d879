//! Lays a document out in lines of a given width, as terminal and plain text show it.

use crate::document::*;
use pgward_model::finding::Severity;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// One line: pieces in order, without a line break.
pub(crate) type Line = Vec<Piece>;

/// Narrower than this nothing wraps well: lines become longer than asked instead.
const WIDTH_MIN: usize = 40;
/// A key column wider than this would leave too little for the text beside it.
const KEY_MAX: usize = 34;
const GAP: usize = 2;
/// Longer words are broken rather than kept whole in a table: the longest ids are shorter.
const WORD_MAX: usize = 24;

/// The whole document, block by block: a long one is never laid out in memory at once.
pub(crate) fn lines(document: &Document, width: usize) -> impl Iterator<Item = Line> {
    let width = width.max(WIDTH_MIN);
    let mut before: Option<&Block> = None;
    let blocks = document.blocks.iter().flat_map(move |block| {
        let space = before.replace(block).filter(|b| apart(b, block)).map(|_| Line::new());
        space.into_iter().chain(laid_out(block, width))
    });
    blocks.map(trimmed)
}

/// Is there an empty line between two blocks?
fn apart(before: &Block, block: &Block) -> bool {
    !matches!(
        (before, block),
        (Block::Paragraph(_), Block::Rows(_) | Block::Code { .. })
            | (Block::Heading { .. }, Block::Paragraph(_) | Block::Rows(_) | Block::Table(_))
            | (Block::Heading { .. }, Block::List { .. })
    )
}

fn laid_out(block: &Block, width: usize) -> Vec<Line> {
    match block {
        Block::Heading { level, text } => heading(*level, text, width),
        Block::Paragraph(text) => wrap(text, width),
        Block::List { numbered, items } => list(*numbered, items, width),
        Block::Table(table) => self::table(table, width),
        Block::Rows(rows) => self::rows(rows, width),
        Block::Code { text, .. } => {
            text.lines().map(|line| vec![plain("    "), piece(clean(line), Tone::Code)]).collect()
        }
        Block::Figure(figure) => {
            let text = Text::new("figure ", Tone::Label)
                .then(&figure.name, Tone::Code)
                .then(format!("  {}", figure.alt), Tone::Dim);
            hanging(&text, width, 7)
        }
        Block::Diagnostic(diagnostic) => super::diagnostic::lines(diagnostic, width),
    }
}

fn heading(level: u8, text: &Text, width: usize) -> Vec<Line> {
    let strong = |p: &Piece| match p.tone {
        Tone::Plain => piece(p.text.clone(), Tone::Strong),
        _ => p.clone(),
    };
    let mut lines = wrap(&Text(text.0.iter().map(strong).collect()), width);
    let long = lines.iter().map(line_width).max().unwrap_or(0);
    match level {
        1 => lines.push(vec![piece("━".repeat(long), Tone::Label)]),
        2 => lines.push(vec![piece("─".repeat(long), Tone::Dim)]),
        _ => {}
    }
    lines
}

fn list(numbered: Numbered, items: &[Text], width: usize) -> Vec<Line> {
    let digits = items.len().to_string().len();
    let mark = |i: usize| match numbered {
        Numbered::Yes => format!("{:>digits$}. ", i + 1),
        Numbered::No => "• ".to_owned(),
    };
    let each = items.iter().enumerate().flat_map(|(i, item)| {
        let mark = mark(i);
        let indent = mark.width() + 2;
        beside(vec![plain("  "), piece(mark, Tone::Dim)], indent, wrap(item, width - indent))
    });
    each.collect()
}

fn rows(rows: &Rows, width: usize) -> Vec<Line> {
    let widest =
        |of: fn(&Row) -> &Text| rows.rows.iter().map(|r| text_width(of(r))).max().unwrap_or(0);
    let (label, key) = (widest(|r| &r.label), widest(|r| &r.key).min(KEY_MAX));
    let key_at = rows.indent + label + GAP;
    let text_at = if key == 0 { key_at } else { key_at + key + GAP };
    let room = width.saturating_sub(text_at).max(WIDTH_MIN / 2);
    let mut out = Vec::new();
    for row in &rows.rows {
        let mut first = vec![plain(" ".repeat(rows.indent))];
        first.extend(padded(&row.label, label + GAP));
        let too_wide = text_width(&row.key) > key;
        if key > 0 {
            first.extend(padded(&row.key, if too_wide { 0 } else { key + GAP }));
        }
        let text: Vec<Line> = row.lines.iter().flat_map(|line| wrap(line, room)).collect();
        if too_wide {
            out.push(first);
            out.extend(beside(vec![plain(" ".repeat(text_at))], text_at, text));
        } else {
            out.extend(beside(first, text_at, text));
        }
    }
    out
}

/// Puts a block of lines beside a beginning; without lines the beginning stands alone.
pub(crate) fn beside(first: Line, indent: usize, text: Vec<Line>) -> Vec<Line> {
    let mut text = text.into_iter();
    let mut head = first;
    head.extend(text.next().unwrap_or_default());
    let mut out = vec![head];
    out.extend(text.map(|line| {
        let mut moved = vec![plain(" ".repeat(indent))];
        moved.extend(line);
        moved
    }));
    out
}

fn table(table: &Table, width: usize) -> Vec<Line> {
    let widths = column_widths(table, width);
    let gap = gap(table, &widths, width);
    let starts: Vec<usize> = widths
        .iter()
        .scan(0, |at, w| {
            let start = *at;
            *at += w + gap;
            Some(start)
        })
        .collect();
    let full = widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1);
    let room = if grouped(table) { full.max(width) } else { full };
    let heads: Vec<Text> = table.columns.iter().map(|c| Text::new(&c.head, Tone::Label)).collect();
    let mut out = cells(&heads, table, &widths, gap);
    out.push(vec![piece("─".repeat(full), Tone::Dim)]);
    for (i, row) in table.rows.iter().enumerate() {
        match row {
            TableRow::Cells(texts) => out.extend(cells(texts, table, &widths, gap)),
            TableRow::Group { text, aside } => {
                if i > 0 {
                    out.push(Vec::new());
                }
                out.extend(with_aside(text, aside, full, room));
            }
            TableRow::Note { from, text } => {
                let at = starts.get(*from).copied().unwrap_or(0);
                let wrapped = wrap(text, room.saturating_sub(at).max(WIDTH_MIN / 2));
                out.extend(beside(vec![plain(" ".repeat(at))], at, wrapped));
            }
        }
    }
    out
}

fn grouped(table: &Table) -> bool {
    table.rows.iter().any(|row| !matches!(row, TableRow::Cells(_)))
}

/// A table in groups is spread over the page, since its groups and notes are wider than its cells.
fn gap(table: &Table, widths: &[usize], width: usize) -> usize {
    let n_gaps = widths.len().saturating_sub(1).max(1);
    let left = width.saturating_sub(widths.iter().sum());
    if grouped(table) { (left / n_gaps).clamp(GAP, 2 * GAP) } else { GAP }
}

/// A line with something at its right end; below it where both do not fit.
fn with_aside(text: &Text, aside: &Text, full: usize, room: usize) -> Vec<Line> {
    let mut lines = hanging(text, room, 2);
    if aside.is_empty() {
        return lines;
    }
    let used = lines.last().map_or(0, line_width);
    let end = if used + GAP + text_width(aside) <= full { full } else { room };
    if used + GAP + text_width(aside) <= end {
        let space = plain(" ".repeat(end - used - text_width(aside)));
        if let Some(last) = lines.last_mut() {
            last.push(space);
            last.extend(aside.0.iter().cloned());
        }
    } else {
        lines.extend(beside(vec![plain("  ")], 2, wrap(aside, room - 2)));
    }
    lines
}

/// Numbers keep their width; the widest columns of words give way first.
fn column_widths(table: &Table, width: usize) -> Vec<usize> {
    let natural: Vec<usize> = table
        .columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let cells = table.rows.iter().filter_map(|row| match row {
                TableRow::Cells(cells) => cells.get(i),
                _ => None,
            });
            cells.map(text_width).chain([column.head.width()]).max().unwrap_or(0)
        })
        .collect();
    let gaps = GAP * natural.len().saturating_sub(1);
    let least = longest_words(table);
    let mut widths = natural;
    loop {
        let total = widths.iter().sum::<usize>() + gaps;
        let columns = table.columns.iter().zip(widths.iter_mut()).zip(&least);
        let gives = columns
            .filter(|((column, width), least)| column.align == Align::Left && **width > **least)
            .map(|((_, width), _)| width)
            .max_by_key(|width| **width);
        match gives {
            Some(widest) if total > width => *widest -= 1,
            _ => return widths,
        }
    }
}

/// The longest word of each column, as far as it is no monster: shorter columns would break it.
fn longest_words(table: &Table) -> Vec<usize> {
    let of_text = |text: &Text| words(text).iter().map(|w| line_width(&w.pieces)).max();
    let column = |i: usize| {
        let cells = table.rows.iter().filter_map(move |row| match row {
            TableRow::Cells(cells) => cells.get(i),
            _ => None,
        });
        cells.filter_map(of_text).max().unwrap_or(0).min(WORD_MAX)
    };
    (0..table.columns.len()).map(column).collect()
}

fn cells(texts: &[Text], table: &Table, widths: &[usize], gap: usize) -> Vec<Line> {
    let wrapped: Vec<Vec<Line>> =
        texts.iter().zip(widths).map(|(text, width)| wrap(text, *width)).collect();
    let n_lines = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let line = |n: usize| {
        let mut line = Line::new();
        for (i, (cell, width)) in wrapped.iter().zip(widths).enumerate() {
            let content = cell.get(n).cloned().unwrap_or_default();
            let space = plain(" ".repeat(width.saturating_sub(line_width(&content))));
            let right = table.columns.get(i).is_some_and(|c| c.align == Align::Right);
            if right {
                line.push(space);
                line.extend(content);
            } else {
                line.extend(content);
                line.push(space);
            }
            line.push(plain(" ".repeat(gap)));
        }
        line
    };
    (0..n_lines).map(line).collect()
}

/// A word with the spaces before it; it may be made of several pieces.
#[derive(Default)]
struct Word {
    spaces: usize,
    pieces: Line,
    breaks_before: bool,
}

/// Breaks a text at spaces so that no line is wider than `width`; longer words are cut.
pub(crate) fn wrap(text: &Text, width: usize) -> Vec<Line> {
    let width = width.max(1);
    if text.0.iter().map(|p| p.text.width()).sum::<usize>() <= width
        && !text.0.iter().any(|p| p.text.contains('\n'))
    {
        return vec![text.0.iter().map(|p| piece(clean(&p.text), p.tone)).collect()];
    }
    let mut out: Vec<Line> = Vec::new();
    let mut line = Line::new();
    let mut used = 0;
    for word in words(text) {
        let n = line_width(&word.pieces);
        if word.breaks_before || (used > 0 && used + word.spaces + n > width) {
            out.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 || out.is_empty() {
            // Spaces before the first word are an indent and stay.
            line.push(spaces(word.spaces, &word.pieces, &line));
            used += word.spaces;
        }
        for piece in word.pieces {
            for part in chunks(&piece.text, width) {
                let n = part.width();
                if used + n > width && used > 0 {
                    out.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(self::piece(part, piece.tone));
                used += n;
            }
        }
    }
    out.push(line);
    out
}

/// A space within code is code, so that its colour has no holes.
fn spaces(n: usize, after: &Line, before: &Line) -> Piece {
    let tone = match (before.last(), after.first()) {
        (Some(a), Some(b)) if a.tone == b.tone => a.tone,
        _ => Tone::Plain,
    };
    piece(" ".repeat(n), tone)
}

/// Wrapped, with every line but the first moved to the right.
pub(crate) fn hanging(text: &Text, width: usize, indent: usize) -> Vec<Line> {
    let mut lines = wrap(text, width);
    if lines.len() > 1 {
        lines = wrap(text, width.saturating_sub(indent).max(1));
    }
    beside(Line::new(), indent, lines)
}

fn words(text: &Text) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word = Word::default();
    for p in &text.0 {
        for c in clean_keeping_breaks(&p.text).chars() {
            if c != ' ' && c != '\n' {
                match word.pieces.last_mut() {
                    Some(last) if last.tone == p.tone => last.text.push(c),
                    _ => word.pieces.push(piece(c.to_string(), p.tone)),
                }
                continue;
            }
            if !word.pieces.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            if c == '\n' {
                word = Word { breaks_before: true, ..Word::default() };
            } else {
                word.spaces += 1;
            }
        }
    }
    if !word.pieces.is_empty() {
        words.push(word);
    }
    words
}

/// A long word in parts of at most `width` columns.
fn chunks(text: &str, width: usize) -> Vec<String> {
    if text.width() <= width {
        return vec![text.to_owned()];
    }
    let mut parts = vec![String::new()];
    for c in text.chars() {
        let mut buffer = [0; 4];
        let c: &str = c.encode_utf8(&mut buffer);
        match parts.last_mut() {
            Some(last) if last.width() + c.width() <= width || last.is_empty() => last.push_str(c),
            _ => parts.push(c.to_owned()),
        }
    }
    parts
}

pub(crate) fn piece(text: impl Into<String>, tone: Tone) -> Piece {
    Piece { text: text.into(), tone }
}

pub(crate) fn plain(text: impl Into<String>) -> Piece {
    piece(text, Tone::Plain)
}

pub(crate) fn padded(text: &Text, width: usize) -> Line {
    let mut line: Line = text.0.iter().map(|p| piece(clean(&p.text), p.tone)).collect();
    let n = line_width(&line);
    line.push(plain(" ".repeat(width.saturating_sub(n))));
    line
}

pub(crate) fn line_width(line: &Line) -> usize {
    line.iter().map(|p| p.text.width()).sum()
}

pub(crate) fn text_width(text: &Text) -> usize {
    let bare = text.bare();
    let bare = clean_keeping_breaks(&bare);
    bare.split('\n').map(UnicodeWidthStr::width).max().unwrap_or(0)
}

/// Without control characters: a statement or a log line must not steer the terminal.
pub(crate) fn clean(text: &str) -> String {
    match clean_keeping_breaks(text) {
        Cow::Borrowed(text) if !text.contains('\n') => text.to_owned(),
        text => text.replace('\n', " "),
    }
}

fn clean_keeping_breaks(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b == b'\n' || b == b' ' || b.is_ascii_graphic()) {
        return Cow::Borrowed(text);
    }
    let clean = |c: char| match c {
        '\n' => '\n',
        '\t' | '\r' => ' ',
        // Marks that reorder text on screen are as treacherous as escapes.
        c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
            '�'
        }
        c => c,
    };
    text.chars().map(clean).collect()
}

fn trimmed(mut line: Line) -> Line {
    while let Some(last) = line.last_mut() {
        let n = last.text.trim_end_matches(' ').len();
        last.text.truncate(n);
        if n > 0 {
            break;
        }
        line.pop();
    }
    line
}

/// The word and the tone of a severity.
pub(crate) fn severity(severity: Severity) -> (&'static str, Tone) {
    match severity {
        Severity::Error => ("error", Tone::Bad),
        Severity::Warning => ("warning", Tone::Warning),
        Severity::Note => ("note", Tone::Label),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|l| l.iter().map(|p| p.text.as_str()).collect()).collect()
    }

    #[test]
    fn words_wrap_and_long_ones_are_cut() {
        assert_eq!(bare(&wrap(&Text::plain("one two  three"), 8)), ["one two", "three"]);
        assert_eq!(bare(&wrap(&Text::plain("abcdefghij"), 4)), ["abcd", "efgh", "ij"]);
        assert_eq!(bare(&wrap(&Text::prose("`a`, b"), 3)), ["a,", "b"]);
        assert_eq!(bare(&wrap(&Text::plain("a\nb"), 9)), ["a", "b"]);
        assert_eq!(bare(&wrap(&Text::default(), 9)), [""]);
    }

    #[test]
    fn a_statement_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c\td"), "a�[2Jb�c d");
    }

    #[test]
    fn no_line_is_wider_than_asked() {
        let row = Row {
            label: Text::plain("likely"),
            key: Text::plain("lock_ddl_queue"),
            lines: vec![Text::plain("word ".repeat(60))],
        };
        let document = Document {
            title: String::new(),
            blocks: vec![Block::Rows(Rows { indent: 2, rows: vec![row] })],
        };
        for width in [60, 80, 100, 140] {
            assert!(lines(&document, width).all(|l| line_width(&l) <= width));
        }
    }
}
