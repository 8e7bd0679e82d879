//! The way back of DROP, and of the creations whose way back is a DROP.

use super::{exact, identity_relation, impossible, lossy, object, qualified};
use crate::action::{Action, Drop};
use crate::tree;
use pgward_model::prelude::*;

pub(super) fn of_create(action: &Action, before: Option<&Catalog>) -> Undo {
    let Action::Create { kind, name, tables, replace, if_not_exists } = action else {
        return impossible("not a creation");
    };
    let upper = kind.to_uppercase();
    if *if_not_exists {
        let there = before.is_some_and(|c| is_there(c, kind, name));
        return match (kind.as_str(), before) {
            ("sequence", Some(_)) if there => Undo::Nothing,
            ("sequence", Some(_)) => exact(format!("DROP SEQUENCE {name}")),
            _ => impossible(format!("whether {kind} {name} was there before is not known")),
        };
    }
    if *replace && matches!(kind.as_str(), "function" | "procedure") {
        return replaced_function(&upper, name, before);
    }
    match tables.first() {
        Some(_) if *replace => impossible(format!("the {kind} {name} before is not known")),
        Some(table) if !matches!(kind.as_str(), "statistics" | "publication") => {
            exact(format!("DROP {upper} {name} ON {}", qualified(table, before).quoted()))
        }
        _ => exact(format!("DROP {upper} {name}")),
    }
}

fn is_there(catalog: &Catalog, kind: &str, name: &str) -> bool {
    object(catalog, kind, &identity_relation(name)).is_some()
}

fn replaced_function(upper: &str, name: &str, before: Option<&Catalog>) -> Undo {
    let Some(catalog) = before else {
        return impossible(format!("the definition of {name} before is not known"));
    };
    match function(catalog, name) {
        Some(old) => exact(old.definition.trim_end().to_owned()),
        None => exact(format!("DROP {upper} {name}")),
    }
}

/// A function by name and argument types, as its own definition spells them.
fn function<'a>(catalog: &'a Catalog, name: &str) -> Option<&'a ObjectInfo> {
    let wanted = parts(name);
    catalog.objects.iter().filter(|o| o.kind == "function").find(|o| {
        let spelled = tree::parse_one(&o.definition)
            .map(|node| crate::understand::understand(&node, &o.definition).actions);
        match spelled.as_deref() {
            Some([Action::Create { name: own, .. }, ..]) => {
                let (relation, arguments) = parts(own);
                relation.same_as(&wanted.0) && (arguments == wanted.1 || wanted.1.is_none())
            }
            _ => false,
        }
    })
}

/// `s.f(int, text)` → the name, and its arguments where it has parentheses.
fn parts(name: &str) -> (Relation, Option<String>) {
    match name.find('(') {
        Some(at) => {
            let (path, arguments) = name.split_at(at);
            (identity_relation(path), Some(arguments.to_owned()))
        }
        None => (identity_relation(name), None),
    }
}

pub(super) fn of_drop(d: &Drop, before: Option<&Catalog>) -> Undo {
    let undos = d.names.iter().zip(&d.written).map(|(name, written)| one(d, name, written, before));
    super::combine(undos.collect())
}

fn one(d: &Drop, name: &Relation, written: &str, before: Option<&Catalog>) -> Undo {
    let kind = d.kind.as_str();
    if kind == "table" {
        return dropped_table(name, d.if_exists, before);
    }
    if kind == "schema" && !d.cascade {
        return lossy(
            format!("CREATE SCHEMA {written}"),
            format!("privileges on schema {written}"),
        );
    }
    let Some(catalog) = before else {
        return impossible(format!("the definition of {kind} {written} is not known"));
    };
    let found = match kind {
        "index" => return dropped_index(d, name, catalog),
        "view" => object(catalog, "view", name),
        "function" | "procedure" | "routine" => function(catalog, written),
        "trigger" => trigger(catalog, d.table.as_ref(), &name.name),
        _ => None,
    };
    let Some(found) = found else {
        return if d.if_exists && ["view", "function", "procedure", "trigger"].contains(&kind) {
            Undo::Nothing
        } else {
            impossible(format!("the definition of {kind} {written} is not known"))
        };
    };
    if d.cascade && kind == "view" && depends(catalog, name) {
        return impossible(format!("CASCADE also drops what uses view {written}"));
    }
    match kind {
        "view" => lossy(
            format!(
                "CREATE VIEW {} AS {}",
                found.identity,
                found.definition.trim().trim_end_matches(';')
            ),
            format!("privileges, owner and comments of {written}"),
        ),
        "trigger" => trigger_again(found),
        _ => lossy(
            found.definition.trim_end().to_owned(),
            format!("privileges, owner and comments of {written}"),
        ),
    }
}

fn dropped_table(name: &Relation, if_exists: bool, before: Option<&Catalog>) -> Undo {
    match before.map(|c| c.relation(name)) {
        Some(None) if if_exists => Undo::Nothing,
        Some(Some(info)) => impossible(format!(
            "{} rows of {name} are in no catalog: only a backup with its WAL brings them back",
            info.n_rows.map_or("the".to_owned(), human)
        )),
        _ => impossible(format!("the rows of {name} are only in a backup")),
    }
}

fn dropped_index(d: &Drop, name: &Relation, catalog: &Catalog) -> Undo {
    match catalog.index(name) {
        None if d.if_exists => Undo::Nothing,
        None => impossible(format!("there is no index {name}")),
        Some((_, index)) if d.concurrently => {
            let again = index.definition.replacen(" INDEX ", " INDEX CONCURRENTLY ", 1);
            exact(again)
        }
        Some((_, index)) => exact(index.definition.clone()),
    }
}

/// Does another view use it?
fn depends(catalog: &Catalog, name: &Relation) -> bool {
    catalog.objects.iter().any(|o| o.uses.iter().any(|u| u.same_as(name)))
}

/// The catalog names triggers `name on table` and says after the definition in which
/// state they are.
fn trigger<'a>(
    catalog: &'a Catalog,
    table: Option<&Relation>,
    name: &str,
) -> Option<&'a ObjectInfo> {
    let table = table?;
    catalog.objects.iter().find(|o| {
        o.kind == "trigger"
            && o.identity.split_once(" on ").is_some_and(|(own, _)| own == name)
            && o.uses.iter().any(|u| u.same_as(table))
    })
}

fn trigger_again(found: &ObjectInfo) -> Undo {
    match found.definition.rsplit_once(" enabled ") {
        Some((definition, "O")) => exact(definition.to_owned()),
        Some((definition, _)) => {
            lossy(definition.to_owned(), "the state of the trigger (disabled, replica, always)")
        }
        None => exact(found.definition.clone()),
    }
}
