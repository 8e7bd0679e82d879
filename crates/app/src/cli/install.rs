//! `pgward install`: makes the journal and the DDL log in a database.

use super::{Database, Exit};
use crate::face;
use anyhow::Context;
use pgward_pg::prelude::*;

/// Make the schema `pgward` in a database: journal of changes and DDL log
#[derive(clap::Args)]
pub struct Install {
    #[command(flatten)]
    database: Database,
}

impl Install {
    pub fn run(self) -> anyhow::Result<Exit> {
        let target = self.database.target()?;
        let session = Session::connect(&target, Purpose::Act)?;
        let installed = pgward_pg::install::install(&session)
            .with_context(|| format!("{target}: the schema pgward cannot be made"))?;
        face::line(&format!("schema pgward is in {target}"))?;
        for missing in &installed.missing {
            face::line(&format!("without: {missing}"))?;
        }
        Ok(Exit::Quiet)
    }
}
