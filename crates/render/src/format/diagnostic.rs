//! The look of a finding: its place in the source, what was measured, and the way out.

use super::layout::*;
use crate::document::*;
use unicode_width::UnicodeWidthStr;

/// `measured` and its like, and the gap behind them.
const LABEL: usize = 11;
/// A longer place is underlined at its first two words, so that the label has room.
const UNDERLINE_MAX: usize = 30;
/// A label narrower than this goes below its underline.
const BESIDE_MIN: usize = 40;

pub(crate) fn lines(diagnostic: &Diagnostic, width: usize) -> Vec<Line> {
    let (word, tone) = severity(diagnostic.severity);
    let strong = |p: &Piece| match p.tone {
        Tone::Plain => piece(p.text.clone(), Tone::Strong),
        _ => p.clone(),
    };
    let head = Text::new(format!("{word}[{}]", diagnostic.id), tone)
        .then(": ", Tone::Plain)
        .join(Text(diagnostic.message.0.iter().map(strong).collect()));
    let mut out = hanging(&head, width, 2);
    let last = diagnostic.place.iter().flat_map(|p| p.lines.iter().map(|(n, _)| *n)).max();
    let n_added = diagnostic.fix.as_ref().map_or(0, |f| f.add.len().max(f.remove.len()) as u32);
    let highest = last.unwrap_or(0).max(diagnostic.fix.as_ref().map_or(0, |f| f.line + n_added));
    // Room for two digits, so that short files look alike.
    let digits = highest.to_string().len().max(2);
    if let Some(place) = &diagnostic.place {
        out.extend(source(place, digits, width, tone));
    }
    out.extend(notes(diagnostic, digits, width));
    if let Some(fix) = &diagnostic.fix {
        out.extend(fixed(fix, digits, width));
    }
    out
}

fn gutter(digits: usize, number: Option<u32>, mark: &str) -> Line {
    let number = number.map_or_else(String::new, |n| n.to_string());
    vec![piece(format!("{number:>digits$} {mark}"), Tone::Label), plain(" ")]
}

fn source(place: &Place, digits: usize, width: usize, tone: Tone) -> Vec<Line> {
    let mut at = vec![piece(format!("{:>digits$} ╭▸ ", ""), Tone::Label)];
    at.push(plain(format!("{}:{}:{}", clean(&place.file), place.line, place.column)));
    let mut out = vec![at];
    let room = width.saturating_sub(digits + 3);
    let (from, to) = place.underline;
    for (i, (number, text)) in place.lines.iter().enumerate() {
        // A long line is shown from a little before the place on.
        let skip = if from > room / 2 { from - room / 4 } else { 0 };
        let mut line = gutter(digits, Some(*number), "│");
        line.push(plain(window(text, skip, room)));
        out.push(line);
        if i == 0 && to > from {
            let words = first_words(text, from, to);
            out.extend(underlined(from - skip, words, &place.label, digits, room, tone));
        }
    }
    if place.n_hidden > 0 {
        let mut line = gutter(digits, None, "│");
        line.push(piece(format!("… {} more lines", place.n_hidden), Tone::Dim));
        out.push(line);
    }
    if place.lines.is_empty() && !place.label.is_empty() {
        out.extend(wrap(&place.label, room).into_iter().map(|text| {
            let mut line = gutter(digits, None, "│");
            line.extend(text);
            line
        }));
    }
    out
}

/// What of a line fits, from character `skip` on.
fn window(text: &str, skip: usize, room: usize) -> String {
    let text = clean(text);
    let mut shown: String = text.chars().skip(skip).collect();
    if skip > 0 {
        shown = shown.chars().skip(1).collect();
        shown.insert(0, '…');
    }
    if shown.width() <= room {
        return shown;
    }
    let mut cut: String = shown.chars().take(room.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Columns to underline: all of a short place, the first two words of a long one.
fn first_words(text: &str, from: usize, to: usize) -> usize {
    if to - from <= UNDERLINE_MAX {
        return to - from;
    }
    let place: String = text.chars().skip(from).take(to - from).collect();
    let mut ends = place.match_indices(char::is_whitespace).map(|(i, _)| i);
    let second = ends.nth(1).unwrap_or(place.len());
    place.get(..second).map_or(UNDERLINE_MAX, |words| words.chars().count())
}

fn underlined(
    from: usize,
    n: usize,
    label: &Text,
    digits: usize,
    room: usize,
    tone: Tone,
) -> Vec<Line> {
    let mut first = gutter(digits, None, "│");
    first.push(plain(" ".repeat(from)));
    first.push(piece("━".repeat(n.min(room.saturating_sub(from))), tone));
    first.push(plain(" "));
    let beside_at = from + n + 1;
    let left = room.saturating_sub(beside_at);
    let fits = text_width(label) <= left || left >= BESIDE_MIN;
    let (indent, text) = if fits {
        (beside_at, wrap(label, left.max(1)))
    } else {
        (from.min(room / 4), wrap(label, room.saturating_sub(from.min(room / 4))))
    };
    let mut below = text.into_iter();
    if fits {
        first.extend(below.next().unwrap_or_default());
    }
    let mut out = vec![first];
    out.extend(below.map(|line| {
        let mut moved = gutter(digits, None, "│");
        moved.push(plain(" ".repeat(indent)));
        moved.extend(line);
        moved
    }));
    out
}

fn notes(diagnostic: &Diagnostic, digits: usize, width: usize) -> Vec<Line> {
    let room = width.saturating_sub(digits + 3 + LABEL);
    let fits = |note: &&Note| text_width(&note.text) + 2 + note.source.width() <= room;
    let longest_source = diagnostic.notes.iter().filter(fits).map(|n| n.source.width()).max();
    let column = diagnostic.notes.iter().filter(fits).map(|n| text_width(&n.text)).max();
    // Sources stand in one column where every text and source allows it.
    let column = column.unwrap_or(0).min(room.saturating_sub(longest_source.unwrap_or(0) + 2));
    let mut out = Vec::new();
    for (i, note) in diagnostic.notes.iter().enumerate() {
        let last = i + 1 == diagnostic.notes.len() && diagnostic.fix.is_none();
        let mut first = gutter(digits, None, if last { "╰" } else { "├" });
        first.push(piece(format!("{:<LABEL$}", note.label), Tone::Dim));
        let below = if last { " " } else { "│" };
        out.extend(barred(first, digits, below, with_source(note, column, room)));
    }
    out
}

fn with_source(note: &Note, column: usize, room: usize) -> Vec<Line> {
    let mut text = wrap(&note.text, room);
    if note.source.is_empty() {
        return text;
    }
    let source = || piece(clean(&note.source), Tone::Dim);
    let used = text.last().map_or(0, line_width);
    let pad = if text.len() == 1 { column.saturating_sub(used) } else { 0 };
    if used + pad + 2 + note.source.width() <= room {
        if let Some(last) = text.last_mut() {
            last.extend([plain(" ".repeat(pad + 2)), source()]);
        }
    } else {
        text.extend(wrap(&Text(vec![source()]), room));
    }
    text
}

/// Lines beside a label, the following ones under it with the bar going on.
fn barred(first: Line, digits: usize, bar: &str, text: Vec<Line>) -> Vec<Line> {
    let mut text = text.into_iter();
    let mut head = first;
    head.extend(text.next().unwrap_or_default());
    let mut out = vec![head];
    out.extend(text.map(|line| {
        let mut moved = gutter(digits, None, bar);
        moved.push(plain(" ".repeat(LABEL)));
        moved.extend(line);
        moved
    }));
    out
}

fn fixed(fix: &DiagnosticFix, digits: usize, width: usize) -> Vec<Line> {
    let room = width.saturating_sub(digits + 3 + LABEL);
    let mut first = gutter(digits, None, "╰");
    first.push(piece(format!("{:<LABEL$}", "fix"), Tone::Good));
    let mut out = barred(first, digits, " ", wrap(&fix.advice, room));
    let line = |i: usize, sign: &str, text: &str, tone: Tone| {
        let number = fix.line + i as u32;
        let text = format!("{sign} {}", window(text, 0, width.saturating_sub(digits + 3)));
        vec![piece(format!("{number:>digits$} "), Tone::Label), piece(text, tone)]
    };
    let removed = fix.remove.iter().enumerate();
    out.extend(removed.map(|(i, text)| line(i, "-", text, Tone::Bad)));
    let added = fix.add.iter().enumerate();
    out.extend(added.map(|(i, text)| line(i, "+", text, Tone::Good)));
    out
}
