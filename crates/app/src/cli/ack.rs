//! `pgward ack`: somebody looks after an incident, so it wakes nobody else.

use super::{Exit, VaultDir};
use crate::face;
use anyhow::Context;
use pgward_model::prelude::*;
use pgward_pg::clock;

/// Acknowledge an incident: its alerts are neither repeated nor escalated any more
#[derive(clap::Args)]
pub struct Ack {
    /// Id of the incident, as the alert says
    incident: String,
    /// Role that looks after it
    #[arg(long, value_name = "ROLE", default_value = "on-call")]
    by: String,
    /// What the next reader should know
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    #[command(flatten)]
    vault: VaultDir,
}

impl Ack {
    pub fn run(self) -> anyhow::Result<Exit> {
        let vault = self.vault.existing()?;
        let incident = vault.incident(&self.incident).with_context(|| {
            format!(
                "{}: no incident of that id in {}; `pgward status` names those that are open",
                self.incident,
                vault.root().display()
            )
        })?;
        let now = clock::now();
        let before = vault.acknowledgement(&incident.id)?;
        vault.acknowledge(&Acknowledgement {
            incident: incident.id.clone(),
            at: now,
            by: self.by.clone(),
            note: self.note.clone(),
        })?;
        let note = if self.note.is_empty() { String::new() } else { format!(": {}", self.note) };
        vault.append(&[Event {
            at: now,
            server: incident.server.clone(),
            kind: EventKind::Note,
            subject: incident.id.clone(),
            actor: self.by.clone(),
            what: format!("acknowledged{note}"),
            source: Source::new(SourceKind::Ledger, "pgward ack"),
        }])?;
        let known = before.map_or(String::new(), |b| {
            format!("; {} did so at {} UTC", b.by, b.at.strftime("%H:%M:%S"))
        });
        let state = match incident.closed {
            Some(at) => format!(" (closed at {} UTC)", at.strftime("%H:%M:%S")),
            None => String::new(),
        };
        face::line(&format!("{} looks after {}{state}{known}", self.by, incident.id))?;
        Ok(Exit::Quiet)
    }
}
