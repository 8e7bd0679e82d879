//! Django: what `manage.py sqlmigrate` prints, with its own BEGIN and COMMIT.

use super::{Example, Framework, Migration, Role, Script, Sending};
use super::{chain_of, lines, name, number, sql_files};

/// Knows printed SQL only: Django's own files are Python. Assumes that the printed files keep
/// the numbers of their migrations in their names; the order between apps is not known, so files
/// of one number go by path.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "django",
    title: "Django, printed SQL",
    source: "Django documentation, sqlmigrate, and Migrations, Transactions",
    no_transaction: "put it into a migration of its own with `atomic = False`, and print that \
                     again",
    placeholders: &[],
    recognises: |scripts| sql_files(scripts).any(|s| is_printed(&s.text)),
    chain: |scripts| chain_of(scripts, place),
    examples: &[Example {
        files: &[
            (
                "shop/0010_index.sql",
                "--\n-- Concurrently create index i on field(s) a of model t\n--\n\
                 CREATE INDEX CONCURRENTLY i ON shop_t (a);\n",
            ),
            (
                "shop/0002_t.sql",
                "BEGIN;\n--\n-- Create model T\n--\nCREATE TABLE shop_t (a int);\nCOMMIT;\n",
            ),
            ("shop/dump.sql", "--\n-- Name: t; Type: TABLE\n--\n"),
        ],
        chain: &[
            ("shop/0002_t.sql", Sending::Statements),
            ("shop/0010_index.sql", Sending::Statements),
        ],
    }],
};

fn place(script: &Script) -> Result<(u64, Migration), Role> {
    if !is_printed(&script.text) {
        return Err(Role::Stray("not printed by sqlmigrate"));
    }
    let number = number(name(&script.path)).unwrap_or(u64::MAX);
    Ok((number, Migration::whole(script, Sending::Statements)))
}

/// How an operation's description begins.
const OPERATIONS: [&str; 13] = [
    "Add ",
    "Alter ",
    "Change ",
    "Concurrently create ",
    "Concurrently remove ",
    "Create ",
    "Creates extension ",
    "Custom state/database change combination",
    "Delete model ",
    "Raw Python operation",
    "Raw SQL operation",
    "Remove ",
    "Rename ",
];

/// First comes BEGIN or nothing, then an operation's description between two empty comments.
fn is_printed(text: &str) -> bool {
    let mut head = lines(text).map(|l| l.text.trim_end()).filter(|l| !l.is_empty()).peekable();
    head.next_if_eq(&"BEGIN;");
    let (open, description, close) = (head.next(), head.next(), head.next());
    open == Some("--")
        && close == Some("--")
        && description
            .and_then(|d| d.strip_prefix("-- "))
            .is_some_and(|d| OPERATIONS.iter().any(|o| d.starts_with(o)))
}
