//! Answers an incident: plans a runbook for its likely causes, carries it out under the
//! policy, and proves each step.

use crate::actions::{self, Action, Cx};
use crate::error::Error;
use crate::execute::{self, Acting, Hands};
use pgward_incident::causes;
use pgward_model::prelude::*;
use pgward_pg::clock;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

/// What pgward may do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Carry out runbooks that lose nothing; propose the others.
    Auto,
    /// Ask before each.
    Ask,
    /// Propose only.
    Propose,
}

/// Asked before a runbook is carried out; `true` approves.
pub type Approve = Arc<dyn Fn(&Runbook) -> bool + Send + Sync>;

/// Answers the incidents of one server, one runbook at a time.
pub struct Responder {
    hands: Arc<Hands>,
    policy: Policy,
    approve: Approve,
    running: Option<Receiver<Progress>>,
    /// Incident, action and object already tried.
    tried: BTreeSet<String>,
    /// Causes whose runbook has worked in this incident.
    solved: Vec<(String, String)>,
    stable: Option<(String, u32)>,
    finished_at: Option<Timestamp>,
    /// What could not be planned or done, for the record.
    pub failures: Vec<String>,
    /// Actions carried out, in order.
    pub done: Vec<Runbook>,
}

enum Progress {
    Event(Event),
    Planned(Runbook),
    Done { cause: String, incident: String, runbook: Runbook },
    Failed(String),
}

/// A verdict must stand for this many ticks before it is acted on.
const STABLE_TICKS: u32 = 2; // one sample can catch a session between two states
/// A cause below this is not acted on.
const SCORE_MIN: f64 = 0.5;
/// Time for a recovery to show in the samples before the next cause is tried.
const SETTLE_S: f64 = 3.0; // counters reach the views a second after, samples come each second

impl Responder {
    pub fn new(hands: Hands, policy: Policy, approve: Approve) -> Responder {
        Responder {
            hands: Arc::new(hands),
            policy,
            approve,
            running: None,
            tried: BTreeSet::new(),
            solved: Vec::new(),
            stable: None,
            finished_at: None,
            failures: Vec::new(),
            done: Vec::new(),
        }
    }

    /// A runbook is being planned or carried out.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Is there a likely cause with an action that has not been tried?
    pub fn has_more(&self, incident: &Incident) -> bool {
        self.policy != Policy::Propose && self.next(incident).is_some()
    }

    /// Looks at the incident once per tick. `case` is asked for only when a plan is made.
    pub fn step(
        &mut self,
        incident: &mut Incident,
        case: impl FnOnce() -> Option<Case>,
    ) -> Vec<Event> {
        let events = self.collect(incident);
        if self.is_busy() || !self.is_settled() {
            return events;
        }
        let Some((cause, likely, action)) = self.next(incident) else { return events };
        let ticks = match &self.stable {
            Some((same, n)) if *same == cause => n + 1,
            _ => 1,
        };
        self.stable = Some((cause.clone(), ticks));
        if ticks < STABLE_TICKS {
            return events;
        }
        let Some(case) = case() else { return events };
        self.tried.insert(key(&incident.id, action, &likely));
        self.begin(incident, cause, likely, action, case);
        events
    }

    fn is_settled(&self) -> bool {
        self.finished_at.is_none_or(|t| seconds_between(t, clock::now()) >= SETTLE_S)
    }

    /// The next cause to act on: likely, with an untried action, explaining a symptom that
    /// no solved cause explains.
    fn next(&self, incident: &Incident) -> Option<(String, Likely, &'static str)> {
        let solved: BTreeSet<&str> = self
            .solved
            .iter()
            .filter(|(id, _)| *id == incident.id)
            .filter_map(|(_, cause)| causes::cause(cause))
            .flat_map(|c| c.explains.iter().copied())
            .collect();
        incident.verdicts.iter().find_map(|judged| {
            let likely = judged.verdict.likely().filter(|l| l.score >= SCORE_MIN)?;
            let cause = causes::cause(&judged.cause)?;
            let open = incident.symptoms.iter().any(|s| {
                cause.explains.contains(&s.detector.as_str())
                    && !solved.contains(s.detector.as_str())
            });
            if !open {
                return None;
            }
            let untried = likely
                .actions
                .iter()
                .filter_map(|id| actions::action(id))
                .find(|a| !self.tried.contains(&key(&incident.id, a.id, likely)))?;
            Some((judged.cause.clone(), likely.clone(), untried.id))
        })
    }

    fn begin(
        &mut self,
        incident: &Incident,
        cause: String,
        likely: Likely,
        action: &'static str,
        case: Case,
    ) {
        let (send, receive) = channel();
        let hands = Arc::clone(&self.hands);
        let (policy, approve) = (self.policy, Arc::clone(&self.approve));
        let work = Work {
            incident: incident.id.clone(),
            server: incident.server.clone(),
            cause,
            action,
            send,
        };
        std::thread::spawn(move || {
            if let Err(error) = work.run(&hands, policy, &approve, &likely, &case) {
                let words = with_causes(&error);
                work.tell(
                    EventKind::Failed,
                    format!("{}: {words}", work.action),
                    Source::new(SourceKind::Journal, ""),
                );
                let _ = work.send.send(Progress::Failed(words));
            }
        });
        self.running = Some(receive);
    }

    fn collect(&mut self, incident: &mut Incident) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let Some(running) = &self.running else { return events };
            match running.try_recv() {
                Ok(Progress::Event(event)) => events.push(event),
                Ok(Progress::Planned(runbook)) => incident.runbooks.push(runbook),
                Ok(Progress::Done { cause, incident, runbook }) => {
                    self.solved.push((incident, cause));
                    self.done.push(runbook);
                }
                Ok(Progress::Failed(why)) => self.failures.push(why),
                Err(TryRecvError::Empty) => return events,
                Err(TryRecvError::Disconnected) => {
                    self.running = None;
                    self.stable = None;
                    self.finished_at = Some(clock::now());
                    return events;
                }
            }
        }
    }
}

struct Work {
    incident: String,
    server: String,
    cause: String,
    action: &'static str,
    send: Sender<Progress>,
}

impl Work {
    fn run(
        &self,
        hands: &Hands,
        policy: Policy,
        approve: &Approve,
        likely: &Likely,
        case: &Case,
    ) -> Result<(), Error> {
        let action = actions::action(self.action)
            .ok_or(Error::Plan { action: "respond", why: format!("no action {}", self.action) })?;
        let acting = hands.acting()?;
        let outcome = self.run_with(hands, &acting, action, policy, approve, likely, case);
        hands.give_back(acting);
        outcome
    }

    #[allow(clippy::too_many_arguments)] // what one response needs, and nobody else calls it
    fn run_with(
        &self,
        hands: &Hands,
        acting: &Acting,
        action: &Action,
        policy: Policy,
        approve: &Approve,
        likely: &Likely,
        case: &Case,
    ) -> Result<(), Error> {
        let cx = Cx {
            session: &acting.session,
            vault: hands.vault.as_ref(),
            installation: hands.installation.as_ref(),
            data_dir: hands.data_dir(&acting.session),
        };
        // Who only wants proposals has allowed no write, and a switch of WAL is one.
        if policy != Policy::Propose && cx.data_dir.is_none() {
            execute::archive_wal(hands, acting, action.id);
        }
        let runbook = (action.plan)(&cx, likely, case)?;
        let planned = Source::new(SourceKind::Journal, format!("action {}", action.id));
        self.tell(EventKind::Proposed, proposal(&runbook), planned.clone());
        let _ = self.send.send(Progress::Planned(runbook.clone()));
        let allowed = match policy {
            Policy::Auto => runbook.loss.n_rows == Some(0),
            Policy::Ask => approve(&runbook),
            Policy::Propose => false,
        };
        if !allowed {
            self.tell(EventKind::Note, format!("{} waits for approval", runbook.title), planned);
            return Ok(());
        }
        for step in &runbook.steps {
            let report =
                execute::step(hands, acting, &format!("recovery {}", self.incident), step)?;
            self.tell(EventKind::Step, format!("{}{report}", step.title), planned.clone());
            for expectation in &step.expectations {
                let proof = Source::new(SourceKind::Catalog, expectation.sql.clone());
                self.tell(EventKind::Verified, expectation.claim.clone(), proof);
            }
        }
        self.tell(EventKind::Recovered, format!("{}: done and proven", runbook.title), planned);
        let _ = self.send.send(Progress::Done {
            cause: self.cause.clone(),
            incident: self.incident.clone(),
            runbook,
        });
        Ok(())
    }

    fn tell(&self, kind: EventKind, what: String, source: Source) {
        let _ = self.send.send(Progress::Event(Event {
            at: clock::now(),
            server: self.server.clone(),
            kind,
            subject: self.cause.clone(),
            actor: "pgward".to_owned(),
            what,
            source,
        }));
    }
}

/// `proposes: Restore block 7 of orders (1 step; loses nothing: …)`.
fn proposal(runbook: &Runbook) -> String {
    let n = runbook.steps.len();
    let steps = if n == 1 { "1 step".to_owned() } else { format!("{n} steps") };
    let loses = match runbook.loss.n_rows {
        Some(0) => "loses nothing".to_owned(),
        Some(n) => format!("loses {} values", human(n as f64)),
        None => "what it loses is not known".to_owned(),
    };
    format!("proposes: {} ({steps}; {loses}: {})", runbook.title, runbook.loss.explain)
}

fn key(incident: &str, action: &str, likely: &Likely) -> String {
    let pids = likely.pids.iter().map(|p| p.to_string()).collect::<Vec<_>>().join(",");
    let names = likely.relations.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let what =
        if action.starts_with("terminate") || action.starts_with("cancel") { pids } else { names };
    format!("{incident} {action} {what}")
}

/// An error with all its causes on one line.
fn with_causes(error: &Error) -> String {
    let words = pgward_pg::error::links(error).join(": ");
    match error.hint() {
        Some(hint) => format!("{words}; {hint}"),
        None => words,
    }
}
