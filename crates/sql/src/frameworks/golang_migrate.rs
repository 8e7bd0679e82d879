//! golang-migrate: `N_title.up.sql`, each sent as one query.

use super::{Example, Framework, Migration, Role, Script, Sending, chain_of, name, number, sqlx};

/// Assumes the driver's default, `x-multi-statement=false`: with it on, a file is cut at every
/// semicolon and sent statement by statement.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "golang_migrate",
    title: "golang-migrate",
    source: "golang-migrate, MIGRATIONS.md and database/postgres/README.md",
    no_transaction: "put it into a file of its own, with nothing else in it",
    placeholders: &[],
    recognises: |scripts| {
        !sqlx::is_marked(scripts) && scripts.iter().any(|s| version_up(s).is_ok())
    },
    chain: |scripts| {
        chain_of(scripts, |s| Ok((version_up(s)?, Migration::whole(s, Sending::OneQuery))))
    },
    examples: &[
        Example {
            files: &[
                ("db/10_index.up.sql", "CREATE INDEX CONCURRENTLY i ON t (a);\n"),
                ("db/10_index.down.sql", "DROP INDEX i;\n"),
                ("db/2_init.up.sql", "CREATE TABLE t (a int);\nCREATE TABLE u (a int);\n"),
                ("db/2_init.down.sql", "DROP TABLE u; DROP TABLE t;\n"),
                ("db/seed.sql", "INSERT INTO t VALUES (1);\n"),
            ],
            chain: &[
                ("db/2_init.up.sql", Sending::OneQuery),
                ("db/10_index.up.sql", Sending::OneQuery),
            ],
        },
        Example {
            // Markers of other tools are comments to this one.
            files: &[(
                "000001_a.up.sql",
                "CREATE TABLE t (a int);\n-- no-transaction\nSELECT '-- migrate:down';\n",
            )],
            chain: &[("000001_a.up.sql", Sending::OneQuery)],
        },
    ],
};

fn version_up(script: &Script) -> Result<u64, Role> {
    let name = name(&script.path);
    if name.ends_with(".down.sql") {
        return Err(Role::Outside("a down script"));
    }
    let version = name.ends_with(".up.sql").then(|| number(name));
    version.flatten().ok_or(Role::Stray("its name is not VERSION_TITLE.up.sql"))
}
