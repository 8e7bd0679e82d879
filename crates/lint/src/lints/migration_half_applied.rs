//! A migration that its tool has begun and not ended.

use crate::context::{Context, Site};
use crate::users::listed;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};
use pgward_sql::history;

pub(super) static LINT: Lint = Lint {
    id: "migration_half_applied",
    severity: Severity::Error,
    title: "a migration was begun and not ended",
    harm: "the tool runs nothing more until somebody says in its table how far it came; what the \
           migration has done stays, and done again it fails",
    instead: "see which of its statements are done, finish or undo them by hand, then clear the \
              mark as the tool's manual says: migrate force, flyway repair, prisma migrate \
              resolve, or the row of _sqlx_migrations",
    source: "golang-migrate, FAQ, dirty database; Flyway, Repair; Prisma, P3009; sqlx, Dirty",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- file db/1_a.up.sql\nCREATE TABLE a (b int);\n-- file db/2_b.up.sql\n\
                  CREATE TABLE c (d int);\nCREATE INDEX c_d ON c (d);\n",
            catalog: "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO \
                      schema_migrations VALUES (2, true); CREATE TABLE a (b int); CREATE TABLE c \
                      (d int);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "-- file db/V2__b.sql\nCREATE TABLE c (d int);\n",
            catalog: "CREATE TABLE flyway_schema_history (installed_rank int, version text, type \
                      text, checksum int, success boolean); INSERT INTO flyway_schema_history \
                      VALUES (1, '1', 'SQL', 5, false);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "-- file db/2_b.up.sql\nCREATE TABLE c (d int);\n",
            catalog: "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO \
                      schema_migrations VALUES (1, false);",
            finds: &[],
        },
        Example {
            sql: "-- file m/20240101_a/migration.sql\nCREATE TABLE c (d int);\n",
            catalog: "CREATE TABLE _prisma_migrations (migration_name text, checksum text, \
                      finished_at timestamptz, rolled_back_at timestamptz); INSERT INTO \
                      _prisma_migrations VALUES ('20230101_z', 'x', NULL, now());",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let histories = cx.catalog.and_then(|c| c.histories.as_deref()).unwrap_or_default();
    for MigrationHistory { tool, table, migrations } in histories {
        let Some(tool) = history::tool(tool) else { continue };
        for failed in migrations.iter().filter(|m| m.failed) {
            let tells = |s: &&Site| cx.standing.tells(&s.file.path, tool, &failed.version);
            let Some(site) = cx.sites.iter().find(tells) else { continue };
            let version = &failed.version;
            let message = format!(
                "{} has {version} as begun and not ended: it runs nothing more until that is \
                 cleared",
                tool.title
            );
            let claim = format!("{table} marks {version} as failed");
            let evidence = cx.measured(claim, 1.0, "migrations", "the tool's own table");
            let finding = site.catalog_finding(&LINT, Severity::Error, message, evidence);
            let own = tool.version(&site.file.path);
            let is_own = own.is_some_and(|v| history::is_same(&v, version));
            found.push(if is_own { with_progress(cx, site, finding) } else { finding });
        }
    }
}

/// Which statements of the file have left what they make, and which have not.
fn with_progress(cx: &Context, first: &Site, mut finding: Finding) -> Finding {
    let Some(catalog) = cx.catalog else { return finding };
    let (mut done, mut open) = (Vec::new(), Vec::new());
    for site in cx.sites.iter().filter(|s| s.file.path == first.file.path) {
        let seen: Vec<bool> = site.actions.iter().filter_map(|a| is_done(a, catalog)).collect();
        match seen.as_slice() {
            [] => {}
            all if all.iter().all(|d| *d) => {
                done.push(format!("line {}", site.statement.span.line))
            }
            _ => open.push(format!("line {}", site.statement.span.line)),
        }
    }
    for (lines, claim) in [(&done, "what it makes is there"), (&open, "it is not there")] {
        if !lines.is_empty() {
            let n = lines.len() as f64;
            let claim = format!("{}: {claim}", listed(lines));
            let from = "pg_class, pg_attribute, pg_constraint";
            finding = finding.and(cx.measured(claim, n, "statements", from));
        }
    }
    finding
}

/// Does the catalog have what the action leaves? `None` where it does not show.
fn is_done(action: &Action, catalog: &Catalog) -> Option<bool> {
    match action {
        Action::CreateTable(t) => Some(catalog.relation(&t.relation).is_some()),
        Action::CreateIndex(i) if !i.name.is_empty() => {
            let name = Relation::new(i.table.schema.clone(), i.name.clone());
            Some(catalog.index(&name).is_some())
        }
        Action::Drop(d) if d.kind == "table" => {
            Some(d.names.iter().all(|n| catalog.relation(n).is_none()))
        }
        Action::Alter { relation, command, .. } => {
            let table = catalog.relation(relation)?;
            let has_column = |name: &str| table.columns.iter().any(|c| c.name == name);
            match command {
                Alter::AddColumn { column, .. } => Some(has_column(&column.name)),
                Alter::DropColumn { name, .. } => Some(!has_column(name)),
                Alter::AddConstraint(c) if !c.name.is_empty() => {
                    Some(table.constraints.iter().any(|k| k.name == c.name))
                }
                _ => None,
            }
        }
        _ => None,
    }
}
