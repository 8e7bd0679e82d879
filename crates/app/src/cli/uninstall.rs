//! `pgward uninstall`: removes every trace from a database.

use super::{Database, Exit};
use crate::face;
use anyhow::Context;
use pgward_pg::prelude::*;

/// Remove the schema `pgward` and its event triggers from a database
#[derive(clap::Args)]
pub struct Uninstall {
    #[command(flatten)]
    database: Database,
}

impl Uninstall {
    pub fn run(self) -> anyhow::Result<Exit> {
        let target = self.database.target()?;
        let session = Session::connect(&target, Purpose::Act)?;
        pgward_pg::install::uninstall(&session)
            .with_context(|| format!("{target}: the schema pgward cannot be removed"))?;
        face::line(&format!("nothing of pgward is left in {target}"))?;
        Ok(Exit::Quiet)
    }
}
