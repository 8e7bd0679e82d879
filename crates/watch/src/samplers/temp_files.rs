//! Temporary files: which session spills how much, while it does.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "temp_files", period_s: 2.0, rights: "pg_monitor", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let rows = eyes.session()?.query(include_str!("../../queries/temp_files.sql"), &[])?;
    let read = |row| Ok(TempFiles { pid: get(row, 0)?, bytes: get(row, 1)? });
    sample.temp_files = Some(rows.iter().map(read).collect::<Result<_, Error>>()?);
    Ok(())
}
