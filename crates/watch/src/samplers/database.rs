//! Counters of the watched database.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "database", period_s: 1.0, rights: "none", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let rows = eyes.session()?.query(include_str!("../../queries/database.sql"), &[])?;
    let Some(row) = rows.first() else {
        return Err(Error::Sampler {
            sampler: "database",
            why: "pg_stat_database has no row".into(),
        });
    };
    sample.database = Some(DatabaseCounters {
        xact_commit: get(row, 0)?,
        xact_rollback: get(row, 1)?,
        blks_read: get(row, 2)?,
        blks_hit: get(row, 3)?,
        tup_returned: get(row, 4)?,
        tup_updated: get(row, 5)?,
        tup_deleted: get(row, 6)?,
        temp_bytes: get(row, 7)?,
        deadlocks: get(row, 8)?,
        checksum_failures: get(row, 9)?,
        n_backends: get(row, 10)?,
        max_connections: get(row, 11)?,
        blk_read_ms: get(row, 12)?,
        open_connections: get(row, 13)?,
    });
    Ok(())
}
