//! Prisma Migrate: `TIMESTAMP_title/migration.sql`, each sent as one query, or since 7.4 cut.

use super::{Example, Framework, Migration, Role, Script, Sending};
use super::{chain_of, drizzle, folder, name};
use crate::lex::{TokenKind, tokens};

/// Until 7.3 a file is one query. Since 7.4 it is cut into statements that are sent one by one,
/// so that nothing holds them together; where its parser fails, as it does for `DROP INDEX
/// CONCURRENTLY`, the file is one query again. Other failures of that parser are not modelled.
/// The version is that of a `package.json` among the files; without one, 7.3 is assumed, under
/// which a file that mixes such statements with others fails.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "prisma",
    title: "Prisma Migrate",
    source: "Prisma documentation, Prisma Migrate, Migration histories; prisma-engines, pull \
             requests 5767 and 5847",
    no_transaction: "put it into a migration of its own, with nothing else in it",
    placeholders: &[],
    recognises: |scripts| !drizzle::is_marked(scripts) && scripts.iter().any(|s| title(s).is_ok()),
    chain: |scripts| {
        let cuts = cuts_statements(scripts);
        chain_of(scripts, |s| {
            let one = !cuts || drops_concurrently(&s.text);
            let sending = if one { Sending::OneQuery } else { Sending::Statements };
            Ok((title(s)?.to_owned(), Migration::whole(s, sending)))
        })
    },
    examples: &[
        Example {
            files: &[
                (
                    "prisma/migrations/20240110000000_b/migration.sql",
                    "-- DropTable\nDROP TABLE t;\n",
                ),
                ("prisma/migrations/20240102000000_a/migration.sql", "CREATE TABLE t (a int);\n"),
                ("prisma/migrations/20240102000000_a/down.sql", "DROP TABLE t;\n"),
                ("prisma/migrations/migration_lock.toml", "provider = \"postgresql\"\n"),
            ],
            chain: &[
                ("prisma/migrations/20240102000000_a/migration.sql", Sending::OneQuery),
                ("prisma/migrations/20240110000000_b/migration.sql", Sending::OneQuery),
            ],
        },
        Example {
            files: &[
                ("package.json", r#"{"devDependencies": {"prisma": "^7.4.1"}}"#),
                (
                    "migrations/1_a/migration.sql",
                    "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a);\n",
                ),
                ("migrations/2_b/migration.sql", "SELECT 1;\nDROP INDEX CONCURRENTLY j;\n"),
            ],
            chain: &[
                ("migrations/1_a/migration.sql", Sending::Statements),
                ("migrations/2_b/migration.sql", Sending::OneQuery),
            ],
        },
    ],
};

/// The folder's name: they are carried out in the order of these, compared as text.
fn title(script: &Script) -> Result<&str, Role> {
    match (name(&script.path), name(folder(&script.path))) {
        ("migration.sql", title) if !title.is_empty() => Ok(title),
        _ => Err(Role::Stray("not the migration.sql of a migration")),
    }
}

/// Is Prisma 7.4 or later, by the dependencies of a `package.json`?
fn cuts_statements(scripts: &[Script]) -> bool {
    let files = scripts.iter().filter(|s| name(&s.path) == "package.json");
    let versions = files.filter_map(|s| {
        let text = s.text.trim_start_matches(super::MARK);
        let package: serde_json::Value = serde_json::from_str(text).ok()?;
        let kinds = ["dependencies", "devDependencies"];
        let found = kinds.iter().find_map(|kind| package.get(kind)?.get("prisma")?.as_str())?;
        let mut numbers = found.trim_start_matches(['^', '~', '=', 'v']).split('.');
        let number = |part: Option<&str>| part.and_then(|p| p.parse::<u32>().ok());
        Some((number(numbers.next())?, number(numbers.next()).unwrap_or(0)))
    });
    versions.max().is_some_and(|version| version >= (7, 4))
}

fn drops_concurrently(text: &str) -> bool {
    let words: Vec<&str> = tokens(text)
        .into_iter()
        .filter(|t| t.kind == TokenKind::Word)
        .filter_map(|t| text.get(t.start..t.end))
        .collect();
    let wanted = ["drop", "index", "concurrently"];
    words.windows(3).any(|w| w.iter().zip(wanted).all(|(a, b)| a.eq_ignore_ascii_case(b)))
}
