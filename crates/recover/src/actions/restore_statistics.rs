//! Makes dropped extended statistics again: which values of several columns go together.

use super::analyze_table::analyze;
use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "restore_statistics",
    title: "Make the dropped statistics of several columns again",
    price: "reads a sample of each table; blocks neither reads nor writes",
    plan,
};

fn plan(cx: &Cx<'_>, likely: &Likely, _: &Case) -> Result<Runbook, Error> {
    let dropped = |d: &&DdlEvent| d.dropped && d.object_kind == "statistics object";
    let (mut steps, mut names) = (Vec::new(), Vec::new());
    for event in likely.ddl.iter().filter(dropped) {
        let (Some(definition), Some(table)) = (&event.old_definition, &event.relation) else {
            continue;
        };
        let is_there = is_there(&event.identity);
        if cx.session.query_one::<bool>(&is_there, &[])? {
            continue; // somebody has made it meanwhile
        }
        let mut make = step(
            format!("make statistics {} again", event.identity),
            Act::Sql { statements: vec![definition.clone()], transaction: false },
            Limits::SHORT,
        );
        let claim = format!("there are statistics {}", event.identity);
        make.expectations = vec![Expectation { claim, sql: is_there, within_ms: 5_000 }];
        make.undo = Undo::Exact { statements: vec![format!("DROP STATISTICS {}", event.identity)] };
        steps.extend([make, analyze(table)]);
        names.push(event.identity.as_str());
    }
    if steps.is_empty() {
        return Err(refuse(&ACTION, "no dropped statistics with a known definition are missing"));
    }
    Ok(runbook(
        &ACTION,
        format!("Make statistics {} again", names.join(", ")),
        "without them the planner takes columns that go together for independent",
        lossless("no row is touched"),
        steps,
    ))
}

/// `identity` is a quoted name with its schema, as `pg_identify_object` writes it.
fn is_there(identity: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext e \
         JOIN pg_catalog.pg_namespace n ON n.oid = e.stxnamespace \
         WHERE pg_catalog.format('%I.%I', n.nspname, e.stxname) = {})",
        quote_literal(identity)
    )
}
