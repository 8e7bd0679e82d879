//! Keys and the columns that refer to them: those nearest to their limit, and those behind the rows
//! of their table.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "keys", period_s: 5.0, rights: "pg_read_all_data", take };

/// Of keys nearest to their limit, and of those behind.
const MOST: i64 = 50;

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let keys = pgward_pg::conditions::keys(session, MOST)?;
    let n_hidden: i64 = session.query_one(include_str!("../../queries/hidden_keys.sql"), &[])?;
    if n_hidden > 0 {
        let why = format!("{n_hidden} sequences may not be read; {} may", SAMPLER.rights);
        sample.gaps.push(Gap { sampler: SAMPLER.id.to_owned(), why });
    }
    sample.keys = Some(keys);
    Ok(())
}
