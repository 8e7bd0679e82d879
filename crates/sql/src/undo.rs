//! The way back of a statement, said before it runs.
//!
//! "Exact" means: the schema is afterwards what it was before, and no row that was there
//! before is missing or changed.

mod alter;
mod drop;

use crate::action::{Action, CreateIndex, Grant};
use crate::tree;
use pg_query::NodeEnum;
use pgward_model::prelude::*;

/// The exact down-step of a statement, or what it loses, or why there is none.
///
/// `before` is the catalog before the statement runs; without it, whatever needs an old
/// definition is [`Undo::Impossible`]. Names are qualified by the schema the catalog has;
/// names of new objects stay as written, so run it under the same `search_path`.
pub fn inverse(statement: &Statement, before: Option<&Catalog>) -> Undo {
    let actions = crate::actions(statement);
    if actions.is_empty() {
        return impossible("the statement is not understood");
    }
    let is_block = matches!(tree::parse_one(&statement.text), Some(NodeEnum::DoStmt(_)));
    let undos: Vec<Undo> = actions.iter().map(|a| of_action(a, before)).collect();
    match combine(undos) {
        Undo::Nothing => Undo::Nothing,
        Undo::Impossible { why } => Undo::Impossible { why },
        _ if is_block => impossible("a DO block decides while it runs what it does"),
        undo => undo,
    }
}

/// Last done, first undone.
fn combine(undos: Vec<Undo>) -> Undo {
    let mut all = Vec::new();
    let mut lost: Vec<String> = Vec::new();
    for undo in undos.into_iter().rev() {
        match undo {
            Undo::Nothing => {}
            Undo::Exact { statements } => all.extend(statements),
            Undo::Lossy { statements, loses } => {
                all.extend(statements);
                lost.push(loses);
            }
            Undo::Impossible { why } => return Undo::Impossible { why },
        }
    }
    match (all.is_empty(), lost.is_empty()) {
        (true, true) => Undo::Nothing,
        (_, true) => Undo::Exact { statements: all },
        _ => Undo::Lossy { statements: all, loses: lost.join("; ") },
    }
}

fn exact(statement: String) -> Undo {
    Undo::Exact { statements: vec![statement] }
}

fn lossy(statement: String, loses: impl Into<String>) -> Undo {
    Undo::Lossy { statements: vec![statement], loses: loses.into() }
}

fn impossible(why: impl Into<String>) -> Undo {
    Undo::Impossible { why: why.into() }
}

/// The name with the schema that the catalog knows.
fn qualified(relation: &Relation, before: Option<&Catalog>) -> Relation {
    before
        .and_then(|c| c.relation(relation))
        .map_or_else(|| relation.clone(), |info| info.relation.clone())
}

/// As [`qualified`], for any kind of relation.
fn qualified_kind(kind: &str, relation: &Relation, before: Option<&Catalog>) -> Relation {
    let Some(catalog) = before.filter(|_| relation.schema.is_empty()) else {
        return relation.clone();
    };
    match kind {
        "index" => match catalog.index(relation) {
            Some((table, _)) => Relation::new(table.relation.schema.clone(), relation.name.clone()),
            None => relation.clone(),
        },
        "view" | "sequence" => {
            let found = object(catalog, kind, relation);
            found.map_or_else(|| relation.clone(), |o| identity_relation(&o.identity))
        }
        _ => qualified(relation, before),
    }
}

/// A view or sequence of the catalog by its name, `public` first where no schema is given.
fn object<'a>(catalog: &'a Catalog, kind: &str, name: &Relation) -> Option<&'a ObjectInfo> {
    let named = |o: &&ObjectInfo| o.kind == kind && identity_relation(&o.identity).same_as(name);
    let in_public = |o: &&ObjectInfo| identity_relation(&o.identity).schema == "public";
    let mut all = catalog.objects.iter().filter(named);
    all.clone().find(in_public).or_else(|| all.next())
}

/// `schema.name` as the catalog quotes it.
fn identity_relation(identity: &str) -> Relation {
    let sql = format!("SELECT FROM {identity}");
    tree::parse_one(&sql)
        .and_then(|node| tree::mentions(&node).relations.into_iter().next())
        .unwrap_or_default()
}

fn of_action(action: &Action, before: Option<&Catalog>) -> Undo {
    match action {
        Action::CreateTable(t) if t.temporary => Undo::Nothing,
        Action::CreateTable(t) => unless_there(t.if_not_exists, &t.relation, before, || {
            format!("DROP TABLE {}", t.relation.quoted())
        }),
        Action::CreateTableAs { relation, materialized, if_not_exists, .. } => {
            let kind = if *materialized { "MATERIALIZED VIEW" } else { "TABLE" };
            unless_there(*if_not_exists, relation, before, || {
                format!("DROP {kind} {}", relation.quoted())
            })
        }
        Action::CreateView { relation, replace: false, .. } => {
            exact(format!("DROP VIEW {}", relation.quoted()))
        }
        Action::CreateView { relation, replace: true, .. } => replaced_view(relation, before),
        Action::CreateIndex(index) => created_index(index, before),
        Action::Create { .. } => drop::of_create(action, before),
        Action::Alter { relation, kind, command, .. } => {
            alter::of_alter(relation, kind, command, before)
        }
        Action::RenameColumn { .. }
        | Action::RenameRelation { .. }
        | Action::RenameConstraint { .. }
        | Action::RenameOther { .. }
        | Action::SetSchema { .. } => of_rename(action, before),
        Action::Drop(d) => drop::of_drop(d, before),
        Action::Grant(g) => of_grant(g),
        Action::Comment { .. } => {
            Undo::Lossy { statements: Vec::new(), loses: "the comment before".to_owned() }
        }
        other => of_data(other),
    }
}

/// What changes rows or settings, or nothing.
fn of_data(action: &Action) -> Undo {
    match action {
        Action::Read { .. }
        | Action::Lock { .. }
        | Action::Vacuum { .. }
        | Action::Analyze { .. }
        | Action::Cluster { .. }
        | Action::Reindex { .. }
        | Action::Refresh { .. }
        | Action::Set { .. }
        | Action::Transaction(_)
        | Action::Copy { writes: false, .. } => Undo::Nothing,
        Action::Rows(r) => impossible(match r.verb {
            StatementKind::Insert => {
                format!("the statement does not say which rows of {} are new", r.relation)
            }
            _ => format!("the old values of {}'s rows are not in the statement", r.relation),
        }),
        Action::Copy { relation, .. } => {
            impossible(format!("which rows of {relation} are new is not known"))
        }
        Action::Truncate { relations, .. } => {
            let names: Vec<String> = relations.iter().map(Relation::to_string).collect();
            impossible(format!(
                "the rows of {} are in no catalog, only in a backup",
                names.join(", ")
            ))
        }
        Action::SetSequence { .. } => Undo::Lossy {
            statements: Vec::new(),
            loses: "where the sequence stood before".to_owned(),
        },
        Action::AlterSystem { name } => {
            impossible(format!("the value of {name} before is not in the statement"))
        }
        Action::DropOwned { roles } => {
            impossible(format!("everything that {} own goes", roles.join(", ")))
        }
        Action::DropDatabase { name } => impossible(format!("the whole database {name} goes")),
        Action::Define { .. } | Action::Call { procedure: false, .. } => Undo::Nothing,
        Action::Unknown { why } => impossible(why.clone()),
        Action::Computed { text } => impossible(format!("`{text}` is put together when it runs")),
        Action::Call { function, procedure: true } => {
            impossible(format!("what {} does is not in the text", function.quoted()))
        }
        Action::Other { what, .. } => impossible(format!("{what}: its reverse is not known")),
        _ => impossible("its reverse is not known"),
    }
}

/// The reverse of a creation; nothing where `IF NOT EXISTS` found the object there.
fn unless_there(
    if_not_exists: bool,
    relation: &Relation,
    before: Option<&Catalog>,
    reverse: impl Fn() -> String,
) -> Undo {
    match before {
        _ if !if_not_exists => exact(reverse()),
        Some(catalog) if catalog.relation(relation).is_some() => Undo::Nothing,
        Some(_) => exact(reverse()),
        None => impossible(format!("whether {relation} was there before is not known")),
    }
}

fn replaced_view(relation: &Relation, before: Option<&Catalog>) -> Undo {
    let Some(catalog) = before else {
        return impossible(format!("the definition of {relation} before is not known"));
    };
    match object(catalog, "view", relation) {
        None => exact(format!("DROP VIEW {}", relation.quoted())),
        Some(view) => lossy_view(view),
    }
}

/// `CREATE OR REPLACE` alone refuses to take columns away again.
fn lossy_view(view: &ObjectInfo) -> Undo {
    let body = view.definition.trim().trim_end_matches(';');
    Undo::Lossy {
        statements: vec![
            format!("DROP VIEW {}", view.identity),
            format!("CREATE VIEW {} AS {body}", view.identity),
        ],
        loses: format!("privileges, owner and comments of {}", view.identity),
    }
}

fn created_index(index: &CreateIndex, before: Option<&Catalog>) -> Undo {
    let table = qualified(&index.table, before);
    let name = match index.name.as_str() {
        "" => chosen_name(&table.name, &index.columns, "idx"),
        given => given.to_owned(),
    };
    let made = Relation::new(table.schema.clone(), name);
    let taken = before.is_some_and(|c| c.index(&made).is_some());
    if index.if_not_exists && taken {
        return Undo::Nothing;
    }
    if index.if_not_exists && before.is_none() {
        return impossible(format!("whether {made} was there before is not known"));
    }
    if index.name.is_empty() && (taken || before.is_none()) {
        return impossible(format!("PostgreSQL chooses the index's name on {table}; give it one"));
    }
    let how = if index.concurrently { "CONCURRENTLY " } else { "" };
    exact(format!("DROP INDEX {how}{}", made.quoted()))
}

/// The name PostgreSQL gives an index or constraint without one (`ChooseRelationName`);
/// longer ones it shortens, and those are not guessed.
fn chosen_name(table: &str, columns: &[String], label: &str) -> String {
    let part = |c: &String| if c.starts_with('(') { "expr".to_owned() } else { c.clone() };
    let mut parts = vec![table.to_owned()];
    parts.extend(columns.iter().map(part));
    parts.push(label.to_owned());
    parts.join("_")
}

fn of_rename(action: &Action, before: Option<&Catalog>) -> Undo {
    match action {
        Action::RenameColumn { relation, kind, from, to } => exact(format!(
            "ALTER {} {} RENAME COLUMN {} TO {}",
            kind.to_uppercase(),
            qualified_kind(kind, relation, before).quoted(),
            quote_ident(to),
            quote_ident(from)
        )),
        Action::RenameRelation { relation, kind, to } => {
            let old = qualified_kind(kind, relation, before);
            exact(format!(
                "ALTER {} {} RENAME TO {}",
                kind.to_uppercase(),
                Relation::new(old.schema, to.clone()).quoted(),
                quote_ident(&old.name)
            ))
        }
        Action::RenameConstraint { relation, from, to } => exact(format!(
            "ALTER TABLE {} RENAME CONSTRAINT {} TO {}",
            qualified(relation, before).quoted(),
            quote_ident(to),
            quote_ident(from)
        )),
        Action::RenameOther { kind, name, table, to } => {
            renamed_other(kind, name, table, to, before)
        }
        Action::SetSchema { kind, relation, schema } => {
            let old = qualified_kind(kind, relation, before);
            if old.schema.is_empty() {
                return impossible(format!("the schema of {relation} before is not known"));
            }
            exact(format!(
                "ALTER {} {} SET SCHEMA {}",
                kind.to_uppercase(),
                Relation::new(schema.clone(), old.name).quoted(),
                quote_ident(&old.schema)
            ))
        }
        _ => impossible("not a rename"),
    }
}

fn renamed_other(
    kind: &str,
    name: &str,
    table: &Option<Relation>,
    to: &str,
    before: Option<&Catalog>,
) -> Undo {
    let upper = kind.to_uppercase();
    if let Some(table) = table {
        return exact(format!(
            "ALTER {upper} {} ON {} RENAME TO {name}",
            quote_ident(to),
            qualified(table, before).quoted()
        ));
    }
    match kind {
        "schema" | "role" | "database" | "extension" | "publication" => {
            exact(format!("ALTER {upper} {} RENAME TO {name}", quote_ident(to)))
        }
        "type" | "domain" | "function" | "procedure" | "routine" => {
            let (path, arguments) = match name.find('(') {
                Some(at) => name.split_at(at),
                None => (name, ""),
            };
            let old = identity_relation(path);
            let now = Relation::new(old.schema.clone(), to);
            exact(format!(
                "ALTER {upper} {}{arguments} RENAME TO {}",
                now.quoted(),
                quote_ident(&old.name)
            ))
        }
        other => impossible(format!("the reverse of renaming a {other} is not known")),
    }
}

fn of_grant(g: &Grant) -> Undo {
    if g.defaults || g.whole_schema {
        return impossible("which of the privileges were there before is not known");
    }
    let privileges =
        if g.privileges.is_empty() { "ALL".to_owned() } else { g.privileges.join(", ") };
    let (verb, direction) = if g.grants { ("REVOKE", "FROM") } else { ("GRANT", "TO") };
    let statement = format!(
        "{verb} {privileges} ON {} {} {direction} {}",
        g.kind.to_uppercase(),
        g.objects.join(", "),
        g.grantees.join(", ")
    );
    lossy(statement, "the same privileges, where they were there or missing before")
}
