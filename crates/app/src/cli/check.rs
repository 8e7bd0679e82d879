//! `pgward check`: says what a change will do.

use super::{Database, Exit, Programs, VaultDir, layer, variable};
use crate::face;
use anyhow::{Context, bail};
use pgward_change::{GateOptions, gate};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_render::view;
use pgward_sandbox::clone::CloneOptions;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

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
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
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
            Format::Json => face::line(&serde_json::to_string(&report)?)?,
            Format::Terminal => face::show(&view::gate(&report, &sources(&change)))?,
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
        rehearsal: None,
        runbook: None,
    }
}

/// Bytes of SQL that are read: a dump is no change.
const BYTES_MAX: u64 = 200 << 20;

/// Reads files, directories (their .sql files by name) or standard input.
///
/// # Errors
/// A file that is not there, not text, or too large.
pub fn read_change(paths: &[String]) -> anyhow::Result<Change> {
    let mut files = Vec::new();
    for path in paths {
        if path == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
            files.push(read_text("-", bytes)?);
        } else if Path::new(path).is_dir() {
            for file in sql_files(path)? {
                files.push(read_file(&file)?);
            }
        } else {
            files.push(read_file(path)?);
        }
    }
    let change = pgward_sql::change(files);
    if change.files.iter().all(|f| f.statements.is_empty()) {
        bail!("{}: no SQL statement in it, so there is nothing to judge", paths.join(", "));
    }
    Ok(change)
}

fn sql_files(dir: &str) -> anyhow::Result<Vec<String>> {
    let entries = std::fs::read_dir(dir).with_context(|| format!("{dir}: cannot be read"))?;
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "sql"))
        .map(|p| p.display().to_string())
        .collect();
    found.sort();
    if found.is_empty() {
        bail!("{dir}: no file ends in .sql here; give the files or another directory");
    }
    Ok(found)
}

fn read_file(path: &str) -> anyhow::Result<ChangeFile> {
    let metadata = std::fs::metadata(path).with_context(|| format!("{path}: no such file"))?;
    if metadata.len() > BYTES_MAX {
        bail!("{path}: {} is no change but a dump", human_bytes(metadata.len() as f64));
    }
    let bytes = std::fs::read(path).with_context(|| format!("{path}: cannot be read"))?;
    read_text(path, bytes)
}

fn read_text(path: &str, bytes: Vec<u8>) -> anyhow::Result<ChangeFile> {
    if bytes.contains(&0) {
        bail!("{path}: a binary file, not SQL");
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes().iter().take(at).filter(|b| **b == b'\n').count();
        anyhow::anyhow!("{path}:{line}: not UTF-8; save the file as UTF-8")
    })?;
    Ok(pgward_sql::read(path, &text))
}

/// Texts of the files by name, for the report.
pub fn sources(change: &Change) -> BTreeMap<String, String> {
    change.files.iter().map(|f| (f.path.clone(), f.text.clone())).collect()
}
