//! Production has another schema than its applied migrations leave.

use crate::context::Context;
use crate::standing::Standing;
use crate::users::listed;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::Chain;

pub(super) static LINT: Lint = Lint {
    id: "schema_drift",
    severity: Severity::Warning,
    title: "production differs from what its applied migrations leave",
    harm: "somebody changed it past the migrations: what the next one builds on is not there, or \
           is there twice, and databases set up from the files are others",
    instead: "find out who needs the difference, then write the migration that makes it, or takes \
              it back, so that the files tell the truth again",
    source: "Flyway, Drift; Prisma, migrate diff",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- file db/1_a.up.sql\nCREATE TABLE a (b int, c int);\nCREATE INDEX a_b ON a \
                  (b);\n-- file db/2_d.up.sql\nCREATE TABLE d (e int);\n",
            catalog: "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO \
                      schema_migrations VALUES (2, false); CREATE TABLE a (b int, hotfix int);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- file db/1_a.up.sql\nCREATE TABLE a (b int, c int);\nCREATE INDEX ON a (b);\n\
                  -- file db/2_d.up.sql\nALTER TABLE a DROP COLUMN c;\n",
            catalog: "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO \
                      schema_migrations VALUES (2, false); CREATE TABLE a (b int); CREATE INDEX ON \
                      a (b);",
            finds: &[],
        },
        // Variables have values, and what is rolled back or only maybe made is not missed.
        Example {
            sql: "-- file db/1_a.up.sql\n\\set t orders\nCREATE TABLE :t (b int);\nBEGIN;\nCREATE \
                  TABLE gone (b int);\nROLLBACK;\nDO $$ BEGIN IF current_database() = 'dev' THEN \
                  CREATE TABLE dev_only (b int); END IF; END $$;\n",
            catalog: "CREATE SCHEMA app; CREATE TABLE schema_migrations (version bigint, dirty \
                      boolean); INSERT INTO schema_migrations VALUES (1, false); CREATE TABLE \
                      orders (b int);",
            finds: &[],
        },
        // The second is still to come.
        Example {
            sql: "-- file db/1_a.up.sql\nCREATE TABLE a (b int);\n-- file db/2_d.up.sql\nALTER \
                  TABLE a ADD COLUMN c int;\n",
            catalog: "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO \
                      schema_migrations VALUES (1, false); CREATE TABLE a (b int);",
            finds: &[],
        },
        // What a block made is not known.
        Example {
            sql: "-- file db/1_a.up.sql\nDO $$ BEGIN EXECUTE current_setting('app.ddl'); END $$;\n\
                  CREATE TABLE a (b int);\n",
            catalog: "CREATE TABLE schema_migrations (version bigint, dirty boolean); INSERT INTO \
                      schema_migrations VALUES (1, false); CREATE TABLE a (b int, c int);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some((live, last)) = cx.standing.last_applied().filter(|_| !cx.options.partial) else {
        return;
    };
    let Some(site) = cx.sites.iter().find(|s| s.file.path == last) else { return };
    // A file that is gone, or a statement that is not understood, may have done anything.
    let Some(expected) = expected(cx, live).filter(Chain::is_whole) else { return };
    let differences = differences(&expected, live);
    if differences.is_empty() {
        return;
    }
    let n = differences.len() as f64;
    let message =
        format!("production is not as its applied migrations leave it: {}", listed(&differences));
    let claim = "differences between the files that are applied and the catalog".to_owned();
    let evidence = cx.measured(claim, n, "differences", "pg_class, pg_attribute, pg_index");
    found.push(site.catalog_finding(&LINT, Severity::Warning, message, evidence));
}

/// What the files that are applied leave in an empty database, whose names are looked for where
/// the tool's own table lies.
fn expected(cx: &Context, live: &Catalog) -> Option<Chain> {
    let (tool, table) = cx.standing.tool()?;
    if tool.id == "flyway" {
        return None; // its table has migrations in Java too, which no file shows
    }
    let mut empty = Catalog::new(live.taken_at, live.server_version, &live.database);
    empty.search_path.clone_from(&live.search_path);
    if !table.schema.is_empty() && !empty.search_path.contains(&table.schema) {
        empty.search_path.insert(0, table.schema.clone());
    }
    let mut chain = Chain::new(Some(&empty));
    let nothing = Standing::default();
    for file in cx.standing.all_applied()? {
        chain.begin_file();
        Context::new(std::slice::from_ref(file), &[], None, &mut chain, cx.options, &nothing);
    }
    chain.begin_file();
    Some(chain)
}

/// What is missing, and columns that no file made. Partitions come and go with their rows, and
/// what lies in another schema was made by a session with another path.
fn differences(expected: &Chain, live: &Catalog) -> Vec<String> {
    let mut found = Vec::new();
    for table in &expected.catalog().relations {
        let name = &table.relation;
        if expected.doubts(&name.name) || table.partition.is_some() {
            continue;
        }
        let Some(there) = live.relation(name) else {
            if live.relations.iter().all(|r| r.relation.name != name.name) {
                found.push(format!("table {name} is not there"));
            }
            continue;
        };
        // Without columns it was made by a query.
        if !table.columns.is_empty() {
            let lacks = columns_beyond(table, there);
            found.extend(lacks.map(|c| format!("column {name}.{c} is not there")));
            let more = columns_beyond(there, table);
            found.extend(more.map(|c| format!("column {name}.{c} is in no migration")));
        }
        // PostgreSQL writes an expression in its own words, and names after it.
        let is_plain = |i: &IndexInfo| !i.columns.iter().any(|c| c.contains('('));
        let lacks = table.indexes.iter().filter(|i| {
            !i.name.is_empty()
                && is_plain(i)
                && !expected.doubts(&i.name)
                && there.indexes.iter().all(|t| t.name != i.name && t.columns != i.columns)
        });
        found.extend(lacks.map(|i| format!("index {} of {name} is not there", i.name)));
    }
    found
}

/// Columns of the one that the other has not.
fn columns_beyond<'a>(
    one: &'a RelationInfo,
    other: &'a RelationInfo,
) -> impl Iterator<Item = &'a str> {
    let has = |name: &str| other.columns.iter().any(|c| c.name == name);
    one.columns.iter().map(|c| c.name.as_str()).filter(move |name| !has(name))
}
