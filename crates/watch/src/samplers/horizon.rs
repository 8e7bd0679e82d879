//! How far vacuum may go, who stands in its way, and how near the end of transaction ids is.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::{Session, get};

pub(super) static SAMPLER: Sampler =
    Sampler { id: "horizon", period_s: 2.0, rights: "pg_monitor", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let rows = session.query(include_str!("../../queries/freeze.sql"), &[])?;
    let Some(row) = rows.first() else { return Ok(()) };
    let mut horizon = Horizon {
        holders: Vec::new(),
        xid_age: get(row, 0)?,
        mxid_age: get(row, 1)?,
        freeze_max_age: get(row, 2)?,
        mxid_freeze_max_age: get(row, 3)?,
        next_xid: get(row, 4)?,
        n_autovacuum: get(row, 5)?,
        autovacuum_max: get(row, 6)?,
        catalogs: Vec::new(),
    };
    for row in session.query(include_str!("../../queries/horizon.sql"), &[])? {
        horizon.holders.push(XminHolder {
            kind: HolderKind::of(&get::<String>(&row, 0)?),
            name: get(&row, 1)?,
            pid: get(&row, 2)?,
            role: get(&row, 3)?,
            age_xids: get::<Option<i64>>(&row, 4)?.unwrap_or(0),
            since: get(&row, 5)?,
            state: get(&row, 6)?,
        });
    }
    // They may be locked: what else was read counts all the same.
    match catalogs(session) {
        Ok(catalogs) => horizon.catalogs = catalogs,
        Err(error) => {
            let why = pgward_pg::error::links(&error).join(": ");
            sample.gaps.push(Gap { sampler: "catalogs".to_owned(), why });
        }
    }
    sample.horizon = Some(horizon);
    Ok(())
}

fn catalogs(session: &Session) -> Result<Vec<TableCounters>, pgward_pg::error::Error> {
    let rows = session.query(include_str!("../../queries/catalogs.sql"), &[])?;
    let counters = |row| {
        let relation = Relation::new("pg_catalog", get::<String>(row, 1)?);
        Ok(TableCounters {
            n_live: get(row, 2)?,
            n_dead: get(row, 3)?,
            vacuums: get(row, 4)?,
            ..TableCounters::new(get(row, 0)?, relation)
        })
    };
    rows.iter().map(counters).collect()
}
