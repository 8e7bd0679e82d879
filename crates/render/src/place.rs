//! Where a finding stands, as other programs count it, and by what it is known again.

use pgward_model::prelude::{Finding, Span};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A longer line is none that anybody opens, and with a finding every few bytes, to count its
/// columns again and again takes minutes.
const LINE_BYTES_MAX: usize = 100_000;

/// A place in a text. Lines and columns count from 1, columns in UTF-16 code units; the end
/// column is one past the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) line: u32,
    pub(crate) column: usize,
    pub(crate) end_line: u32,
    pub(crate) end_column: usize,
}

/// The region of a span, without white space at its end. It is the point where the span begins,
/// in characters, where the span does not fit the text, there is none, or a line is endless.
pub(crate) fn region(span: Span, source: Option<&str>) -> Region {
    let column = span.column as usize;
    let point = Region { line: span.line, column, end_line: span.line, end_column: column };
    source.and_then(|text| exact(span, text)).unwrap_or(point)
}

fn exact(span: Span, text: &str) -> Option<Region> {
    let written = text.get(span.start..span.end)?.trim_end();
    let n_breaks = written.bytes().filter(|b| *b == b'\n').count() as u32;
    let column = column_after(text.get(..span.start)?)?;
    let end_column = match n_breaks {
        0 => column + utf16_units(written),
        _ => column_after(text.get(..span.start + written.len())?)?,
    };
    Some(Region { line: span.line, column, end_line: span.line + n_breaks, end_column })
}

/// The column that follows a text; a byte order mark has no width.
fn column_after(text: &str) -> Option<usize> {
    let begin = text.len().saturating_sub(LINE_BYTES_MAX);
    let begin = (begin..=text.len()).find(|at| text.is_char_boundary(*at))?;
    let near = text.get(begin..)?;
    let line = match near.rfind('\n') {
        Some(at) => near.get(at + 1..)?,
        None if begin == 0 => text,
        None => return None,
    };
    Some(utf16_units(line.strip_prefix('\u{feff}').unwrap_or(line)) + 1)
}

/// Two for each character of four bytes, one for each other one: a few bytes at a time, since
/// a line with thousands of findings is counted for each of them.
fn utf16_units(text: &str) -> usize {
    let begins = text.bytes().filter(|b| *b & 0xC0 != 0x80).count();
    begins + text.bytes().filter(|b| *b >= 0xF0).count()
}

/// A path as those take it who know the repository's root: `/` between its parts, no `./`;
/// standard input has a name that no file has.
pub(crate) fn path(file: &str) -> String {
    if file == "-" {
        return "<stdin>".to_owned();
    }
    let file = file.replace('\\', "/");
    file.strip_prefix("./").unwrap_or(&file).to_owned()
}

/// A name for each finding that stays the same when lines above it come or go, and that no two
/// share: 32 hex digits over lint, path, statement without its white space, and how many of the
/// same came before.
pub(crate) fn fingerprints(
    findings: &[Finding],
    sources: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    findings
        .iter()
        .map(|finding| {
            let text = sources.get(&finding.file);
            let written = text.and_then(|t| t.get(finding.span.start..finding.span.end));
            let words: Vec<&str> = written.unwrap_or(&finding.message).split_whitespace().collect();
            let what = format!("{}\0{}\0{}", finding.lint, path(&finding.file), words.join(" "));
            let same = seen.entry(what.clone()).or_default();
            *same += 1;
            let mut hash = Sha256::new();
            hash.update(&what);
            hash.update(same.to_string());
            hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, part: &str, line: u32) -> Span {
        let start = text.find(part).unwrap();
        Span { start, end: start + part.len(), line, column: 1 }
    }

    #[test]
    fn columns_are_utf_16_and_the_end_is_one_past() {
        let text = "SELECT 'é𝄞'; DROP TABLE a\n  CASCADE \n;";
        let got = region(span(text, "DROP TABLE a\n  CASCADE \n", 1), Some(text));
        assert_eq!(got, Region { line: 1, column: 15, end_line: 2, end_column: 10 });
        let text = "\u{feff}DROP TABLE a;";
        let got = region(span(text, "DROP TABLE a", 1), Some(text));
        assert_eq!((got.column, got.end_column), (1, 13));
    }

    #[test]
    fn a_span_of_another_text_is_a_point() {
        let span = Span { start: 90, end: 99, line: 7, column: 3 };
        let point = Region { line: 7, column: 3, end_line: 7, end_column: 3 };
        assert_eq!((region(span, Some("é")), region(span, None)), (point, point));
        let long = "x".repeat(LINE_BYTES_MAX + 100);
        let far = Span { start: long.len() - 9, end: long.len(), ..span };
        assert_eq!(region(far, Some(&long)), point);
        let inside = Span { start: 1, end: 2, ..span };
        assert_eq!(region(inside, Some("é")), point);
    }
}
