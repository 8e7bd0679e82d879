//! WAL, archiver and slots.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "wal", period_s: 2.0, rights: "pg_monitor", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let rows = eyes.session()?.query(include_str!("../../queries/wal.sql"), &[])?;
    let Some(row) = rows.first() else { return Ok(()) };
    sample.wal = Some(WalCounters {
        lsn: get::<Option<String>>(row, 0)?.unwrap_or_default(),
        lsn_bytes: get::<Option<f64>>(row, 1)?.unwrap_or(0.0),
        archived: get(row, 2)?,
        archive_failed: get(row, 3)?,
        last_archived: get(row, 4)?,
        slot_retained_bytes: get(row, 5)?,
    });
    Ok(())
}
