//! `pgward check`: says what a change will do.

use super::{Database, Exit, Programs, VaultDir, layer, variable};
use crate::files::{self, Chain};
use crate::shape::{self, Shape};
use crate::{config, face, kept, since};
use anyhow::bail;
use pgward_change::{GateOptions, gate, must_have_rehearsed};
use pgward_lint::lints::LINTS;
use pgward_lint::{Judged, Options};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_render::view;
use pgward_sandbox::clone::CloneOptions;
use rayon::prelude::*;
use std::cmp::Reverse;
use std::path::PathBuf;

/// A fixed statement may show another fix; the lints have no longer chains of them.
const FIX_ROUNDS_MAX: usize = 4;
/// Who stood in the way this long ago may have left: ordinary transactions last seconds.
const CONDITIONS_PASS_S: f64 = 300.0;

/// Say what a change will do, before it is done
///
/// Reads the text alone; with --database the live catalog too, and what surrounds the change: old
/// transactions, replicas, slots, free disk, sequences. With --catalog one that `pgward catalog`
/// has written; with --rehearse also runs it on a private clone. Writes nothing to the database.
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
    /// Write the fixes that leave the same schema into the files, then judge what is left
    #[arg(long, conflicts_with = "rehearse")]
    fix: bool,
    /// How to print
    #[arg(long, value_parser = shape::parser(), default_value = "terminal")]
    format: Shape,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

impl Check {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.fix && self.files.iter().any(|f| f == "-") {
            bail!("--fix writes into files, and standard input is none");
        }
        let (mut chains, mut report, mut statements) = self.report()?;
        if self.fix {
            for _ in 0..FIX_ROUNDS_MAX {
                if !files::fix(&report.findings)? {
                    break;
                }
                (chains, report, statements) = self.report()?;
            }
        }
        let all = || chains.iter().flat_map(Chain::files);
        match self.format {
            Shape::Json => face::json(&Told { report: &report, statements: &statements })?,
            Shape::Terminal => face::show(&view::gate(&report, &files::sources(all())))?,
            Shape::Output(output) => shape::print(output, &report, &files::sources(all()))?,
        }
        if self.rehearse {
            must_have_rehearsed(&report, &self.without.iter().copied().collect())?;
        }
        let findings = report.findings.iter().any(|f| f.severity >= Severity::Warning);
        // The program ends here: nobody waits until thousands of files are taken apart.
        std::mem::forget((chains, report, statements));
        Ok(if findings { Exit::Findings } else { Exit::Quiet })
    }

    /// The files as they are now, and what is to be said of them.
    fn report(&self) -> anyhow::Result<(Vec<Chain>, GateReport, Vec<StatementEffects>)> {
        let chains = files::chains(&self.files)?;
        let all = || chains.iter().flat_map(Chain::files);
        let options = self.options(all())?;
        let kept = self.catalog.as_deref().map(kept::read).transpose()?.map(as_of_now);
        let (mut report, statements) = match (kept, self.database.given()?) {
            (Some(catalog), _) => self.offline_report(&chains, Some(&catalog), &options),
            (None, None) => self.offline_report(&chains, None, &options),
            (None, Some(target)) => self.live_report(&chains, &target, options.clone())?,
        };
        report.since = self.judged(&options, all());
        Ok((chains, report, statements))
    }

    /// What the command line, `pgward.toml` and git say of the files.
    fn options<'a>(&self, files: impl Iterator<Item = &'a ChangeFile>) -> anyhow::Result<Options> {
        let paths: Vec<String> = files.map(|f| f.path.clone()).collect();
        let git = self.since.as_deref().map(|rev| since::changed(rev, &paths)).transpose()?;
        let only = git.as_ref().map(|git| git.added.union(&git.edited).cloned().collect());
        let agreed = config::of_files(self.config.as_deref(), &paths)?;
        Ok(Options {
            vars: self.vars.iter().cloned().collect(),
            files: agreed.files,
            policy: agreed.policy,
            only,
            git,
            ..Options::default()
        })
    }

    fn judged<'a>(
        &self,
        options: &Options,
        files: impl Iterator<Item = &'a ChangeFile>,
    ) -> Option<Since> {
        let revision = self.since.clone()?;
        let (judged, unchanged): (Vec<_>, Vec<_>) = files.partition(|f| options.judges(&f.path));
        let (n_files_judged, n_files_unchanged) = (judged.len(), unchanged.len());
        Some(Since { revision, n_files_judged, n_files_unchanged })
    }

    fn live_report(
        &self,
        chains: &[Chain],
        target: &Target,
        lint: Options,
    ) -> anyhow::Result<(GateReport, Vec<StatementEffects>)> {
        let session = Session::connect(target, Purpose::Inspect)?;
        let live = pgward_pg::catalog::read(&session)?;
        let judged = judge(chains, Some(&live), &lint);
        let Options { vars, files, only, policy, .. } = lint;
        let mut options = GateOptions { vars, files, only, policy, ..GateOptions::default() };
        options.without.extend(self.without.iter().copied());
        if self.rehearse {
            options.clone = self.programs.fitting(session.major())?.map(CloneOptions::new);
            options.vault = self.vault.backups()?;
        } else {
            options.without.insert(Layer::Rehearsal);
        }
        let mut report = gate(&files::change(chains), target, &options)?;
        report.coverage = Some(Coverage::of(&judged.statements));
        if chains.iter().map(|c| c.files.len()).sum::<usize>() > 1 {
            self.each_for_itself(&mut report, judged.findings, judged.silenced);
        }
        Ok((report, judged.statements))
    }

    /// The gate takes all files for one change, whose own tables nobody uses yet. Here each file
    /// is a change: its lints are those of the chain.
    fn each_for_itself(
        &self,
        report: &mut GateReport,
        findings: Vec<Finding>,
        silenced: Vec<Silenced>,
    ) {
        let of_lint = |id: &str| LINTS.iter().any(|l| l.id == id);
        let on = |layer: Layer| !self.without.contains(&layer);
        // What the gate asked the planner and the clone stays.
        report.findings.retain(|f| !of_lint(&f.lint));
        report.silenced.retain(|s| !of_lint(&s.lint));
        report.findings.splice(0..0, findings.into_iter().filter(|f| on(f.layer)));
        report.silenced.splice(0..0, silenced.into_iter().filter(|s| on(s.layer)));
        let errors = report.findings.iter().filter(|f| f.severity == Severity::Error);
        report.stopped_by = errors.map(|f| f.layer).min();
    }

    /// Without a server: by the text, and by a catalog that was kept where there is one. Each
    /// chain for itself, each file a change that meets what the files before it have left.
    fn offline_report(
        &self,
        chains: &[Chain],
        kept: Option<&Catalog>,
        options: &Options,
    ) -> (GateReport, Vec<StatementEffects>) {
        let mut judged = judge(chains, kept, options);
        let off = |layer: Layer| self.without.contains(&layer);
        judged.findings.retain(|f| !off(f.layer));
        judged.silenced.retain(|s| !off(s.layer));
        let mut layers = vec![layer_run(Layer::Static, off(Layer::Static))];
        if kept.is_some() {
            layers.push(layer_run(Layer::Catalog, off(Layer::Catalog)));
        }
        let errors = judged.findings.iter().filter(|f| f.severity == Severity::Error);
        let report = GateReport {
            change_id: pgward_sql::change_id(chains.iter().flat_map(Chain::files)),
            stopped_by: errors.map(|f| f.layer).min(),
            layers,
            findings: judged.findings,
            silenced: judged.silenced,
            coverage: Some(Coverage::of(&judged.statements)),
            catalog: kept.map(|catalog| self.age_of(catalog)),
            conditions: kept.and_then(|c| c.conditions.as_ref()).map(ConditionsRead::of),
            since: None,
            rehearsal: None,
            runbook: None,
        };
        (report, judged.statements)
    }

    fn age_of(&self, catalog: &Catalog) -> KeptCatalog {
        KeptCatalog {
            file: self.catalog.as_ref().map(|f| f.display().to_string()).unwrap_or_default(),
            database: catalog.database.clone(),
            taken_at: catalog.taken_at,
            age_s: clock::now().duration_since(catalog.taken_at).as_secs_f64().max(0.0),
        }
    }
}

/// A kept catalog without the conditions that have passed since it was written.
fn as_of_now(catalog: Catalog) -> Catalog {
    let age_s = clock::now().duration_since(catalog.taken_at).as_secs_f64();
    let conditions = catalog.conditions.map(|c| match age_s > CONDITIONS_PASS_S {
        true => c.lasting(),
        false => c,
    });
    Catalog { conditions, ..catalog }
}

/// What `--format json` prints.
#[derive(serde::Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a GateReport,
    statements: &'a [StatementEffects],
}

/// Each chain for itself, side by side.
fn judge(chains: &[Chain], catalog: Option<&Catalog>, options: &Options) -> Judged {
    let of_chain = |(place, chain): (usize, &Chain)| {
        let options = Options { partial: chain.partial, ..options.clone() };
        (place, pgward_lint::judge_chain(&chain.files, catalog, &options))
    };
    let mut by_length: Vec<(usize, &Chain)> = chains.iter().enumerate().collect();
    by_length.sort_by_key(|(_, c)| Reverse(c.files().map(|f| f.text.len()).sum::<usize>()));
    // One by one, the longest first: nobody waits for it alone at the end.
    let mut each: Vec<(usize, Judged)> = by_length.into_iter().par_bridge().map(of_chain).collect();
    each.sort_by_key(|(place, _)| *place);
    let mut judged = Judged::default();
    for (_, mut here) in each {
        judged.findings.append(&mut here.findings);
        judged.silenced.append(&mut here.silenced);
        judged.statements.append(&mut here.statements);
    }
    judged
}

fn layer_run(layer: Layer, off: bool) -> LayerRun {
    LayerRun { layer, seconds: 0.0, skipped: off.then(|| "switched off".to_owned()) }
}
