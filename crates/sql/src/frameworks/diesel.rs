//! Diesel: `VERSION_title/up.sql`, each in a transaction unless `metadata.toml` says no.

use super::{Example, Framework, Migration, Role, Script, Sending};
use super::{beside, chain_of, folder, name, setting};

pub(super) static FRAMEWORK: Framework = Framework {
    id: "diesel",
    title: "Diesel migrations",
    source: "diesel_migrations, documentation of `FileBasedMigrations`",
    no_transaction: "put it into a migration of its own, with `run_in_transaction = false` in the \
                     metadata.toml beside its up.sql",
    placeholders: &[],
    recognises: |scripts| scripts.iter().any(|s| version_up(s).is_ok()),
    chain: |scripts| {
        chain_of(scripts, |s| Ok((version_up(s)?, Migration::whole(s, sending(scripts, s)))))
    },
    examples: &[
        Example {
            files: &[
                ("m/2024-01-02-000000_b/up.sql", "CREATE INDEX CONCURRENTLY i ON t (a);\n"),
                ("m/2024-01-02-000000_b/down.sql", "DROP INDEX i;\n"),
                ("m/2024-01-02-000000_b/metadata.toml", "run_in_transaction = false\n"),
                ("m/00000000000000_diesel_initial_setup/up.sql", "CREATE FUNCTION f();\n"),
                ("m/20240101000000_a/up.sql", "CREATE TABLE t (a int);\n"),
                ("m/20240101000000_a/metadata.toml", "# x\nrun_in_transaction = true\n"),
            ],
            chain: &[
                ("m/00000000000000_diesel_initial_setup/up.sql", Sending::Wrapped),
                ("m/20240101000000_a/up.sql", Sending::Wrapped),
                ("m/2024-01-02-000000_b/up.sql", Sending::OneQuery),
            ],
        },
        Example {
            // Versions are compared as text.
            files: &[("2_b/up.sql", "SELECT 2;\n"), ("10_a/up.sql", "SELECT 10;\n")],
            chain: &[("10_a/up.sql", Sending::Wrapped), ("2_b/up.sql", Sending::Wrapped)],
        },
    ],
};

/// The folder's name up to its first `_`, without dashes.
fn version_up(script: &Script) -> Result<String, Role> {
    match name(&script.path) {
        "up.sql" => {}
        "down.sql" => return Err(Role::Outside("a down script")),
        _ => return Err(Role::Stray("not the up.sql of a migration")),
    }
    let folder = name(folder(&script.path));
    let version = folder.split('_').next().unwrap_or("").replace('-', "");
    if version.starts_with(|c: char| c.is_ascii_digit()) {
        Ok(version)
    } else {
        Err(Role::Stray("its folder's name does not begin with a version"))
    }
}

/// A `metadata.toml` that does not name the key means false, as its field's default is.
fn sending(scripts: &[Script], script: &Script) -> Sending {
    match beside(scripts, script, "metadata.toml") {
        Some(metadata) if setting(&metadata.text, "run_in_transaction") != Some("true") => {
            Sending::OneQuery
        }
        _ => Sending::Wrapped,
    }
}
