//! What a table is like when a statement meets it: the catalog, and the change up to there.

use crate::context::{Context, Site};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, CreateTable, NewConstraint};

/// Everything that the change has done when the statement begins.
pub(crate) fn before<'a>(cx: &'a Context, site: &Site) -> impl Iterator<Item = &'a Action> {
    let at = site.index;
    let done = cx.sites.iter().take(at);
    done.filter(move |s| s.taken_back.is_none_or(|end| end >= at)).flat_map(|s| &s.actions)
}

/// Everything that the change leaves done.
pub(crate) fn everywhere<'a>(cx: &'a Context) -> impl Iterator<Item = &'a Action> {
    cx.sites.iter().filter(|s| s.taken_back.is_none()).flat_map(|s| &s.actions)
}

/// The CREATE TABLE of the same change.
pub(crate) fn definition<'a>(
    cx: &'a Context,
    site: &Site,
    relation: &Relation,
) -> Option<&'a CreateTable> {
    let own = cx.sites.get(site.index).into_iter().flat_map(|s| &s.actions);
    before(cx, site).chain(own).find_map(|a| match a {
        Action::CreateTable(t) if t.relation.same_as(relation) => Some(t),
        _ => None,
    })
}

/// Does it hold partitions and no rows?
pub(crate) fn is_partitioned(cx: &Context, site: &Site, relation: &Relation) -> bool {
    cx.table(relation).is_some_and(|t| t.kind == 'p')
        || definition(cx, site, relation).is_some_and(|t| t.partitioned)
}

/// A constraint that the statement adds, added NOT VALID and validated by a statement of its own;
/// `None` where it has no name or the statement does more.
pub(crate) fn validated_later(site: &Site, relation: &Relation, name: &str) -> Option<String> {
    if name.is_empty() || site.actions.len() != 1 {
        return None;
    }
    let (table, name) = (relation.quoted(), quote_ident(name));
    Some(format!(
        "{} NOT VALID;\nALTER TABLE {table} VALIDATE CONSTRAINT {name};",
        site.statement.text
    ))
}

/// The partition that takes what fits no other one.
pub(crate) fn default_of<'a>(cx: &Context<'a>, parent: &Relation) -> Option<&'a RelationInfo> {
    cx.catalog?.relations.iter().find(|r| {
        let place = r.partition.as_ref();
        place.is_some_and(|p| p.is_default && p.parent.same_as(parent))
    })
}

/// Has the change altered it before, so that the catalog no longer says what it is like?
pub(crate) fn is_altered_before(cx: &Context, site: &Site, relation: &Relation) -> bool {
    before(cx, site).any(|a| match a {
        Action::Alter { relation: altered, .. }
        | Action::RenameColumn { relation: altered, .. } => altered.same_as(relation),
        Action::RenameRelation { to, .. } => *to == relation.name,
        _ => false,
    })
}

/// The type of a column, where the catalog or the change says it.
pub(crate) fn column_type(
    cx: &Context,
    site: &Site,
    relation: &Relation,
    column: &str,
) -> Option<String> {
    let at = site.index;
    let stays = |s: &&Site| s.taken_back.is_none_or(|end| end > at);
    let here = cx.sites.iter().take(at + 1).filter(stays).rev();
    let here = here.flat_map(|s| s.actions.iter().rev());
    let mut said = here.filter_map(|a| match a {
        Action::CreateTable(t) if t.relation.same_as(relation) => {
            t.columns.iter().find(|c| c.name == column).map(|c| c.data_type.clone())
        }
        Action::Alter { relation: altered, command, .. } if altered.same_as(relation) => {
            match command {
                Alter::AddColumn { column: new, .. } if new.name == column => {
                    Some(new.data_type.clone())
                }
                Alter::SetType { column: set, data_type, .. } if set == column => {
                    Some(data_type.clone())
                }
                _ => None,
            }
        }
        _ => None,
    });
    let known = || cx.table(relation)?.columns.iter().find(|c| c.name == column);
    said.next().or_else(|| known().map(|c| c.data_type.clone()))
}

/// Constraints that an action adds and their table; those of columns too.
pub(crate) fn added(action: &Action) -> Vec<(&Relation, &NewConstraint)> {
    match action {
        Action::CreateTable(t) => {
            let inline = t.columns.iter().flat_map(|c| &c.constraints);
            t.constraints.iter().chain(inline).map(|c| (&t.relation, c)).collect()
        }
        Action::Alter { relation, command, .. } => match command {
            Alter::AddConstraint(c) => vec![(relation, c)],
            Alter::AddColumn { column, .. } => {
                column.constraints.iter().map(|c| (relation, c)).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Key columns of every index that the table has when the change is through, those with a
/// WHERE left out.
pub(crate) fn index_keys(cx: &Context, relation: &Relation) -> Vec<Vec<String>> {
    let whole = |i: &&IndexInfo| i.valid && !i.definition.contains(" WHERE ");
    let known = cx.table(relation).into_iter().flat_map(|t| &t.indexes).filter(whole);
    let mut keys: Vec<Vec<String>> = known.map(|i| i.columns.clone()).collect();
    for action in everywhere(cx) {
        if let Action::CreateIndex(i) = action
            && i.table.same_as(relation)
            && i.predicate.is_none()
        {
            keys.push(i.columns.clone());
        }
        let own = added(action).into_iter().filter(|(t, c)| {
            t.same_as(relation) && matches!(c.kind, 'p' | 'u') && c.using_index.is_none()
        });
        keys.extend(own.map(|(_, c)| c.columns.clone()));
    }
    keys
}

/// The primary key's columns.
pub(crate) fn primary_key(cx: &Context, site: &Site, relation: &Relation) -> Vec<String> {
    let mine = |c: &&NewConstraint| c.kind == 'p' && c.using_index.is_none();
    let made = definition(cx, site, relation).and_then(|t| {
        let inline = t.columns.iter().flat_map(|c| &c.constraints);
        t.constraints.iter().chain(inline).find(mine)
    });
    let known = || cx.table(relation)?.indexes.iter().find(|i| i.primary);
    match made {
        Some(c) => c.columns.clone(),
        None => known().map(|i| i.columns.clone()).unwrap_or_default(),
    }
}

/// Column names in a list as SQL writes it: `a, "B"`.
pub(crate) fn listed_columns(text: &str) -> Vec<String> {
    text.split(',').map(|c| c.trim().trim_matches('"').to_owned()).collect()
}
