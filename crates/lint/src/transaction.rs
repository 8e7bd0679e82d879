//! What stands in one transaction with a statement.

use crate::context::{Context, Site};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

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

/// The value a session setting has at this statement, where the file sets one that is on.
pub(crate) fn setting_at(cx: &Context, site: &Site, wanted: &str) -> Option<String> {
    let mut value = None;
    let before = cx.sites.get(..site.index)?.iter().filter(|s| s.file.path == site.file.path);
    for action in before.flat_map(|s| &s.actions) {
        if let Action::Set { name, value: set, local: false } = action
            && (name == wanted || name.is_empty())
        {
            value = set.clone();
        }
    }
    value.filter(|v| v.chars().any(|c| ('1'..='9').contains(&c)))
}

/// May the statement be done CONCURRENTLY: outside of any transaction, and with all the time it
/// takes to wait for old snapshots?
pub(crate) fn may_wait(cx: &Context, site: &Site) -> bool {
    let limits = ["lock_timeout", "statement_timeout"];
    site.stands_alone() && limits.iter().all(|name| setting_at(cx, site, name).is_none())
}

/// CONCURRENTLY: it lets others work and waits for whoever may still see the old state.
pub(crate) fn is_concurrent(action: &Action) -> bool {
    match action {
        Action::CreateIndex(i) => i.concurrently,
        Action::Drop(d) => d.concurrently,
        Action::Reindex { concurrently, .. } => *concurrently,
        _ => false,
    }
}

/// `5s` → 5000. A number alone counts milliseconds.
pub(crate) fn milliseconds(value: &str) -> Option<f64> {
    let value = value.trim();
    let end = value.find(|c: char| c.is_alphabetic()).unwrap_or(value.len());
    let (number, unit) = value.split_at_checked(end)?;
    let number: f64 = number.trim().parse().ok()?;
    let factor = match unit.trim() {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1e3,
        "min" => 6e4,
        "h" => 3.6e6,
        "d" => 8.64e7,
        _ => return None,
    };
    Some(number * factor)
}
