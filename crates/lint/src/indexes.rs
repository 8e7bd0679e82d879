//! Can one index stand in for another?

use crate::context::{Context, Site};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, CreateIndex, NewConstraint};

/// An index that does the work of another.
pub(crate) struct Twin {
    pub(crate) name: String,
    /// Further key columns follow.
    pub(crate) is_longer: bool,
}

/// What can be looked up in an index.
struct Shape {
    name: String,
    columns: Vec<String>,
    predicate: String,
    method: String,
    unique: bool,
}

/// An index that is there when `index` goes and serves what it serves: same leading columns
/// in the same order, same method, no narrower set of rows, unique if that one is.
pub(crate) fn replacement(
    cx: &Context,
    site: &Site,
    table: &RelationInfo,
    index: &IndexInfo,
) -> Option<String> {
    let old = shape(index);
    let going = dropped_so_far(cx, site);
    let standing = table
        .indexes
        .iter()
        .filter(|i| i.valid && i.name != index.name && !going.contains(&i.name))
        .map(shape);
    let made = made_before(cx, site).filter(|i| table.relation.same_as(&i.table)).map(of_created);
    standing.chain(made).find(|other| serves(other, &old)).map(|other| other.name)
}

/// An index that is there already, or was made before by the same change, and does the work of
/// the one that is made here.
pub(crate) fn twin(cx: &Context, site: &Site, made: &CreateIndex) -> Option<Twin> {
    if made.special_keys || !made.included.is_empty() {
        return None;
    }
    let new = of_created(made);
    let going = dropped(cx.sites.iter());
    let known = cx.table(&made.table).into_iter().flat_map(|t| &t.indexes);
    let standing = known
        .filter(|i| i.valid && i.name != made.name && !going.contains(&i.name))
        .filter(|i| has_plain_keys(i))
        .map(shape);
    let earlier = made_before(cx, site)
        .filter(|i| i.table.same_as(&made.table) && !i.special_keys && i.name != made.name)
        .filter(|i| !going.contains(&i.name))
        .map(of_created);
    let keys = crate::tables::before(cx, site).flat_map(crate::tables::added).filter(|(t, c)| {
        t.same_as(&made.table) && matches!(c.kind, 'p' | 'u') && c.using_index.is_none()
    });
    let mut all = standing.chain(earlier).chain(keys.map(|(_, c)| of_key(c)));
    // A shorter unique one finds the same row, but keeps another promise.
    let equal_rows = |o: &Shape| o.predicate == new.predicate;
    let found = all.find(|o| serves(o, &new) && equal_rows(o))?;
    Some(Twin { is_longer: found.columns.len() > new.columns.len(), name: found.name })
}

/// Are its keys columns or expressions and nothing more, in the order of their types?
fn has_plain_keys(index: &IndexInfo) -> bool {
    let definition = &index.definition;
    let Some((_, keys)) = definition.split_once(" USING ") else { return true };
    let keys = keys.split(" INCLUDE ").next().unwrap_or("");
    let keys = keys.split(" NULLS ").next().unwrap_or("");
    let keys = keys.split(" WITH (").next().unwrap_or("");
    let keys = keys.split(" WHERE ").next().unwrap_or("");
    let listed = keys.split_once('(').map_or("", |(_, rest)| rest);
    plain(listed) == plain(&index.columns.join(", "))
}

fn serves(other: &Shape, old: &Shape) -> bool {
    let same_rows = other.predicate.is_empty() || other.predicate == old.predicate;
    let unique = !old.unique || (other.unique && other.columns.len() == old.columns.len());
    other.columns.starts_with(&old.columns) && other.method == old.method && same_rows && unique
}

fn shape(index: &IndexInfo) -> Shape {
    let definition = &index.definition;
    let method = definition.split(" USING ").nth(1).and_then(|rest| rest.split(' ').next());
    let predicate = definition.split_once(" WHERE ").map_or("", |(_, rest)| rest);
    Shape {
        name: index.name.clone(),
        columns: index.columns.iter().map(|c| plain(c)).collect(),
        predicate: plain(predicate),
        method: method.unwrap_or("btree").to_owned(),
        unique: index.unique,
    }
}

fn of_created(made: &CreateIndex) -> Shape {
    Shape {
        name: if made.name.is_empty() { "the new index".to_owned() } else { made.name.clone() },
        columns: made.columns.iter().map(|c| plain(c)).collect(),
        predicate: plain(made.predicate.as_deref().unwrap_or("")),
        method: made.method.clone(),
        unique: made.unique,
    }
}

fn of_key(key: &NewConstraint) -> Shape {
    let what = if key.kind == 'p' { "of the primary key" } else { "of the unique key" };
    Shape {
        name: if key.name.is_empty() { what.to_owned() } else { key.name.clone() },
        columns: key.columns.iter().map(|c| plain(c)).collect(),
        predicate: String::new(),
        method: "btree".to_owned(),
        unique: true,
    }
}

/// One spelling for `"a"`, `(lower(x))` and `lower(x)`.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"')).collect()
}

fn dropped_so_far(cx: &Context, site: &Site) -> Vec<String> {
    dropped(cx.sites.iter().take(site.index + 1))
}

fn dropped<'a>(sites: impl Iterator<Item = &'a Site<'a>>) -> Vec<String> {
    sites
        .flat_map(|s| &s.actions)
        .filter_map(|a| match a {
            Action::Drop(d) if d.kind == "index" => Some(&d.names),
            _ => None,
        })
        .flatten()
        .map(|n| n.name.clone())
        .collect()
}

fn made_before<'a>(cx: &'a Context, site: &Site) -> impl Iterator<Item = &'a CreateIndex> {
    cx.sites.iter().take(site.index).flat_map(|s| &s.actions).filter_map(|a| match a {
        Action::CreateIndex(made) => Some(made),
        _ => None,
    })
}
