//! Another migration tool is at work on the database.

use crate::context::{Context, Site};
use crate::transaction::is_concurrent;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "second_runner",
    severity: Severity::Warning,
    title: "another migration tool is at work on the database",
    harm: "two at once run a migration twice or wait for each other; and CONCURRENTLY waits \
           without end for a tool that keeps its lock in an open transaction",
    instead: "wait until it is through; if nobody runs it any more, end its session, which gives \
              the lock back",
    source: "Explicit Locking, Advisory Locks; CREATE INDEX, Building Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int; ALTER TABLE t ADD COLUMN c int;",
            catalog: "CREATE TABLE t (a int); -- another session: SELECT \
                      pg_advisory_lock(72707369);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY ON t (a);",
            catalog: "CREATE TABLE t (a int); -- another session: BEGIN; SELECT \
                      pg_advisory_xact_lock(77431708279161 - 123456789);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int); -- another session: SELECT pg_advisory_lock(42);",
            finds: &[],
        },
        Example {
            sql: "SELECT 1;",
            catalog: "CREATE TABLE t (a int); -- another session: SELECT \
                      pg_advisory_lock(72707369);",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ADD COLUMN b int;", catalog: "", finds: &[] },
    ],
    check,
};

/// Keys that are one number. Sources: each tool's own code.
const KEYS: &[(&str, i64)] =
    &[("Prisma", 72_707_369), ("Sqitch", 75_474_063), ("goose", 5_887_940_537_704_921_958)];
/// Flyway adds the 32-bit hash of its table's name to the letters of its own.
const FLYWAY: i64 = 0x466C_7977_6179;
/// Rails, golang-migrate and sqlx multiply the CRC-32 of a name by a number of their own.
const RAILS: i64 = 2_053_462_845;
const GOLANG_MIGRATE: u32 = 1_486_364_155;
const SQLX: i64 = 0x3d32_ad9e;

/// Tables in which tools keep what has run; who writes one in an open transaction is at work.
const TABLES: &[&str] = &[
    "__diesel_schema_migrations",
    "_prisma_migrations",
    "_sqlx_migrations",
    "alembic_version",
    "atlas_schema_revisions",
    "databasechangelog",
    "databasechangeloglock",
    "django_migrations",
    "flyway_schema_history",
    "goose_db_version",
    "knex_migrations",
    "knex_migrations_lock",
    "refinery_schema_history",
    "schema_migrations",
];

/// A tool that is seen, by its lock or by its table.
struct Runner {
    message: String,
    evidence: Evidence,
    pid: Pid,
}

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(conditions) = cx.conditions() else { return };
    let Some(site) = cx.sites.iter().find(|s| s.statement.kind == StatementKind::Ddl) else {
        return;
    };
    let by_lock = conditions.advisory.iter().flatten().find_map(|l| by_lock(cx, l));
    let by_table = || conditions.transactions.iter().flatten().find_map(|t| by_table(cx, t));
    let Some(runner) = by_lock.or_else(by_table) else { return };
    let waits = cx.sites.iter().find(|s| s.actions.iter().any(is_concurrent));
    let at: &Site = waits.unwrap_or(site);
    let advice = format!("{}: SELECT pg_terminate_backend({});", LINT.instead, runner.pid);
    found.push(
        at.catalog_finding(&LINT, Severity::Warning, runner.message, runner.evidence)
            .fix(advice, None),
    );
}

fn by_lock(cx: &Context, lock: &AdvisoryLock) -> Option<Runner> {
    let database = cx.catalog.map_or("", |c| c.database.as_str());
    let tool = tool_of(lock.key, database)?;
    let AdvisoryLock { pid, role, application, key, in_transaction } = lock;
    let held = match in_transaction {
        Some(true) => " in an open transaction",
        _ => "",
    };
    let message =
        format!("{tool} is at work: pid {pid} ({role}, {application}) holds its lock{held}");
    let claim = format!("pid {pid} holds advisory lock {key}, that of {tool}");
    let evidence = cx.measured(claim, 1.0, "locks", "pg_locks");
    Some(Runner { message, evidence, pid: *pid })
}

fn by_table(cx: &Context, transaction: &OpenTransaction) -> Option<Runner> {
    let is_its = |l: &&TableLock| {
        l.mode >= LockMode::RowExclusive && TABLES.contains(&l.relation.name.as_str())
    };
    let lock = transaction.locks.iter().find(is_its)?;
    let OpenTransaction { pid, role, application, age_s, .. } = transaction;
    let table = &lock.relation;
    let message =
        format!("a migration is at work: pid {pid} ({role}, {application}) writes {table}");
    let claim = format!("pid {pid} holds {} on {table} for {}", lock.mode, human_duration(*age_s));
    let evidence = cx.measured(claim, *age_s, "s", "pg_locks, pg_stat_activity");
    Some(Runner { message, evidence, pid: *pid })
}

/// Whose advisory lock that is, in a database of that name.
fn tool_of(key: i64, database: &str) -> Option<&'static str> {
    if let Some((tool, _)) = KEYS.iter().find(|(_, k)| *k == key) {
        return Some(tool);
    }
    if key.abs_diff(FLYWAY) <= 1 << 31 {
        return Some("Flyway");
    }
    let name = i64::from(crc32(database));
    if key == RAILS * name {
        return Some("Rails");
    }
    if key == SQLX * name {
        return Some("sqlx");
    }
    let named = ["", "public\0schema_migrations\0"].map(|before| format!("{before}{database}"));
    let is_golang = |n: &String| key == i64::from(crc32(n).wrapping_mul(GOLANG_MIGRATE));
    named.iter().any(is_golang).then_some("golang-migrate")
}

/// As zlib and Go's `crc32.ChecksumIEEE` have it.
fn crc32(text: &str) -> u32 {
    crc32fast::hash(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{crc32, tool_of};

    #[test]
    fn locks_are_known_by_their_keys() {
        assert_eq!(crc32("123456789"), 0xCBF4_3926);
        assert_eq!(tool_of(2_053_462_845 * i64::from(crc32("shop")), "shop"), Some("Rails"));
        assert_eq!(tool_of(0x3d32_ad9e * i64::from(crc32("shop")), "shop"), Some("sqlx"));
        assert_eq!(tool_of(0x3d32_ad9e * i64::from(crc32("shop")), "other"), None);
        assert_eq!(tool_of(0x466C_7977_6179 - 1_000_000_007, "shop"), Some("Flyway"));
        assert_eq!(tool_of(7, "shop"), None);
        assert_eq!(tool_of(i64::MIN, "shop"), None);
    }
}
