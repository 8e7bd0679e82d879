//! What the author declares in comments directly before a statement.

use crate::lex::{TokenKind, tokens};
use crate::split::Lines;
use pgward_model::prelude::*;
use std::ops::RangeInclusive;

/// A lint the author knows of and accepts: `-- pgward: allow LINT reason`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    pub lint: String,
    /// Why; empty where none is given, and then it does not count.
    pub reason: String,
}

/// `-- pgward: expect rows 1..50`, `expect rows <= 50` or `expect rows 50`.
pub fn rows(file: &ChangeFile, statement: &Statement) -> Option<RangeInclusive<u64>> {
    declarations(file, statement).iter().find_map(|d| parse_rows(d))
}

/// Every `-- pgward: allow …` of a statement.
pub fn allowances(file: &ChangeFile, statement: &Statement) -> Vec<Allowance> {
    declarations(file, statement)
        .iter()
        .filter_map(|d| d.strip_prefix("allow"))
        .map(|rest| {
            let (lint, reason) = rest.trim().split_once(char::is_whitespace).unwrap_or((rest, ""));
            Allowance {
                lint: lint.trim().trim_end_matches(':').to_owned(),
                reason: reason.trim().trim_start_matches(':').trim().to_owned(),
            }
        })
        .collect()
}

/// Words that may stand behind `pgward:`.
pub const WORDS: [&str; 2] = ["allow", "expect"];

/// A comment for pgward that says nothing to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misread {
    /// The comment.
    pub span: Span,
    /// What is not known: the first word, or all where it is about rows.
    pub word: String,
    /// It expects rows, but in no number.
    pub about_rows: bool,
}

/// Comments that begin with `pgward:` and go on with what is not known, wherever they stand.
pub fn misread(file: &ChangeFile) -> Vec<Misread> {
    if !file.text.contains("pgward:") {
        return Vec::new();
    }
    let lines = Lines::new(&file.text);
    let comments = tokens(&file.text).into_iter().filter(|t| t.kind == TokenKind::Comment);
    let found = comments.filter_map(|t| {
        let said = declaration(file.text.get(t.start..t.end)?)?;
        let word = said.split_whitespace().next().unwrap_or("").trim_end_matches(':').to_owned();
        let about_rows = word == "expect";
        let known = word == "allow" || about_rows && parse_rows(&said).is_some();
        let word = if about_rows { said } else { word };
        let span = lines.span(t.start, t.end);
        (!known).then_some(Misread { span, word, about_rows })
    });
    found.collect()
}

/// The text after `pgward:` of each comment between the statement before and this one.
fn declarations(file: &ChangeFile, statement: &Statement) -> Vec<String> {
    let start = statement.span.start;
    let n_before = file.statements.partition_point(|s| s.span.start < start);
    let before = n_before.checked_sub(1).and_then(|i| file.statements.get(i));
    let gap_from = before.map_or(0, |s| s.span.end);
    let gap = file.text.get(gap_from..start).unwrap_or("");
    if !gap.contains("pgward:") {
        return Vec::new(); // the tokens of a text without one are not worth it
    }
    // Data of a COPY is no SQL, and may look like anything.
    let data_end = gap.rfind("\n\\.").map_or(0, |at| at + "\n\\.".len());
    let from = gap_from + data_end;
    let gap = file.text.get(from..start).unwrap_or("");
    tokens(gap)
        .iter()
        .rev()
        .take_while(|t| t.kind == TokenKind::Comment)
        .filter(|t| !shares_line_with_code(&file.text, from + t.start))
        .filter_map(|t| declaration(gap.get(t.start..t.end).unwrap_or("")))
        .collect()
}

/// A comment behind a statement on its line belongs to that one, not to the next.
fn shares_line_with_code(text: &str, at: usize) -> bool {
    let before = text.get(..at).unwrap_or("");
    let line = before.rsplit('\n').next().unwrap_or("");
    !line.trim().is_empty()
}

fn declaration(comment: &str) -> Option<String> {
    let inner =
        comment.trim_start_matches("--").trim_start_matches("/*").trim_end_matches("*/").trim();
    Some(inner.strip_prefix("pgward:")?.trim().to_owned())
}

fn parse_rows(declared: &str) -> Option<RangeInclusive<u64>> {
    let range = declared.strip_prefix("expect")?.trim().strip_prefix("rows")?.trim();
    let number = |text: &str| text.trim().replace(['_', ','], "").parse::<u64>().ok();
    if let Some(most) = range.strip_prefix("<=") {
        return Some(0..=number(most)?);
    }
    if let Some((least, most)) = range.split_once("..") {
        return Some(number(least)?..=number(most.trim_start_matches('='))?);
    }
    let exact = number(range)?;
    Some(exact..=exact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_are_read_before_their_statement() {
        let file = crate::read(
            "f",
            "-- pgward: expect rows 1..50\n\
             UPDATE a SET b = 1 WHERE c = 2; -- pgward: expect rows 9\n\
             -- why\n/* pgward: expect rows <= 1_000 */\nDELETE FROM a WHERE c = 3;\nSELECT 1;",
        );
        let got: Vec<_> = file.statements.iter().map(|s| rows(&file, s)).collect();
        assert_eq!(got, [Some(1..=50), Some(0..=1000), None]);
    }

    #[test]
    fn copy_data_hides_no_declaration() {
        let text = "COPY a FROM stdin;\nit's; -- x\n\\.\n-- pgward: expect rows 3\nDELETE FROM a";
        let file = crate::read("f", text);
        assert_eq!(rows(&file, &file.statements[1]), Some(3..=3));
    }

    #[test]
    fn allowances_carry_their_reason() {
        let file = crate::read("f", "-- pgward: allow drop_table nothing reads it\nDROP TABLE a;");
        let got = allowances(&file, &file.statements[0]);
        assert_eq!(got[0].lint, "drop_table");
        assert_eq!(got[0].reason, "nothing reads it");
    }
}
