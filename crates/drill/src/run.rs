//! Runs a scenario: sets the stage, learns what is normal, takes one road or both.

use crate::error::Error;
use crate::roads;
use crate::scenario::Scenario;
use crate::stage::{self, Stage};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_recover::execute::Hands;
use pgward_recover::guard::{self, News};
use pgward_recover::respond::{Approve, Policy, Responder};
use pgward_watch::watcher::{Options as WatchOptions, Watcher};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How to run.
#[derive(Clone)]
pub struct Options {
    pub installation: Installation,
    pub roads: Vec<Road>,
    pub without: BTreeSet<Layer>,
    pub policy: Policy,
    pub approve: Approve,
    /// Draws keys of the load and the moment of the fault.
    pub seed: u64,
    /// Number of this run, from 1.
    pub run: u32,
    /// What `:scale` stands for in the scenario's setup.
    pub scale: u32,
    /// Set on Ctrl-C.
    pub interrupted: Arc<AtomicBool>,
}

/// What a road brought: the score, and on the bypassed road the incident's whole record.
pub struct Outcome {
    pub score: Score,
    pub record: Option<Record>,
}

/// Everything a post-mortem is written from.
pub struct Record {
    pub incident: Incident,
    pub case: Case,
    pub events: Vec<Event>,
    pub impact: Impact,
    pub losses: Losses,
    pub recovered_at: Timestamp,
}

/// Told as it happens, for the screen.
pub enum Progress<'a> {
    Phase(&'a str),
    Event(&'a Event),
}

/// Seconds of steady load that are learned as normal.
pub const BASELINE_S: u64 = 20;
/// Seconds until connections are up and caches are warm.
const WARM_UP_S: u64 = 3;

/// Runs one scenario once; `done` gets what each road brought, also where the next one fails.
///
/// # Errors
/// When the stage cannot be set, the drill is interrupted or its disk is full; an answer that is
/// wrong is no error but a low score.
pub fn run(
    scenario: &Scenario,
    options: &Options,
    tell: &mut dyn FnMut(Progress<'_>),
    done: &mut dyn FnMut(Outcome),
) -> Result<(), Error> {
    if !scenario.header.allows(options.installation.major) {
        return Err(Error::Stage {
            scenario: scenario.id.clone(),
            why: format!(
                "it is for PostgreSQL {}, and {} is installed here",
                scenario.header.postgres.as_deref().unwrap_or(""),
                options.installation.major
            ),
        });
    }
    let scenario = &scenario.scaled(options.scale);
    tell(Progress::Phase("sets the stage: private server, data, base backup"));
    let stage = Stage::set(scenario, &options.installation, options.seed)?;
    play(scenario, options, &stage, tell, done)
        .map_err(|error| stage::or_full_disk(scenario, &stage.parent(), error))
}

fn play(
    scenario: &Scenario,
    options: &Options,
    stage: &Stage,
    tell: &mut dyn FnMut(Progress<'_>),
    done: &mut dyn FnMut(Outcome),
) -> Result<(), Error> {
    let guarded = start_guard(stage, scenario, options)?;
    tell(Progress::Phase("learns what is normal under live load"));
    let theatre = Theatre { scenario, options, stage, guarded: &guarded };
    for seconds in [WARM_UP_S, BASELINE_S] {
        theatre.wait(Duration::from_secs(seconds), tell)?;
        if let Some(error) = stage.load.mistaken() {
            return Err(error.into());
        }
    }
    let baseline = stage.load.take_baseline(Duration::from_secs(BASELINE_S));
    for (n, road) in options.roads.iter().enumerate() {
        if n > 0 && guarded.had_incident() {
            tell(Progress::Phase("learns anew what is normal"));
            theatre.wait(Duration::from_secs(BASELINE_S), tell)?;
        }
        if *road == Road::Guarded && !scenario.can_be_guarded() {
            tell(Progress::Phase("no guarded road: it comes with no change that could be stopped"));
            continue;
        }
        done(match road {
            Road::Guarded => roads::guarded(&theatre, &baseline, tell)?,
            Road::Bypassed => roads::bypassed(&theatre, &baseline, tell)?,
        });
    }
    stage.load.stop();
    Ok(())
}

/// The stage with the guard at work on it.
pub(crate) struct Theatre<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) options: &'a Options,
    pub(crate) stage: &'a Stage,
    pub(crate) guarded: &'a Guarded,
}

impl Theatre<'_> {
    /// Lets time pass while the guard works; ends early on Ctrl-C or when the load breaks.
    ///
    /// # Errors
    /// [`Error::Interrupted`], [`Error::DiskFull`]; the load's error.
    pub(crate) fn wait(
        &self,
        time: Duration,
        tell: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Error> {
        let deadline = clock::Deadline::after(time);
        while !deadline.passed() {
            self.look(tell)?;
            std::thread::sleep(deadline.left().min(Duration::from_millis(50)));
        }
        Ok(())
    }

    /// Passes on what the guard says.
    ///
    /// # Errors
    /// As [`Theatre::wait`].
    pub(crate) fn look(&self, tell: &mut dyn FnMut(Progress<'_>)) -> Result<(), Error> {
        if self.options.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { scenario: self.scenario.id.clone() });
        }
        self.stage.has_room(self.scenario)?;
        if let Some(error) = self.stage.load.take_error() {
            return Err(error.into());
        }
        for event in self.guarded.news.try_iter() {
            tell(Progress::Event(&event));
        }
        Ok(())
    }
}

/// The guard in its own thread; ends when dropped.
pub(crate) struct Guarded {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) scan: Arc<AtomicBool>,
    news: Receiver<Event>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the guard has said so far.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) events: Vec<Event>,
    pub(crate) open: Option<Incident>,
    /// Every incident that was opened, with its title.
    pub(crate) opened: Vec<(Timestamp, String)>,
    pub(crate) closed: Vec<(Incident, Case)>,
    /// When each cause was first ranked first in the open incident, in order.
    pub(crate) ranked_first: Vec<(Timestamp, String)>,
    pub(crate) failures: Vec<String>,
}

impl Guarded {
    fn had_incident(&self) -> bool {
        !self.state.lock().unwrap_or_else(|e| e.into_inner()).closed.is_empty()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Seconds without harm before a drill's incident is closed; production takes longer.
pub(crate) const HEALTHY_S: f64 = 5.0;

pub(crate) fn start_guard(
    stage: &Stage,
    scenario: &Scenario,
    options: &Options,
) -> Result<Guarded, Error> {
    let scan = Arc::new(AtomicBool::new(!options.without.contains(&Layer::Integrity)));
    let hands = Hands::open(
        stage.superuser(),
        Some(stage.vault.clone()),
        Some(options.installation.clone()),
        stage.dir.path().join("evidence"),
    )?;
    let mut watcher = Watcher::start(WatchOptions {
        server: format!("drill {}", scenario.id),
        target: stage.direct("pgward"),
        probe_target: Some(stage.client("pgward")),
        scan: Arc::clone(&scan),
        known_changes: known(scenario),
        healthy_s: HEALTHY_S,
    })?;
    let mut responder = Responder::new(hands, options.policy, Arc::clone(&options.approve));
    let (send, news) = channel();
    let state = Arc::new(Mutex::new(State::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let (shared, stopped) = (Arc::clone(&state), Arc::clone(&stop));
    let thread = std::thread::spawn(move || {
        guard::run(&mut watcher, &mut responder, &stopped, |news| {
            for event in note(&shared, &news) {
                let _ = send.send(event);
            }
        });
    });
    Ok(Guarded { state, scan, news, stop, thread: Some(thread) })
}

/// The migrations folder of the drill: the file of its change.
fn known(scenario: &Scenario) -> Vec<KnownChange> {
    scenario
        .change
        .iter()
        .map(|file| KnownChange {
            change: pgward_sql::change(vec![pgward_sql::read(&file.path, &file.text)]),
            seen: ChangeSeen::InFolder,
        })
        .collect()
}

fn note(state: &Mutex<State>, news: &News<'_>) -> Vec<Event> {
    let mut state = state.lock().unwrap_or_else(|e| e.into_inner());
    match news {
        News::Events(events) => {
            state.failures.extend(
                events.iter().filter(|e| e.kind == EventKind::Failed).map(|e| e.what.clone()),
            );
            let opened = events.iter().filter(|e| e.kind == EventKind::Opened);
            state.opened.extend(opened.map(|e| (e.at, e.what.clone())));
            state.events.extend(events.iter().cloned());
            return events.to_vec();
        }
        News::Open(incident) => {
            if let Some((cause, _)) = incident.first() {
                let cause = cause.to_owned();
                if state.ranked_first.last().is_none_or(|(_, last)| *last != cause) {
                    state.ranked_first.push((clock::now(), cause));
                }
            }
            state.open = Some((*incident).clone());
        }
        News::Recovered { .. } => {} // the record is written when its losses are known
        News::Closed { incident, case } => {
            state.open = None;
            state.ranked_first.push((clock::now(), String::new()));
            state.closed.push(((**incident).clone(), (**case).clone()));
        }
    }
    Vec::new()
}

/// Where files of a drill may be written by whoever keeps its record.
pub fn record_name(score: &Score) -> PathBuf {
    PathBuf::from(format!("{}-{}", score.scenario, score.run))
}
