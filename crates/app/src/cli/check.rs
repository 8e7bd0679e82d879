//! `pgward check`: says what a change will do.

use super::files::{read_change, sources};
use super::{Database, Exit, Programs, VaultDir, layer, variable};
use crate::face;
use crate::shape::{self, Shape};
use pgward_change::{GateOptions, gate};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_render::view;
use pgward_sandbox::clone::CloneOptions;
use std::collections::BTreeMap;

/// Say what a change will do, before it is done
///
/// Reads the text alone; with --database the live catalog too; with --rehearse also runs it
/// on a private clone. Writes nothing to the database.
#[derive(clap::Args)]
pub struct Check {
    /// SQL files in their order, a directory, or - for standard input
    #[arg(required = true)]
    files: Vec<String>,
    #[command(flatten)]
    database: Database,
    /// Run the change on a clone too
    #[arg(long, requires = "database")]
    rehearse: bool,
    /// Value of a template variable
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,
    /// Layers to leave out
    #[arg(long, value_name = "LAYER", value_delimiter = ',', value_parser = layer)]
    without: Vec<Layer>,
    /// How to print
    #[arg(long, value_parser = shape::parser(), default_value = "terminal")]
    format: Shape,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Terminal,
    Json,
}

impl Check {
    pub fn run(self) -> anyhow::Result<Exit> {
        let change = read_change(&self.files)?;
        let vars: BTreeMap<String, String> = self.vars.iter().cloned().collect();
        let report = match self.database.given()? {
            None => static_report(&change, vars, self.without.contains(&Layer::Static)),
            Some(target) => self.live_report(&change, &target, vars)?,
        };
        match self.format {
            Shape::Json => face::line(&serde_json::to_string(&report)?)?,
            Shape::Terminal => face::show(&view::gate(&report, &sources(&change)))?,
            Shape::Output(output) => shape::print(output, &report, &sources(&change))?,
        }
        let findings = report.findings.iter().any(|f| f.severity >= Severity::Warning);
        Ok(if findings { Exit::Findings } else { Exit::Quiet })
    }

    fn live_report(
        &self,
        change: &Change,
        target: &Target,
        vars: BTreeMap<String, String>,
    ) -> anyhow::Result<GateReport> {
        let mut options = GateOptions { vars, ..GateOptions::default() };
        options.without.extend(self.without.iter().copied());
        if self.rehearse {
            let session = Session::connect(target, Purpose::Inspect)?;
            options.clone = self.programs.fitting(session.major())?.map(CloneOptions::new);
            options.vault = self.vault.backups()?;
        } else {
            options.without.insert(Layer::Rehearsal);
        }
        Ok(gate(change, target, &options)?)
    }
}

fn static_report(change: &Change, vars: BTreeMap<String, String>, off: bool) -> GateReport {
    let options = pgward_lint::Options { vars, ..pgward_lint::Options::default() };
    let findings = if off { Vec::new() } else { pgward_lint::check(change, None, &options) };
    let stopped = findings.iter().any(|f| f.severity == Severity::Error);
    GateReport {
        change_id: change.id.clone(),
        stopped_by: stopped.then_some(Layer::Static),
        layers: vec![LayerRun {
            layer: Layer::Static,
            seconds: 0.0,
            skipped: off.then(|| "switched off".to_owned()),
        }],
        findings,
        silenced: Vec::new(),
        catalog: None,
        since: None,
        rehearsal: None,
        runbook: None,
    }
}
