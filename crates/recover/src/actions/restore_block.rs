//! Writes a damaged block back as it was, from backup and WAL, and touches nothing else.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static ACTION: Action = Action {
    id: "restore_block",
    title: "Restore damaged blocks from backup and WAL",
    price: "needs a backup, all WAL since, and the data directory on this machine; a server on the side for a minute",
    plan,
};

/// More blocks than this are no accident of one page: restore the relation instead.
const BLOCKS_MAX: usize = 16;

fn plan(cx: &Cx<'_>, _: &Likely, case: &Case) -> Result<Runbook, Error> {
    if cx.vault.is_none() || cx.installation.is_none() {
        return Err(refuse(&ACTION, "no vault with a backup is given (--vault DIR)"));
    }
    if cx.data_dir.is_none() {
        return Err(refuse(
            &ACTION,
            "the data directory is not on this machine; run `pgward restore --block` on the server's host",
        ));
    }
    // The newest sample that looked tells what is still damaged.
    let of_table = |d: &&DamagedBlock| d.index_of.is_none();
    let newest = case.window.recent().iter().rev().find(|s| s.damage.iter().any(|d| of_table(&d)));
    let blocks: BTreeMap<(Relation, u32), &DamagedBlock> = newest
        .iter()
        .flat_map(|s| &s.damage)
        .filter(of_table)
        .map(|d| ((d.relation.clone(), d.block), d))
        .collect();
    let Some(((relation, block), _)) = blocks.iter().next() else {
        return Err(refuse(&ACTION, "no damaged block is known by relation and number"));
    };
    if blocks.len() > BLOCKS_MAX {
        return Err(refuse(
            &ACTION,
            format!("{} blocks are damaged; restore the relation instead", blocks.len()),
        ));
    }
    let title = match blocks.len() {
        1 => format!("Restore block {block} of {relation}"),
        n => format!("Restore {n} blocks, the first {block} of {relation}"),
    };
    let steps = blocks.keys().map(|(relation, block)| restore(relation, *block)).collect();
    Ok(runbook(
        &ACTION,
        title,
        "the page on the side has replayed all WAL, so it is exact, and every other page and index stays as it is",
        lossless("the page comes back as it was when it was last written"),
        steps,
    ))
}

fn restore(relation: &Relation, block: u32) -> Step {
    let mut restore = step(
        format!("restore block {block} of {relation}"),
        Act::RestoreBlock { relation: relation.clone(), block },
        Limits::RESTORE,
    );
    restore.expectations = vec![Expectation {
        claim: format!("block {block} of {relation} reads"),
        sql: format!(
            "SELECT count(*) >= 0 FROM {} WHERE ctid >= '({block},0)' AND ctid < '({},0)'",
            relation.quoted(),
            u64::from(block) + 1
        ),
        within_ms: 2_000,
    }];
    restore.undo = Undo::Exact {
        statements: vec!["-- the damaged page is kept beside the vault's evidence".into()],
    };
    restore
}
