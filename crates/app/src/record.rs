//! Keeps the record of an incident: its case for replay, and its post-mortem.

use anyhow::Context;
use pgward_incident::{causes, postmortem};
use pgward_model::prelude::*;
use pgward_render::{format, view};
use pgward_store::Vault;
use std::path::PathBuf;

/// What a post-mortem needs beside the incident.
pub struct Beside<'a> {
    pub events: &'a [Event],
    pub drill: bool,
    pub zone: &'a str,
    pub impact: Option<Impact>,
    pub losses: Losses,
    pub now: Timestamp,
}

/// Writes incident, case and post-mortem; returns the path of the Markdown file.
///
/// # Errors
/// When the vault cannot be written.
pub fn keep(
    vault: &Vault,
    incident: &Incident,
    case: &Case,
    beside: Beside<'_>,
) -> anyhow::Result<PathBuf> {
    vault.save_incident(incident).context("the incident is not recorded")?;
    vault.save_case(&incident.id, case).context("the case is not recorded")?;
    let prevention = incident
        .first()
        .and_then(|(id, _)| causes::cause(id))
        .map(|c| c.prevention.iter().map(|p| (*p).to_owned()).collect())
        .unwrap_or_default();
    let input = postmortem::Input {
        incident,
        case: Some(case),
        events: beside.events,
        drill: beside.drill,
        zone: beside.zone,
        impact: beside.impact,
        losses: beside.losses,
        prevention,
        names: causes::CAUSES.iter().map(|c| (c.id.to_owned(), c.name.to_owned())).collect(),
        now: beside.now,
    };
    write(vault, &postmortem::write(&input))
}

/// Writes a post-mortem as data, Markdown with its figures, and HTML.
///
/// # Errors
/// When the vault cannot be written.
pub fn write(vault: &Vault, written: &Postmortem) -> anyhow::Result<PathBuf> {
    let id = &written.incident_id;
    let document = view::postmortem(written);
    let markdown = format::markdown(&document);
    for (name, svg) in &markdown.figures {
        vault.write_postmortem(name, svg.clone().into_bytes())?;
    }
    vault.write_postmortem(&format!("{id}.json"), serde_json::to_vec_pretty(written)?)?;
    vault.write_postmortem(&format!("{id}.html"), format::html(&document).into_bytes())?;
    Ok(vault.write_postmortem(&format!("{id}.md"), markdown.text.into_bytes())?)
}
