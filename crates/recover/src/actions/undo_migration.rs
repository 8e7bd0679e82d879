//! Takes back the steps of a migration that were applied, newest first.

use super::{Action as Kind, Cx, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static ACTION: Kind = Kind {
    id: "undo_migration",
    title: "Take back the applied steps of the migration",
    price: "short ACCESS EXCLUSIVE locks on the tables it touched; refused when values would be lost",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let before = case.window.catalog.as_ref();
    let mut texts: Vec<&str> = Vec::new();
    for event in &likely.ddl {
        if texts.last() != Some(&event.statement.as_str()) {
            texts.push(&event.statement);
        }
    }
    let mut steps = Vec::new();
    let mut lost = Vec::new();
    for text in texts.iter().rev() {
        let file = pgward_sql::read("-", text);
        for statement in file.statements.iter().rev() {
            let (statements, mut loses) = match pgward_sql::inverse(statement, before) {
                Undo::Nothing => continue,
                Undo::Exact { statements } => (statements, None),
                Undo::Lossy { statements, loses } => (statements, Some(loses)),
                Undo::Impossible { why } => {
                    return Err(refuse(&ACTION, format!("{}: {why}", one_line(&statement.text))));
                }
            };
            let added = values_added(cx.session, statement)?;
            if added == Some(0) {
                loses = None; // what the step added holds nothing yet
            }
            lost.extend(loses.map(|l| (added, l)));
            let mut undo = step(
                format!("take back: {}", one_line(&statement.text)),
                Act::Sql { statements, transaction: statement.in_transaction },
                if statement.in_transaction { Limits::SHORT } else { Limits::PATIENT },
            );
            undo.undo = Undo::Exact { statements: vec![statement.text.clone()] };
            steps.push(undo);
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
    let loss = Loss {
        n_rows: lost.iter().map(|l| l.0).try_fold(0, |sum, n| Some(sum + n?)),
        explain: match lost.first() {
            None => "no value was written into what goes".to_owned(),
            Some((_, loses)) => loses.clone(),
        },
    };
    Ok(runbook(
        &ACTION,
        format!("Take back {n} applied steps"),
        "brings the schema back that the application's statements were written for",
        loss,
        steps,
    ))
}

/// Values in the columns that the statement added, at most a million counted; `None` where it
/// adds no column.
fn values_added(session: &Session, statement: &Statement) -> Result<Option<u64>, Error> {
    let mut n = None;
    for action in pgward_sql::actions(statement) {
        let Action::Alter { relation, command: Alter::AddColumn { column, .. }, .. } = action
        else {
            continue;
        };
        let column = quote_ident(&column.name);
        let sql = format!(
            "SELECT pg_catalog.count(*) FROM \
             (SELECT FROM {} WHERE {column} IS NOT NULL LIMIT 1000000) v",
            relation.quoted(),
        );
        let counted = u64::try_from(session.query_one::<i64>(&sql, &[])?).unwrap_or(0);
        n = Some(n.unwrap_or(0) + counted);
    }
    Ok(n)
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
