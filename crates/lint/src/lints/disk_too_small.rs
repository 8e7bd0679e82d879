//! The disk does not hold what the statement writes.

use crate::context::{Context, Site};
use crate::weight::{self, Written};
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "disk_too_small",
    severity: Severity::Error,
    title: "the disk does not hold what the statement writes",
    harm: "the old table and its indexes stay until the commit, the new ones stand beside them; \
           when the data's disk is full the statement fails, when that of pg_wal is full the \
           server stops",
    instead: "make room first (drop what is not needed, a slot that nobody reads, a larger disk), \
              or fill a new column in batches instead of writing the table anew",
    source: "ALTER TABLE, Notes; Write-Ahead Logging, WAL Configuration",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int); UPDATE pg_class SET relpages = 2147483647, \
                      reltuples = 1000000000000 WHERE relname = 't';",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY ON t (a);",
            catalog: "CREATE TABLE t (a int); UPDATE pg_class SET relpages = 2147483647, \
                      reltuples = 1000000000000 WHERE relname = 't';",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN b bigint;",
            catalog: "CREATE TABLE t (a int); UPDATE pg_class SET relpages = 2147483647, \
                      reltuples = 1000000000000 WHERE relname = 't';",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int); ANALYZE t;",
            finds: &[],
        },
        Example { sql: "VACUUM FULL t;", catalog: "", finds: &[] },
    ],
    check,
};

/// TOAST, sort files and what others write meanwhile are not counted.
const TIGHT: f64 = 0.8;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(conditions) = cx.conditions() else { return };
    let Some(disk) = &conditions.disk else { return };
    for site in &cx.sites {
        let written = weight::written(cx, site);
        let Some(most) = written.first().filter(|w| w.bytes > 0.0) else { continue };
        if written.iter().any(|w| disk.elsewhere.iter().any(|e| e.same_as(&w.relation))) {
            continue;
        }
        let data = weight::written_so_far(cx, site);
        let wal = kept_wal(conditions, data);
        let (wal_here, wal_apart) =
            if disk.wal_free_bytes.is_some() { (0.0, wal) } else { (wal, 0.0) };
        let rooms = [
            ("the data directory", data + wal_here, disk.data_free_bytes),
            ("pg_wal", wal_apart, disk.wal_free_bytes.unwrap_or(f64::INFINITY)),
        ];
        let tightest = rooms.into_iter().max_by(|a, b| (a.1 / a.2).total_cmp(&(b.1 / b.2)));
        if let Some((place, need, free)) = tightest.filter(|r| r.1 > TIGHT * r.2) {
            found.push(finding(cx, site, most, (place, need, free), wal));
        }
    }
}

/// WAL of that change which a slot that nobody reads keeps on the disk.
fn kept_wal(conditions: &Conditions, data: f64) -> f64 {
    let Some(limits) = conditions.limits.as_ref().filter(|l| l.wal_level != "minimal") else {
        return 0.0;
    };
    let idle = conditions.slots.iter().flatten().filter(|s| !s.active && s.restart_lsn.is_some());
    let kept = idle.map(|slot| match limits.slot_wal_bytes_max {
        Some(most) => (most - slot.retained_bytes).clamp(0.0, data),
        None => data,
    });
    kept.fold(0.0, f64::max)
}

fn finding(
    cx: &Context,
    site: &Site,
    most: &Written,
    (place, need, free): (&str, f64, f64),
    wal: f64,
) -> Finding {
    let severity = if need > free { Severity::Error } else { Severity::Warning };
    let name = &most.relation;
    let message = format!(
        "this writes at least {} for {name}, and {} are free on the disk of {place}",
        human_bytes(need),
        human_bytes(free)
    );
    let claim = format!("{} are free on the disk of {place}", human_bytes(free));
    let source = Source::new(SourceKind::Probe, "statvfs");
    let mut room = Evidence::measured(claim, free, "bytes", source).against(need);
    room.at = cx.catalog.map(|c| c.taken_at);
    let claim = format!("{name} and the indexes that are built take {}", human_bytes(most.bytes));
    let size = cx.measured(claim, most.bytes, "bytes", "pg_class.relpages");
    let finding = site.catalog_finding(&LINT, severity, message, room).and(size);
    if wal == 0.0 {
        return finding;
    }
    let claim = format!("as much WAL, {}, is kept for a slot that nobody reads", human_bytes(wal));
    finding.and(cx.measured(claim, wal, "bytes", "pg_replication_slots"))
}
