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
        let undoable = pgward_pg::install::undoable_changes(&session)
            .with_context(|| format!("{target}: what pgward keeps there cannot be read"))?;
        let Some(n_changes) = undoable else {
            face::line(&format!("pgward was not installed in {target}"))?;
            return Ok(Exit::Quiet);
        };
        if n_changes > 0 {
            let s = if n_changes == 1 { "" } else { "s" };
            face::line(&format!(
                "the undo of {n_changes} applied change{s} goes with the journal"
            ))?;
        }
        pgward_pg::install::uninstall(&session)
            .with_context(|| format!("{target}: the schema pgward cannot be removed"))?;
        face::line(&format!("nothing of pgward is left in {target}"))?;
        Ok(Exit::Quiet)
    }
}
