//! Drops a new index that attracts a wrong plan.

use super::{Action, Cx, droppable, index_of, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;

pub(super) static ACTION: Action = Action {
    id: "drop_new_index",
    title: "Drop the new index without blocking writes",
    price: "statements that the new index helped lose it; its definition is kept to build it again",
    plan,
};

fn plan(_: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let created = likely
        .ddl
        .iter()
        .rev()
        .find(|d| !d.dropped && d.object_kind == "index")
        .ok_or_else(|| refuse(&ACTION, "no new index is to blame"))?;
    let index = index_of(created)
        .ok_or_else(|| refuse(&ACTION, format!("{} is no name", created.identity)))?;
    let catalog = case.catalog.as_ref().ok_or_else(|| {
        refuse(&ACTION, "what the index is for is not known: no catalog was read")
    })?;
    let info = droppable(catalog, &index, created.relation.as_ref())
        .map_err(|why| refuse(&ACTION, why))?;
    let name = &index.name;
    let mut drop = step(
        format!("drop index {name}"),
        Act::Sql {
            statements: vec![format!("DROP INDEX CONCURRENTLY {}", index.quoted())],
            transaction: false,
        },
        Limits::PATIENT,
    );
    drop.undo = Undo::Exact {
        statements: vec![info.definition.replacen(" INDEX ", " INDEX CONCURRENTLY ", 1)],
    };
    Ok(runbook(
        &ACTION,
        format!("Drop the new index {name}"),
        "it came shortly before the plan changed, and nothing else did",
        lossless("an index holds no data of its own"),
        vec![drop],
    ))
}
