//! Executors of the steps that bring data back from a side server.

mod block;
mod closure;
mod objects;
mod refill;
mod rows;

use pgward_model::name::Relation;
use pgward_model::runbook::Limits;
use pgward_pg::prelude::*;
use std::time::Duration;

pub use block::block;
pub use objects::{check_gone, objects};
pub use refill::refill;
pub use rows::rows;

/// What an executor has done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    pub rows_restored: u64,
    /// Changed again after the accident: the newer value stays.
    pub rows_kept_newer: u64,
    /// What was made again, as `pg_restore -l` names it.
    pub objects: Vec<String>,
    /// Emptied tables that had no rows at that moment either.
    pub empty: Vec<Relation>,
    pub seconds: f64,
    /// What the operator must know; nothing here is a failure.
    pub notes: Vec<String>,
}

/// A restore without a limit of its own ends here: 100 GB at 30 MB/s.
const WITHIN_MAX: Duration = Duration::from_secs(3600);

/// Where a step has no lock limit: what clients bear, as in [`Limits::SHORT`].
const LOCK_TIMEOUT_MS: u64 = 2_000;

fn within(limits: &Limits) -> Duration {
    match limits.statement_timeout_ms {
        0 => WITHIN_MAX,
        ms => Duration::from_millis(ms),
    }
}

fn lock_timeout_ms(limits: &Limits) -> u64 {
    match limits.lock_timeout_ms {
        0 => LOCK_TIMEOUT_MS,
        ms => ms,
    }
}

/// The side server's superuser in the database that `production` means.
fn on_side(side: &pgward_sandbox::side::SideServer, production: &Target) -> Target {
    side.target().with_database(production.database())
}

/// Writes to a program's stdin.
fn say(to: &mut dyn std::io::Write, text: &str) -> Result<(), pgward_pg::error::Error> {
    to.write_all(text.as_bytes()).map_err(|source| pgward_pg::error::Error::File {
        path: "psql".into(),
        what: "its pipe broke".to_owned(),
        source,
    })
}
