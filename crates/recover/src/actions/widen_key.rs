//! Widens a key that is at its end, and the columns that refer to it, to bigint.

use super::{Action, Cx, bounded_count, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "widen_key",
    title: "Widen the key and its references to bigint",
    price: "each table is written anew under ACCESS EXCLUSIVE; by itself only where that takes no \
            longer than clients bear, else with approval",
    plan,
};

/// What clients bear to wait for; the guard cancels a step behind which they wait longer.
const BEARABLE_S: f64 = 2.0;
/// Rows of narrow tables written anew in a second, indexes and foreign key included: 140,000 to
/// 280,000 were measured under load on two busy cores, the least rounded down counts.
const ROWS_PER_S: f64 = 100_000.0;

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let keys = case.window.samples.iter().rev().find_map(|s| s.keys.as_ref());
    let keys = keys.ok_or_else(|| refuse(&ACTION, "keys were not seen"))?;
    let at_end = likely.relations.first().and_then(|r| keys.iter().find(|k| k.relation.same_as(r)));
    let at_end = at_end.ok_or_else(|| refuse(&ACTION, "the key is not known"))?;
    let root = at_end.key();
    let narrow = |k: &&KeyLimit| k.key().same_as(root) && k.type_limit < i64::MAX;
    let mut columns: Vec<&KeyLimit> = keys.iter().filter(narrow).collect();
    columns.sort_by_key(|k| (k.refers_to.is_some(), k.relation.clone())); // the key comes first
    columns.iter().try_for_each(|k| bare_of_views(case, k))?;
    let mut statements: Vec<String> = columns
        .iter()
        .map(|k| {
            let (table, column) = (k.relation.quoted(), quote_ident(&k.column));
            format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE bigint")
        })
        .collect();
    let own = keys.iter().find(|k| k.refers_to.is_none() && k.relation.same_as(root));
    if let Some(own) = own.filter(|k| k.limit < i64::MAX) {
        statements.push(format!("ALTER SEQUENCE {} AS bigint", own.sequence.quoted()));
    }
    if statements.is_empty() {
        return Err(refuse(&ACTION, format!("{} and its references are bigint", at_end.column)));
    }
    let names: Vec<String> =
        columns.iter().map(|k| format!("{}.{}", k.relation, k.column)).collect();
    let rows = columns.iter().map(|k| n_rows(cx, case, &k.relation)).sum::<Option<f64>>();
    let title = format!("widen {} to bigint", names.join(", "));
    let mut widen = step(title.clone(), Act::Sql { statements, transaction: true }, Limits::SHORT);
    widen.undo = Undo::Lossy {
        statements: columns.iter().map(|k| narrow_again(k)).collect(),
        loses: "numbers above the old limit: with such rows the statement refuses".to_owned(),
    };
    Ok(runbook(
        &ACTION,
        title,
        "inserts fail until the key holds more; negative numbers would depend on the application",
        loss(rows),
        vec![widen],
    ))
}

fn narrow_again(key: &KeyLimit) -> String {
    let (table, column) = (key.relation.quoted(), quote_ident(&key.column));
    format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {}", key.data_type)
}

fn loss(rows: Option<f64>) -> Loss {
    match rows.map(|n| n / ROWS_PER_S) {
        Some(s) if s <= BEARABLE_S => Loss {
            n_rows: Some(0),
            explain: format!("the rows are written anew in about {}", human_duration(s)),
        },
        Some(s) => Loss {
            n_rows: None,
            explain: format!("nobody can use the tables for about {}", human_duration(s)),
        },
        None => Loss { n_rows: None, explain: "how long the tables are locked".to_owned() },
    }
}

/// By the statistics, and counted where those have none.
fn n_rows(cx: &Cx<'_>, case: &Case, relation: &Relation) -> Option<f64> {
    let known = case.catalog.as_ref().and_then(|c| c.relation(relation)?.n_rows);
    let count = || {
        let sql = format!("SELECT count(*) FROM {}", relation.quoted());
        bounded_count(cx.session, &sql).map(|n| n as f64)
    };
    known.filter(|n| *n >= 0.0).or_else(count)
}

/// A view keeps the type of the columns it shows.
fn bare_of_views(case: &Case, key: &KeyLimit) -> Result<(), Error> {
    let objects = case.catalog.as_ref().map_or(&[][..], |c| c.objects.as_slice());
    let uses = |o: &&ObjectInfo| {
        o.kind.ends_with("view") && o.uses.iter().any(|r| r.same_as(&key.relation))
    };
    match objects.iter().find(uses) {
        None => Ok(()),
        Some(view) => Err(refuse(
            &ACTION,
            format!(
                "{} {} uses {}: drop it, widen {}, and make it again",
                view.kind, view.identity, key.relation, key.column
            ),
        )),
    }
}
