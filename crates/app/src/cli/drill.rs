//! `pgward drill`: meets real outages on a private server and scores the answer.

use super::{Exit, Programs, VaultDir};
use crate::face;
use crate::record::{self, Beside};
use anyhow::Context;
use pgward_drill::run::{self, Options, Outcome, Progress, Record};
use pgward_drill::scenario::{self, Scenario};
use pgward_drill::scoring;
use pgward_incident::recording::{self, Recording};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_recover::respond::Policy;
use pgward_render::view;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stage outages on a private server under live load and score the answer
///
/// Each scenario takes two roads: guarded (the change is given to pgward, which must stop it)
/// and bypassed (the same change goes in past pgward, which must find, explain and repair it).
/// A drill never touches a database that it did not create.
#[derive(clap::Args)]
pub struct Drill {
    /// Scenario id, a scenario file FILE.md, or `all`
    #[arg(default_value = "all")]
    scenarios: Vec<String>,
    /// Runs of each scenario, each with a new server and another moment
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// Roads to take
    #[arg(long, value_enum, default_value_t = Roads::Both)]
    road: Roads,
    /// Layers of the guard to switch off: static, catalog, rehearsal, envelope, expectation,
    /// integrity
    #[arg(long, value_name = "LAYER", value_delimiter = ',', value_parser = super::layer)]
    without: Vec<Layer>,
    /// What pgward may do by itself when it has found the cause
    #[arg(long, value_enum, default_value_t = Respond::Auto)]
    respond: Respond,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    /// Draws the load and the moment; the same seed draws the same
    #[arg(long)]
    seed: Option<u64>,
    /// Times its usual size: what `:scale` stands for in a scenario's setup. `dropped_table`
    /// at 42 has 5 million rows in its table and 2 GB in its database
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    scale: u32,
    /// IANA time zone printed beside UTC in post-mortems
    #[arg(long, default_value = "UTC", value_parser = super::postmortem::zone)]
    zone: String,
    /// Keep the case of each bypassed run in this directory, as SCENARIO-RUN.json: the seconds
    /// around the onset, from which the diagnosis is made again without a server
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// List the scenarios; nothing runs
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Roads {
    Both,
    Guarded,
    Bypassed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Respond {
    /// Carry out runbooks that lose nothing
    Auto,
    /// Ask before each runbook
    Ask,
    /// Only propose
    Propose,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Terminal,
    /// One object a line, per run and road
    Json,
}

/// A drill below this is a finding.
const SCORE_GOOD: u32 = 80; // one late phase or one missed exclusion is borne, two are not

impl Drill {
    pub fn run(self) -> anyhow::Result<Exit> {
        let scenarios = self.scenarios()?;
        if self.list {
            for s in &scenarios {
                face::line(&format!("{:<26} {}", s.id, s.about))?;
            }
            return Ok(Exit::Quiet);
        }
        let installation = self.programs.installation()?;
        let store = self.vault.store()?;
        if let Some(dir) = &self.record {
            std::fs::create_dir_all(dir)
                .with_context(|| format!("{}: cannot be made", dir.display()))?;
        }
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
            .context("cannot listen for Ctrl-C")?;
        let mut options = Options {
            installation,
            roads: self.roads(),
            without: self.without.iter().copied().collect(),
            policy: self.respond.policy(),
            approve: Arc::new(ask),
            seed: 0,
            run: 0,
            scale: self.scale,
            interrupted,
        };
        let mut scores = Vec::new();
        let ended = self.play(&scenarios, &mut options, &store, &mut scores);
        // What did run is shown, also where the drill could not go on.
        let shown = match self.format {
            Format::Terminal if ended.is_ok() || !scores.is_empty() => {
                face::show(&view::scoreboard(&scores))
            }
            _ => Ok(()),
        };
        ended?;
        shown?;
        let good = scores.iter().all(|s| s.score >= SCORE_GOOD);
        Ok(if good { Exit::Quiet } else { Exit::Findings })
    }

    /// Runs each scenario as often as was asked for; `scores` gets what did run, whatever ends it.
    fn play(
        &self,
        scenarios: &[Scenario],
        options: &mut Options,
        store: &pgward_store::Vault,
        scores: &mut Vec<Score>,
    ) -> anyhow::Result<()> {
        for scenario in scenarios {
            for run in 1..=self.runs {
                options.seed = self.seed.unwrap_or_else(clock_seed).wrapping_add(u64::from(run));
                options.run = run;
                self.say(&format!("\n{} (run {run} of {})", scenario.id, self.runs));
                let mut outcomes = Vec::new();
                let ended = run::run(
                    scenario,
                    options,
                    &mut |progress| self.tell(&progress),
                    &mut |outcome| outcomes.push(outcome),
                );
                let mut kept: anyhow::Result<()> = Ok(());
                for mut outcome in outcomes {
                    let written = self.keep(store, &mut outcome);
                    let printed = self.print(&outcome.score);
                    scores.push(outcome.score);
                    printed?;
                    kept = kept.and(written);
                }
                ended?;
                kept.with_context(|| format!("{} (run {run}): not kept", scenario.id))?;
            }
        }
        Ok(())
    }

    fn scenarios(&self) -> anyhow::Result<Vec<Scenario>> {
        let mut found = Vec::new();
        for name in &self.scenarios {
            if name == "all" {
                for id in scenario::ids() {
                    found.push(scenario::built_in(id)?);
                }
            } else if name.ends_with(".md") {
                let text = std::fs::read_to_string(name).with_context(|| {
                    format!(
                        "{name}: the scenario file cannot be read; `pgward drill --list` lists \
                         those that come with pgward"
                    )
                })?;
                found.push(scenario::read(name, &text)?);
            } else {
                found.push(scenario::built_in(name)?);
            }
        }
        Ok(found)
    }

    fn roads(&self) -> Vec<Road> {
        match self.road {
            Roads::Both => vec![Road::Guarded, Road::Bypassed],
            Roads::Guarded => vec![Road::Guarded],
            Roads::Bypassed => vec![Road::Bypassed],
        }
    }

    /// Keeps the record, and notes in the score where and how soon.
    fn keep(&self, store: &pgward_store::Vault, outcome: &mut Outcome) -> anyhow::Result<()> {
        let Some(record) = outcome.record.take() else { return Ok(()) };
        let score = &mut outcome.score;
        if let Some(dir) = &self.record {
            keep_case(dir, score, &record)?;
        }
        store.append(&record.events)?;
        let beside = Beside {
            events: &record.events,
            drill: true,
            zone: &self.zone,
            impact: Some(record.impact),
            losses: record.losses,
            now: record.recovered_at,
        };
        let path = record::keep(store, &record.incident, &record.case, beside)?;
        score.postmortem = Some(path.display().to_string());
        let seconds = seconds_between(record.recovered_at, clock::now());
        scoring::postmortem_written(score, seconds);
        Ok(())
    }

    fn print(&self, score: &Score) -> anyhow::Result<()> {
        match self.format {
            Format::Json => face::line(&serde_json::to_string(score)?)?,
            Format::Terminal => self.say(&format!(
                "  score {}{}",
                score.score,
                score.lost_points.iter().map(|l| format!("; {l}")).collect::<String>()
            )),
        }
        Ok(())
    }

    fn tell(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Phase(words) => self.say(&format!("  {words}")),
            Progress::Event(event) => self.say(&format!("    {}", told(event))),
        }
    }

    /// Progress goes to standard error, so that JSON stays clean.
    fn say(&self, text: &str) {
        face::progress(text);
    }
}

/// Seconds after the last word on the cause that a recorded case holds, unless a recovery began
/// earlier.
const RECORDED_S: i64 = 2;

fn keep_case(dir: &Path, score: &Score, record: &Record) -> anyhow::Result<()> {
    let opened = record.incident.opened;
    let cause = record.incident.first().map(|(cause, _)| cause);
    let since = record.events.iter().filter(|e| e.at >= opened);
    let diagnosed = cause.and_then(|cause| diagnosed(since, Some(cause)));
    let end = diagnosed.unwrap_or(opened) + jiff::SignedDuration::from_secs(RECORDED_S);
    let acted = record.events.iter().filter(|e| e.kind == EventKind::Step && e.at >= opened);
    let until = acted.map(|e| e.at).chain([end]).min().unwrap_or(end);
    let recording =
        Recording { scenario: score.scenario.clone(), case: recording::cut(&record.case, until) };
    let path = dir.join(run::record_name(score)).with_extension("json");
    std::fs::write(&path, recording::print(&recording)?)
        .with_context(|| format!("{}: cannot be written", path.display()))
}

/// An event on one line.
pub fn told(event: &Event) -> String {
    let kind = match event.kind {
        EventKind::Change => "change",
        EventKind::Symptom => "symptom",
        EventKind::Opened => "opened",
        EventKind::Diagnosed => "likely",
        EventKind::RuledOut => "ruled out",
        EventKind::Proposed => "runbook",
        EventKind::Step => "step",
        EventKind::Verified => "verified",
        EventKind::Recovered => "recovered",
        EventKind::Closed => "closed",
        EventKind::Failed => "failed",
        EventKind::Note => "note",
    };
    let subject = match event.kind {
        EventKind::Diagnosed | EventKind::RuledOut => format!("{}: ", event.subject),
        _ => String::new(),
    };
    format!("{} {kind:<9} {subject}{}", event.at.strftime("%H:%M:%S"), event.what)
}

impl Respond {
    pub fn policy(self) -> Policy {
        match self {
            Respond::Auto => Policy::Auto,
            Respond::Ask => Policy::Ask,
            Respond::Propose => Policy::Propose,
        }
    }
}

/// Shows the runbook and asks on the terminal; no terminal, no consent.
pub fn ask(runbook: &Runbook) -> bool {
    if face::show(&view::runbook(runbook)).is_err() {
        return false;
    }
    face::progress("carry it out? [y/N] ");
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn clock_seed() -> u64 {
    pgward_pg::clock::now().as_nanosecond().unsigned_abs() as u64
}
