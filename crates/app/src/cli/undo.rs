//! `pgward undo`: takes back a change that went through pgward.

use super::{Database, Exit};
use crate::face;
use pgward_change::{UndoOptions, undo};
use pgward_model::prelude::*;

/// Take back a change that was applied, newest step first
#[derive(clap::Args)]
pub struct Undo {
    /// Id of the change, as `pgward apply` printed it
    change: String,
    #[command(flatten)]
    database: Database,
    /// Take back steps that lose data too
    #[arg(long)]
    accept_loss: bool,
}

impl Undo {
    pub fn run(self) -> anyhow::Result<Exit> {
        let options = UndoOptions { accept_loss: self.accept_loss };
        let report = undo(&self.change, &self.database.target()?, options)?;
        for step in &report.steps {
            for ran in &step.ran {
                face::line(&format!("{}. {ran}  ({} ms)", step.number, human(step.ms)))?;
            }
        }
        if report.steps.iter().all(|s| s.ran.is_empty()) && report.left.is_empty() {
            face::line("nothing to take back: no step of it stays in the database")?;
        }
        for left in &report.left {
            face::line(&format!("left: {left}"))?;
        }
        Ok(if report.left.is_empty() { Exit::Quiet } else { Exit::Findings })
    }
}
