//! Which relation a name without a schema means: the first on `search_path`, as the server has it.

use super::Chain;
use crate::action::{Action, Alter, NewColumn, NewConstraint, SequenceName};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

/// Does the statement make what is named, or must it be there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Made,
    Used,
}

impl Chain {
    /// Writes the schema into each name that another schema than `public` has too, so that the
    /// name says which is meant. What is on no search path gets the schema where the server
    /// would look first: it is not there.
    pub fn resolve(&self, actions: &mut [Action]) {
        let Some(first) = self.first_schema() else { return };
        if first == "public" && self.all_in_public() {
            return;
        }
        for action in actions {
            names(action, &mut |relation, name| {
                if relation.schema.is_empty() && !relation.name.is_empty() {
                    let schemas = self.schemas_of(&relation.name);
                    let found = schemas.iter().filter_map(|s| Some((self.catalog.place(s)?, *s)));
                    let found = match name {
                        Name::Made => None,
                        Name::Used => found.min().map(|(_, s)| s),
                    };
                    let schema = found.unwrap_or(first);
                    let is_plain = schemas.iter().all(|s| *s == schema);
                    if !is_plain || schema != "public" && !schemas.is_empty() {
                        schema.clone_into(&mut relation.schema);
                    }
                }
            });
        }
    }

    /// Where a name without a schema is made.
    fn first_schema(&self) -> Option<&str> {
        match self.catalog.search_path.as_slice() {
            [] => Some("public"),
            path => path.first().map(String::as_str),
        }
    }

    /// A relation as it is made.
    pub(super) fn placed(&self, relation: &Relation) -> Relation {
        let schema = match relation.schema.as_str() {
            "" => self.first_schema().unwrap_or("public"),
            schema => schema,
        };
        Relation::new(schema, relation.name.clone())
    }

    fn all_in_public(&self) -> bool {
        let is_public = |r: &RelationInfo| r.relation.schema == "public";
        let prefix = "public.";
        self.catalog.relations.iter().all(is_public)
            && self
                .catalog
                .objects
                .iter()
                .all(|o| !o.kind.ends_with("view") || o.identity.starts_with(prefix))
    }

    /// Schemas that have a relation, an index or a view of this name.
    pub(super) fn schemas_of(&self, name: &str) -> BTreeSet<&str> {
        let has = |r: &&RelationInfo| r.relation.name == name || r.index(name).is_some();
        let tables = self.catalog.relations.iter().filter(has).map(|r| r.relation.schema.as_str());
        let suffix = format!(".{}", quote_ident(name));
        let views = self.catalog.objects.iter().filter(|o| o.kind.ends_with("view"));
        let views = views.filter_map(|o| o.identity.strip_suffix(suffix.as_str()));
        tables.chain(views.map(|s| s.trim_matches('"'))).collect()
    }

    /// Is the schema, as it is written before a name, on the search path?
    pub(super) fn finds(&self, written: &str) -> bool {
        self.catalog.place(written.trim_end_matches('.').trim_matches('"')).is_some()
    }

    /// `SET search_path`; `None`: back to what the session began with.
    pub(super) fn set_path(&mut self, value: Option<&str>, local: bool) {
        let before = match value {
            None => std::mem::replace(&mut self.catalog.search_path, self.given_path.clone()),
            Some(value) => {
                let listed = value.split(',').map(|s| s.trim().trim_matches(['"', '\'']));
                let own = listed.filter(|s| !s.is_empty() && !s.starts_with(['$']));
                let mut path: Vec<String> = own.map(str::to_owned).collect();
                if path.is_empty() {
                    // The system's own schema is looked into always.
                    path.push("pg_catalog".to_owned());
                }
                std::mem::replace(&mut self.catalog.search_path, path)
            }
        };
        match local {
            true => _ = self.outer_path.get_or_insert(before),
            false => self.outer_path = None,
        }
    }

    pub(super) fn end_local_path(&mut self) {
        if let Some(path) = self.outer_path.take() {
            self.catalog.search_path = path;
        }
    }

    /// Settings and temporary tables go with the session.
    pub(super) fn forget_session(&mut self) {
        self.outer_path = None;
        self.catalog.search_path.clone_from(&self.given_path);
        self.catalog.relations.retain(|r| r.relation.schema != "pg_temp");
    }
}

/// Every name of a relation in an action.
fn names(action: &mut Action, see: &mut impl FnMut(&mut Relation, Name)) {
    let all = |list: &mut Vec<Relation>, see: &mut dyn FnMut(&mut Relation, Name)| {
        list.iter_mut().for_each(|r| see(r, Name::Used));
    };
    match action {
        Action::CreateTable(t) => {
            if !t.temporary {
                see(&mut t.relation, Name::Made);
            }
            for list in [&mut t.references, &mut t.inherits, &mut t.like] {
                all(list, see);
            }
            t.partition_of.iter_mut().for_each(|r| see(r, Name::Used));
            t.columns.iter_mut().for_each(|c| of_column(c, see));
            t.constraints.iter_mut().for_each(|c| of_constraint(c, see));
        }
        Action::CreateTableAs { relation, reads, .. }
        | Action::CreateView { relation, reads, .. } => {
            all(reads, see);
            see(relation, Name::Made);
        }
        Action::CreateIndex(i) => see(&mut i.table, Name::Used),
        Action::Create { tables: list, .. }
        | Action::Truncate { relations: list, .. }
        | Action::Lock { relations: list, .. }
        | Action::Vacuum { relations: list, .. }
        | Action::Analyze { relations: list } => all(list, see),
        Action::Alter { relation, command, .. } => {
            see(relation, Name::Used);
            of_command(command, see);
        }
        Action::RenameColumn { relation, .. }
        | Action::RenameRelation { relation, .. }
        | Action::RenameConstraint { relation, .. }
        | Action::Refresh { relation, .. }
        | Action::Copy { relation, .. }
        | Action::RenameOther { table: Some(relation), .. }
        | Action::Cluster { relation: Some(relation) }
        | Action::Comment { relation: Some(relation), .. } => see(relation, Name::Used),
        Action::SetSchema { kind, relation, .. } if crate::effects::is_relation(kind) => {
            see(relation, Name::Used);
        }
        Action::Drop(d) => {
            d.table.iter_mut().for_each(|r| see(r, Name::Used));
            if d.table.is_none() && crate::effects::is_relation(&d.kind) {
                all(&mut d.names, see);
            }
        }
        Action::Rows(rows) => {
            see(&mut rows.relation, Name::Used);
            all(&mut rows.reads, see);
        }
        Action::Read { reads, locked } => {
            all(reads, see);
            all(locked, see);
        }
        Action::Reindex { kind, name, .. } => {
            use crate::action::ReindexKind::{Index, Table};
            if matches!(kind, Index | Table) {
                see(name, Name::Used);
            }
        }
        Action::SetSequence { sequence, .. } => match sequence {
            SequenceName::Own(name) | SequenceName::Feeds { table: name, .. } => {
                see(name, Name::Used);
            }
        },
        _ => {}
    }
}

fn of_command(command: &mut Alter, see: &mut impl FnMut(&mut Relation, Name)) {
    match command {
        Alter::AddColumn { column, .. } => of_column(column, see),
        Alter::AddConstraint(c) => of_constraint(c, see),
        Alter::AttachPartition { partition: other, .. }
        | Alter::DetachPartition { partition: other, .. }
        | Alter::Inherit { parent: other, .. } => see(other, Name::Used),
        _ => {}
    }
}

fn of_column(column: &mut NewColumn, see: &mut impl FnMut(&mut Relation, Name)) {
    column.constraints.iter_mut().for_each(|c| of_constraint(c, see));
}

fn of_constraint(constraint: &mut NewConstraint, see: &mut impl FnMut(&mut Relation, Name)) {
    constraint.references.iter_mut().for_each(|r| see(r, Name::Used));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relations that the last statement of the last file touches.
    fn last(path: &[&str], files: &[&str]) -> Vec<String> {
        let mut chain = Chain::new(None);
        chain.given_path = path.iter().map(|s| (*s).to_owned()).collect();
        let mut effects = Vec::new();
        for text in files {
            chain.begin_file();
            for statement in &crate::read("f.sql", text).statements {
                let mut actions = crate::actions(statement);
                chain.resolve(&mut actions);
                effects = chain.run(&actions);
            }
        }
        effects.iter().map(|e| e.relation.quoted()).collect()
    }

    const BOTH: &str = "CREATE TABLE app.orders (id int); CREATE TABLE public.orders (id int);";
    const ALTER: &str = "ALTER TABLE orders ADD note text";

    #[test]
    fn a_name_is_looked_for_along_the_search_path() {
        assert_eq!(last(&[], &[BOTH, ALTER]), ["public.orders"]);
        let set = |path: &str| format!("SET search_path = {path}; {ALTER}");
        assert_eq!(last(&[], &[BOTH, &set("app, public")]), ["app.orders"]);
        assert_eq!(last(&[], &[BOTH, &set("other, app")]), ["app.orders"]);
        assert_eq!(last(&[], &[BOTH, &set("\"$user\", public")]), ["public.orders"]);
        assert_eq!(last(&["app"], &[BOTH, ALTER]), ["app.orders"]);
        assert_eq!(last(&[], &[BOTH, &set("app"), ALTER]), ["public.orders"]);
        let local = format!("BEGIN; SET LOCAL search_path = app; COMMIT; {ALTER}");
        assert_eq!(last(&[], &[BOTH, &local]), ["public.orders"]);
        let reset = format!("SET search_path = app; RESET search_path; {ALTER}");
        assert_eq!(last(&[], &[BOTH, &reset]), ["public.orders"]);
    }

    #[test]
    fn what_lies_in_a_schema_off_the_path_is_not_meant() {
        let elsewhere = "CREATE TABLE app.orders (id int);";
        assert_eq!(last(&[], &[elsewhere, ALTER]), ["public.orders"]);
        assert_eq!(last(&[], &[elsewhere, "SET search_path = app", ALTER]), ["public.orders"]);
        assert_eq!(last(&["app"], &[elsewhere, ALTER]), ["app.orders"]);
        let made = "SET search_path = app; CREATE TABLE bills (id int); DROP TABLE bills";
        assert_eq!(last(&[], &[BOTH, made]), ["app.bills"]);
    }

    #[test]
    fn temporary_tables_come_first_and_go_with_the_session() {
        let both = "CREATE TABLE orders (id int);";
        let temp = "CREATE TEMP TABLE orders (id int); DROP TABLE orders";
        assert_eq!(last(&[], &[both, temp]), ["pg_temp.orders"]);
        let copy = "CREATE TEMP TABLE orders AS SELECT 1; DROP TABLE orders";
        assert_eq!(last(&[], &[both, copy]), ["pg_temp.orders"]);
        assert_eq!(
            last(&[], &[both, "CREATE TEMP TABLE orders (id int)", "DROP TABLE orders"]),
            ["public.orders"]
        );
    }
}
