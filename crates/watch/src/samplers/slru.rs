//! How often transactions look up what does not fit a row: subtransactions and multixacts.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static SAMPLER: Sampler = Sampler { id: "slru", period_s: 2.0, rights: "none", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let rows = eyes.session()?.query(include_str!("../../queries/slru.sql"), &[])?;
    let Some(row) = rows.first() else { return Ok(()) };
    let pages = |i: usize| -> Result<SlruPages, Error> {
        Ok(SlruPages { looked_up: get(row, i)?, read: get(row, i + 1)? })
    };
    sample.slru = Some(SlruCounters { subtransactions: pages(0)?, multixacts: pages(2)? });
    Ok(())
}
