//! Cuts a file into its statements with exact places, whatever else stands between them.

use crate::lex::{Token, TokenKind, tokens};
use pgward_model::prelude::*;
use std::cell::Cell;

/// One statement of a file, not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) span: Span,
    pub(crate) kind: PieceKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceKind {
    Sql,
    /// A psql command that does something to a database we cannot see: `\i`, `\gexec`.
    Opaque,
}

/// The statements of `text`, in order; white space, comments, harmless psql commands and
/// COPY data are left out.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let lines = Lines::new(text);
    let mut found = Vec::new();
    let mut open: Vec<Token> = Vec::new();
    let mut parens = 0_usize;
    let mut atomic_depth = 0_usize;
    for token in tokens(text) {
        match token.kind {
            TokenKind::Comment if open.is_empty() => {}
            TokenKind::CopyData => {}
            TokenKind::Semicolon if parens == 0 && atomic_depth == 0 => {
                close(&lines, &mut open, &mut found);
            }
            TokenKind::Meta => {
                let command = text.get(token.start..token.end).unwrap_or("");
                close(&lines, &mut open, &mut found);
                (parens, atomic_depth) = (0, 0);
                if let Some(kind) = meta_kind(command) {
                    found.push(Piece { span: lines.span(token.start, token.end), kind });
                }
            }
            kind => {
                match kind {
                    TokenKind::Open => parens += 1,
                    TokenKind::Close => parens = parens.saturating_sub(1),
                    TokenKind::Word => {
                        atomic_depth = atomic_depth_after(text, &open, token, atomic_depth);
                    }
                    _ => {}
                }
                open.push(token);
            }
        }
        if open.is_empty() {
            (parens, atomic_depth) = (0, 0);
        }
    }
    close(&lines, &mut open, &mut found);
    found
}

/// Ends the statement that is open, trailing comments left out.
fn close(lines: &Lines, open: &mut Vec<Token>, found: &mut Vec<Piece>) {
    while open.last().is_some_and(|t| t.kind == TokenKind::Comment) {
        open.pop();
    }
    if let (Some(first), Some(last)) = (open.first(), open.last()) {
        found.push(Piece { span: lines.span(first.start, last.end), kind: PieceKind::Sql });
    }
    open.clear();
}

/// `CREATE FUNCTION … BEGIN ATOMIC …; …; END` holds semicolons of its own, as psql knows.
fn atomic_depth_after(text: &str, open: &[Token], token: Token, depth: usize) -> usize {
    let is = |t: &Token, word: &str| {
        text.get(t.start..t.end).is_some_and(|written| written.eq_ignore_ascii_case(word))
    };
    if depth == 0 {
        let begins = is(&token, "atomic")
            && open.last().is_some_and(|t| is(t, "begin"))
            && open.first().is_some_and(|t| is(t, "create"));
        return usize::from(begins);
    }
    if is(&token, "case") || is(&token, "begin") {
        depth + 1
    } else if is(&token, "end") {
        depth - 1
    } else {
        depth
    }
}

/// `None` for commands that change nothing in a database.
fn meta_kind(command: &str) -> Option<PieceKind> {
    let name = command.split_whitespace().next().unwrap_or("");
    let opaque = ["\\i", "\\ir", "\\include", "\\include_relative", "\\gexec", "\\copy", "\\o"];
    opaque.contains(&name).then_some(PieceKind::Opaque)
}

/// Where the lines of a text begin, so that a place in a long file is found quickly.
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// A place and its column: the next one asked for is mostly behind it, on the same line, and
    /// a line may hold a whole dump.
    last: Cell<(usize, usize)>,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
        Self { text, starts: starts.collect(), last: Cell::new((0, 1)) }
    }

    /// Line and column of a place, both from 1; columns count characters.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let line = self.starts.partition_point(|s| *s <= start);
        let line_start = line.checked_sub(1).and_then(|l| self.starts.get(l)).unwrap_or(&0);
        let (from, counted) = match self.last.get() {
            (place, column) if (*line_start..=start).contains(&place) => (place, column),
            _ => (*line_start, 1),
        };
        let column = self.text.get(from..start).unwrap_or("").chars().count() + counted;
        self.last.set((start, column));
        Span {
            start,
            end,
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let got: Vec<&str> = pieces(text).iter().map(|p| &text[p.span.start..p.span.end]).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn statements_are_cut_exactly() {
        check("SELECT 1; -- c\n/* x; /* y; */ */ SELECT ';' ;;", &["SELECT 1", "SELECT ';'"]);
        check(
            "DO $a$ BEGIN x; END $a$; SELECT $$;$$",
            &["DO $a$ BEGIN x; END $a$", "SELECT $$;$$"],
        );
        check("SELECT E'\\é;'; SELECT 'ü;", &["SELECT E'\\é;'", "SELECT 'ü;"]);
        check("SELECT E'\\';'; SELECT \"a;b\"", &["SELECT E'\\';'", "SELECT \"a;b\""]);
        check(
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
            &["CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"],
        );
        check(
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; \
             SELECT 2; END; SELECT 3",
            &[
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; \
                 SELECT 2; END",
                "SELECT 3",
            ],
        );
    }

    #[test]
    fn psql_commands_and_copy_data_are_no_statements() {
        check("\\set ON_ERROR_STOP on\nSELECT 1 \\g\nSELECT 2;\n", &["SELECT 1", "SELECT 2"]);
        check("COPY t FROM stdin;\n1;\t'\n\\.\nSELECT 2;", &["COPY t FROM stdin", "SELECT 2"]);
        check(
            "\\copy t from stdin csv\n1;'\n\\.\nTABLE t",
            &["\\copy t from stdin csv", "TABLE t"],
        );
        check("\\i other.sql\nSELECT 1", &["\\i other.sql", "SELECT 1"]);
    }

    #[test]
    fn places_count_from_one() {
        let text = "-- é\n  SELECT 1;\n";
        let span = pieces(text)[0].span;
        assert_eq!((span.line, span.column), (2, 3));
        assert_eq!(&text[span.start..span.end], "SELECT 1");
        let text = "SELECT 'é'; SELECT 2;\nSELECT 3; SELECT 4";
        let all = pieces(text);
        let places: Vec<_> = all.iter().map(|p| (p.span.line, p.span.column)).collect();
        assert_eq!(places, [(1, 1), (1, 13), (2, 1), (2, 11)]);
        let lines = Lines::new(text);
        let at = |start: usize| (lines.span(start, start).line, lines.span(start, start).column);
        assert_eq!((at(33), at(13), at(0)), ((2, 11), (1, 13), (1, 1)), "in any order");
    }
}
