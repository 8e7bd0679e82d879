//! sqlx: `N_title.sql` or `N_title.up.sql`, each in a transaction unless its first line says no.

use super::{
    Example, Framework, Migration, Role, Script, Sending, chain_of, name, number, sql_files,
};

/// Its names are those of many tools. A folder is taken for its when a numbered file has the
/// marker, or still the comment that `sqlx migrate add` writes.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "sqlx",
    title: "sqlx migrate",
    source: "sqlx, documentation of `migrate!` and sqlx-cli/README.md",
    no_transaction: "put it into a file of its own, whose first line is `-- no-transaction`",
    placeholders: &[],
    recognises: is_marked,
    chain: |scripts| {
        chain_of(scripts, |s| Ok((version_up(s)?, Migration::whole(s, sending(&s.text)))))
    },
    examples: &[
        Example {
            files: &[
                ("migrations/10_index.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY i;\n"),
                ("migrations/2_init.sql", "CREATE TABLE t (a int);\n-- no-transaction\n"),
                ("migrations/notes.sql", "SELECT 1;\n"),
            ],
            chain: &[
                ("migrations/2_init.sql", Sending::Wrapped),
                ("migrations/10_index.sql", Sending::OneQuery),
            ],
        },
        Example {
            files: &[
                ("20240102_b.up.sql", "\n-- no-transaction\nDROP TABLE t;\n"),
                ("20240102_b.down.sql", "-- Add down migration script here\n"),
                ("20240101_a.up.sql", "-- Add up migration script here\nCREATE TABLE t ();\n"),
                ("20240101_a.down.sql", "-- Add down migration script here\nDROP TABLE t;\n"),
            ],
            chain: &[
                ("20240101_a.up.sql", Sending::Wrapped),
                ("20240102_b.up.sql", Sending::Wrapped),
            ],
        },
    ],
};

/// What a file must begin with, to the byte: not even a byte order mark may stand before it.
const NO_TRANSACTION: &str = "-- no-transaction";

/// What `sqlx migrate add` writes into a new file.
const TEMPLATES: [&str; 3] = [
    "-- Add migration script here",
    "-- Add up migration script here",
    "-- Add down migration script here",
];

/// Does some file show that it is made for sqlx?
pub(super) fn is_marked(scripts: &[Script]) -> bool {
    sql_files(scripts)
        .filter(|s| number(name(&s.path)).is_some())
        .any(|s| s.text.starts_with(NO_TRANSACTION) || TEMPLATES.iter().any(|t| s.text.contains(t)))
}

fn version_up(script: &Script) -> Result<u64, Role> {
    let name = name(&script.path);
    if name.ends_with(".down.sql") {
        return Err(Role::Outside("a down script"));
    }
    number(name).ok_or(Role::Stray("its name is not VERSION_TITLE.sql"))
}

/// Without a transaction the text still goes as one query.
fn sending(text: &str) -> Sending {
    if text.starts_with(NO_TRANSACTION) { Sending::OneQuery } else { Sending::Wrapped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_counts_at_the_first_byte_only() {
        assert_eq!(sending("-- no-transaction\r\nSELECT 1"), Sending::OneQuery);
        for text in ["\u{feff}-- no-transaction\n", " -- no-transaction", "--no-transaction", ""] {
            assert_eq!(sending(text), Sending::Wrapped, "{text:?}");
        }
    }
}
