//! SQL files without a framework, as psql runs them.

use super::{Example, Framework, Migration, Sending, sql_files};
use crate::template::Style;

pub(super) static FRAMEWORK: Framework = Framework {
    id: "plain_sql",
    title: "plain SQL, given to psql",
    source: "PostgreSQL manual, psql, -f and -1",
    no_transaction: "leave out BEGIN and COMMIT around it, and psql's -1",
    placeholders: &[Style::Psql, Style::Shell, Style::Braces],
    recognises: |_| true,
    // psql runs files in the order in which they are named, so theirs is kept.
    chain: |scripts| sql_files(scripts).map(|s| Migration::whole(s, Sending::Statements)).collect(),
    examples: &[
        Example {
            files: &[
                ("b.sql", "CREATE INDEX CONCURRENTLY i ON t (a);\n"),
                ("a.sql", "BEGIN;\nDROP TABLE t;\nCOMMIT;\n"),
                ("README.md", "Run b, then a.\n"),
            ],
            chain: &[("b.sql", Sending::Statements), ("a.sql", Sending::Statements)],
        },
        Example {
            // Names alone prove nothing: many tools number their files so.
            files: &[("20240101000000_init.sql", "CREATE TABLE t (a int);\n")],
            chain: &[("20240101000000_init.sql", Sending::Statements)],
        },
    ],
};
