//! Tells which statement a text is, whatever its constants: the key of all that is kept about it.

use crate::lex::{self, TokenKind};
use sha2::{Digest, Sha256};

/// Which statement this is: 16 hex digits, the first 64 bits of the SHA-256 of its [`shape`].
///
/// It depends on the text alone, not on object ids as `queryid` does, so a statement keeps it
/// through dump and restore, a major upgrade, `pg_repack` and another server; and it is the same
/// for the text a session shows and for what `pg_stat_statements` makes of it, in every major:
/// 18 writes a list as `IN ($1 /*, ... */)`, which has the shape of the list. Texts that were cut
/// in different places have different fingerprints. Two statements of one shape in two schemas
/// of one `search_path` have the same. Costs some microseconds.
pub fn fingerprint(sql: &str) -> String {
    let hash = Sha256::digest(shape(sql).as_bytes());
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The statement without what varies from call to call, fit to be kept and shown: `?` stands for
/// each constant and parameter, for all of the list of an `IN` or an array, and for the name of a
/// savepoint or prepared statement; rows of `VALUES` that look alike are one; comments are gone;
/// case and white space are those of one style.
///
/// Never fails: it reads tokens, not grammar, so half a statement has a shape too.
pub fn shape(sql: &str) -> String {
    let parts = without_names(parts(sql));
    written(&without_alike_rows(without_lists(parts)))
}

/// A token as far as the shape minds it.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// In lower case.
    Word(String),
    Quoted(String),
    Constant,
    Operator(String),
}

impl Part {
    fn text(&self) -> &str {
        match self {
            Part::Word(text) | Part::Quoted(text) | Part::Operator(text) => text,
            Part::Constant => "?",
        }
    }

    fn is(&self, text: &str) -> bool {
        !matches!(self, Part::Quoted(_)) && self.text() == text
    }
}

/// Words after which a sign belongs to its number, an opening parenthesis to no function, and
/// which therefore are no name.
const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "between",
    "by",
    "case",
    "else",
    "end",
    "except",
    "from",
    "having",
    "ilike",
    "in",
    "intersect",
    "into",
    "is",
    "join",
    "like",
    "limit",
    "not",
    "offset",
    "on",
    "or",
    "over",
    "returning",
    "select",
    "set",
    "some",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
];

const OPERATOR_CHARS: &str = "+-*/<>=~!@#%^&|`?:";

fn parts(sql: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    // Where the last part ended, when more may be joined to it.
    let mut joined_at = None;
    let mut number_ends = 0;
    for token in lex::tokens(sql) {
        let text = sql.get(token.start..token.end).unwrap_or("");
        if token.start < number_ends {
            continue;
        }
        let adjacent = joined_at == Some(token.start);
        joined_at = None;
        match token.kind {
            TokenKind::Comment | TokenKind::Semicolon | TokenKind::CopyData => {}
            TokenKind::Literal => parts.push(Part::Constant),
            TokenKind::QuotedIdent => parts.push(quoted(text)),
            TokenKind::Word if text.starts_with(|c: char| c.is_ascii_digit()) => {
                number_ends = number_end(sql, token.start);
                before_number(&mut parts);
                parts.push(Part::Constant);
            }
            TokenKind::Word => {
                let word = text.to_lowercase();
                let is_constant = matches!(word.as_str(), "true" | "false" | "null")
                    && !parts.last().is_some_and(|p| p.is("is") || p.is("not"));
                parts.push(if is_constant { Part::Constant } else { Part::Word(word) });
            }
            _ => {
                let last = parts.last_mut();
                match last {
                    Some(Part::Operator(whole)) if adjacent && joins(whole, text) => {
                        whole.push_str(text);
                    }
                    _ => parts.push(Part::Operator(text.to_owned())),
                }
                joined_at = Some(token.end);
            }
        }
    }
    parts
}

fn quoted(text: &str) -> Part {
    let inner = text.trim_matches('"');
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '$');
    let is_plain = inner.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && inner.chars().all(plain)
        && !KEYWORDS.contains(&inner);
    if is_plain { Part::Word(inner.to_owned()) } else { Part::Quoted(text.to_owned()) }
}

fn joins(operator: &str, next: &str) -> bool {
    let both = |c: char| operator.ends_with(c) && OPERATOR_CHARS.contains(c);
    operator.chars().last().is_some_and(both) && OPERATOR_CHARS.contains(next)
}

/// Takes off what belongs to the number that follows: the `$` of a parameter, a point, a sign
/// where no value stands before it.
fn before_number(parts: &mut Vec<Part>) {
    if matches!(parts.last(), Some(Part::Operator(o)) if o == "$" || o == ".") {
        parts.pop();
    }
    let Some(Part::Operator(operator)) = parts.last_mut() else { return };
    if operator.len() > 1 && operator.ends_with(['-', '+']) {
        operator.pop();
        return;
    }
    if !matches!(operator.as_str(), "-" | "+") {
        return;
    }
    let after_value = match parts.iter().nth_back(1) {
        Some(Part::Word(word)) => !KEYWORDS.contains(&word.as_str()),
        Some(Part::Operator(o)) => o == ")" || o == "]",
        Some(Part::Quoted(_) | Part::Constant) => true,
        None => false,
    };
    if !after_value {
        parts.pop();
    }
}

/// Where a number ends that begins at `from`: `1`, `1.5`, `1.5e-3`, `0xff`, `1_000`.
fn number_end(sql: &str, from: usize) -> usize {
    let bytes = sql.as_bytes();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(b' ');
    let mut i = from;
    loop {
        let is_sign = matches!(at(i), b'+' | b'-')
            && matches!(at(i - 1), b'e' | b'E')
            && at(i + 1).is_ascii_digit()
            && !matches!(at(from + 1), b'x' | b'X');
        if at(i).is_ascii_alphanumeric() || matches!(at(i), b'_' | b'.') || (is_sign && i > from) {
            i += 1;
        } else {
            return i;
        }
    }
}

/// Names that clients invent by the thousand say nothing.
fn without_names(parts: Vec<Part>) -> Vec<Part> {
    let is = |i: usize, word: &str| parts.get(i).is_some_and(|p| p.is(word));
    let n_kept = if is(0, "savepoint") || is(0, "deallocate") {
        1
    } else if is(0, "release") {
        1 + usize::from(is(1, "savepoint"))
    } else if is(0, "rollback") && is(1, "to") {
        2 + usize::from(is(2, "savepoint"))
    } else {
        return parts;
    };
    parts.into_iter().take(n_kept).chain([Part::Constant]).collect()
}

/// `IN (1, 2, 3)`, `ARRAY[1, 2]`: a list of constants, cast or not, is one.
fn without_lists(parts: Vec<Part>) -> Vec<Part> {
    let mut kept: Vec<Part> = Vec::with_capacity(parts.len());
    let mut rest = parts.into_iter().peekable();
    while let Some(part) = rest.next() {
        let opens = (part.is("(") && kept.last().is_some_and(|p| p.is("in")))
            || (part.is("[") && kept.last().is_some_and(|p| p.is("array")));
        kept.push(part);
        if !opens {
            continue;
        }
        let mut list: Vec<Part> = Vec::new();
        while let Some(item) = rest.next_if(|p| !p.is(")") && !p.is("]") && !p.is("(")) {
            list.push(item);
        }
        let closed = rest.peek().is_some_and(|p| !p.is("("));
        let constants = list.first() == Some(&Part::Constant)
            && list.iter().zip(list.iter().skip(1)).all(|(before, item)| match item {
                Part::Constant => before.is(","),
                Part::Word(_) => !before.is(",") && *before != Part::Constant,
                other => other.is(",") || other.is("::"),
            });
        kept.extend(if closed && constants { vec![Part::Constant] } else { list });
    }
    kept
}

/// `VALUES (?, ?), (?, ?)`: as many rows as there are, they are one.
fn without_alike_rows(parts: Vec<Part>) -> Vec<Part> {
    let mut kept: Vec<Part> = Vec::with_capacity(parts.len());
    let mut rest = parts.as_slice();
    while let Some((part, after)) = rest.split_first() {
        kept.push(part.clone());
        rest = after;
        if !part.is("values") {
            continue;
        }
        let row = row_of(rest);
        kept.extend_from_slice(row);
        rest = rest.get(row.len()..).unwrap_or(&[]);
        while let Some((comma, after)) = rest.split_first()
            && comma.is(",")
            && !row.is_empty()
            && row_of(after) == row
        {
            rest = after.get(row.len()..).unwrap_or(&[]);
        }
    }
    kept
}

/// The parenthesis that begins here, its end included; nothing where none begins or it never
/// ends.
fn row_of(parts: &[Part]) -> &[Part] {
    let mut depth = 0_u32;
    for (i, part) in parts.iter().enumerate() {
        if part.is("(") {
            depth += 1;
        } else if part.is(")") {
            depth = depth.saturating_sub(1);
        }
        if depth == 0 {
            return if i == 0 { &[] } else { parts.get(..=i).unwrap_or(&[]) };
        }
    }
    &[]
}

fn written(parts: &[Part]) -> String {
    let mut text = String::new();
    let mut before: Option<&Part> = None;
    for part in parts {
        let is_call = |p: &Part| match p {
            Part::Word(word) => !KEYWORDS.contains(&word.as_str()),
            _ => false,
        };
        let tight = match part.text() {
            "," | ")" | "]" | "." | "::" | "[" => matches!(part, Part::Operator(_)),
            "(" => before.is_some_and(is_call),
            _ => false,
        };
        let opened = before.is_some_and(|p| {
            matches!(p, Part::Operator(_)) && matches!(p.text(), "(" | "[" | "." | "::")
        });
        if before.is_some() && !tight && !opened {
            text.push(' ');
        }
        text.push_str(part.text());
        before = Some(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        assert_eq!(shape(sql), expected, "{sql}");
        assert_eq!(shape(expected), expected, "a shape has itself as its shape");
    }

    #[test]
    fn constants_comments_case_and_white_space_are_forgotten() {
        check(
            "SELECT * FROM Orders -- all\nWHERE a=1 and B >= -2.5e-3 /* x */ AND c = 'it''s';",
            "select * from orders where a = ? and b >= ? and c = ?",
        );
        check(
            "select a-1, -1, a - -1, .5, f(-$3) from t",
            "select a - ?, ?, a - ?, ?, f(?) from t",
        );
        check("SELECT $tag$ body $tag$, E'\\'', x'ff', 0xff, 1_000", "select ?, ?, ?, ?, ?");
        check("select true, a is not null, null from t", "select ?, a is not null, ? from t");
        check(
            "SELECT \"id\", \"Id\", \"select\" FROM \"t\"",
            "select id, \"Id\", \"select\" from t",
        );
        check("select a[1], b::int, c->>'x' from s.t", "select a[?], b::int, c ->> ? from s.t");
    }

    #[test]
    fn lists_and_rows_are_one_however_long() {
        check("SELECT 1 FROM t WHERE a IN (1,2,3)", "select ? from t where a in (?)");
        check("SELECT 1 FROM t WHERE a IN ($1 /*, ... */)", "select ? from t where a in (?)");
        check("select 1 where a = any(array['x'::text, 'y'])", "select ? where a = any (array[?])");
        check("insert into t values (1, f(2)), (3, f(4))", "insert into t values (?, f(?))");
        check("insert into t values (1), (now())", "insert into t values (?), (now())");
        check("delete from t where a in (b, 1)", "delete from t where a in (b, ?)");
        check("select 1 where a in (select b from c)", "select ? where a in (select b from c)");
    }

    #[test]
    fn half_a_statement_has_a_shape() {
        check("select a from t where b in (1, 2", "select a from t where b in (?, ?");
        check("select a from t where b = 'never clos", "select a from t where b = ?");
        check("values (1, (2", "values (?, (?");
        check("", "");
    }

    #[test]
    fn invented_names_are_forgotten() {
        check("SAVEPOINT active_record_17", "savepoint ?");
        check("ROLLBACK TO SAVEPOINT \"s-1\"", "rollback to savepoint ?");
        check("release sp1", "release ?");
        check("DEALLOCATE pdo_stmt_0000001f", "deallocate ?");
        check("ROLLBACK", "rollback");
    }

    #[test]
    fn what_differs_in_more_than_constants_differs() {
        let of = fingerprint;
        assert_eq!(of("select 1").len(), 16);
        assert_eq!(of("SELECT 'a'"), of("select $1;"));
        assert_ne!(of("select from a_01"), of("select from a_02"));
        assert_ne!(of("select a from t"), of("select \"A\" from t"));
        assert_ne!(of("select f(1)"), of("select f(1, 2)"));
    }
}
