//! How many bytes a statement writes, at least, as the catalog has the sizes.

use crate::context::{Context, Site};
use crate::transaction;
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, Predicate, ReindexKind, Rows};
use std::collections::BTreeSet;

/// What a disk, an archive or a standby takes in a second, where it is slow: one of 1 Gbit/s, or
/// a spinning one.
pub(crate) const BYTES_PER_S: f64 = 100.0 * 1024.0 * 1024.0;

/// A B-tree entry: 8 bytes of header, 8 of a short key, 4 that point to it, in pages that are
/// nine tenths full. Source: manual, B-Tree Indexes, and `fillfactor` of CREATE INDEX.
const ENTRY_BYTES: f64 = 20.0 / 0.9;

/// A table that is written anew, or an index that is built.
pub(crate) struct Written {
    pub(crate) relation: Relation,
    /// At least: TOAST and sort files come on top.
    pub(crate) bytes: f64,
}

/// What the statement writes of tables that were there before, the most first.
pub(crate) fn written(cx: &Context, site: &Site) -> Vec<Written> {
    let mut found: Vec<Written> = Vec::new();
    let mut seen = BTreeSet::new();
    for effect in site.effects.iter().filter(|e| e.rewrites || e.builds_index) {
        let Some(info) = cx.table(&effect.relation).filter(|t| t.kind != 'p') else { continue };
        if !cx.existed(site, &effect.relation) || !seen.insert(info.oid) {
            continue;
        }
        let bytes = match effect.rewrites {
            true => info.table_bytes + index_bytes(info),
            false => built_bytes(site, info),
        };
        found.push(Written { relation: info.relation.clone(), bytes });
    }
    for rows in site.actions.iter().filter_map(every_row) {
        let Some(info) = cx.table(rows).filter(|t| t.kind != 'p') else { continue };
        if cx.existed(site, rows) && seen.insert(info.oid) {
            found.push(Written { relation: info.relation.clone(), bytes: info.table_bytes });
        }
    }
    found.sort_by(|a, b| b.bytes.total_cmp(&a.bytes));
    found
}

/// What its transaction has written before it and it writes itself: none of it is given back
/// before the commit.
pub(crate) fn written_so_far(cx: &Context, site: &Site) -> f64 {
    let sites = std::iter::once(site).chain(transaction::before(cx, site));
    sites.flat_map(|s| written(cx, s)).map(|w| w.bytes).sum()
}

/// The table of which an UPDATE writes each row again.
pub(crate) fn every_row(action: &Action) -> Option<&Relation> {
    match action {
        Action::Rows(Rows {
            verb: StatementKind::Update,
            relation,
            predicate: Predicate::Missing | Predicate::Always { .. },
            ..
        }) => Some(relation),
        _ => None,
    }
}

fn index_bytes(info: &RelationInfo) -> f64 {
    info.indexes.iter().map(|i| i.bytes).sum()
}

/// Indexes that are built of a table that stays as it is.
fn built_bytes(site: &Site, info: &RelationInfo) -> f64 {
    let new = info.n_rows.unwrap_or(0.0) * ENTRY_BYTES;
    let of = |action: &Action| match action {
        Action::CreateIndex(i) if i.predicate.is_none() && i.method == "btree" => new,
        Action::Alter { command: Alter::AddConstraint(c), .. }
            if matches!(c.kind, 'p' | 'u') && c.using_index.is_none() =>
        {
            new
        }
        Action::Reindex { kind: ReindexKind::Index, name, .. } => {
            let index = info.indexes.iter().find(|i| i.name == name.name);
            index.map_or(0.0, |i| i.bytes)
        }
        Action::Reindex { .. } => index_bytes(info),
        _ => 0.0,
    };
    site.actions.iter().map(of).sum()
}
