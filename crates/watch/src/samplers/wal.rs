//! WAL, archiver, slots and checkpoints.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::{Session, get};

pub(super) static SAMPLER: Sampler =
    Sampler { id: "wal", period_s: 2.0, rights: "pg_monitor", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let rows = session.query(include_str!("../../queries/wal.sql"), &[])?;
    let Some(row) = rows.first() else { return Ok(()) };
    let slots = pgward_pg::conditions::slots(session)?;
    let mut wal = WalCounters {
        lsn: get::<Option<String>>(row, 0)?.unwrap_or_default(),
        lsn_bytes: get::<Option<f64>>(row, 1)?.unwrap_or(0.0),
        archived: get(row, 2)?,
        archive_failed: get(row, 3)?,
        last_archived: get(row, 4)?,
        last_failed: get(row, 5)?,
        archives: get(row, 6)?,
        wal_bytes_max: get(row, 7)?,
        slot_retained_bytes: slots.iter().map(|s| s.retained_bytes).reduce(f64::max),
        slots,
        ..WalCounters::default()
    };
    checkpoints(session, &mut wal)?;
    let files = session.query(include_str!("../../queries/wal_files.sql"), &[]);
    let seen = files.as_ref().ok().and_then(|rows| rows.first());
    if let Some(row) = seen {
        wal.wal_bytes = Some(get(row, 0)?);
        wal.archive_waiting = Some(get(row, 1)?);
    }
    sample.wal = Some(wal);
    files.map(|_| ()).map_err(Error::from)
}

fn checkpoints(session: &Session, wal: &mut WalCounters) -> Result<(), Error> {
    let sql = match session.major() {
        ..17 => include_str!("../../queries/checkpoints.sql"),
        _ => include_str!("../../queries/checkpoints_17.sql"),
    };
    if let Some(row) = session.query(sql, &[])?.first() {
        wal.checkpoints_timed = get(row, 0)?;
        wal.checkpoints_asked = get(row, 1)?;
        wal.checkpoint_sync_ms = get(row, 2)?;
    }
    Ok(())
}
