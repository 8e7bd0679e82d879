//! Sets a sequence that gives numbers its column already has to the highest of them.

use super::{Action, Cx, bounded_count, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "advance_sequence",
    title: "Set the sequence to the highest number of its column",
    price: "numbers between are never given, and sessions with numbers in store (CACHE) use those \
            up first. By itself where the sequence stood there before, or rows have half of the \
            numbers on the way; else with approval: one row far ahead takes all before it",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let (Some(relation), Some(sequence)) = (likely.relations.first(), likely.relations.get(1))
    else {
        return Err(refuse(&ACTION, "which table or sequence is meant is not known"));
    };
    let sights = case.window.samples.iter().filter_map(|s| s.keys.as_ref()).flatten();
    let of_it =
        |k: &&KeyLimit| k.refers_to.is_none() && k.relation == *relation && k.sequence == *sequence;
    let sights: Vec<&KeyLimit> = sights.filter(of_it).collect();
    let key = *sights.last().ok_or_else(|| refuse(&ACTION, "the sequence was not seen"))?;
    let (table, column) = (relation.quoted(), quote_ident(&key.column));
    let read = |sql: &str, what: &str| {
        bounded_count(cx.session, sql)
            .ok_or_else(|| refuse(&ACTION, format!("{what} was not to be read")))
    };
    let highest = read(
        &format!("SELECT greatest(max({column}), 0)::int8 FROM {table}"),
        &format!("the highest {relation}.{column}"),
    )?;
    let last = read(&given(sequence), &format!("where {sequence} stands"))?;
    if highest <= last {
        return Err(refuse(&ACTION, format!("{sequence} is not behind any more")));
    }
    // What it has given may be in use, though no row has it any more or yet.
    let stood = sights.iter().map(|k| k.last_value).max().unwrap_or(0).unsigned_abs();
    let to = highest.max(stood);
    if to >= key.limit.unsigned_abs() {
        return Err(refuse(&ACTION, format!("{relation}.{column} holds no higher number")));
    }
    let loss = match (counts_by_one(cx, sequence)?, is_alone(cx, key)?) {
        (false, _) => ask("it does not count by one: others may give the numbers between"),
        (_, false) => ask("the column alone is not unique: its numbers may begin anew"),
        _ if stood >= highest || is_dense(cx, key, last, highest) => {
            Loss { n_rows: Some(0), explain: "numbers are skipped, no row changes".to_owned() }
        }
        _ => ask("most numbers on the way belong to no row: see whether the highest do"),
    };
    let why = "each insert is refused until the sequence has passed the rows that are there, one \
               number at a time";
    let step = advance(key, to, last);
    Ok(runbook(&ACTION, step.title.clone(), why, loss, vec![step]))
}

/// What the sequence has given; a sequence that was never called says its first number.
pub(super) fn given(sequence: &Relation) -> String {
    format!("SELECT last_value FROM {}", sequence.quoted())
}

fn ask(explain: &str) -> Loss {
    Loss { n_rows: None, explain: explain.to_owned() }
}

/// Have rows half of the numbers on the way?
fn is_dense(cx: &Cx<'_>, key: &KeyLimit, last: u64, highest: u64) -> bool {
    let (table, column) = (key.relation.quoted(), quote_ident(&key.column));
    let sql = format!("SELECT count(*) FROM {table} WHERE {column} > {last}");
    bounded_count(cx.session, &sql).is_some_and(|n| n >= (highest - last) / 2)
}

fn counts_by_one(cx: &Cx<'_>, sequence: &Relation) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (
        SELECT FROM pg_sequence WHERE seqrelid = to_regclass($1) AND seqincrement = 1
    )";
    Ok(cx.session.query_one(sql, &[&sequence.quoted()])?)
}

/// Is the column by itself a key, or with what the table is partitioned by?
fn is_alone(cx: &Cx<'_>, key: &KeyLimit) -> Result<bool, Error> {
    Ok(cx.session.query_one(ALONE, &[&key.relation.quoted(), &key.column])?)
}

const ALONE: &str = "
SELECT EXISTS (
    SELECT
    FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    LEFT JOIN pg_partitioned_table p ON p.partrelid = i.indrelid
    WHERE i.indrelid = to_regclass($1)
      AND a.attname = $2
      AND i.indisunique
      AND i.indpred IS NULL
      AND NOT EXISTS (
          SELECT
          FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n)
          WHERE k.n <= i.indnkeyatts
            AND k.attnum <> a.attnum
            AND (p.partattrs IS NULL OR k.attnum <> ALL (p.partattrs::int2[]))
      )
)";

pub(super) fn advance(key: &KeyLimit, to: u64, last: u64) -> Step {
    let KeyLimit { relation, column, sequence, .. } = key;
    let title = format!(
        "set {sequence} from {} to {}, past each {relation}.{column}",
        human(last as f64),
        human(to as f64),
    );
    // Never back: clients call the sequence meanwhile.
    let set = format!(
        "SELECT pg_catalog.setval({}, greatest({to}, ({})))",
        quote_literal(&sequence.quoted()),
        given(sequence)
    );
    let act = Act::Sql { statements: vec![set], transaction: false };
    let mut set = step(title, act, Limits::SHORT);
    set.expectations = vec![Expectation {
        claim: format!("{sequence} gives numbers past each {relation}.{column}"),
        sql: format!(
            "SELECT ({}) >= max({}) FROM {}",
            given(sequence),
            quote_ident(column),
            relation.quoted()
        ),
        within_ms: 1_000,
    }];
    set.undo = Undo::Impossible {
        why: "rows come in with the numbers above; set back, it would give theirs again".to_owned(),
    };
    set
}
