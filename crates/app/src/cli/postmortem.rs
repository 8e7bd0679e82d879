//! `pgward postmortem`: prints or writes again what an incident was.

use super::{Exit, VaultDir};
use crate::{face, record};
use anyhow::Context;
use pgward_render::view;

/// Print the post-mortem of an incident, or list them
///
/// It is written when an incident is closed; this renders it again from its record, for
/// another time zone for example. Equal records give equal files.
#[derive(clap::Args)]
pub struct Postmortem {
    /// Id of the incident; without it, all are listed
    incident: Option<String>,
    /// IANA time zone printed beside UTC
    #[arg(long, value_parser = zone)]
    zone: Option<String>,
    #[command(flatten)]
    vault: VaultDir,
}

impl Postmortem {
    pub fn run(self) -> anyhow::Result<Exit> {
        let store = self.vault.existing()?;
        let Some(id) = &self.incident else {
            let names = store.postmortem_names()?;
            let ids: Vec<&str> = names.iter().filter_map(|n| n.strip_suffix(".md")).collect();
            if ids.is_empty() {
                face::line("no post-mortem is known; one is written when an incident is over")?;
            }
            ids.into_iter().try_for_each(face::line)?;
            return Ok(Exit::Quiet);
        };
        let file = store.root().join("postmortems").join(format!("{id}.json"));
        let bytes = std::fs::read(&file).with_context(|| {
            format!(
                "{id}: no post-mortem of that id in {}; `pgward postmortem` lists them",
                store.root().display()
            )
        })?;
        let mut written: pgward_model::postmortem::Postmortem = serde_json::from_slice(&bytes)
            .with_context(|| format!("{}: damaged", file.display()))?;
        if let Some(zone) = self.zone {
            written.zone = zone;
        }
        let path = record::write(&store, &written)?;
        face::show(&view::postmortem(&written))?;
        face::line(&format!("{} and .html beside it", path.display()))?;
        Ok(Exit::Quiet)
    }
}

/// Checks an IANA name.
pub fn zone(text: &str) -> Result<String, String> {
    jiff::tz::TimeZone::get(text)
        .map(|_| text.to_owned())
        .map_err(|_| format!("`{text}` is no IANA time zone such as Africa/Johannesburg"))
}
