//! Drizzle: the files its journal names, all that are pending in one transaction.

use super::{Example, Framework, Migration, Role, Script, Sending};
use super::{chain_of, folder, name, sql_files};

/// Assumes `migrate()` or `drizzle-kit migrate` with a driver that keeps a session: that of
/// neon-http has no transaction. Newer folders without a journal, `TIMESTAMP_title/migration.sql`
/// beside a `snapshot.json`, are assumed to run in the order of their names.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "drizzle",
    title: "Drizzle",
    source: "drizzle-orm, src/migrator.ts and src/pg-core/dialect.ts",
    no_transaction: "run it by hand beside the migrator, which has one transaction for all that \
                     is pending",
    placeholders: &[],
    recognises: is_marked,
    chain,
    examples: &[
        Example {
            files: &[
                ("drizzle/0001_b.sql", "DROP TABLE t;\n"),
                (
                    "drizzle/0000_a.sql",
                    "CREATE TABLE t (a int);\n--> statement-breakpoint\nSELECT 1;",
                ),
                ("drizzle/0002_not_in_journal.sql", "SELECT 1;\n"),
                (
                    "drizzle/meta/_journal.json",
                    r#"{"entries": [{"idx": 0, "tag": "0000_a"}, {"idx": 1, "tag": "0001_b"}]}"#,
                ),
            ],
            chain: &[
                ("drizzle/0000_a.sql", Sending::WrappedTogether),
                ("drizzle/0001_b.sql", Sending::WrappedTogether),
            ],
        },
        Example {
            files: &[
                ("20240102_b/migration.sql", "CREATE TABLE u (a int);\n"),
                ("20240102_b/snapshot.json", "{}"),
                ("20240101_a/migration.sql", "CREATE TABLE t (a int);\n"),
                ("20240101_a/snapshot.json", "{}"),
            ],
            chain: &[
                ("20240101_a/migration.sql", Sending::WrappedTogether),
                ("20240102_b/migration.sql", Sending::WrappedTogether),
            ],
        },
        Example {
            // Without its journal: names are all there is.
            files: &[
                ("0000_a.sql", "CREATE TABLE t ();--> statement-breakpoint\nSELECT 1;\n"),
                ("0001_b.sql", "SELECT 1;\n"),
            ],
            chain: &[
                ("0000_a.sql", Sending::WrappedTogether),
                ("0001_b.sql", Sending::WrappedTogether),
            ],
        },
    ],
};

const BREAKPOINT: &str = "--> statement-breakpoint";

/// Does some file show that it is made for Drizzle?
pub(super) fn is_marked(scripts: &[Script]) -> bool {
    let has_snapshot = |s: &Script| {
        name(&s.path) == "migration.sql" && super::beside(scripts, s, "snapshot.json").is_some()
    };
    journal(scripts).is_some()
        || sql_files(scripts).any(|s| s.text.contains(BREAKPOINT) || has_snapshot(s))
}

fn chain(scripts: &[Script]) -> Vec<Migration> {
    let tags = journal(scripts);
    chain_of(scripts, |s| {
        let place = match &tags {
            Some((folder_of_journal, tags)) => {
                let tag = name(&s.path).trim_end_matches(".sql");
                let listed = tags.iter().position(|t| t == tag);
                let place = listed.filter(|_| folder(&s.path) == folder_of_journal);
                place.ok_or(Role::Stray("meta/_journal.json does not name it"))?
            }
            None => 0,
        };
        Ok((place, Migration::whole(s, Sending::WrappedTogether)))
    })
}

/// The folder of the journal and the names in it, in order; `None` where there is none that can
/// be read.
fn journal(scripts: &[Script]) -> Option<(String, Vec<String>)> {
    let file = scripts
        .iter()
        .find(|s| name(&s.path) == "_journal.json" && name(folder(&s.path)) == "meta")?;
    let text = file.text.trim_start_matches(super::MARK);
    let journal: serde_json::Value = serde_json::from_str(text).ok()?;
    let entries = journal.get("entries")?.as_array()?;
    let tags = entries.iter().filter_map(|e| Some(e.get("tag")?.as_str()?.to_owned()));
    Some((folder(folder(&file.path)).to_owned(), tags.collect()))
}
