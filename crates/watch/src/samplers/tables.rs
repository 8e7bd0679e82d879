//! Counters of tables.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static SAMPLER: Sampler = Sampler { id: "tables", period_s: 2.0, rights: "none", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let rows = eyes.session()?.query(include_str!("../../queries/tables.sql"), &[])?;
    let mut tables = Vec::with_capacity(rows.len());
    for row in &rows {
        tables.push(TableCounters {
            oid: get(row, 0)?,
            relation: Relation::new(get::<String>(row, 1)?, get::<String>(row, 2)?),
            n_live: get(row, 3)?,
            n_dead: get(row, 4)?,
            seq_scans: get(row, 5)?,
            seq_rows: get(row, 6)?,
            idx_scans: get(row, 7)?,
            inserted: get(row, 8)?,
            updated: get(row, 9)?,
            deleted: get(row, 10)?,
            last_analyze: get(row, 11)?,
        });
    }
    sample.tables = Some(tables);
    Ok(())
}
