//! `pgward check`: says what a change will do.

use super::files::{read_change, sources};
use super::{Database, Exit, Programs, VaultDir, layer, variable};
use crate::shape::{self, Shape};
use crate::{config, face, kept, since};
use pgward_change::{GateOptions, gate};
use pgward_lint::{Judged, Options};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_render::view;
use pgward_sandbox::clone::CloneOptions;
use std::path::PathBuf;

/// Say what a change will do, before it is done
///
/// Reads the text alone; with --database the live catalog too, or with --catalog one that
/// `pgward catalog` has written; with --rehearse also runs it on a private clone. Writes nothing
/// to the database.
#[derive(clap::Args)]
pub struct Check {
    /// SQL files in their order, a directory, or - for standard input
    #[arg(required = true)]
    files: Vec<String>,
    #[command(flatten)]
    database: Database,
    /// Catalog in a file, instead of the live one
    #[arg(long, value_name = "FILE", conflicts_with = "rehearse")]
    catalog: Option<PathBuf>,
    /// Run the change on a clone too
    #[arg(long, requires = "database")]
    rehearse: bool,
    /// Judge only files that git knows to have changed since this commit, branch or tag; the
    /// others are read for what they make
    #[arg(long, value_name = "GIT_REV", conflicts_with = "rehearse")]
    since: Option<String>,
    /// Configuration; otherwise the nearest pgward.toml above the files
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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
        let options = self.options(&change)?;
        let kept = self.catalog.as_deref().map(kept::read).transpose()?;
        let mut report = match (kept, self.database.given()?) {
            (Some(catalog), _) => self.kept_report(&change, &catalog, &options),
            (None, None) => static_report(&change, &options, self.without.contains(&Layer::Static)),
            (None, Some(target)) => self.live_report(&change, &target, options.clone())?,
        };
        report.since = self.judged(&options, &change);
        match self.format {
            Shape::Json => face::line(&serde_json::to_string(&report)?)?,
            Shape::Terminal => face::show(&view::gate(&report, &sources(&change)))?,
            Shape::Output(output) => shape::print(output, &report, &sources(&change))?,
        }
        let findings = report.findings.iter().any(|f| f.severity >= Severity::Warning);
        Ok(if findings { Exit::Findings } else { Exit::Quiet })
    }

    /// What the command line, `pgward.toml` and git say of the files.
    fn options(&self, change: &Change) -> anyhow::Result<Options> {
        let paths: Vec<String> = change.files.iter().map(|f| f.path.clone()).collect();
        let only = self.since.as_deref().map(|rev| since::changed(rev, &paths)).transpose()?;
        Ok(Options {
            vars: self.vars.iter().cloned().collect(),
            files: config::of_files(self.config.as_deref(), &paths)?,
            only,
            ..Options::default()
        })
    }

    fn judged(&self, options: &Options, change: &Change) -> Option<Since> {
        let n_files_judged = change.files.iter().filter(|f| options.judges(&f.path)).count();
        Some(Since {
            revision: self.since.clone()?,
            n_files_judged,
            n_files_unchanged: change.files.len() - n_files_judged,
        })
    }

    fn live_report(
        &self,
        change: &Change,
        target: &Target,
        lint: Options,
    ) -> anyhow::Result<GateReport> {
        let Options { vars, files, only, .. } = lint;
        let mut options = GateOptions { vars, files, only, ..GateOptions::default() };
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

    /// As the live catalog would be asked, by one that was kept: what the text shows is weighed
    /// by it too.
    fn kept_report(&self, change: &Change, catalog: &Catalog, options: &Options) -> GateReport {
        let mut judged = pgward_lint::judge(change, Some(catalog), options);
        let off = |layer: Layer| self.without.contains(&layer);
        judged.findings.retain(|f| !off(f.layer));
        judged.silenced.retain(|s| !off(s.layer));
        let age_s = clock::now().duration_since(catalog.taken_at).as_secs_f64().max(0.0);
        let layers = [Layer::Static, Layer::Catalog].map(|layer| layer_run(layer, off(layer)));
        GateReport {
            layers: layers.to_vec(),
            catalog: self.catalog.as_ref().map(|file| KeptCatalog {
                file: file.display().to_string(),
                database: catalog.database.clone(),
                taken_at: catalog.taken_at,
                age_s,
            }),
            ..report(change, judged)
        }
    }
}

fn static_report(change: &Change, options: &Options, off: bool) -> GateReport {
    let judged = match off {
        true => Judged::default(),
        false => pgward_lint::judge(change, None, options),
    };
    GateReport { layers: vec![layer_run(Layer::Static, off)], ..report(change, judged) }
}

fn layer_run(layer: Layer, off: bool) -> LayerRun {
    LayerRun { layer, seconds: 0.0, skipped: off.then(|| "switched off".to_owned()) }
}

/// What lints alone can say of a change.
fn report(change: &Change, judged: Judged) -> GateReport {
    let errors = judged.findings.iter().filter(|f| f.severity == Severity::Error);
    GateReport {
        change_id: change.id.clone(),
        stopped_by: errors.map(|f| f.layer).min(),
        layers: Vec::new(),
        findings: judged.findings,
        silenced: judged.silenced,
        catalog: None,
        since: None,
        rehearsal: None,
        runbook: None,
    }
}
