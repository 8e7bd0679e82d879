//! A migration that is applied, and is another now.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::history::{self, Tool};

pub(super) static LINT: Lint = Lint {
    id: "migration_edited",
    severity: Severity::Error,
    title: "a migration was edited after it had run",
    harm: "where it has run it does not run again: databases that are set up from now on differ \
           from production; tools that keep checksums refuse to run at all",
    instead: "take the edit back, and put it into a new migration",
    source: "Flyway, Validate; sqlx, VersionMismatch; Prisma, migrate deploy",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- file m/1_a/migration.sql\nCREATE TABLE a (b int);\n",
            catalog: "CREATE TABLE _prisma_migrations (migration_name text, checksum text, \
                      finished_at timestamptz, rolled_back_at timestamptz); INSERT INTO \
                      _prisma_migrations VALUES ('1_a', 'e3b0c442', now(), NULL);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "-- file m/V1__a.sql\nCREATE TABLE a (b int);\n",
            catalog: "CREATE TABLE flyway_schema_history (installed_rank int, version text, type \
                      text, checksum int, success boolean); INSERT INTO flyway_schema_history \
                      VALUES (1, '1', 'SQL', 5, true);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "-- file m/1_a/migration.sql\nCREATE TABLE a (b int);\n",
            catalog: "CREATE TABLE _prisma_migrations (migration_name text, checksum text, \
                      finished_at timestamptz, rolled_back_at timestamptz); INSERT INTO \
                      _prisma_migrations VALUES ('1_a', encode(sha256(convert_to('CREATE TABLE a \
                      (b int);' || chr(10), 'UTF8')), 'hex'), now(), NULL);",
            finds: &[],
        },
        Example {
            sql: "-- file 1_a.up.sql\nCREATE TABLE a (b int);\n",
            catalog: "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO \
                      schema_migrations VALUES (1, false);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        let Some(site) = cx.sites.iter().find(|s| s.file.path == file.path) else { continue };
        let applied = cx.standing.is_applied(&file.path);
        let edited = cx.options.git.as_ref().filter(|git| git.edited.contains(&file.path));
        if let Some(finding) = by_checksum(cx, site) {
            found.push(finding);
        } else if let Some(git) = edited
            && applied != Some(false)
            && runs_once(cx, file)
        {
            let message = match applied {
                Some(true) => format!("it is applied, and edited since {}", git.revision),
                _ => format!(
                    "it was there at {} and is edited since: where it has run it does not run again",
                    git.revision
                ),
            };
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}

/// The tool keeps a checksum of the file as it was.
fn by_checksum(cx: &Context, site: &Site) -> Option<Finding> {
    let (tool, table) = cx.standing.tool()?;
    let (applied, sum) = (cx.standing.applied(&site.file.path)?, tool.checksum?);
    let was = applied.checksum.as_deref().filter(|_| !applied.failed)?;
    // Files come from Windows and go to Linux with other line ends: the same to git, not to them.
    let now = sum(&site.file.text);
    let unix = sum(&site.file.text.replace("\r\n", "\n"));
    let dos = sum(&site.file.text.replace("\r\n", "\n").replace('\n', "\r\n"));
    if [&now, &unix, &dos].iter().any(|s| s.eq_ignore_ascii_case(was)) {
        return None;
    }
    let claim = format!("{table} has checksum {was} of it, and the file has {now}");
    let evidence = cx.measured(claim, 1.0, "migrations", "the tool's own table");
    let message = format!("{} is applied with another text: {}", applied.version, refusal(tool));
    Some(site.catalog_finding(&LINT, Severity::Error, message, evidence))
}

fn refusal(tool: &Tool) -> String {
    match tool.id {
        // It warns, and goes on.
        "prisma" => "migrate dev wants to reset the database, migrate deploy leaves it".to_owned(),
        _ => format!("{} refuses to run", tool.title),
    }
}

/// A file that a tool runs again when it changes has no version.
fn runs_once(cx: &Context, file: &ChangeFile) -> bool {
    cx.standing.version(&file.path).is_some() || history::version(&file.path).is_some()
}
