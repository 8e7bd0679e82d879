//! Flyway: `V1__title.sql` by version, then `R__title.sql`, each in a transaction unless it
//! holds what cannot run in one.

use super::{Example, Framework, Migration, Role, Script, Sending};
use super::{beside, in_order, name, refinery, setting, sql_files};
use crate::lex::{TokenKind, tokens};
use crate::split::{PieceKind, pieces};
use crate::template::Style;

/// Assumes the standard prefixes, separator and suffix, and the JDBC road (no native
/// connectors). `executeInTransaction`, `mixed` and `group` are read from a `flyway.conf` or
/// `flyway.toml` of the folder, the first also from `FILE.conf` beside a file; what stands in
/// the environment or on the command line is not known.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "flyway",
    title: "Flyway",
    source: "Flyway documentation, Migrations, Script Configuration Files, and Execute In \
             Transaction Setting",
    no_transaction: "put it into a file of its own, and write `executeInTransaction=false` into \
                     FILE.sql.conf beside it where Flyway does not see by itself that it must",
    placeholders: &[Style::Shell],
    recognises: |scripts| {
        let of = |s| Kind::of(name(s));
        !refinery::is_marked(scripts)
            && sql_files(scripts)
                .any(|s| matches!(of(&s.path), Kind::Versioned(..) | Kind::Repeatable(_)))
    },
    chain,
    examples: &[
        Example {
            files: &[
                ("sql/R__view.sql", "CREATE OR REPLACE VIEW v AS SELECT 1;\n"),
                ("sql/R__A_first.sql", "SELECT 1;\n"),
                ("sql/V10__c.sql", "CREATE INDEX CONCURRENTLY ON ${t} (a);\n"),
                ("sql/V2_1__b.sql", "REINDEX TABLE CONCURRENTLY t;\n"),
                ("sql/V2_1__b.sql.conf", "executeInTransaction=false\n"),
                ("sql/V2__a.sql", "CREATE TABLE t (a int);\n"),
                ("sql/U2__a.sql", "DROP TABLE t;\n"),
                ("sql/B1__base.sql", "CREATE TABLE s (a int);\n"),
                ("sql/afterMigrate.sql", "ANALYZE;\n"),
                ("sql/V3__off.sql", "SELECT 1;\n"),
                ("sql/V3__off.sql.conf", "shouldExecute=false\n"),
            ],
            chain: &[
                ("sql/V2__a.sql", Sending::Wrapped),
                ("sql/V2_1__b.sql", Sending::Statements),
                ("sql/V10__c.sql", Sending::Statements),
                ("sql/R__A_first.sql", Sending::Wrapped),
                ("sql/R__view.sql", Sending::Wrapped),
            ],
        },
        Example {
            files: &[
                ("flyway.toml", "[flyway]\ngroup = true\n"),
                ("V1__a.sql", "-- CREATE INDEX CONCURRENTLY\nSELECT 'VACUUM';\n"),
                ("V1.10__c.sql", "SELECT 1;\n"),
                ("V1.2__b.sql", "SELECT 1;\n"),
            ],
            chain: &[
                ("V1__a.sql", Sending::WrappedTogether),
                ("V1.2__b.sql", Sending::WrappedTogether),
                ("V1.10__c.sql", Sending::WrappedTogether),
            ],
        },
    ],
};

/// What a name says.
#[derive(Debug, PartialEq)]
enum Kind {
    /// Its version, part by part.
    Versioned(Vec<u64>),
    /// Its title, by which they are ordered.
    Repeatable(String),
    Other(Role),
}

impl Kind {
    fn of(name: &str) -> Self {
        let stem = name.strip_suffix(".sql").unwrap_or(name);
        let (head, title) = stem.split_once("__").unwrap_or((stem, ""));
        if head == "R" && stem.contains("__") {
            return Kind::Repeatable(title.replace('_', " "));
        }
        let versioned = |prefix| head.strip_prefix(prefix).and_then(version);
        if let Some(version) = versioned('V') {
            return Kind::Versioned(version);
        }
        Kind::Other(if versioned('U').is_some() {
            Role::Outside("an undo script")
        } else if versioned('B').is_some() {
            Role::Outside("a baseline, which only an empty database gets")
        } else if ["before", "after"].iter().any(|event| head.starts_with(event)) {
            Role::Stray("a callback")
        } else {
            Role::Stray("its name is not V1__title.sql or R__title.sql")
        })
    }
}

/// `1.2` and `1_2` are the same version, and so are `1` and `1.0`.
fn version(text: &str) -> Option<Vec<u64>> {
    let parts: Option<Vec<u64>> = text.split(['.', '_']).map(|p| p.parse().ok()).collect();
    let mut parts = parts?;
    while parts.len() > 1 && parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

fn chain(scripts: &[Script]) -> Vec<Migration> {
    let mut steps = Vec::new();
    let mut outside = Vec::new();
    for script in sql_files(scripts) {
        let conf = beside(scripts, script, &format!("{}.conf", name(&script.path)));
        let conf = conf.map_or("", |c| c.text.as_str());
        if setting(conf, "shouldExecute") == Some("false") {
            outside.push(Migration::outside(
                script,
                Role::Outside("its .conf says shouldExecute=false"),
            ));
            continue;
        }
        // Versioned ones have their version, repeatable ones their title, and come after.
        let (key, role) = match Kind::of(name(&script.path)) {
            Kind::Versioned(version) => ((false, version, String::new()), Role::Step),
            Kind::Repeatable(title) => ((true, Vec::new(), title), Role::Repeatable),
            Kind::Other(role) => {
                outside.push(Migration::outside(script, role));
                continue;
            }
        };
        steps.push((key, Migration { role, ..migration(scripts, script, conf) }));
    }
    in_order(steps, outside)
}

fn migration(scripts: &[Script], script: &Script, conf: &str) -> Migration {
    let wrapped = if project(scripts, "group") == Some("true") {
        Sending::WrappedTogether
    } else {
        Sending::Wrapped
    };
    let said = setting(conf, "executeInTransaction");
    let said = said.or(project(scripts, "executeInTransaction").filter(|said| *said == "false"));
    let alone = must_run_alone(&script.text);
    let sending = match said {
        Some("false") => Sending::Statements,
        Some(_) => wrapped,
        None if alone.contains(&true) => Sending::Statements,
        None => wrapped,
    };
    let is_mixed = said.is_none() && alone.contains(&true) && alone.contains(&false);
    let refused = (is_mixed && project(scripts, "mixed") != Some("true"))
        .then_some("it mixes statements that can run in a transaction with some that cannot");
    Migration { refused, ..Migration::whole(script, sending) }
}

/// A setting of the whole project.
fn project<'a>(scripts: &'a [Script], key: &str) -> Option<&'a str> {
    let mut files =
        scripts.iter().filter(|s| matches!(name(&s.path), "flyway.conf" | "flyway.toml"));
    files.find_map(|s| setting(&s.text, key).or_else(|| setting(&s.text, &format!("flyway.{key}"))))
}

/// For each statement, does Flyway see that it cannot run in a transaction?
fn must_run_alone(text: &str) -> Vec<bool> {
    let sql = pieces(text).into_iter().filter(|p| p.kind == PieceKind::Sql);
    sql.map(|piece| {
        let written = text.get(piece.span.start..piece.span.end).unwrap_or("");
        let words = tokens(written).into_iter().filter(|t| t.kind == TokenKind::Word);
        let words: Vec<String> = words
            .take(4)
            .map(|t| written.get(t.start..t.end).unwrap_or("").to_ascii_uppercase())
            .filter(|word| word != "UNIQUE" && word != "VERBOSE")
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        matches!(
            words.as_slice(),
            ["CREATE" | "DROP", "DATABASE" | "TABLESPACE" | "SUBSCRIPTION", ..]
                | ["CREATE" | "DROP", "INDEX", "CONCURRENTLY", ..]
                | ["REINDEX", "SCHEMA" | "DATABASE" | "SYSTEM", ..]
                | ["ALTER", "SYSTEM", ..]
                | ["DISCARD", "ALL", ..]
                | ["VACUUM", ..]
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flyway_sees_some_statements_and_misses_others() {
        let seen = |sql: &str| must_run_alone(sql);
        assert_eq!(seen("create unique index concurrently i on t (a); SELECT 1"), [true, false]);
        assert_eq!(seen("REINDEX (VERBOSE) DATABASE d; VACUUM; DISCARD ALL"), [true; 3]);
        for missed in [
            "REINDEX TABLE CONCURRENTLY t",
            "ALTER TABLE p DETACH PARTITION c CONCURRENTLY",
            "CREATE INDEX concurrently_built ON t (a)",
        ] {
            assert_eq!(seen(missed), [false], "{missed}");
        }
    }

    #[test]
    fn mixed_files_are_refused_unless_allowed() {
        let script = |path: &str, text: &str| Script { path: path.into(), text: text.into() };
        let file = script("V1__a.sql", "CREATE TABLE t (a int); VACUUM t;");
        let refused = |with: &[Script]| {
            let all: Vec<Script> = std::iter::once(&file).chain(with).cloned().collect();
            chain(&all)[0].refused.is_some()
        };
        assert!(refused(&[]));
        assert!(!refused(&[script("flyway.conf", "flyway.mixed=true")]));
        assert!(!refused(&[script("V1__a.sql.conf", "executeInTransaction=false")]));
    }
}
