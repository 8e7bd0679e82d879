//! `pgward diagnose`: looks for some seconds and judges every cause.

use super::{Database, Exit};
use crate::face;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_render::view;
use pgward_watch::watcher::{Options, Watcher};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Look at a server now and judge every cause
///
/// Samples for some seconds. What needs a baseline (a statement that became slow, a rate that
/// fell) is told only by `pgward watch`, which learns one; such causes answer "unknown" here.
#[derive(clap::Args)]
pub struct Diagnose {
    #[command(flatten)]
    database: Database,
    /// How long to look
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = seconds)]
    look_for: f64,
    /// Folder of migrations, so that a half-applied one is recognised
    #[arg(long, value_name = "DIR")]
    migrations: Option<PathBuf>,
    /// Print the incident as JSON; without one, the same lists empty and `id` null
    #[arg(long)]
    json: bool,
}

impl Diagnose {
    pub fn run(self) -> anyhow::Result<Exit> {
        let target = self.database.target()?;
        let known_changes = match &self.migrations {
            Some(dir) => pgward_change::from_folder(dir)?,
            None => Vec::new(),
        };
        let mut watcher = Watcher::start(Options {
            server: target.to_string(),
            target,
            probe_target: None,
            scan: Arc::new(AtomicBool::new(false)),
            known_changes,
            healthy_s: f64::INFINITY,
        })?;
        let deadline = clock::Deadline::after(Duration::from_secs_f64(self.look_for));
        while !deadline.passed() {
            watcher.tick();
            std::thread::sleep(deadline.left().min(Duration::from_secs(1)));
        }
        let gaps: std::collections::BTreeSet<String> = watcher
            .window()
            .samples
            .iter()
            .flat_map(|s| &s.gaps)
            .map(|g| format!("not seen: {}: {}", g.sampler, g.why))
            .collect();
        let Some(incident) = watcher.incident() else {
            if self.json {
                face::line(&self.nothing(&gaps).to_string())?;
                return Ok(Exit::Quiet);
            }
            face::line(&format!("nothing is wrong as far as {} s tell", human(self.look_for)))?;
            for gap in gaps {
                face::line(&gap)?;
            }
            return Ok(Exit::Quiet);
        };
        if self.json {
            face::line(&serde_json::to_string(incident)?)?;
        } else {
            face::show(&view::incident(incident, clock::now()))?;
            for gap in gaps {
                face::line(&gap)?;
            }
        }
        Ok(Exit::Findings)
    }

    /// Nothing is wrong: an incident's lists, empty, so that one reader reads both.
    fn nothing(&self, gaps: &std::collections::BTreeSet<String>) -> serde_json::Value {
        serde_json::json!({
            "id": null,
            "opened": null,
            "symptoms": [],
            "verdicts": [],
            "runbooks": [],
            "looked_s": self.look_for,
            "gaps": gaps,
        })
    }
}

/// Seconds from `10s`, `5m`, `1h`.
pub fn seconds(text: &str) -> Result<f64, String> {
    let parsed: Result<jiff::SignedDuration, _> = text.parse();
    match parsed {
        Ok(d) if d.is_positive() => Ok(d.as_secs_f64()),
        _ => Err(format!("`{text}` is not a time such as 10s, 5m or 1h")),
    }
}
