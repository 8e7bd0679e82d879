//! Keys and the columns that refer to them, nearest to their limit first.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "keys", period_s: 5.0, rights: "pg_read_all_data", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let rows = session.query(include_str!("../../queries/keys.sql"), &[])?;
    let n_hidden: i64 = session.query_one(include_str!("../../queries/hidden_keys.sql"), &[])?;
    if n_hidden > 0 {
        let why = format!("{n_hidden} sequences may not be read; {} may", SAMPLER.rights);
        sample.gaps.push(Gap { sampler: SAMPLER.id.to_owned(), why });
    }
    let key = |row| {
        let refers_to = match (get::<Option<String>>(row, 9)?, get::<Option<String>>(row, 10)?) {
            (Some(schema), Some(name)) => Some(Relation::new(schema, name)),
            _ => None,
        };
        Ok(KeyLimit {
            relation: Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?),
            column: get(row, 2)?,
            data_type: get(row, 3)?,
            sequence: Relation::new(get::<String>(row, 4)?, get::<String>(row, 5)?),
            last_value: get(row, 6)?,
            limit: get(row, 7)?,
            type_limit: get(row, 8)?,
            refers_to,
        })
    };
    sample.keys = Some(rows.iter().map(key).collect::<Result<_, Error>>()?);
    Ok(())
}
