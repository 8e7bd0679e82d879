//! `pgward apply`: takes a change to production through the gate.

use super::{Database, Exit, Programs, VaultDir, layer, variable};
use crate::files::{read_change, sources};
use crate::{config, face};
use anyhow::Context;
use pgward_change::{
    ApplyOptions, GateOptions, Interrupt, Outcome, apply, gate, may_apply, must_have_rehearsed,
};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_render::view;
use pgward_sandbox::clone::CloneOptions;
use std::path::PathBuf;
use std::time::Duration;

/// Take a change to production: check, rehearse, then run it under limits with its undo
///
/// Keeps a journal in the schema pgward and makes it where its role may; else `pgward install`
/// must have run once. Ctrl-C stops it and takes back what it did.
#[derive(clap::Args)]
pub struct Apply {
    /// SQL files in their order, or - for standard input
    #[arg(required = true)]
    files: Vec<String>,
    #[command(flatten)]
    database: Database,
    /// Stop before production: print what would run, with limits and undo
    #[arg(long)]
    dry_run: bool,
    /// Configuration; otherwise the nearest pgward.toml above the files
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Value of a template variable
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,
    /// Layers to leave out; say why in the change
    #[arg(long, value_name = "LAYER", value_delimiter = ',', value_parser = layer)]
    without: Vec<Layer>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

impl Apply {
    pub fn run(self) -> anyhow::Result<Exit> {
        let target = self.database.target()?;
        let change = read_change(&self.files)?;
        let paths: Vec<String> = change.files.iter().map(|f| f.path.clone()).collect();
        let agreed = config::of_files(self.config.as_deref(), &paths)?;
        let session = Session::connect(&target, Purpose::Inspect)?;
        if !self.dry_run {
            may_apply(&session, &change)?;
        }
        let options = GateOptions {
            without: self.without.iter().copied().collect(),
            vars: self.vars.iter().cloned().collect(),
            files: agreed.files,
            policy: agreed.policy,
            deploys: true,
            vault: self.vault.backups()?,
            clone: self.programs.fitting(session.major())?.map(CloneOptions::new),
            ..GateOptions::default()
        };
        drop(session);
        let report = gate(&change, &target, &options)?;
        if !self.json {
            face::show(&view::gate(&report, &sources(&change.files)))?;
        }
        let rehearsed = must_have_rehearsed(&report, &options.without);
        if report.stopped_by.is_some() || self.dry_run || rehearsed.is_err() {
            if self.json {
                face::line(&serde_json::to_string(&report)?)?;
            }
            rehearsed?;
            let stopped = report.stopped_by.is_some();
            return Ok(if stopped { Exit::Findings } else { Exit::Quiet });
        }
        let interrupt = Interrupt::default();
        on_ctrl_c(interrupt.clone())?;
        let options = ApplyOptions { interrupt, ..(&options).into() };
        let applied = apply(&change, &report, &target, &options)?;
        if self.json {
            face::line(&serde_json::to_string(&applied)?)?;
        } else {
            if !applied.findings.is_empty() {
                face::show(&view::findings(&applied.findings, &sources(&change.files)))?;
            }
            face::line(&applied.says)?;
            for note in &applied.notes {
                face::line(note)?;
            }
            let can_undo = report.runbook.iter().flat_map(|r| &r.steps).all(|s| has_undo(&s.undo));
            if applied.outcome == Outcome::Applied && can_undo {
                face::line(&format!("take it back with: pgward undo {}", applied.change_id))?;
            }
        }
        Ok(match applied.outcome {
            Outcome::Applied => Exit::Quiet,
            _ if applied.is_interrupted() => Exit::Failed,
            _ => Exit::Findings,
        })
    }
}

/// The statement that runs is cancelled, and what was done is undone as after any other stop.
fn on_ctrl_c(interrupt: Interrupt) -> anyhow::Result<()> {
    ctrlc::set_handler(move || {
        for _ in 0..ASKED_MAX {
            if !interrupt.ask() {
                return;
            }
            std::thread::sleep(ASKED_EVERY);
        }
    })
    .context("cannot listen for Ctrl-C")
}

/// A request to cancel that comes between two statements meets none.
const ASKED_EVERY: Duration = Duration::from_millis(200);
const ASKED_MAX: u32 = 150; // 30 s

fn has_undo(undo: &Undo) -> bool {
    matches!(undo, Undo::Nothing | Undo::Exact { .. })
}
