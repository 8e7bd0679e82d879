//! What the server refuses as things stand: names that are taken, names that are missing.

use super::Chain;
use crate::action::{Action, Alter, CreateIndex, CreateTable, Drop};
use crate::effects::names;
use pgward_model::prelude::*;

/// Why a statement fails before it touches a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// SQLSTATE.
    pub code: &'static str,
    /// Lower case, no full stop.
    pub why: String,
}

fn refusal(code: &'static str, why: String) -> Option<Refusal> {
    Some(Refusal { code, why })
}

impl Chain {
    /// Why the server would refuse these actions as things stand. Silent where not all is known
    /// that there is.
    pub fn refusal(&self, actions: &[Action]) -> Option<Refusal> {
        let of_one_table = actions.len() > 1;
        actions.iter().filter(|_| self.is_whole()).find_map(|action| match action {
            Action::CreateTable(t) => self.refuses_table(t),
            Action::CreateIndex(i) => self.refuses_index(i),
            // ALTER TABLE may also name a sequence, which are not kept here.
            Action::Alter { command: Alter::SetOwner { .. }, .. } => None,
            Action::Alter { relation, kind, if_exists: false, command, .. } if kind == "table" => {
                // The commands of one ALTER TABLE may depend on each other.
                self.refuses_missing(relation)
                    .or_else(|| self.refuses_command(relation, command).filter(|_| !of_one_table))
            }
            Action::RenameColumn { relation, kind, from, to } if kind == "table" => self
                .refuses_missing(relation)
                .or_else(|| self.lacks_column(relation, from))
                .or_else(|| self.has_column(relation, to)),
            Action::Drop(d) if d.kind == "table" => self.refuses_drop(d),
            _ => None,
        })
    }

    /// From now on nothing is held against what touches these relations: a block may have done
    /// to them what its text says, or not.
    pub fn doubt(&mut self, actions: &[Action]) {
        for action in actions {
            let relation = match action {
                Action::CreateTable(CreateTable { relation, .. })
                | Action::CreateTableAs { relation, .. }
                | Action::Alter { relation, .. }
                | Action::RenameColumn { relation, .. }
                | Action::RenameConstraint { relation, .. }
                | Action::SetSchema { relation, .. } => relation,
                Action::RenameRelation { relation, to, .. } => {
                    self.doubtful.insert(to.clone());
                    relation
                }
                Action::CreateIndex(i) => {
                    self.doubtful.insert(i.name.clone());
                    continue;
                }
                Action::Drop(d) => {
                    self.doubtful.extend(d.names.iter().map(|n| n.name.clone()));
                    continue;
                }
                _ => continue,
            };
            self.doubtful.insert(relation.name.clone());
        }
    }

    pub(super) fn doubt_all(&mut self) {
        self.doubtful.extend(self.catalog.relations.iter().map(|r| r.relation.name.clone()));
    }

    /// Is it unknown how a relation or index of this name stands?
    pub fn doubts(&self, name: &str) -> bool {
        self.doubtful.contains(name) || name.contains(crate::understand::COMPUTED)
    }

    fn refuses_table(&self, t: &CreateTable) -> Option<Refusal> {
        let name = &t.relation.name;
        let placed = self.placed(&t.relation);
        let is_there = self.catalog.relations.iter().any(|r| r.relation == placed);
        if is_there && !t.if_not_exists && !t.temporary && !self.doubts(name) {
            return refusal("42P07", format!("{placed} is there already"));
        }
        let gone = |to: &&Relation| **to != t.relation && self.refuses_missing(to).is_some();
        t.references.iter().find(gone).and_then(|to| self.refuses_missing(to))
    }

    fn refuses_index(&self, i: &CreateIndex) -> Option<Refusal> {
        let missing = self.refuses_missing(&i.table);
        let (false, Some(info)) = (missing.is_some(), self.catalog.relation(&i.table)) else {
            return missing;
        };
        let named = Relation::new(info.relation.schema.clone(), i.name.clone());
        let taken = self.catalog.index(&named).is_some_and(|(_, x)| x.name == i.name);
        if taken && !i.if_not_exists && !self.doubts(&i.name) {
            return refusal("42P07", format!("index {} is there already", i.name));
        }
        let plain = i.columns.iter().filter(|c| !c.starts_with('('));
        plain.into_iter().find_map(|c| self.lacks_column(&i.table, c))
    }

    fn refuses_command(&self, relation: &Relation, command: &Alter) -> Option<Refusal> {
        match command {
            Alter::AddColumn { column, if_not_exists: false } => {
                self.has_column(relation, &column.name)
            }
            Alter::DropColumn { name, if_exists, cascade } => self
                .lacks_column(relation, name)
                .filter(|_| !if_exists)
                .or_else(|| self.needs_column(relation, name).filter(|_| !cascade)),
            Alter::SetType { column: name, .. }
            | Alter::SetDefault { column: name, .. }
            | Alter::SetNotNull { column: name }
            | Alter::DropNotNull { column: name } => self.lacks_column(relation, name),
            Alter::AddConstraint(c) if !c.name.is_empty() => {
                let info = self.sure(relation)?;
                let taken = info.constraints.iter().any(|k| k.name == c.name);
                let why = format!("constraint {} of {relation} is there already", c.name);
                let taken = refusal("42710", why).filter(|_| taken);
                taken.or_else(|| c.references.as_ref().and_then(|to| self.refuses_missing(to)))
            }
            _ => None,
        }
    }

    /// Foreign keys of other tables and generated columns that stand on a column.
    fn needs_column(&self, relation: &Relation, column: &str) -> Option<Refusal> {
        let info = self.sure(relation)?;
        let theirs = |key: &ConstraintInfo| {
            let to = key.definition.split_once(" REFERENCES ").map_or("", |(_, to)| to);
            let inner = to.split_once('(').map_or("", |(_, rest)| rest);
            names(inner.split(')').next().unwrap_or(""), column)
        };
        let key = self.catalog.referencing(&info.relation).into_iter().find(|(table, key)| {
            table.oid != info.oid && !self.doubts(&table.relation.name) && theirs(key)
        });
        if let Some((table, key)) = key {
            let why = format!("{} of {} needs {relation}.{column}", key.name, table.relation);
            return refusal("2BP01", why);
        }
        let made = info.columns.iter().find(|c| {
            c.generated.is_some() && c.default.as_ref().is_some_and(|d| names(d, column))
        })?;
        refusal("2BP01", format!("{} is computed from {relation}.{column}", made.name))
    }

    /// Foreign keys of other tables that point to what is dropped without CASCADE.
    fn refuses_drop(&self, d: &Drop) -> Option<Refusal> {
        d.names.iter().find_map(|name| {
            if !d.if_exists
                && let Some(missing) = self.refuses_missing(name)
            {
                return Some(missing);
            }
            let info = self.sure(name).filter(|_| !d.cascade)?;
            let goes = |t: &RelationInfo| d.names.iter().any(|n| n.same_as(&t.relation));
            let kept = self.catalog.referencing(&info.relation).into_iter().find(|(table, _)| {
                !goes(table) && !self.doubts(&table.relation.name) && table.partition.is_none()
            });
            let (table, key) = kept?;
            refusal("2BP01", format!("{} of {} needs {name}", key.name, table.relation))
        })
    }

    /// The table, where its columns and constraints are all known.
    fn sure(&self, relation: &Relation) -> Option<&RelationInfo> {
        let info = self.catalog.relation(relation)?;
        let known = matches!(info.kind, 'r' | 'p') && !info.columns.is_empty();
        (known && info.partition.is_none() && !self.doubts(&relation.name)).then_some(info)
    }

    fn refuses_missing(&self, relation: &Relation) -> Option<Refusal> {
        let of_system =
            relation.schema == "information_schema" || relation.schema.starts_with("pg_");
        if self.knows(relation) || self.doubts(&relation.name) || of_system {
            return None;
        }
        let elsewhere: Vec<&str> = self.schemas_of(&relation.name).into_iter().collect();
        if elsewhere.is_empty() {
            return refusal("42P01", format!("{relation} does not exist"));
        }
        // Whoever runs the files may have a search path of his own.
        let is_live = self.catalog.server_version > 0;
        let (schema, name) = (elsewhere.join(" and "), &relation.name);
        let why = format!("{name} lies in {schema}, where the search path does not look");
        refusal("42P01", why).filter(|_| is_live)
    }

    fn lacks_column(&self, relation: &Relation, column: &str) -> Option<Refusal> {
        let info = self.sure(relation)?;
        let has = info.columns.iter().any(|c| c.name == column);
        // Columns of the system have no entry.
        let of_system = matches!(column, "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid");
        if has || of_system {
            return None;
        }
        refusal("42703", format!("{relation} has no column {column}"))
    }

    fn has_column(&self, relation: &Relation, column: &str) -> Option<Refusal> {
        let info = self.sure(relation)?;
        let has = info.columns.iter().any(|c| c.name == column);
        has.then(|| Refusal { code: "42701", why: format!("{relation} has {column} already") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code with which the last statement of the last file fails.
    fn last(files: &[&str]) -> Option<&'static str> {
        let mut chain = Chain::new(None);
        let mut code = None;
        for text in files {
            chain.begin_file();
            for statement in &crate::read("f.sql", text).statements {
                let actions = crate::actions(statement);
                code = chain.refusal(&actions).map(|r| r.code);
                chain.run(&chain.expanded(actions));
            }
        }
        code
    }

    const USERS: &str = "CREATE TABLE users (id int PRIMARY KEY, name text)";

    #[test]
    fn names_that_are_taken_or_missing_are_refused() {
        for (sql, code) in [
            ("CREATE TABLE users (id int)", Some("42P07")),
            ("CREATE TABLE IF NOT EXISTS users (id int)", None),
            ("CREATE TABLE app.users (id int)", None),
            ("CREATE TABLE n (u int REFERENCES people)", Some("42P01")),
            ("CREATE TABLE n (u int REFERENCES n)", None),
            ("ALTER TABLE users ADD name text", Some("42701")),
            ("ALTER TABLE users DROP age", Some("42703")),
            ("ALTER TABLE users DROP IF EXISTS age", None),
            ("ALTER TABLE users DROP name, ADD name int", None),
            ("ALTER TABLE users RENAME name TO id", Some("42701")),
            ("ALTER TABLE people ADD x int", Some("42P01")),
            ("ALTER TABLE IF EXISTS people ADD x int", None),
            ("ALTER TABLE users_id_seq OWNER TO app", None),
            ("ALTER TABLE users_id_seq RENAME TO people_id_seq", None),
            ("CREATE INDEX i ON users (age)", Some("42703")),
            ("CREATE INDEX i ON users (lower(name))", None),
            ("DROP TABLE people", Some("42P01")),
            ("DROP TABLE IF EXISTS people", None),
        ] {
            assert_eq!(last(&[USERS, sql]), code, "{sql}");
        }
        let key = "CREATE TABLE orders (u int REFERENCES users)";
        assert_eq!(last(&[USERS, key, "DROP TABLE users"]), Some("2BP01"));
        let named = "CREATE TABLE orders (u int REFERENCES users (id))";
        assert_eq!(last(&[USERS, named, "ALTER TABLE users DROP id"]), Some("2BP01"));
        assert_eq!(last(&[USERS, named, "ALTER TABLE users DROP id CASCADE"]), None);
        assert_eq!(last(&[USERS, named, "ALTER TABLE users DROP name"]), None);
        assert_eq!(last(&[USERS, key, "DROP TABLE users, orders"]), None);
        assert_eq!(last(&[USERS, key, "DROP TABLE orders; DROP TABLE users"]), None);
    }

    #[test]
    fn what_is_not_known_is_not_refused() {
        assert_eq!(last(&["ALTER TABLE users ADD x int"]), None);
        let copy = "CREATE TABLE copy AS SELECT * FROM users";
        assert_eq!(last(&[USERS, copy, "ALTER TABLE copy DROP name"]), None);
        assert_eq!(
            last(&[USERS, copy, "ALTER TABLE copy ADD x int", "ALTER TABLE copy DROP name"]),
            None
        );
    }
}
