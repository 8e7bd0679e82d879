//! Can one index stand in for another?

use crate::context::{Context, Site};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, CreateIndex};

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

/// One spelling for `"a"`, `(lower(x))` and `lower(x)`.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"')).collect()
}

fn dropped_so_far(cx: &Context, site: &Site) -> Vec<String> {
    cx.sites
        .iter()
        .take(site.index + 1)
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
