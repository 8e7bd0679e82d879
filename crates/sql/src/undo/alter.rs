//! The way back of ALTER TABLE, command by command.

use super::{chosen_name, exact, impossible, lossy, qualified, qualified_kind};
use crate::action::{Alter, NewConstraint};
use crate::effects::keeps_values;
use pgward_model::prelude::*;

pub(super) fn of_alter(
    relation: &Relation,
    kind: &str,
    command: &Alter,
    before: Option<&Catalog>,
) -> Undo {
    let name = qualified_kind(kind, relation, before).quoted();
    let alter = format!("ALTER {} {name}", kind.to_uppercase());
    let info = before.and_then(|c| c.relation(relation));
    match command {
        Alter::AddColumn { column, if_not_exists } => {
            let there = info.map(|i| i.columns.iter().any(|c| c.name == column.name));
            match (if_not_exists, there) {
                (true, Some(true)) => Undo::Nothing,
                (true, None) => impossible(format!(
                    "whether column {} was there before is not known",
                    column.name
                )),
                _ => exact(format!("{alter} DROP COLUMN {}", quote_ident(&column.name))),
            }
        }
        Alter::DropColumn { name: column, if_exists, .. } => {
            dropped_column(&alter, relation, column, *if_exists, info)
        }
        Alter::SetType { column, data_type, .. } => set_type(&alter, column, data_type, info),
        Alter::SetDefault { column, .. } => match find_column(info, column) {
            Some(ColumnInfo { default: Some(old), .. }) => {
                exact(format!("{alter} ALTER COLUMN {} SET DEFAULT {old}", quote_ident(column)))
            }
            Some(_) => exact(format!("{alter} ALTER COLUMN {} DROP DEFAULT", quote_ident(column))),
            None => impossible(format!("the default of {relation}.{column} before is not known")),
        },
        Alter::SetNotNull { column } => nullability(&alter, column, true, info),
        Alter::DropNotNull { column } => nullability(&alter, column, false, info),
        Alter::AddConstraint(c) => added_constraint(&alter, relation, c, info),
        Alter::ValidateConstraint { .. } => Undo::Nothing,
        Alter::DropConstraint { name: gone, if_exists, cascade } => {
            dropped_constraint(&alter, gone, *if_exists, *cascade, relation, before)
        }
        other => small(&alter, relation, other, before),
    }
}

fn find_column<'a>(info: Option<&'a RelationInfo>, column: &str) -> Option<&'a ColumnInfo> {
    info?.columns.iter().find(|c| c.name == column)
}

fn dropped_column(
    alter: &str,
    relation: &Relation,
    column: &str,
    if_exists: bool,
    info: Option<&RelationInfo>,
) -> Undo {
    let Some(info) = info else {
        return impossible(format!("the definition of {relation}.{column} is not known"));
    };
    let Some(old) = info.columns.iter().find(|c| c.name == column) else {
        return if if_exists {
            Undo::Nothing
        } else {
            impossible(format!("{relation} has no column {column}"))
        };
    };
    let default = old.default.as_ref().map(|d| format!(" DEFAULT {d}")).unwrap_or_default();
    // Without a value, NOT NULL would refuse the rows that are there.
    let not_null = if old.not_null && old.default.is_some() { " NOT NULL" } else { "" };
    let mut statements = vec![format!(
        "{alter} ADD COLUMN {} {}{default}{not_null}",
        quote_ident(column),
        old.data_type
    )];
    statements.extend(
        info.indexes
            .iter()
            .filter(|i| !i.constraint && i.columns.iter().any(|c| unquoted(c) == column))
            .map(|i| i.definition.clone()),
    );
    statements.extend(
        info.constraints
            .iter()
            .filter(|c| crate::effects::names(&c.definition, column))
            .map(|c| format!("{alter} ADD CONSTRAINT {} {}", quote_ident(&c.name), c.definition)),
    );
    let n_rows = info.n_rows.map_or("all".to_owned(), |n| format!("about {}", human(n)));
    Undo::Lossy {
        statements,
        loses: format!("the values of {relation}.{column} in {n_rows} rows, and its place"),
    }
}

/// `pg_get_indexdef` quotes a column where it must.
fn unquoted(column: &str) -> String {
    match column.strip_prefix('"').and_then(|c| c.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => column.to_owned(),
    }
}

fn set_type(alter: &str, column: &str, new_type: &str, info: Option<&RelationInfo>) -> Undo {
    let Some(old) = find_column(info, column) else {
        return impossible(format!("the type of {column} before is not known"));
    };
    let quoted = quote_ident(column);
    let statement = format!(
        "{alter} ALTER COLUMN {quoted} TYPE {} USING {quoted}::{}",
        old.data_type, old.data_type
    );
    if keeps_values(&old.data_type, new_type) {
        exact(statement)
    } else {
        lossy(
            statement,
            format!("what the conversion of {column} from {} to {new_type} dropped", old.data_type),
        )
    }
}

fn nullability(alter: &str, column: &str, sets: bool, info: Option<&RelationInfo>) -> Undo {
    let was = find_column(info, column).map(|c| c.not_null);
    if was == Some(sets) {
        return Undo::Nothing;
    }
    let verb = if sets { "DROP" } else { "SET" };
    let statement = format!("{alter} ALTER COLUMN {} {verb} NOT NULL", quote_ident(column));
    match was {
        Some(_) => exact(statement),
        None => lossy(statement, format!("the nullability of {column}, if it was so before")),
    }
}

fn added_constraint(
    alter: &str,
    relation: &Relation,
    c: &NewConstraint,
    info: Option<&RelationInfo>,
) -> Undo {
    let label = match c.kind {
        'p' => "pkey",
        'u' => "key",
        'f' => "fkey",
        _ => "",
    };
    let columns: &[String] = if c.kind == 'p' { &[] } else { &c.columns };
    let name = match (c.name.as_str(), label, &c.using_index) {
        ("", _, Some(index)) => index.clone(),
        ("", "", None) => String::new(),
        ("", label, None) => chosen_name(&relation.name, columns, label),
        (given, ..) => given.to_owned(),
    };
    let taken = info.is_some_and(|i| i.constraints.iter().any(|k| k.name == name));
    if c.name.is_empty() && c.using_index.is_none() && (name.is_empty() || info.is_none() || taken)
    {
        return impossible(format!("PostgreSQL chooses the constraint's name on {relation}"));
    }
    let mut statements = vec![format!("{alter} DROP CONSTRAINT {}", quote_ident(&name))];
    if let Some(index) = &c.using_index {
        let old = info.and_then(|i| i.indexes.iter().find(|x| x.name == *index));
        match old {
            Some(old) => statements.push(old.definition.clone()),
            None => return impossible(format!("the definition of index {index} is not known")),
        }
    }
    if c.kind != 'p' {
        return Undo::Exact { statements };
    }
    let Some(info) = info else {
        let loses = "the nullability of the key's columns, which stay NOT NULL".to_owned();
        return Undo::Lossy { statements, loses };
    };
    // The key has made its columns NOT NULL, and they stay so without it.
    let of_index = c.using_index.as_ref().and_then(|n| info.indexes.iter().find(|i| i.name == *n));
    let columns = of_index.map_or_else(
        || c.columns.clone(),
        |i| i.columns.iter().map(|column| unquoted(column)).collect(),
    );
    let nullable = info.columns.iter().filter(|i| !i.not_null && columns.contains(&i.name));
    statements.extend(
        nullable.map(|i| format!("{alter} ALTER COLUMN {} DROP NOT NULL", quote_ident(&i.name))),
    );
    Undo::Exact { statements }
}

fn dropped_constraint(
    alter: &str,
    name: &str,
    if_exists: bool,
    cascade: bool,
    relation: &Relation,
    before: Option<&Catalog>,
) -> Undo {
    let info = before.and_then(|c| c.relation(relation));
    let Some((catalog, info)) = before.zip(info) else {
        return impossible(format!("the definition of constraint {name} is not known"));
    };
    let Some(old) = info.constraints.iter().find(|c| c.name == name) else {
        return if if_exists {
            Undo::Nothing
        } else {
            impossible(format!("{relation} has no constraint {name}"))
        };
    };
    let mut statements =
        vec![format!("{alter} ADD CONSTRAINT {} {}", quote_ident(name), old.definition)];
    if cascade && matches!(old.kind, 'p' | 'u') {
        for (table, key) in catalog.referencing(&info.relation) {
            statements.push(format!(
                "ALTER TABLE {} ADD CONSTRAINT {} {}",
                table.relation.quoted(),
                quote_ident(&key.name),
                key.definition
            ));
        }
    }
    Undo::Exact { statements }
}

fn small(alter: &str, relation: &Relation, command: &Alter, before: Option<&Catalog>) -> Undo {
    match command {
        Alter::Trigger { name: Some(name), enable } => {
            let verb = if *enable { "DISABLE" } else { "ENABLE" };
            lossy(
                format!("{alter} {verb} TRIGGER {}", quote_ident(name)),
                format!("the state of trigger {name}, if it was so before"),
            )
        }
        Alter::RowSecurity { what } => {
            let reverse = match what.as_str() {
                "EnableRowSecurity" => "DISABLE ROW LEVEL SECURITY",
                "DisableRowSecurity" => "ENABLE ROW LEVEL SECURITY",
                "ForceRowSecurity" => "NO FORCE ROW LEVEL SECURITY",
                "NoForceRowSecurity" => "FORCE ROW LEVEL SECURITY",
                _ => return impossible("the policy before is not known"),
            };
            lossy(format!("{alter} {reverse}"), "row security, if it was so before")
        }
        Alter::AttachPartition { partition, .. } => {
            exact(format!("{alter} DETACH PARTITION {}", qualified(partition, before).quoted()))
        }
        Alter::SetLogged { logged } => {
            exact(format!("{alter} SET {}", if *logged { "UNLOGGED" } else { "LOGGED" }))
        }
        Alter::SetOwner { .. } => match before.and_then(|c| c.relation(relation)) {
            Some(info) => exact(format!("{alter} OWNER TO {}", quote_ident(&info.owner))),
            None => impossible(format!("the owner of {relation} before is not known")),
        },
        Alter::Inherit { parent, adds } => exact(format!(
            "{alter} {} {}",
            if *adds { "NO INHERIT" } else { "INHERIT" },
            qualified(parent, before).quoted()
        )),
        Alter::SetOptions { names } => {
            impossible(format!("the values of {} before are not known", names.join(", ")))
        }
        Alter::DetachPartition { partition, .. } => {
            impossible(format!("the bounds of {partition} are not known"))
        }
        _ => impossible("what it was before is not in the catalog that was read"),
    }
}
