//! What the database did in each second.

use super::{Column, Holds, Rows, Seen, Series, column, millis};
use jiff::Timestamp;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) static SERIES: Series = Series {
    id: "database",
    about: "what the watched database did in each second (pg_stat_database)",
    columns: COLUMNS,
    order: &["at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "end of the second"),
    column("commits", Holds::Whole, "transactions committed in it"),
    column("rollbacks", Holds::Whole, "transactions rolled back in it"),
    column("blks_read", Holds::Whole, "blocks read from outside shared_buffers in it"),
    column("blks_hit", Holds::Whole, "blocks found in shared_buffers in it"),
    column("blk_read_ms", Holds::Millis, "time spent reading them; NULL: track_io_timing is off"),
    column("tup_returned", Holds::Whole, "rows read in it"),
    column("tup_updated", Holds::Whole, "rows updated in it"),
    column("tup_deleted", Holds::Whole, "rows deleted in it"),
    column("temp_bytes", Holds::Whole, "bytes written to temporary files in it"),
    column("deadlocks", Holds::Whole, "deadlocks in it"),
    column(
        "checksum_failures",
        Holds::Whole,
        "since the statistics were reset; NULL: no checksums",
    ),
    column("n_backends", Holds::Whole, "connections to the server"),
    column("max_connections", Holds::Whole, "the limit of connections"),
    column("open_connections", Holds::Whole, "what ordinary roles may have of it"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) commits: i64,
    pub(crate) rollbacks: i64,
    pub(crate) blks_read: i64,
    pub(crate) blks_hit: i64,
    pub(crate) blk_read_ms: Option<f64>,
    pub(crate) tup_returned: i64,
    pub(crate) tup_updated: i64,
    pub(crate) tup_deleted: i64,
    pub(crate) temp_bytes: i64,
    pub(crate) deadlocks: i64,
    pub(crate) checksum_failures: Option<i64>,
    pub(crate) n_backends: i64,
    pub(crate) max_connections: i64,
    pub(crate) open_connections: Option<i64>,
}

/// The counters of the last sample that had them.
pub(crate) type Before = Option<DatabaseCounters>;

fn take(seen: &mut Seen, sample: &Sample, rows: &mut Rows) {
    let Some(now) = sample.database else { return };
    let Some(before) = seen.database.replace(now) else { return };
    if now.xact_commit < before.xact_commit || now.blks_hit < before.blks_hit {
        return; // statistics were reset: what happened since the last second is not known
    }
    let row = Row {
        at: sample.at,
        commits: now.xact_commit - before.xact_commit,
        rollbacks: now.xact_rollback - before.xact_rollback,
        blks_read: now.blks_read - before.blks_read,
        blks_hit: now.blks_hit - before.blks_hit,
        blk_read_ms: now.blk_read_ms.zip(before.blk_read_ms).map(|(n, b)| millis(n - b)),
        tup_returned: now.tup_returned - before.tup_returned,
        tup_updated: now.tup_updated - before.tup_updated,
        tup_deleted: now.tup_deleted - before.tup_deleted,
        temp_bytes: now.temp_bytes - before.temp_bytes,
        deadlocks: now.deadlocks - before.deadlocks,
        checksum_failures: now.checksum_failures,
        n_backends: now.n_backends,
        max_connections: now.max_connections,
        open_connections: now.open_connections,
    };
    rows.push(&SERIES, &row);
}
