//! Runs a change in production: journal first, under limits, checked before it commits.

use crate::error::Error;
use crate::estimate::{self, Basis};
use crate::expect::{self, Yardstick};
use crate::gate::{self, GateOptions};
use crate::interrupt::Interrupt;
use crate::plan::{self, Plan, Planned, Unit};
use crate::rows::{self, RowsRule};
use crate::undo::{self, Hands};
use crate::workload::{self, Inside};
use pgward_lint::FileOptions;
use pgward_model::prelude::*;
use pgward_pg::error::Error as PgError;
use pgward_pg::guarded::{self, Context, Moment, StepReport};
use pgward_pg::journal::{self, ChangeState, Key};
use pgward_pg::prelude::*;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What applying may leave out and must know.
#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    /// Layers that are switched off; the journal and the transaction around a file never are.
    pub without: BTreeSet<Layer>,
    /// Values of the change's variables: the same as given to the gate.
    pub vars: BTreeMap<String, String>,
    /// What `pgward.toml` says of single files: the same as given to the gate.
    pub files: BTreeMap<String, FileOptions>,
    pub rows: RowsRule,
    /// Who may stop it.
    pub interrupt: Interrupt,
}

impl From<&GateOptions> for ApplyOptions {
    fn from(gate: &GateOptions) -> Self {
        ApplyOptions {
            without: gate.without.clone(),
            vars: gate.vars.clone(),
            files: gate.files.clone(),
            rows: gate.rows,
            interrupt: Interrupt::default(),
        }
    }
}

/// What became of the change in production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Applied,
    /// It was stopped and nothing of it stays.
    NothingChanged,
    /// It was stopped; steps that had committed were undone.
    TakenBack,
    /// It was stopped, and these steps stay, since they cannot be undone exactly.
    LeftHalf {
        steps: Vec<u32>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AppliedStep {
    pub number: u32,
    pub title: String,
    pub state: JournalState,
    pub report: StepReport,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ApplyReport {
    pub change_id: String,
    /// 1 for the first time this change is applied here, ...
    pub run: i32,
    /// Envelope or expectation.
    pub stopped_by: Option<Layer>,
    pub layers: Vec<LayerRun>,
    pub findings: Vec<Finding>,
    pub steps: Vec<AppliedStep>,
    pub outcome: Outcome,
    /// What happened, in a sentence.
    pub says: String,
    /// What was done beside the steps, such as an invalid index dropped.
    pub notes: Vec<String>,
}

impl ApplyReport {
    /// Did somebody stop it, rather than pgward?
    pub fn is_interrupted(&self) -> bool {
        self.findings.iter().any(|f| f.lint == INTERRUPTED)
    }
}

/// The finding of a change that somebody stopped.
const INTERRUPTED: &str = "interrupted";

/// Gate and, where it opens, apply.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GuardReport {
    pub gate: GateReport,
    /// `None`: the gate stayed closed and production was not touched.
    pub apply: Option<ApplyReport>,
}

impl GuardReport {
    pub fn stopped_by(&self) -> Option<Layer> {
        self.gate.stopped_by.or(self.apply.as_ref().and_then(|a| a.stopped_by))
    }

    /// The finding that stopped it.
    pub fn stopper(&self) -> Option<&Finding> {
        let layer = self.stopped_by()?;
        let applied = self.apply.iter().flat_map(|a| &a.findings);
        let mut all = self.gate.findings.iter().chain(applied);
        all.find(|f| f.layer == layer && f.severity == Severity::Error)
    }
}

/// The gate, and production if it opens.
///
/// # Errors
/// As [`gate::gate`] and [`apply`].
pub fn guard(
    change: &Change,
    production: &Target,
    options: &GateOptions,
) -> Result<GuardReport, Error> {
    let gate = gate::gate(change, production, options)?;
    if gate.stopped_by.is_some() {
        return Ok(GuardReport { gate, apply: None });
    }
    let apply = apply(change, &gate, production, &ApplyOptions::from(options))?;
    Ok(GuardReport { gate, apply: Some(apply) })
}

/// May the change be applied here? Asked before the gate, whose rehearsal takes a while.
///
/// # Errors
/// [`Error::Refused`] when it is applied already; [`Error::NoJournal`] when there is one that the
/// role may not write; as [`Session::query`].
pub fn may_apply(session: &Session, change: &Change) -> Result<(), Error> {
    let change_id = change.id.clone();
    let no_journal = |source| Error::NoJournal { change_id: change_id.clone(), source };
    if !journal::may_keep(session).map_err(no_journal)? {
        return Ok(());
    }
    match journal::applied_at(session, &change.id)? {
        None => Ok(()),
        Some(at) => Err(Error::Refused {
            why: format!("it was applied at {at:.0} and has not been undone since"),
            way_out: format!(
                "to run it again, take it back first: pgward undo {change_id}; a change with \
                 another text is another change"
            ),
            change_id,
        }),
    }
}

/// Applies a change that passed the gate.
///
/// Each statement is in the journal, durable, before it is sent. A file that may run in one
/// transaction does; what may not runs step by step, and is undone when a later step is stopped.
/// A change that was interrupted is resumed where it stood.
///
/// # Errors
/// [`Error::GateClosed`]; [`Error::NoJournal`]; [`Error::Refused`] when it is applied already;
/// [`PgError::NotNow`] when somebody else is at it; a lost connection, after which the journal
/// says how far it came. A change that is stopped is no error but a report.
pub fn apply(
    change: &Change,
    gate: &GateReport,
    production: &Target,
    options: &ApplyOptions,
) -> Result<ApplyReport, Error> {
    if let Some(layer) = gate.stopped_by {
        return Err(Error::GateClosed { change_id: change.id.clone(), layer: layer.id() });
    }
    let sent = gate::rendered(change, &options.vars, &options.files);
    let plan = plan::plan(&sent);
    let mut run = Run::begin(change, &sent, &plan, gate, production, options)?;
    options.interrupt.begin(run.work.canceller());
    let stopped = run.all_units();
    options.interrupt.end();
    if let Some(finding) = stopped? {
        run.stopped(finding)?;
        let mut refused = gate.clone();
        refused.stopped_by = run.report.stopped_by;
        refused.layers.extend(run.report.layers.iter().cloned());
        refused.findings.extend(run.report.findings.iter().cloned());
        if !run.report.is_interrupted() {
            journal::remember(&run.book, change, &refused, ChangeState::Refused)?;
        }
    } else {
        journal::remember(&run.book, change, gate, ChangeState::Applied)?;
        let n = run.report.steps.len();
        run.report.says = format!("change {} applied: {}", change.id, plan::counted(n, "step"));
    }
    Ok(run.report)
}

struct Run<'a> {
    sent: &'a Change,
    plan: &'a Plan<'a>,
    gate: &'a GateReport,
    options: &'a ApplyOptions,
    catalog: Catalog,
    work: Session,
    control: Session,
    book: Session,
    yardstick: Option<Yardstick>,
    /// Steps that an interrupted run has done already.
    done: BTreeSet<u32>,
    report: ApplyReport,
}

/// A step is stopped by this finding.
type Stopped = Option<Finding>;

impl<'a> Run<'a> {
    fn begin(
        change: &Change,
        sent: &'a Change,
        plan: &'a Plan<'a>,
        gate: &'a GateReport,
        production: &Target,
        options: &'a ApplyOptions,
    ) -> Result<Run<'a>, Error> {
        let work = Session::connect(production, Purpose::Act)?;
        let control = Session::connect(production, Purpose::Act)?;
        let book = Session::connect(production, Purpose::Act)?;
        pgward_pg::install::install_journal(&book)
            .and_then(|()| pgward_pg::install::trust_journal(&book))
            .map_err(|source| Error::NoJournal { change_id: change.id.clone(), source })?;
        undo::wait_for_turn(&work, &change.id)?;
        let hands = Hands { work: &work, control: &control, book: &book, change_id: &change.id };
        let (run, done) = where_it_stood(&hands, plan)?;
        let catalog = pgward_pg::catalog::read(&control)?;
        let on = !options.without.contains(&Layer::Expectation);
        let mut layers = Vec::new();
        let yardstick = match on {
            true => {
                let touched = gate::touched(sent, &catalog);
                let mut statements = workload::of(&control, &catalog, &touched)?;
                if gate::all_understood(sent) {
                    statements.retain(|s| s.concerned);
                }
                Some(Yardstick::take(&work, statements)?)
            }
            false => None,
        };
        layers.push(layer_run(Layer::Envelope, options, None));
        let blind = "pg_stat_statements tells no statement of the application; rows are compared";
        let why = catalog.statements.is_empty().then(|| blind.to_owned());
        layers.push(layer_run(Layer::Expectation, options, why));
        let report = ApplyReport {
            change_id: change.id.clone(),
            run,
            stopped_by: None,
            layers,
            findings: Vec::new(),
            steps: Vec::new(),
            outcome: Outcome::Applied,
            says: String::new(),
            notes: Vec::new(),
        };
        Ok(Run { sent, plan, gate, options, catalog, work, control, book, yardstick, done, report })
    }

    fn on(&self, layer: Layer) -> bool {
        !self.options.without.contains(&layer)
    }

    fn all_units(&mut self) -> Result<Stopped, Error> {
        let began = clock::instant();
        let stopped = match self.left_open() {
            Some(finding) => Some(finding),
            None => self.each_unit()?,
        };
        let seconds = clock::instant().duration_since(began).as_secs_f64();
        if let Some(run) = self.report.layers.first_mut() {
            run.seconds = seconds;
        }
        Ok(stopped)
    }

    fn each_unit(&mut self) -> Result<Stopped, Error> {
        let plan = self.plan;
        for unit in &plan.units {
            let left: Vec<&Planned<'_>> =
                unit.steps.iter().filter(|s| !self.done.contains(&s.number)).collect();
            if let Some(next) = left.first().filter(|_| self.options.interrupt.is_asked()) {
                return Ok(Some(self.interrupted(next, "was not begun")));
            }
            let ended = match (left.as_slice(), unit.together) {
                ([], _) => Ok(None),
                (left, true) => self.together(unit, left),
                ([first, ..], false) => self.alone(first),
            };
            let stopped = match (ended, left.first()) {
                (Err(Error::Pg(error)), _) if error.is_connection_lost() => {
                    return Err(error.into());
                }
                (Ok(Some(finding)), _) if finding.lint == INTERRUPTED => Some(finding),
                // A request to cancel meets what is asked beside the steps too: its answer is none.
                (Ok(Some(_)) | Err(_), Some(step)) if self.options.interrupt.is_asked() => {
                    Some(self.interrupted(step, "was cancelled"))
                }
                (ended, _) => ended?,
            };
            if stopped.is_some() {
                return Ok(stopped);
            }
        }
        Ok(None)
    }

    /// A script that would leave its transaction open is not even begun.
    fn left_open(&self) -> Stopped {
        let (file, span) = self.plan.left_open?;
        let layer = if self.on(Layer::Envelope) { Layer::Envelope } else { Layer::Expectation };
        let claim = "BEGIN without a COMMIT or ROLLBACK behind it";
        let evidence = Evidence::stated(claim, Source::new(SourceKind::Statement, &file.path));
        let mut finding = Finding::new(
            "transaction_left_open",
            layer,
            Severity::Error,
            span,
            "the script ends with its transaction open: its locks would stay and nothing would be \
             committed; nothing was sent",
            evidence,
        )
        .fix("end the transaction with COMMIT", None);
        finding.file.clone_from(&file.path);
        Some(finding)
    }

    fn steps_of(&self, steps: &[&Planned<'_>], together: bool) -> Vec<Step> {
        let known = plan::Known {
            catalog: &self.catalog,
            rehearsal: self.gate.rehearsal.as_ref(),
            rows: self.options.rows,
        };
        let mut steps: Vec<Step> = steps.iter().map(|p| plan::step(p, together, &known)).collect();
        if !self.on(Layer::Envelope) {
            for step in &mut steps {
                step.limits.rows_max = None;
                step.limits.waiters_max = u32::MAX;
            }
        }
        steps
    }

    /// One transaction: all of its steps, or nothing.
    fn together(&mut self, unit: &Unit<'_>, left: &[&Planned<'_>]) -> Result<Stopped, Error> {
        let steps = self.steps_of(left, unit.together);
        let mut watch = Watch { run: self, left, steps: &steps, at: 0, counted: None, halt: None };
        let outcome = {
            let mut observe = |s: &Session, moment: Moment<'_>| watch.see(s, moment);
            let mut context = Context::new(&self.report.change_id).observed_by(&mut observe);
            let refs: Vec<&Step> = steps.iter().collect();
            let outcome = guarded::run_together(&self.work, &self.control, &refs, &mut context);
            (outcome, std::mem::take(&mut context.notes))
        };
        let (at, halt) = (watch.at, watch.halt);
        let (outcome, notes) = outcome;
        self.report.notes.extend(notes);
        match outcome {
            Ok(reports) => {
                for (step, report) in steps.iter().zip(reports) {
                    self.note(step, JournalState::Done, report);
                }
                Ok(None)
            }
            Err(error) if halt.is_none() && error.is_connection_lost() => Err(error.into()),
            Err(error) => {
                let text = error.to_string();
                for step in steps.iter().take(at + 1) {
                    self.failed(step, &text)?;
                }
                let planned = left.get(at).or(left.last());
                Ok(halt.or_else(|| planned.map(|p| self.finding_of(p, &error))))
            }
        }
    }

    /// A statement that may not run in a transaction.
    fn alone(&mut self, planned: &Planned<'_>) -> Result<Stopped, Error> {
        if let Some(finding) = self.try_drop(planned)? {
            return Ok(Some(finding));
        }
        if self.options.interrupt.is_asked() {
            return Ok(Some(self.interrupted(planned, "was not begun")));
        }
        let steps = self.steps_of(&[planned], false);
        let Some(step) = steps.first() else { return Ok(None) };
        let key =
            Key { change_id: &self.report.change_id, run: self.report.run, step: step.number };
        let text = &planned.statement.text;
        journal::intend(&self.book, key, text, false, &step.undo)?;
        let interrupt = &self.options.interrupt;
        let mut observe = |_: &Session, moment: Moment<'_>| {
            if matches!(moment, Moment::Failed) && interrupt.is_asked() {
                interrupt.end(); // what it has left is cleared away next
            }
            Ok(())
        };
        let mut context = Context::new(&self.report.change_id).observed_by(&mut observe);
        let outcome = guarded::run(&self.work, &self.control, step, &mut context);
        let notes = std::mem::take(&mut context.notes);
        self.report.notes.extend(notes);
        match outcome {
            Ok(report) => {
                journal::ended(&self.book, key, JournalState::Done, Some(report.rows), None)?;
                self.note(step, JournalState::Done, report);
                self.look_after(planned)
            }
            Err(error) if error.is_connection_lost() => Err(error.into()),
            Err(error) => {
                self.failed(step, &error.to_string())?;
                Ok(Some(self.finding_of(planned, &error)))
            }
        }
    }

    /// What would the application lose with this index? Asked in a transaction that is rolled
    /// back, before the index is gone.
    fn try_drop(&mut self, planned: &Planned<'_>) -> Result<Stopped, Error> {
        let Some(yardstick) = &self.yardstick else { return Ok(None) };
        let Some(twin) = expect::twin_of_drop(planned.statement) else { return Ok(None) };
        let step = Step {
            number: planned.number,
            title: format!("try: {twin}"),
            act: Act::Sql { statements: vec![twin], transaction: true },
            // What bystanders do not notice; the guarded door tries again.
            limits: Limits { lock_timeout_ms: 100, ..Limits::SHORT },
            expectations: Vec::new(),
            undo: Undo::Nothing,
        };
        let span = planned.statement.span;
        let mut found = None;
        let mut observe = |session: &Session, moment: Moment<'_>| {
            if matches!(moment, Moment::After { .. }) {
                found = Some(yardstick.findings(session, Inside::Open, span)?);
                return Err(PgError::Refused { step: "trial".into(), why: "rolled back".into() });
            }
            Ok(())
        };
        let mut context =
            Context::new(format!("try {}", self.report.change_id)).observed_by(&mut observe);
        // A trial is not worth a hiccup: it gives way to the first who waits for it.
        context.wait_budget = Duration::from_millis(100);
        let outcome = guarded::run(&self.work, &self.control, &step, &mut context);
        match (found, outcome) {
            (Some(findings), _) => Ok(self.first_error(findings, planned)),
            (None, Err(error)) if error.is_connection_lost() => Err(error.into()),
            (None, Err(error)) => {
                self.report.notes.push(format!("step {} not tried before: {error}", step.number));
                Ok(None)
            }
            (None, Ok(_)) => Ok(None),
        }
    }

    fn look_after(&mut self, planned: &Planned<'_>) -> Result<Stopped, Error> {
        let Some(yardstick) = &self.yardstick else { return Ok(None) };
        let findings = yardstick.findings(&self.work, Inside::Own, planned.statement.span)?;
        Ok(self.first_error(findings, planned))
    }

    fn first_error(&mut self, findings: Vec<Finding>, planned: &Planned<'_>) -> Stopped {
        let mut stopped = None;
        for finding in findings {
            let mut finding = gate::weighed(self.sent, finding);
            finding.file.clone_from(&planned.file.path);
            if stopped.is_none() && finding.severity == Severity::Error {
                stopped = Some(finding);
            } else {
                self.report.findings.push(finding);
            }
        }
        stopped
    }

    fn note(&mut self, step: &Step, state: JournalState, report: StepReport) {
        let Step { number, title, .. } = step;
        let title = title.clone();
        self.report.steps.push(AppliedStep { number: *number, title, state, report });
    }

    fn failed(&mut self, step: &Step, error: &str) -> Result<(), Error> {
        let key =
            Key { change_id: &self.report.change_id, run: self.report.run, step: step.number };
        journal::ended(&self.book, key, JournalState::Failed, None, Some(error))?;
        self.note(step, JournalState::Failed, StepReport::default());
        Ok(())
    }

    /// Somebody asked to stop.
    fn interrupted(&self, planned: &Planned<'_>, step: &str) -> Finding {
        let (number, n) = (planned.number, self.plan.n_steps());
        let message = format!("interrupted: step {number} of {n} {step}");
        let source = Source::new(SourceKind::Journal, format!("step {number} in production"));
        let evidence = Evidence::stated("somebody asked to stop", source);
        let span = planned.statement.span;
        let layer = if self.on(Layer::Envelope) { Layer::Envelope } else { Layer::Expectation };
        named(planned, Finding::new(INTERRUPTED, layer, Severity::Error, span, message, evidence))
    }

    fn finding_of(&self, planned: &Planned<'_>, error: &PgError) -> Finding {
        let (statement, number) = (planned.statement, planned.number);
        let n_steps = self.plan.n_steps();
        let envelope = match self.on(Layer::Envelope) {
            true => Layer::Envelope,
            false => Layer::Expectation,
        };
        let (lint, layer) = match error {
            PgError::RowsAboveLimit { rows, .. } => {
                let limit = rows::limit(self.options.rows, planned, &self.catalog);
                if let Some(limit) = limit {
                    let rows = (*rows as f64, Basis::Run);
                    return named(
                        planned,
                        estimate::finding(envelope, Severity::Error, statement, &limit, rows),
                    );
                }
                ("rows_above_expectation", envelope)
            }
            PgError::WaitersBehind { .. } => ("too_many_waiters", envelope),
            PgError::Expected { .. } => ("expectation_broken", Layer::Expectation),
            error => match error.sqlstate() {
                Some("55P03") => ("lock_not_granted", envelope),
                Some("57014") => ("too_slow", envelope),
                _ => ("step_failed", envelope),
            },
        };
        let message = format!("step {number} of {n_steps} was stopped: {error}");
        let source = Source::new(SourceKind::Journal, format!("step {number} in production"));
        let claim = format!("step {number} of {n_steps} answered: {}", error.message());
        let evidence = Evidence::measured(claim, f64::from(number), "step", source);
        let mut finding =
            Finding::new(lint, layer, Severity::Error, statement.span, message, evidence);
        if let Some(hint) = error.hint() {
            finding = finding.fix(hint, None);
        }
        named(planned, finding)
    }

    /// Undoes what had committed, and says what became of the change.
    fn stopped(&mut self, finding: Finding) -> Result<(), Error> {
        let id = self.report.change_id.clone();
        self.report.stopped_by = Some(finding.layer);
        let message = finding.message.clone();
        self.report.findings.push(finding);
        let lines = journal::newest_run(&self.book, &id)?;
        let done: Vec<u32> = lines
            .iter()
            .filter(|l| l.entry.state == JournalState::Done)
            .map(|l| l.entry.step)
            .collect();
        let losses = undo::losses(&lines);
        let (outcome, then) = if done.is_empty() {
            (Outcome::NothingChanged, "everything was rolled back, nothing changed".to_owned())
        } else if losses.is_empty() {
            let hands = Hands {
                work: &self.work,
                control: &self.control,
                book: &self.book,
                change_id: &id,
            };
            let n = hands.take_back(&lines)?.len();
            for step in self.report.steps.iter_mut().filter(|s| s.state == JournalState::Done) {
                step.state = JournalState::Undone;
            }
            (Outcome::TakenBack, format!("{n} steps before it were undone, nothing stays"))
        } else {
            let why = losses.join("; ");
            let says = format!(
                "{} of {} steps stay, since they cannot be undone exactly ({why}); correct the \
                 change and apply the rest, or `pgward undo {id} --accept-loss`",
                done.len(),
                self.plan.n_steps()
            );
            (Outcome::LeftHalf { steps: done }, says)
        };
        self.report.outcome = outcome;
        self.report.says = format!("{message}; {then}");
        Ok(())
    }
}

fn named(planned: &Planned<'_>, mut finding: Finding) -> Finding {
    finding.file.clone_from(&planned.file.path);
    finding
}

fn layer_run(layer: Layer, options: &ApplyOptions, why: Option<String>) -> LayerRun {
    let off = options.without.contains(&layer).then(|| "switched off".to_owned());
    LayerRun { layer, seconds: 0.0, skipped: off.or(why) }
}

/// Which run this is, and which of its steps an interrupted one has done.
fn where_it_stood(hands: &Hands<'_>, plan: &Plan<'_>) -> Result<(i32, BTreeSet<u32>), Error> {
    let lines = journal::newest_run(hands.book, hands.change_id)?;
    let last = lines.first().map_or(0, |l| l.run);
    let done: BTreeSet<u32> = lines
        .iter()
        .filter(|l| l.entry.state == JournalState::Done)
        .map(|l| l.entry.step)
        .collect();
    // What may have been begun without a transaction is cleared away first, then done anew.
    let unclear: Vec<_> = lines
        .iter()
        .filter(|l| l.entry.state == JournalState::Intended && !l.transactional)
        .cloned()
        .collect();
    hands.take_back(&unclear)?;
    if done.is_empty() {
        return Ok((last + 1, done));
    }
    if plan.steps().all(|s| done.contains(&s.number)) {
        return Err(Error::Refused {
            change_id: hands.change_id.to_owned(),
            why: format!("it is applied already: all {} steps are done", done.len()),
            way_out: format!("`pgward undo {}` takes it back", hands.change_id),
        });
    }
    Ok((last, done))
}

/// An estimate this many times above the limit is not a mistake of the planner: statistics of
/// one table are rarely off by more than five. Then the statement is not sent at all, and nobody
/// waits for the rows it would have locked.
const FAR: f64 = 5.0;

/// Looks at one transaction from inside.
struct Watch<'r, 'a> {
    run: &'r Run<'a>,
    left: &'r [&'r Planned<'r>],
    steps: &'r [Step],
    /// Position of the step that runs.
    at: usize,
    /// Rows that go with a table, counted before it went.
    counted: Option<u64>,
    halt: Option<Finding>,
}

impl Watch<'_, '_> {
    fn see(&mut self, session: &Session, moment: Moment<'_>) -> Result<(), PgError> {
        match moment {
            Moment::BeforeCommit if self.run.options.interrupt.is_asked() => {
                let planned = self.left.get(self.at).or(self.left.last());
                planned.map_or(Ok(()), |p| self.stop(self.run.interrupted(p, "was cancelled")))
            }
            Moment::Failed => Ok(()),
            Moment::Before { step, .. } => {
                self.at = self.steps.iter().position(|s| s.number == step).unwrap_or(0);
                self.before(session)
            }
            Moment::After { rows, .. } => self.after(rows),
            Moment::BeforeCommit => self.before_commit(session),
        }
    }

    fn key(&self, step: &Step) -> Key<'_> {
        Key { change_id: &self.run.report.change_id, run: self.run.report.run, step: step.number }
    }

    fn before(&mut self, session: &Session) -> Result<(), PgError> {
        let (Some(step), Some(planned)) = (self.steps.get(self.at), self.left.get(self.at)) else {
            return Ok(());
        };
        let statement = planned.statement;
        journal::intend(&self.run.book, self.key(step), &statement.text, true, &step.undo)?;
        self.counted = None;
        let limit = rows::limit(self.run.options.rows, planned, &self.run.catalog);
        let Some(limit) = limit else { return Ok(()) };
        if rows::emptied(statement).next().is_some() {
            self.counted = rows::count_up_to(&self.run.control, &limit.relation, limit.most);
        }
        let layers = [Layer::Envelope, Layer::Expectation];
        let Some(layer) = layers.into_iter().find(|l| self.run.on(*l)) else { return Ok(()) };
        match self.counted {
            Some(n) if n > limit.most => self.stop_rows(layer, (limit.at_least(n), Basis::Table)),
            Some(_) => Ok(()),
            None => match estimate::inside(session, statement)? {
                Some(n) if limit.table_rows.is_some() && n > limit.most as f64 * FAR => {
                    self.stop_rows(layer, (n, Basis::Planner))
                }
                _ => Ok(()),
            },
        }
    }

    /// The envelope has stopped too many rows already; where it is off, the expectation does.
    fn after(&mut self, rows: u64) -> Result<(), PgError> {
        let Some(planned) = self.left.get(self.at) else { return Ok(()) };
        let limit = rows::limit(self.run.options.rows, planned, &self.run.catalog);
        let Some(limit) = limit else { return Ok(()) };
        let n = self.counted.unwrap_or(rows);
        if self.run.on(Layer::Expectation) && (n > limit.most || n < limit.least) {
            return self.stop_rows(Layer::Expectation, (n as f64, Basis::Run));
        }
        Ok(())
    }

    fn before_commit(&mut self, session: &Session) -> Result<(), PgError> {
        if let Some(yardstick) = &self.run.yardstick
            && let Some(planned) = self.left.get(self.at)
        {
            let span = planned.statement.span;
            for finding in yardstick.findings(session, Inside::Open, span)? {
                let finding = named(planned, gate::weighed(self.run.sent, finding));
                if finding.severity == Severity::Error {
                    return self.stop(finding);
                }
            }
        }
        // A script may have changed its role to one that cannot write the journal.
        session.simple("SET LOCAL ROLE NONE")?;
        for step in self.steps {
            journal::ended(session, self.key(step), JournalState::Done, None, None)?;
        }
        Ok(())
    }

    fn stop_rows(&mut self, layer: Layer, rows: (f64, Basis)) -> Result<(), PgError> {
        let Some(planned) = self.left.get(self.at) else { return Ok(()) };
        let limit = rows::limit(self.run.options.rows, planned, &self.run.catalog);
        let Some(limit) = limit else { return Ok(()) };
        let statement = planned.statement;
        let finding = estimate::finding(layer, Severity::Error, statement, &limit, rows);
        self.stop(named(planned, finding))
    }

    fn stop(&mut self, finding: Finding) -> Result<(), PgError> {
        let refused = PgError::Refused {
            step: format!("change {}", self.run.report.change_id),
            why: finding.message.clone(),
        };
        self.halt = Some(finding);
        Err(refused)
    }
}
