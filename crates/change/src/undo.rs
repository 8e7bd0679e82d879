//! Takes a change back, by the journal: backwards, each step with the undo stated before it ran.

use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::guarded::{self, Context, Moment};
use pgward_pg::journal::{self, ChangeState, Key, Line};
use pgward_pg::prelude::*;
use pgward_sql::action::Action;
use serde::Serialize;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UndoOptions {
    /// Undo what can be undone even where that loses data or leaves a step as it is.
    pub accept_loss: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UndoReport {
    pub change_id: String,
    /// In the order they were undone: the last step of the change first.
    pub steps: Vec<UndoneStep>,
    /// Steps that stay, each with the reason; empty when the change is gone altogether.
    pub left: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UndoneStep {
    pub number: u32,
    pub statement: String,
    /// What was run; empty where there was nothing to undo.
    pub ran: Vec<String>,
    /// What is lost by it.
    pub loses: Option<String>,
    pub ms: f64,
}

/// A pgward that was killed may have left a statement running on the server; it ends when it
/// finds nobody to answer. This long is waited for it.
const TURN_WITHIN: Duration = Duration::from_secs(10);

/// Takes the newest run of a change back, also one that was interrupted half-way.
///
/// # Errors
/// [`Error::Unknown`] without a journal of it, [`Error::Loses`] before anything is done when a
/// step cannot be undone exactly and that was not accepted; what the server answers, with the
/// journal saying how far it came: it may be called again.
pub fn undo(change_id: &str, target: &Target, options: UndoOptions) -> Result<UndoReport, Error> {
    let work = Session::connect(target, Purpose::Act)?;
    let control = Session::connect(target, Purpose::Act)?;
    let book = Session::connect(target, Purpose::Act)?;
    if !pgward_pg::install::has_journal(&book)? {
        return Err(Error::Unknown { change_id: change_id.to_owned() });
    }
    pgward_pg::install::trust_journal(&book)?;
    pgward_pg::install::trust_undo(&book)?;
    wait_for_turn(&work, change_id)?;
    let lines = journal::newest_run(&book, change_id)?;
    if lines.is_empty() {
        return Err(Error::Unknown { change_id: change_id.to_owned() });
    }
    let losses = losses(&lines);
    if !losses.is_empty() && !options.accept_loss {
        return Err(Error::Loses { change_id: change_id.to_owned(), losses });
    }
    let hands = Hands { work: &work, control: &control, book: &book, change_id };
    let steps = hands.take_back(&lines)?;
    let left = lines.iter().filter(|l| is_there(l)).filter_map(impossible).collect::<Vec<_>>();
    if left.is_empty() {
        journal::mark(&book, change_id, ChangeState::Undone)?;
    }
    Ok(UndoReport { change_id: change_id.to_owned(), steps, left })
}

pub(crate) fn wait_for_turn(session: &Session, change_id: &str) -> Result<(), Error> {
    let every = Duration::from_millis(100);
    let mut last = None;
    let mine = clock::poll(TURN_WITHIN, every, || match journal::take_turn(session, change_id) {
        Ok(()) => Ok(Some(())),
        Err(error @ pgward_pg::error::Error::NotNow { .. }) => {
            last = Some(error);
            Ok(None)
        }
        Err(error) => Err(error),
    })?;
    match (mine, last) {
        (None, Some(error)) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Did the step take effect, or may it have?
fn is_there(line: &Line) -> bool {
    match line.entry.state {
        JournalState::Done => true,
        // The state is written with the step where it runs in a transaction: nothing stayed.
        JournalState::Intended => !line.transactional,
        JournalState::Failed | JournalState::Undone => false,
    }
}

fn impossible(line: &Line) -> Option<String> {
    match &line.entry.undo {
        Undo::Impossible { why } => Some(format!("step {}: {why}", line.entry.step)),
        _ => None,
    }
}

/// What undoing these steps loses, or cannot do.
pub(crate) fn losses(lines: &[Line]) -> Vec<String> {
    let loss = |line: &Line| match &line.entry.undo {
        Undo::Lossy { loses, .. } => Some(format!("step {}: {loses}", line.entry.step)),
        _ => impossible(line),
    };
    lines.iter().filter(|l| is_there(l)).filter_map(loss).collect()
}

/// The sessions an undo works with.
pub(crate) struct Hands<'a> {
    pub(crate) work: &'a Session,
    pub(crate) control: &'a Session,
    pub(crate) book: &'a Session,
    pub(crate) change_id: &'a str,
}

impl Hands<'_> {
    /// Undoes what took effect, last first; steps next to each other that may share a
    /// transaction do.
    pub(crate) fn take_back(&self, lines: &[Line]) -> Result<Vec<UndoneStep>, Error> {
        let mut undone = Vec::new();
        let mut together: Vec<(&Line, Step)> = Vec::new();
        for line in lines.iter().rev().filter(|l| is_there(l)) {
            let statements = match &line.entry.undo {
                Undo::Impossible { .. } => continue,
                Undo::Nothing => Vec::new(),
                Undo::Exact { statements } | Undo::Lossy { statements, .. } => statements.clone(),
            };
            if statements.iter().all(|s| may_share(s)) {
                together.push((line, step(line, statements, true)));
                continue;
            }
            self.undo_together(&mut together, &mut undone)?;
            undone.push(self.undo_alone(line, statements)?);
        }
        self.undo_together(&mut together, &mut undone)?;
        Ok(undone)
    }

    fn undo_together(
        &self,
        together: &mut Vec<(&Line, Step)>,
        undone: &mut Vec<UndoneStep>,
    ) -> Result<(), Error> {
        let group = std::mem::take(together);
        if group.is_empty() {
            return Ok(());
        }
        let mut note = |session: &Session, moment: Moment<'_>| {
            if matches!(moment, Moment::BeforeCommit) {
                for (line, _) in &group {
                    journal::ended(session, key(line), JournalState::Undone, None, None)?;
                }
            }
            Ok(())
        };
        let steps: Vec<&Step> = group.iter().map(|(_, step)| step).collect();
        let mut context = Context::new(format!("undo {}", self.change_id)).observed_by(&mut note);
        let reports = guarded::run_together(self.work, self.control, &steps, &mut context)?;
        for ((line, step), report) in group.iter().zip(reports) {
            undone.push(undone_step(line, step, report.ms));
        }
        Ok(())
    }

    fn undo_alone(&self, line: &Line, statements: Vec<String>) -> Result<UndoneStep, Error> {
        let mut sent = Vec::new();
        for statement in statements {
            sent.extend(self.repeatable(&statement)?);
        }
        let step = step(line, sent, false);
        let mut context = Context::new(format!("undo {}", self.change_id));
        let report = guarded::run(self.work, self.control, &step, &mut context)?;
        journal::ended(self.book, key(line), JournalState::Undone, None, None)?;
        Ok(undone_step(line, &step, report.ms))
    }

    /// The statements that bring about what `statement` does, also where it was interrupted
    /// half-way or has happened already.
    fn repeatable(&self, statement: &str) -> Result<Vec<String>, Error> {
        let file = pgward_sql::read("undo", statement);
        let actions: Vec<Action> = file.statements.iter().flat_map(pgward_sql::actions).collect();
        match actions.first() {
            Some(Action::Drop(drop)) if drop.kind == "index" && drop.concurrently => {
                let drop_if = "DROP INDEX CONCURRENTLY IF EXISTS";
                Ok(drop.names.iter().map(|name| format!("{drop_if} {}", name.quoted())).collect())
            }
            Some(Action::CreateIndex(create)) if create.concurrently && !create.name.is_empty() => {
                let index = Relation::new(create.table.schema.clone(), create.name.clone());
                Ok(match index_state(self.book, &index)? {
                    Some(true) => Vec::new(),
                    Some(false) => vec![
                        format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.quoted()),
                        statement.to_owned(),
                    ],
                    None => vec![statement.to_owned()],
                })
            }
            _ => Ok(vec![statement.to_owned()]),
        }
    }
}

/// Is there an index of that name, and is it valid?
fn index_state(session: &Session, index: &Relation) -> Result<Option<bool>, Error> {
    let rows = session.query(
        "SELECT i.indisvalid FROM pg_catalog.pg_index i \
         WHERE i.indexrelid = pg_catalog.to_regclass($1)",
        &[&index.quoted()],
    )?;
    Ok(rows.first().map(|row| pgward_pg::session::get(row, 0)).transpose()?)
}

fn may_share(statement: &str) -> bool {
    pgward_sql::read("undo", statement).statements.iter().all(|s| s.in_transaction)
}

fn step(line: &Line, statements: Vec<String>, transaction: bool) -> Step {
    Step {
        number: line.entry.step,
        title: format!("undo step {} of {}", line.entry.step, line.entry.change_id),
        act: Act::Sql { statements, transaction },
        limits: if transaction { Limits::SHORT } else { Limits::PATIENT },
        expectations: Vec::new(),
        undo: Undo::Impossible { why: "it is an undo; apply the change again instead".to_owned() },
    }
}

fn undone_step(line: &Line, step: &Step, ms: f64) -> UndoneStep {
    let ran = match &step.act {
        Act::Sql { statements, .. } => statements.clone(),
        _ => Vec::new(),
    };
    let loses = match &line.entry.undo {
        Undo::Lossy { loses, .. } => Some(loses.clone()),
        _ => None,
    };
    UndoneStep { number: line.entry.step, statement: line.entry.statement.clone(), ran, loses, ms }
}

fn key(line: &Line) -> Key<'_> {
    Key { change_id: &line.entry.change_id, run: line.run, step: line.entry.step }
}
