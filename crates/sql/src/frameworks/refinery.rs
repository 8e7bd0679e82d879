//! refinery: `V1__title.sql`, each in a transaction unless a line says no.

use super::{
    Example, Framework, Migration, Role, Script, Sending, chain_of, lines, name, sql_files,
};

/// Its names are those of Flyway. A folder is taken for its when Rust lies in it or
/// `refinery.toml`, or a file has the marker. Assumes that migrations are not grouped
/// (`set_grouped(false)`, the default), and that the version in use knows the marker: older ones
/// take it for a comment.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "refinery",
    title: "refinery",
    source: "refinery, README.md, and documentation of `Runner::set_grouped`",
    no_transaction: "put it into a file of its own that has the line `-- refinery:noTransaction`",
    placeholders: &[],
    recognises,
    chain: |scripts| {
        chain_of(scripts, |s| {
            let version =
                version(name(&s.path)).ok_or(Role::Stray("its name is not V1__title.sql"))?;
            Ok((version, Migration::whole(s, sending(&s.text))))
        })
    },
    examples: &[
        Example {
            files: &[
                ("migrations/V10__index.sql", "-- refinery:noTransaction\nCREATE INDEX i;\n"),
                ("migrations/V2__init.sql", "CREATE TABLE t (a int);\n"),
                ("migrations/U3__any_order.sql", "-- about refinery:noTransaction\nSELECT 1;\n"),
                ("migrations/V4__with.dot.sql", "SELECT 1;\n"),
            ],
            chain: &[
                ("migrations/V2__init.sql", Sending::Wrapped),
                ("migrations/U3__any_order.sql", Sending::Wrapped),
                ("migrations/V10__index.sql", Sending::OneQuery),
            ],
        },
        Example {
            files: &[
                ("V1__init.sql", "CREATE TABLE t (a int);\n"),
                ("V2__code.rs", "pub fn migration() -> String {}\n"),
            ],
            chain: &[("V1__init.sql", Sending::Wrapped)],
        },
    ],
};

fn recognises(scripts: &[Script]) -> bool {
    let is_ours = sql_files(scripts).any(|s| version(name(&s.path)).is_some());
    is_ours && is_marked(scripts)
}

/// Does something beside or in the files show that they are made for refinery?
pub(super) fn is_marked(scripts: &[Script]) -> bool {
    scripts.iter().any(|s| {
        name(&s.path).ends_with(".rs")
            || name(&s.path) == "refinery.toml"
            || sending(&s.text) == Sending::OneQuery
    })
}

/// `V` or `U` (which runs too, in any order), a whole number, two underscores and a title of
/// word characters.
fn version(name: &str) -> Option<i32> {
    let stem = name.strip_suffix(".sql")?;
    let (version, title) = stem.strip_prefix(['V', 'U'])?.split_once("__")?;
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_title = !title.is_empty() && title.chars().all(is_word);
    let is_version = version.bytes().all(|b| b.is_ascii_digit());
    (is_title && is_version).then(|| version.parse().ok())?
}

const NO_TRANSACTION: &str = "refinery:noTransaction";

/// Without a transaction the text still goes as one query. The marker is a line of its own:
/// two or more dashes, at most one space, the word.
fn sending(text: &str) -> Sending {
    let is_marker = |line: &str| {
        let rest = line.trim_start_matches('-');
        line.len() - rest.len() >= 2
            && rest.strip_prefix(char::is_whitespace).unwrap_or(rest) == NO_TRANSACTION
    };
    match text.contains(NO_TRANSACTION) && lines(text).any(|l| is_marker(l.text)) {
        true => Sending::OneQuery,
        false => Sending::Wrapped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_a_line_of_its_own() {
        for text in ["SELECT 1;\n-- refinery:noTransaction\n", "---refinery:noTransaction\r\n"] {
            assert_eq!(sending(text), Sending::OneQuery, "{text}");
        }
        for text in [
            "--  refinery:noTransaction",
            " -- refinery:noTransaction",
            "-- refinery:noTransaction.",
        ] {
            assert_eq!(sending(text), Sending::Wrapped, "{text}");
        }
    }
}
