//! Reads what migration tools keep of what they have carried out in a database.

use crate::error::Error;
use crate::session::{Session, get};
use pgward_model::prelude::*;

/// Tables of this name, and whose they are by a column; what is read of them: version, checksum,
/// whether it has failed.
struct Kept {
    tool: &'static str,
    table: &'static str,
    /// Tells it from another tool's table of the same name.
    column: &'static str,
    /// `:table` stands for the table.
    sql: &'static str,
}

/// The first that fits is it.
const KEPT: &[Kept] = &[
    Kept {
        tool: "golang_migrate",
        table: "schema_migrations",
        column: "dirty",
        sql: "SELECT version::text, NULL::text, dirty FROM :table",
    },
    Kept {
        tool: "dbmate", // Rails keeps the same
        table: "schema_migrations",
        column: "version",
        sql: "SELECT version::text, NULL::text, false FROM :table",
    },
    Kept {
        tool: "flyway",
        table: "flyway_schema_history",
        column: "installed_rank",
        sql: "SELECT version::text, checksum::text, NOT success FROM :table
              WHERE version IS NOT NULL AND type = 'SQL'",
    },
    Kept {
        tool: "sqlx",
        table: "_sqlx_migrations",
        column: "success",
        sql: "SELECT version::text, pg_catalog.encode(checksum, 'hex'), NOT success FROM :table",
    },
    Kept {
        tool: "prisma",
        table: "_prisma_migrations",
        column: "migration_name",
        sql: "SELECT migration_name::text, checksum::text, finished_at IS NULL FROM :table
              WHERE rolled_back_at IS NULL",
    },
    Kept {
        tool: "goose",
        table: "goose_db_version",
        column: "version_id",
        sql: "SELECT version_id::text, NULL::text, false FROM (
                  SELECT DISTINCT ON (version_id) version_id, is_applied FROM :table
                  ORDER BY version_id, id DESC
              ) AS last WHERE is_applied AND version_id > 0",
    },
    Kept {
        tool: "refinery",
        table: "refinery_schema_history",
        column: "version",
        sql: "SELECT version::text, NULL::text, false FROM :table",
    },
    Kept {
        tool: "diesel",
        table: "__diesel_schema_migrations",
        column: "version",
        sql: "SELECT version::text, NULL::text, false FROM :table",
    },
];

/// Tables of one database; a schema for each tenant has one in each.
const TABLES_MAX: i64 = 50;

/// What each tool's table says, as far as this role may read it.
///
/// # Errors
/// [`Error::Query`], among others 55P03 while a tool holds its table.
pub fn read(session: &Session) -> Result<Vec<MigrationHistory>, Error> {
    let names: Vec<&str> = KEPT.iter().map(|k| k.table).collect();
    let tables = session.query(
        "SELECT n.nspname::text, c.relname::text, pg_catalog.array_agg(a.attname::text)
         FROM pg_catalog.pg_class c
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             AND NOT a.attisdropped
         WHERE c.relkind IN ('r', 'p') AND c.relname = ANY ($1)
             AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
             AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
         GROUP BY n.nspname, c.relname ORDER BY 1, 2 LIMIT $2",
        &[&names, &TABLES_MAX],
    )?;
    let mut histories = Vec::new();
    for row in &tables {
        let table = Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?);
        let columns: Vec<String> = get(row, 2)?;
        let own = |k: &&Kept| k.table == table.name && columns.iter().any(|c| c == k.column);
        let Some(kept) = KEPT.iter().find(own) else { continue };
        let sql = kept.sql.replace(":table", &table.quoted());
        let rows = session.query(&format!("{sql} LIMIT 20000"), &[])?;
        let migration = |row| {
            Ok(AppliedMigration {
                version: get(row, 0)?,
                checksum: get(row, 1)?,
                failed: get(row, 2)?,
            })
        };
        let migrations = rows.iter().map(migration).collect::<Result<_, Error>>()?;
        histories.push(MigrationHistory { tool: kept.tool.to_owned(), table, migrations });
    }
    Ok(histories)
}
