//! Is this the primary, who follows it, and does what it subscribes to arrive?

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::{Row, get};

pub(super) static SAMPLER: Sampler =
    Sampler { id: "replication", period_s: 2.0, rights: "pg_monitor", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let rows = session.query(include_str!("../../queries/replication.sql"), &[])?;
    let Some(row) = rows.first() else { return Ok(()) };
    let subscriptions = match session.major() {
        ..15 => include_str!("../../queries/subscriptions.sql"),
        _ => include_str!("../../queries/subscriptions_15.sql"),
    };
    let subscriptions = session.query(subscriptions, &[])?;
    sample.replication = Some(Replication {
        in_recovery: get(row, 0)?,
        read_only: get(row, 1)?,
        sync_names: get(row, 2)?,
        replay_lag_bytes: get(row, 3)?,
        replay_paused: get(row, 4)?,
        conflicts: get(row, 5)?,
        standbys: pgward_pg::conditions::standbys(session)?,
        subscriptions: subscriptions.iter().map(subscription).collect::<Result<_, _>>()?,
    });
    Ok(())
}

fn subscription(row: &Row) -> Result<SubscriptionSample, Error> {
    Ok(SubscriptionSample {
        name: get(row, 0)?,
        has_worker: get(row, 1)?,
        errors: get(row, 2)?,
        confirmed_lsn: get(row, 3)?,
    })
}
