//! Takes back the steps of a migration that were applied, newest first.

use super::{Action as Kind, Cx, bounded_count, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_sql::action::{Action, Alter};
use std::fmt;

pub(super) static ACTION: Kind = Kind {
    id: "undo_migration",
    title: "Take back the applied steps of the migration",
    price: "short ACCESS EXCLUSIVE locks on the tables it touched; refused when values would be lost",
    plan,
};

/// Counting ends here: who lost a million values need not know how many more.
const VALUES_MAX: u64 = 1_000_000;

/// What a statement of the undo drops and what that holds.
struct Dropped {
    relation: Relation,
    /// `None`: the whole table.
    column: Option<String>,
    /// `None`: could not be counted in time.
    n_values: Option<u64>,
}

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let before = case.window.catalog.as_ref();
    let mut texts: Vec<&str> = Vec::new();
    for event in &likely.ddl {
        if texts.last() != Some(&event.statement.as_str()) {
            texts.push(&event.statement);
        }
    }
    let (mut steps, mut lost) = (Vec::new(), Vec::new());
    for text in texts.iter().rev() {
        let file = pgward_sql::read("-", text);
        for statement in file.statements.iter().rev() {
            let undo = take_back(cx.session, statement, before)?;
            if let Some((step, loss)) = undo {
                steps.push(step);
                lost.extend(loss);
            }
        }
    }
    if steps.is_empty() {
        return Err(refuse(&ACTION, "no applied step is known"));
    }
    let n = steps.len();
    if let Some(before) = before {
        let mut prove = step("compare the schema with the one before", Act::Verify, Limits::SHORT);
        prove.expectations =
            likely.relations.iter().filter_map(|r| same_columns(before, r)).collect();
        steps.push(prove);
    }
    let loss = match likely.perhaps_meant {
        true => Loss {
            n_rows: None,
            explain: format!(
                "which file it was, and what was to follow, is not known: what is done may be what \
                 was meant; {}",
                loss_of_all(&lost).explain
            ),
        },
        false => loss_of_all(&lost),
    };
    Ok(runbook(
        &ACTION,
        format!("Take back {n} applied steps"),
        "brings the schema back that the application's statements were written for",
        loss,
        steps,
    ))
}

fn loss_of_all(lost: &[Lost]) -> Loss {
    Loss {
        n_rows: lost.iter().map(|l| l.0).try_fold(0, |sum, n| Some(sum + n?)),
        explain: match lost.first() {
            None => "no value was written into what goes".to_owned(),
            Some((_, loses)) => loses.clone(),
        },
    }
}

/// How many values go, where it is known, and which.
type Lost = (Option<u64>, String);

/// The step that undoes one statement and what goes with it; `None` where nothing is to do.
fn take_back(
    session: &Session,
    statement: &Statement,
    before: Option<&Catalog>,
) -> Result<Option<(Step, Option<Lost>)>, Error> {
    let (statements, loses) = match pgward_sql::inverse(statement, before) {
        Undo::Nothing => return Ok(None),
        Undo::Exact { statements } => (statements, None),
        Undo::Lossy { statements, loses } => (statements, Some(loses)),
        Undo::Impossible { why } => {
            return Err(refuse(&ACTION, format!("{}: {why}", one_line(&statement.text))));
        }
    };
    let drops = dropped(session, &statements);
    let loss = loss_of(&drops, loses, statement.in_transaction);
    let statements = match statement.in_transaction {
        true => guards(&drops).into_iter().chain(statements).collect(),
        false => statements,
    };
    let mut undo = step(
        format!("take back: {}", one_line(&statement.text)),
        Act::Sql { statements, transaction: statement.in_transaction },
        if statement.in_transaction { Limits::SHORT } else { Limits::PATIENT },
    );
    undo.undo = Undo::Exact { statements: vec![statement.text.clone()] };
    Ok(Some((undo, loss)))
}

/// "Exact" speaks of what was there before the statement; what was written since goes too.
fn loss_of(drops: &[Dropped], loses: Option<String>, in_transaction: bool) -> Option<Lost> {
    if let Some(loses) = loses {
        return Some((None, loses));
    }
    if drops.is_empty() {
        return None;
    }
    // Without a transaction nothing holds between counting and dropping.
    let n = match in_transaction {
        true => drops.iter().map(|d| d.n_values).try_fold(0, |sum, n| Some(sum + n?)),
        false => None,
    };
    let full: Vec<String> =
        drops.iter().filter(|d| d.n_values != Some(0)).map(ToString::to_string).collect();
    match (n, full.is_empty()) {
        (Some(0), _) => None, // what the statement added holds nothing yet
        (n, true) => Some((n, "what is written until it goes".to_owned())),
        (n, false) => Some((n, format!("what was written into {}", full.join(", ")))),
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column {column} of {}", self.relation),
            None => write!(f, "table {}", self.relation),
        }
    }
}

/// Tables and columns that these statements drop, with the values in them.
fn dropped(session: &Session, statements: &[String]) -> Vec<Dropped> {
    let file = pgward_sql::read("-", &format!("{};", statements.join(";\n")));
    let mut found: Vec<(Relation, Option<String>)> = Vec::new();
    for action in file.statements.iter().flat_map(pgward_sql::actions) {
        match action {
            Action::Drop(drop) if drop.kind == "table" => {
                found.extend(drop.names.into_iter().map(|relation| (relation, None)));
            }
            Action::Alter { relation, command: Alter::DropColumn { name, .. }, .. } => {
                found.push((relation, Some(name)));
            }
            _ => {}
        }
    }
    let count = |(relation, column): (Relation, Option<String>)| {
        let values = values(&relation, column.as_deref(), VALUES_MAX);
        let n_values = bounded_count(session, &values).filter(|n| *n < VALUES_MAX);
        Dropped { relation, column, n_values }
    };
    found.into_iter().map(count).collect()
}

/// Counts what is in the table or the column, at most `n_max`.
fn values(relation: &Relation, column: Option<&str>, n_max: u64) -> String {
    let only = column.map_or(String::new(), |c| format!(" WHERE {} IS NOT NULL", quote_ident(c)));
    let from = relation.quoted();
    format!("SELECT pg_catalog.count(*) FROM (SELECT FROM {from}{only} LIMIT {n_max}) v")
}

/// Statements that make the step fail when more is there by now than was counted: the lock
/// keeps writers out from the count to the drop.
fn guards(drops: &[Dropped]) -> Vec<String> {
    let mut guards = Vec::new();
    for drop in drops {
        guards.push(format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", drop.relation.quoted()));
        let Some(n) = drop.n_values else { continue };
        let count = values(&drop.relation, drop.column.as_deref(), n.saturating_add(1));
        let why = quote_literal(&format!("{drop} was written to since its values were counted"));
        let check = format!(
            "BEGIN IF ({count}) > {n} THEN RAISE EXCEPTION USING MESSAGE = {why}; END IF; END"
        );
        guards.push(format!("DO {}", quote_literal(&check)));
    }
    guards
}

/// The columns of a table as they were, as a check.
fn same_columns(before: &Catalog, relation: &Relation) -> Option<Expectation> {
    let old = before.relation(relation)?;
    let names: Vec<String> = old.columns.iter().map(|c| quote_literal(&c.name)).collect();
    Some(Expectation {
        claim: format!("{relation} has its columns of before"),
        sql: format!(
            "SELECT coalesce((SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname::text COLLATE \"C\") \
             FROM pg_catalog.pg_attribute a WHERE a.attrelid = pg_catalog.to_regclass({}) \
             AND a.attnum > 0 AND NOT a.attisdropped) = \
             (SELECT pg_catalog.array_agg(n ORDER BY n COLLATE \"C\") FROM unnest(ARRAY[{}]::text[]) AS n), false)",
            quote_literal(&old.relation.quoted()),
            names.join(", ")
        ),
        within_ms: 2_000,
    })
}

fn one_line(text: &str) -> String {
    pgward_pg::session::first_words(text)
}
