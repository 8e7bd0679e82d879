//! Variables that something else puts into the text before PostgreSQL sees it.

use crate::lex::{TokenKind, tokens};
use crate::split::Lines;
use pgward_model::prelude::*;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// A variable in a text and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    pub name: String,
    /// The whole of it, marks included.
    pub span: Span,
    pub style: Style,
    pub place: Place,
}

/// Who replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `${X}`: a shell or a deploy tool. Unset, it becomes nothing at all.
    Shell,
    /// `{{x}}`: a template engine. Unset, most of them write nothing.
    Braces,
    /// `:x`, `:'x'`, `:"x"`: psql. Unset, psql leaves it as it stands.
    Psql,
}

/// What it is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A name or any other part of the statement itself.
    Code,
    /// A constant: data, which may just look like a variable.
    Constant,
}

fn marks() -> &'static Regex {
    static MARKS: OnceLock<Regex> = OnceLock::new();
    MARKS.get_or_init(|| {
        Regex::new(
            r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?[-=?+][^}]*)?\}|\{\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}\}",
        )
        .expect("the expression is a constant and was tested")
    })
}

fn psql_marks() -> &'static Regex {
    static MARKS: OnceLock<Regex> = OnceLock::new();
    MARKS.get_or_init(|| {
        let letters = r"[0-9A-Za-z_[^\x00-\x7F]]"; // those of other scripts by their bytes
        Regex::new(&format!(r#"^:(?:'({letters}+)'|"({letters}+)"|([A-Za-z_]{letters}*))"#))
            .expect("the expression is a constant and was tested")
    })
}

/// Every variable of a text in order, none in comments.
pub fn placeholders(text: &str) -> Vec<Placeholder> {
    if !may_hold_any(text) {
        return Vec::new();
    }
    let all = tokens(text);
    let lines = Lines::new(text);
    let mut found = Vec::new();
    for hit in marks().captures_iter(text) {
        let (Some(whole), Some(name)) = (hit.get(0), hit.get(1).or(hit.get(2))) else { continue };
        let next = all.get(all.partition_point(|t| t.end <= whole.start()));
        let inside = next.filter(|t| t.start <= whole.start());
        let place = match inside.map(|t| t.kind) {
            Some(TokenKind::Comment | TokenKind::CopyData) => continue,
            Some(TokenKind::Literal) => Place::Constant,
            _ => Place::Code,
        };
        let style = if whole.as_str().starts_with('$') { Style::Shell } else { Style::Braces };
        let span = lines.span(whole.start(), whole.end());
        found.push(Placeholder { name: name.as_str().to_owned(), span, style, place });
    }
    found.extend(psql_variables(text, &lines));
    found.sort_by_key(|p| p.span.start);
    found
}

/// Most texts hold none, and need not be read for them.
fn may_hold_any(text: &str) -> bool {
    let pairs = text.as_bytes().windows(2);
    let mut before = 0;
    for pair in pairs {
        match pair {
            b"${" | b"{{" => return true,
            [b':', next]
                if before != b':'
                    && (next.is_ascii_alphabetic() || [b'_', b'\'', b'"'].contains(next)) =>
            {
                return true;
            }
            _ => {}
        }
        before = pair.first().copied().unwrap_or(0);
    }
    false
}

/// `:x` outside of constants, comments, casts (`::`), array slices (`[1:n]`) and `:=`.
fn psql_variables(text: &str, lines: &Lines) -> Vec<Placeholder> {
    let mut found = Vec::new();
    let mut brackets = 0_i32;
    let mut skip_to = 0;
    for token in tokens(text).into_iter().filter(|t| t.kind == TokenKind::Other) {
        match text.get(token.start..token.end) {
            Some("[") => brackets += 1,
            Some("]") => brackets -= 1,
            Some(":") if brackets == 0 && token.start >= skip_to => {
                if text.get(token.end..).is_some_and(|rest| rest.starts_with(':')) {
                    skip_to = token.end + 1;
                    continue;
                }
                let rest = text.get(token.start..).unwrap_or("");
                let Some(hit) = psql_marks().captures(rest) else { continue };
                let (Some(whole), Some(name)) =
                    (hit.get(0), hit.get(1).or(hit.get(2)).or(hit.get(3)))
                else {
                    continue;
                };
                found.push(Placeholder {
                    name: name.as_str().to_owned(),
                    span: lines.span(token.start, token.start + whole.end()),
                    style: Style::Psql,
                    place: Place::Code,
                });
            }
            _ => {}
        }
    }
    found
}

/// Variables that the text gives itself with `\set name value`.
pub fn definitions(text: &str) -> BTreeMap<String, String> {
    tokens(text)
        .into_iter()
        .filter(|t| t.kind == TokenKind::Meta)
        .filter_map(|t| text.get(t.start..t.end)?.strip_prefix("\\set "))
        .filter_map(|rest| rest.trim().split_once(char::is_whitespace))
        .map(|(name, value)| (name.to_owned(), value.trim().trim_matches('\'').to_owned()))
        .collect()
}

/// The text as it would be sent: given variables replaced, unset ones treated as the tool
/// that replaces them does.
pub fn render(text: &str, vars: &BTreeMap<String, String>) -> String {
    let mut sent = String::with_capacity(text.len());
    let mut from = 0;
    for p in placeholders(text) {
        sent.push_str(text.get(from..p.span.start).unwrap_or(""));
        let written = text.get(p.span.start..p.span.end).unwrap_or("");
        match vars.get(&p.name) {
            Some(value) => sent.push_str(&psql_quoted(written, value)),
            None if p.style == Style::Psql || p.place == Place::Constant => sent.push_str(written),
            None => sent.push_str(shell_default(written)),
        }
        from = p.span.end;
    }
    sent.push_str(text.get(from..).unwrap_or(""));
    sent
}

fn psql_quoted(written: &str, value: &str) -> String {
    if written.starts_with(":'") {
        quote_literal(value)
    } else if written.starts_with(":\"") {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

/// `${X:-default}` has a value of its own.
fn shell_default(written: &str) -> &str {
    let inner = written.trim_start_matches("${").trim_end_matches('}');
    inner.split_once(":-").or(inner.split_once('-')).map_or("", |(_, default)| default)
}

/// The text with each variable replaced by a word or constant, so that it can be parsed.
pub(crate) fn parseable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for p in placeholders(text).into_iter().filter(|p| p.place == Place::Code) {
        out.push_str(text.get(from..p.span.start).unwrap_or(""));
        let written = text.get(p.span.start..p.span.end).unwrap_or("");
        if p.style == Style::Psql {
            out.push_str(written.get(1..).unwrap_or(""));
        } else {
            out.push_str(&p.name.to_lowercase().replace('.', "_"));
        }
        from = p.span.end;
    }
    out.push_str(text.get(from..).unwrap_or(""));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, names: &[&str]) {
        let got: Vec<String> = placeholders(text).into_iter().map(|p| p.name).collect();
        assert_eq!(got, names, "{text}");
    }

    #[test]
    fn variables_are_found_where_something_replaces_them() {
        check("DROP TABLE \"${PREFIX}orders\" CASCADE", &["PREFIX"]);
        check("DROP TABLE {{ schema }}.orders", &["schema"]);
        check("DROP TABLE :prefix; SELECT :'v', :\"i\"", &["prefix", "v", "i"]);
        check("SELECT a::text, '12:30', b[1:n] -- :x ${y}\n, $1", &[]);
        check("SELECT '{{name}}'", &["name"]);
        assert_eq!(placeholders("SELECT '{{name}}'")[0].place, Place::Constant);
    }

    #[test]
    fn unset_shell_variables_vanish() {
        let vars = BTreeMap::from([("T".to_owned(), "orders".to_owned())]);
        assert_eq!(render("DROP TABLE \"${P}orders\"", &vars), "DROP TABLE \"orders\"");
        assert_eq!(render("DROP TABLE :\"T\", ${X:-y}", &vars), "DROP TABLE \"orders\", y");
        assert_eq!(render("DROP TABLE :q", &vars), "DROP TABLE :q");
    }
}
