//! Answers an incident: plans a runbook for its likely causes, carries it out under the
//! policy, and proves each step.

use crate::actions::{self, Action, Cx};
use crate::error::Error;
use crate::execute::{self, Acting, Hands};
use crate::tries::{Ended, Tries};
use pgward_incident::causes::{self, Cause};
use pgward_model::prelude::*;
use pgward_pg::clock;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::Duration;

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
    tries: Tries,
    stable: Option<(String, u32)>,
    finished_at: Option<Timestamp>,
    /// What the server's clock is ahead of ours: events tell the server's time, as samples do.
    pub clock_offset: jiff::SignedDuration,
    /// What could not be planned or done, for the record.
    pub failures: Vec<String>,
    /// Actions carried out, in order.
    pub done: Vec<Runbook>,
}

enum Progress {
    Event(Event),
    Planned(Runbook),
    Done(Runbook),
    Failed { why: String, ended: Ended },
}

/// What to do next.
struct Next {
    cause: &'static Cause,
    likely: Likely,
    action: &'static Action,
    /// Seconds until it may be planned.
    pause_s: f64,
}

/// A verdict must stand for this many ticks before it is acted on.
const STABLE_TICKS: u32 = 2; // one sample can catch a session between two states
/// A cause below this is not acted on.
const SCORE_MIN: f64 = 0.5;
/// Time for a recovery to show in the samples before the next cause is tried.
const SETTLE_S: f64 = 3.0; // counters reach the views a second after, samples come each second
/// What a plan says is true that long, as when nobody is asked; an answer may take hours.
const FRESH: Duration = Duration::from_secs(10);
/// Plans that a person is asked to approve, one after the other, before it is given up.
const ASKED_MAX: u32 = 3;

impl Responder {
    pub fn new(hands: Hands, policy: Policy, approve: Approve) -> Responder {
        Responder {
            hands: Arc::new(hands),
            policy,
            approve,
            running: None,
            tries: Tries::default(),
            stable: None,
            finished_at: None,
            clock_offset: jiff::SignedDuration::ZERO,
            failures: Vec::new(),
            done: Vec::new(),
        }
    }

    /// A runbook is being planned or carried out.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Is there a likely cause with an action that may still be tried? `at` is the time of the
    /// last sample.
    pub fn has_more(&self, at: Timestamp, incident: &Incident) -> bool {
        self.policy != Policy::Propose && self.next(at, incident).is_some()
    }

    /// Looks at the incident once per tick; `at` is the time of the last sample. `case` is
    /// asked for only when a plan is made. `blind`: the last sample has gaps.
    pub fn step(
        &mut self,
        at: Timestamp,
        blind: bool,
        incident: &mut Incident,
        case: impl FnOnce() -> Option<Case>,
    ) -> Vec<Event> {
        self.tries.look(at, incident, blind);
        let events = self.collect(at, incident);
        if self.is_busy() || !self.is_settled() {
            return events;
        }
        let Some(next) = self.next(at, incident).filter(|n| n.pause_s == 0.0) else {
            return events;
        };
        let ticks = match &self.stable {
            Some((same, n)) if *same == next.cause.id => n + 1,
            _ => 1,
        };
        self.stable = Some((next.cause.id.to_owned(), ticks));
        if ticks < STABLE_TICKS {
            return events;
        }
        let Some(case) = case() else { return events };
        let key = key(next.action.id, &next.likely);
        let last_wait = self.tries.is_last_wait(&key);
        self.tries.begin(key, next.cause, incident);
        self.begin(incident, next, case, last_wait);
        events
    }

    fn is_settled(&self) -> bool {
        self.finished_at.is_none_or(|t| seconds_between(t, clock::now()) >= SETTLE_S)
    }

    /// The next cause to act on: likely, with an action that may be tried, explaining a symptom
    /// that no proven action has answered; or what it waits for.
    fn next(&self, at: Timestamp, incident: &Incident) -> Option<Next> {
        let possible = incident.verdicts.iter().filter_map(|judged| {
            let likely = judged.verdict.likely().filter(|l| l.score >= SCORE_MIN)?;
            let cause = causes::cause(&judged.cause)?;
            if !self.tries.is_open(at, incident, cause) {
                return None;
            }
            let (action, pause_s) =
                likely.actions.iter().filter_map(|id| actions::action(id)).find_map(|action| {
                    let key = key(action.id, likely);
                    Some((action, self.tries.pause_s(at, incident, cause, &key)?))
                })?;
            Some(Next { cause, likely: likely.clone(), action, pause_s })
        });
        // What only waits for its moment keeps less likely causes of the same symptoms waiting
        // too; for others the way is free.
        let mut waits: Option<Next> = None;
        for next in possible {
            let shared = waits.as_ref().is_some_and(|w| {
                let both = |s: &&Symptom| {
                    let id = s.detector.as_str();
                    w.cause.explains.contains(&id) && next.cause.explains.contains(&id)
                };
                incident.symptoms.iter().any(|s| both(&s))
            });
            match next.pause_s == 0.0 {
                true if !shared => return Some(next),
                true => {}
                false => waits = waits.or(Some(next)),
            }
        }
        waits
    }

    fn begin(&mut self, incident: &Incident, next: Next, case: Case, last_wait: bool) {
        let (send, receive) = channel();
        let hands = Arc::clone(&self.hands);
        let (policy, approve) = (self.policy, Arc::clone(&self.approve));
        let work = Work {
            incident: incident.id.clone(),
            server: incident.server.clone(),
            clock_offset: self.clock_offset,
            cause: next.cause.id,
            action: next.action,
            fresh: FRESH,
            send,
        };
        std::thread::spawn(move || {
            if let Err(error) = work.run(&hands, policy, &approve, &next.likely, &case) {
                let why = with_causes(&error);
                let momentary = error.is_momentary() && !last_wait;
                work.tell(
                    if momentary { EventKind::Note } else { EventKind::Failed },
                    format!("{}: {why}", work.action.id),
                    Source::new(SourceKind::Journal, ""),
                );
                let ended = if momentary { Ended::NotNow } else { Ended::Given };
                let _ = work.send.send(Progress::Failed { why, ended });
            }
        });
        self.running = Some(receive);
    }

    fn collect(&mut self, at: Timestamp, incident: &mut Incident) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let Some(running) = &self.running else { return events };
            match running.try_recv() {
                Ok(Progress::Event(event)) => events.push(event),
                Ok(Progress::Planned(runbook)) => incident.runbooks.push(runbook),
                Ok(Progress::Done(runbook)) => {
                    self.tries.end(at, Ended::Done);
                    self.done.push(runbook);
                }
                Ok(Progress::Failed { why, ended }) => {
                    self.tries.end(at, ended);
                    if ended == Ended::Given {
                        self.failures.push(why);
                    }
                }
                Err(TryRecvError::Empty) => return events,
                Err(TryRecvError::Disconnected) => {
                    self.tries.end_if_open(at, Ended::Given);
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
    clock_offset: jiff::SignedDuration,
    cause: &'static str,
    action: &'static Action,
    /// A plan younger than this is still true.
    fresh: Duration,
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
        let acting = hands.acting()?;
        let outcome = self.run_with(hands, &acting, policy, approve, likely, case);
        hands.give_back(acting);
        outcome
    }

    fn run_with(
        &self,
        hands: &Hands,
        acting: &Acting,
        policy: Policy,
        approve: &Approve,
        likely: &Likely,
        case: &Case,
    ) -> Result<(), Error> {
        let action = self.action;
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
        let planned = Source::new(SourceKind::Journal, format!("action {}", action.id));
        let plan = || (action.plan)(&cx, likely, case);
        let Some(runbook) = self.allowed(plan, policy, approve, &planned)? else { return Ok(()) };
        self.carry_out(hands, acting, &runbook, &planned)?;
        self.tell(EventKind::Recovered, format!("{}: done and proven", runbook.title), planned);
        let _ = self.send.send(Progress::Done(runbook));
        Ok(())
    }

    /// Step by step up to the first that fails; what other tables get back does not hang on it.
    fn carry_out(
        &self,
        hands: &Hands,
        acting: &Acting,
        runbook: &Runbook,
        planned: &Source,
    ) -> Result<(), Error> {
        let name = format!("recovery {}", self.incident);
        let mut failed = Ok(());
        let refills = runbook.steps.iter().any(|s| matches!(s.act, Act::RefillTables { .. }));
        // A table, or a sequence, that cannot be mended keeps no other from it.
        let may_fail = |step: &Step| {
            matches!(step.act, Act::RefillTables { .. } | Act::Sql { transaction: false, .. })
        };
        for step in &runbook.steps {
            let report = match execute::step(hands, acting, &name, step) {
                Ok(report) => report,
                Err(error) if refills && may_fail(step) => {
                    if failed.is_err() {
                        self.tell(EventKind::Failed, with_causes(&error), planned.clone());
                    }
                    failed = failed.and(Err(error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.tell(EventKind::Step, format!("{}{report}", step.title), planned.clone());
            for expectation in &step.expectations {
                let proof = Source::new(SourceKind::Catalog, expectation.sql.clone());
                self.tell(EventKind::Verified, expectation.claim.clone(), proof);
            }
        }
        failed
    }

    /// The runbook that may be carried out now; `None` where none may. An answer is good for what was
    /// asked: once that is old, what would be done is planned anew and, where it is something else,
    /// asked for again.
    fn allowed(
        &self,
        plan: impl Fn() -> Result<Runbook, Error>,
        policy: Policy,
        approve: &Approve,
        planned: &Source,
    ) -> Result<Option<Runbook>, Error> {
        let mut runbook = plan()?;
        for _ in 0..ASKED_MAX {
            self.tell(EventKind::Proposed, proposal(&runbook), planned.clone());
            let _ = self.send.send(Progress::Planned(runbook.clone()));
            let fresh = clock::Deadline::after(self.fresh);
            let is_allowed = match policy {
                Policy::Auto => runbook.loss.n_rows == Some(0),
                Policy::Ask => approve(&runbook),
                Policy::Propose => false,
            };
            if !is_allowed {
                let waits = format!("{} waits for approval", runbook.title);
                self.tell(EventKind::Note, waits, planned.clone());
                return Ok(None);
            }
            if policy == Policy::Auto || !fresh.passed() {
                return Ok(Some(runbook));
            }
            let now = plan()?;
            if is_same(&runbook, &now) {
                return Ok(Some(now));
            }
            runbook = now;
        }
        let why = format!("what would be done has changed after each of {ASKED_MAX} answers");
        Err(Error::NotYet { action: self.action.id, why })
    }

    fn tell(&self, kind: EventKind, what: String, source: Source) {
        let now = clock::now();
        let _ = self.send.send(Progress::Event(Event {
            at: now.checked_add(self.clock_offset).unwrap_or(now),
            server: self.server.clone(),
            kind,
            subject: self.cause.to_owned(),
            actor: "pgward".to_owned(),
            what,
            source,
        }));
    }
}

/// Does it do the same, at the same price? Numbers in its words may have moved on. What the plan
/// takes from the case (the session that is meant) is as it was; the step itself looks again.
fn is_same(a: &Runbook, b: &Runbook) -> bool {
    a.loss.n_rows == b.loss.n_rows
        && a.steps.iter().map(|s| &s.act).eq(b.steps.iter().map(|s| &s.act))
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

/// The action and the object it is for: sessions for signals, else relations. What was only asked
/// for, since it may have been meant or be another's work, may be done once it is certain that it
/// was not.
fn key(action: &str, likely: &Likely) -> String {
    let pids = likely.pids.iter().map(|p| p.to_string()).collect::<Vec<_>>().join(",");
    let names = likely.relations.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let signals = ["terminate", "cancel", "end_xmin"].iter().any(|a| action.starts_with(a));
    let what = if signals { pids } else { names };
    let asked = if likely.perhaps_meant { " if it was not meant" } else { "" };
    let unproven = if likely.is_unproven { " if it is proven" } else { "" };
    format!("{action} {what}{asked}{unproven}")
}

/// An error with all its causes on one line.
fn with_causes(error: &Error) -> String {
    let words = pgward_pg::error::links(error).join(": ");
    match error.hint() {
        Some(hint) => format!("{words}; {hint}"),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// How often the plan was made and a person asked, and what may be carried out; the n-th plan
    /// says `UPDATE a SET n = numbers[n]`.
    fn asked(fresh: Duration, numbers: &[u32]) -> (u32, u32, Option<String>) {
        let (send, _receive) = channel();
        let (plans, answers) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
        let work = Work {
            incident: "i".to_owned(),
            server: "s".to_owned(),
            clock_offset: jiff::SignedDuration::ZERO,
            cause: "lock_hot_row",
            action: actions::action("cancel_query").unwrap(),
            fresh,
            send,
        };
        let plan = || {
            let n = plans.fetch_add(1, Ordering::Relaxed) as usize;
            let n = numbers.get(n).or(numbers.last()).copied().unwrap_or_default();
            let statements = vec![format!("UPDATE a SET n = {n}")];
            let step = Step {
                number: 1,
                title: String::new(),
                act: Act::Sql { statements, transaction: true },
                limits: Limits::SHORT,
                expectations: Vec::new(),
                undo: Undo::Nothing,
            };
            let loss = Loss { n_rows: Some(0), explain: String::new() };
            let (action, title, why) = (String::new(), String::new(), String::new());
            Ok(Runbook { action, title, why, steps: vec![step], loss })
        };
        let count = Arc::clone(&answers);
        let approve: Approve = Arc::new(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            true
        });
        let source = Source::new(SourceKind::Journal, "");
        let runbook = work.allowed(plan, Policy::Ask, &approve, &source).ok().flatten();
        let act = runbook.and_then(|r| match r.steps.into_iter().next()?.act {
            Act::Sql { statements, .. } => statements.into_iter().next(),
            _ => None,
        });
        (plans.into_inner(), answers.load(Ordering::Relaxed), act)
    }

    #[test]
    fn a_late_answer_is_good_for_what_was_asked_only() {
        let done = |n: u32| Some(format!("UPDATE a SET n = {n}"));
        assert_eq!(asked(Duration::from_secs(60), &[1, 2]), (1, 1, done(1)));
        assert_eq!(asked(Duration::ZERO, &[1, 1]), (2, 1, done(1)));
        assert_eq!(asked(Duration::ZERO, &[1, 2, 3, 3]), (4, 3, done(3)));
        assert_eq!(asked(Duration::ZERO, &[1, 2, 3, 4]), (4, 3, None));
    }
}
