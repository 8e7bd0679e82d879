//! What stands in one transaction with a statement.

use crate::context::{Context, Site};
use pgward_model::prelude::*;

/// Statements that ran before it in its transaction, the nearest first; none where it stands
/// alone.
pub(crate) fn before<'a>(cx: &'a Context, site: &'a Site) -> impl Iterator<Item = &'a Site<'a>> {
    let earlier = cx.sites.get(..site.index).unwrap_or(&[]).iter().rev();
    let inside = move |s: &&Site| {
        site.in_transaction && s.in_transaction && s.file.path == site.file.path && !ends(s)
    };
    earlier.take_while(inside)
}

/// Statements that run after it in its transaction.
pub(crate) fn after<'a>(cx: &'a Context, site: &'a Site) -> impl Iterator<Item = &'a Site<'a>> {
    let later = cx.sites.get(site.index + 1..).unwrap_or(&[]).iter();
    let inside = move |s: &&Site| {
        site.in_transaction && s.in_transaction && s.file.path == site.file.path && !ends(s)
    };
    later.take_while(inside)
}

fn ends(site: &Site) -> bool {
    matches!(site.statement.kind, StatementKind::Commit | StatementKind::Rollback)
}
