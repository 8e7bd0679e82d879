//! `pgward catalog`: writes the catalog down, so that a check needs no database.

use super::{Database, Exit};
use crate::{face, kept};
use pgward_pg::prelude::*;

/// Print the catalog as JSON, for `pgward check --catalog FILE`
///
/// Relations with their rows, bytes and traffic, indexes, constraints, views, functions, the
/// statements that ran most, as pg_stat_statements keeps them, and what surrounds a change: open
/// and prepared transactions, limits, replicas, slots, publications, sequences, free disk; no rows
/// of your tables. Reads only. Whoever has the file sees the schema, defaults, the text of
/// functions and, without constants, what open transactions run. After five minutes a check no
/// longer asks it who was in the way.
#[derive(clap::Args)]
pub struct Catalog {
    #[command(flatten)]
    database: Database,
}

impl Catalog {
    pub fn run(self) -> anyhow::Result<Exit> {
        let session = Session::connect(&self.database.target()?, Purpose::Inspect)?;
        let catalog = pgward_pg::catalog::read(&session)?;
        face::raw(&kept::written(catalog)?)?;
        face::raw("\n")?;
        Ok(Exit::Quiet)
    }
}
