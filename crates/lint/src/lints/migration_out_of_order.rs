//! A new migration that sorts before one that is there.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::history::{self, Late, Tool};

pub(super) static LINT: Lint = Lint {
    id: "migration_out_of_order",
    severity: Severity::Error,
    title: "a new migration sorts before one that is applied",
    harm: "golang-migrate never runs it and says nothing; Flyway, goose and refinery refuse to run \
           at all; the others run it after those it stands before, so that a new database gets \
           another order than production",
    instead: "give it a version after the last one",
    source: "golang-migrate, MIGRATIONS.md; Flyway, outOfOrder; goose, -allow-missing",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- file 2_b.sql\nCREATE TABLE c (d int);\n-- file 3_c.sql\n\
                  CREATE TABLE e (f int);\n",
            catalog: "CREATE TABLE goose_db_version (id int, version_id bigint, is_applied \
                      boolean); INSERT INTO goose_db_version VALUES (1, 0, true), (2, 3, true);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "-- file 2_b.sql\nCREATE TABLE c (d int);\n-- file 3_c.sql\n\
                  CREATE TABLE e (f int);\n",
            catalog: "CREATE TABLE _sqlx_migrations (version bigint, success boolean, checksum \
                      bytea); INSERT INTO _sqlx_migrations VALUES (3, true, 'x');",
            finds: &[Severity::Note],
        },
        Example {
            sql: "-- file 3_c.sql\nCREATE TABLE c (d int);\n-- file 4_d.sql\n\
                  CREATE TABLE e (f int);\n",
            catalog: "CREATE TABLE goose_db_version (id int, version_id bigint, is_applied \
                      boolean); INSERT INTO goose_db_version VALUES (1, 0, true), (2, 3, true);",
            finds: &[],
        },
        Example {
            sql: "-- file 2_b.sql\nCREATE TABLE c (d int);\n",
            catalog: "CREATE TABLE goose_db_version (id int, version_id bigint, is_applied \
                      boolean); INSERT INTO goose_db_version VALUES (1, 0, true), (2, 3, true);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        let Some(site) = cx.sites.iter().find(|s| s.file.path == file.path) else { continue };
        let added = cx.options.git.as_ref().filter(|git| git.added.contains(&file.path));
        match (cx.standing.tool(), added) {
            (Some((tool, table)), _) => {
                // golang-migrate keeps no list: only git tells which of its files is new.
                let is_new = cx.standing.is_applied(&file.path) == Some(false)
                    || tool.late == Late::Skipped && added.is_some();
                if is_new && let Some(newest) = cx.standing.applied_after(&file.path) {
                    found.push(by_table(cx, site, tool, table, newest));
                }
            }
            (None, Some(git)) => {
                let Some(last) = cx.standing.older_after(&file.path) else { continue };
                let tool = file.framework.as_deref().and_then(history::tool);
                found.push(by_git(site, tool, last, &git.revision));
            }
            (None, None) => {}
        }
    }
}

fn by_table(cx: &Context, site: &Site, tool: &Tool, table: &Relation, newest: &str) -> Finding {
    let severity = match tool.late {
        Late::Refused | Late::Skipped => Severity::Error,
        Late::Runs => Severity::Note,
    };
    let claim = format!("{table} has {newest} as applied");
    let evidence = cx.measured(claim, 1.0, "migrations", "the tool's own table");
    let message = format!("it stands before {newest}, which is applied: {}", fate(Some(tool)));
    site.catalog_finding(&LINT, severity, message, evidence)
}

/// Where the later file is applied is not known, only that it was there first.
fn by_git(site: &Site, tool: Option<&Tool>, last: &str, revision: &str) -> Finding {
    let severity = match tool.map(|t| t.late) {
        Some(Late::Refused | Late::Skipped) => Severity::Warning,
        Some(Late::Runs) | None => Severity::Note,
    };
    let message =
        format!("new since {revision}, and stands before {last}, which was there: {}", fate(tool));
    site.finding(&LINT, severity, message)
}

fn fate(tool: Option<&Tool>) -> String {
    match tool.map(|t| (t.late, t.title)) {
        Some((Late::Refused, title)) => format!("{title} refuses to run"),
        Some((Late::Skipped, title)) => format!("{title} never runs it"),
        Some((Late::Runs, title)) => format!("{title} runs it out of its order"),
        None => "where that has run, it comes out of its order or not at all".to_owned(),
    }
}
