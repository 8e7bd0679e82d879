//! `pgward incidents`: lists the incidents that the vault knows, and shows one.

use super::{Exit, VaultDir};
use crate::face;
use anyhow::Context;
use pgward_model::prelude::*;
use pgward_pg::clock;
use pgward_render::view;

/// List the incidents of the vault, or show one with all its verdicts
///
/// `pgward postmortem ID` tells the whole story of one that is over.
#[derive(clap::Args)]
pub struct Incidents {
    /// Id of the incident; without it, all are listed, the newest first
    incident: Option<String>,
    /// Only those of this server, by the name they have in the list
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// List at most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    most: usize,
    /// Print as JSON: one incident, or a list of them
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vault: VaultDir,
}

impl Incidents {
    pub fn run(self) -> anyhow::Result<Exit> {
        let vault = self.vault.existing()?;
        if let Some(id) = &self.incident {
            let incident = vault.incident(id).with_context(|| {
                format!("{id}: no incident of that id; `pgward incidents` lists them")
            })?;
            if self.json {
                face::line(&serde_json::to_string(&incident)?)?;
            } else {
                face::show(&view::incident(&incident, clock::now()))?;
            }
            return Ok(exit(incident.closed.is_none()));
        }
        let mut incidents = Vec::new();
        let mut n_left_out = 0;
        for id in vault.incident_ids()?.iter().rev() {
            let incident = vault.incident(id)?;
            if self.server.as_ref().is_some_and(|s| *s != incident.server) {
                continue;
            }
            if incidents.len() < self.most {
                incidents.push(incident);
            } else {
                n_left_out += 1;
            }
        }
        incidents.sort_by_key(|i: &Incident| std::cmp::Reverse(i.opened));
        if self.json {
            face::line(&serde_json::to_string(&incidents)?)?;
        } else if incidents.is_empty() {
            face::line("no incident is known")?;
        } else {
            face::show(&view::incidents(&incidents, n_left_out, clock::now()))?;
        }
        Ok(exit(incidents.iter().any(|i| i.closed.is_none())))
    }
}

fn exit(is_open: bool) -> Exit {
    if is_open { Exit::Findings } else { Exit::Quiet }
}
