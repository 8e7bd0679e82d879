//! What an action leaves in the catalog.

use super::{Chain, Check, Function};
use crate::action::*;
use crate::effects::{names, says_not_null};
use pgward_model::prelude::*;

impl Chain {
    /// Takes note of what the action leaves.
    pub(super) fn learn(&mut self, action: &Action) {
        match action {
            Action::CreateTable(t) => self.create_table(t),
            Action::CreateTableAs { relation, materialized, reads, .. } => {
                let kind = if *materialized { 'm' } else { 'r' };
                self.make(relation, kind);
                if *materialized {
                    self.note_view("materialized view", relation, reads);
                }
                self.doubtful.insert(relation.name.clone());
            }
            Action::CreateView { relation, reads, .. } => self.create_view(relation, reads),
            Action::CreateIndex(i) => self.create_index(i),
            Action::Create { kind, name, .. } if kind == "schema" => {
                let made = name.trim_matches('"').to_owned();
                self.catalog.role.iter_mut().for_each(|r| r.creates_in.push(made.clone()));
            }
            Action::Create { kind, name, tables, .. } => self.create_part(kind, name, tables),
            Action::Alter { relation, command, .. } => self.alter(relation, command),
            Action::RenameColumn { relation, from, to, .. } => {
                self.rename_column(relation, from, to);
            }
            Action::RenameRelation { relation, to, .. } => self.rename(relation, to),
            Action::RenameConstraint { relation, from, to } => {
                self.change(relation, |info| {
                    info.constraints
                        .iter_mut()
                        .filter(|c| c.name == *from)
                        .for_each(|c| c.name.clone_from(to));
                    info.indexes
                        .iter_mut()
                        .filter(|i| i.name == *from)
                        .for_each(|i| i.name.clone_from(to));
                });
            }
            Action::SetSchema { relation, schema, .. } => {
                self.change(relation, |info| info.relation.schema.clone_from(schema));
            }
            Action::Rows(rows) if rows.verb != StatementKind::Insert => {
                // The statistics are those of before.
                let of = |c: &String| rows.columns.contains(c) || rows.columns.is_empty();
                self.change(&rows.relation, |info| info.null_shares.retain(|c, _| !of(c)));
            }
            Action::Drop(d) => self.drop(d),
            Action::DropOwned { .. } => self.doubt_all(),
            Action::RenameOther { kind, name, to, .. } if kind == "schema" => {
                self.rename_schema(name.trim_matches('"'), to);
            }
            Action::CheckDomain { domain } => {
                self.domains.insert(domain.clone());
            }
            Action::Define { function, volatile, text, .. } => {
                let known = Function { volatile: *volatile, text: text.clone() };
                self.functions.insert(function.clone(), known);
            }
            Action::Set { name, value, .. } if name == "timezone" => {
                let zone = value.as_deref().unwrap_or("").trim_matches('\'').to_lowercase();
                self.utc = ["utc", "gmt", "etc/utc", "uct", "zulu"].contains(&zone.as_str());
            }
            Action::Set { name, value, local } if name == "search_path" || name.is_empty() => {
                self.set_path(value.as_deref(), *local);
            }
            Action::Transaction(Transaction::Commit | Transaction::Rollback) => {
                self.end_local_path();
            }
            _ => {}
        }
    }

    /// A new relation without columns; `None` when it is there already.
    fn make(&mut self, relation: &Relation, kind: char) -> Option<usize> {
        let relation = self.placed(relation);
        if self.catalog.relations.iter().any(|r| r.relation == relation) {
            return None;
        }
        self.newest_oid += 1;
        self.made.insert(relation.clone());
        self.catalog.relations.push(RelationInfo::new(self.newest_oid, relation, kind));
        Some(self.catalog.relations.len() - 1)
    }

    fn create_table(&mut self, t: &CreateTable) {
        if t.temporary || !t.inherits.is_empty() || !t.like.is_empty() {
            self.doubtful.insert(t.relation.name.clone());
        }
        let relation = match t.temporary {
            true => Relation::new("pg_temp", t.relation.name.clone()),
            false => t.relation.clone(),
        };
        let Some(at) = self.make(&relation, if t.partitioned { 'p' } else { 'r' }) else {
            return;
        };
        let parents = t.like.iter().chain(&t.inherits).chain(&t.partition_of);
        let inherited: Vec<RelationInfo> =
            parents.filter_map(|p| self.catalog.relation(p).cloned()).collect();
        let partition = t.partition_of.as_ref().map(|p| PartitionInfo {
            parent: self.catalog.relation(p).map_or_else(|| self.placed(p), |i| i.relation.clone()),
            is_default: t.is_default,
            detach_pending: false,
        });
        let heir_of = t.inherits.iter().map(|p| self.placed_known(p)).collect();
        let Some(info) = self.catalog.relations.get_mut(at) else { return };
        info.partition = partition;
        info.inherits = heir_of;
        for parent in inherited {
            info.columns.extend(parent.columns);
            if t.partition_of.is_some() {
                info.indexes.extend(parent.indexes);
            }
        }
        for column in &t.columns {
            add_column(info, column);
        }
        for constraint in &t.constraints {
            add_constraint(info, constraint);
        }
        self.name_referenced(&t.relation);
    }

    fn create_view(&mut self, relation: &Relation, reads: &[Relation]) {
        if self.note_view("view", relation, reads) {
            self.made.insert(self.placed(relation));
        }
    }

    /// Keeps what a view reads; true where it is new.
    fn note_view(&mut self, kind: &str, relation: &Relation, reads: &[Relation]) -> bool {
        let placed = self.placed(relation);
        let uses = reads
            .iter()
            .map(|r| {
                self.catalog.relation(r).map_or_else(|| self.placed(r), |i| i.relation.clone())
            })
            .collect();
        let identity = placed.quoted();
        if let Some(view) = self.catalog.objects.iter_mut().find(|o| o.identity == identity) {
            view.uses = uses;
            return false;
        }
        let kind = kind.to_owned();
        self.catalog.objects.push(ObjectInfo { kind, identity, definition: String::new(), uses });
        true
    }

    /// A trigger, policy or rule, under the name that `pg_identify_object` gives it.
    fn create_part(&mut self, kind: &str, name: &str, tables: &[Relation]) {
        let Some(table) = tables.first().filter(|_| ["trigger", "policy", "rule"].contains(&kind))
        else {
            return;
        };
        let table =
            self.catalog.relation(table).map_or_else(|| self.placed(table), |i| i.relation.clone());
        self.catalog.objects.push(ObjectInfo {
            kind: kind.to_owned(),
            identity: format!("{name} on {}", table.quoted()),
            definition: String::new(),
            uses: vec![table],
        });
    }

    fn create_index(&mut self, i: &CreateIndex) {
        self.add_index(i);
        let mut above: Vec<Relation> = match self.catalog.relation(&i.table) {
            Some(info) if !i.only => vec![info.relation.clone()],
            _ => Vec::new(),
        };
        while let Some(parent) = above.pop() {
            let is_part = |r: &&RelationInfo| {
                r.partition.as_ref().is_some_and(|p| p.parent == parent)
                    && !super::parts::has_index(r, i)
            };
            let parts = self.catalog.relations.iter().filter(is_part).map(|r| r.relation.clone());
            for part in parts.collect::<Vec<_>>() {
                self.add_index(&CreateIndex {
                    table: part.clone(),
                    name: String::new(),
                    ..i.clone()
                });
                above.push(part);
            }
        }
    }

    fn add_index(&mut self, i: &CreateIndex) {
        let mut made = None;
        self.change(&i.table, |info| {
            let name = match i.name.as_str() {
                "" => format!("{}_{}_idx", info.relation.name, i.columns.join("_")),
                name => name.to_owned(),
            };
            if info.indexes.iter().any(|x| x.name == name) {
                return;
            }
            let predicate = i.predicate.as_ref().map_or(String::new(), |p| format!(" WHERE {p}"));
            let keys = i.columns.join(", ");
            info.indexes.push(IndexInfo {
                definition: format!(
                    "CREATE {}INDEX {} ON {} USING {} ({keys}){predicate}",
                    if i.unique { "UNIQUE " } else { "" },
                    quote_ident(&name),
                    info.relation.quoted(),
                    i.method
                ),
                ..index(&name, &i.columns, i.unique)
            });
            made = Some(Relation::new(info.relation.schema.clone(), name));
        });
        self.made.extend(made);
    }

    fn change(&mut self, relation: &Relation, how: impl FnOnce(&mut RelationInfo)) {
        let Some(oid) = self.catalog.relation(relation).map(|i| i.oid) else { return };
        if let Some(info) = self.catalog.relations.iter_mut().find(|i| i.oid == oid) {
            how(info);
        }
    }

    fn alter(&mut self, relation: &Relation, command: &Alter) {
        match command {
            Alter::Inherit { parent, adds } => {
                let parent = self.placed_known(parent);
                self.change(relation, |info| {
                    info.inherits.retain(|p| *p != parent);
                    if *adds {
                        info.inherits.push(parent);
                    }
                });
            }
            Alter::AttachPartition { partition, is_default, .. } => {
                let parent = self.catalog.relation(relation).map(|i| i.relation.clone());
                self.change(partition, |info| {
                    info.partition = parent.map(|parent| PartitionInfo {
                        parent,
                        is_default: *is_default,
                        detach_pending: false,
                    });
                });
            }
            Alter::DetachPartition { partition, .. } => {
                self.change(partition, |info| info.partition = None);
                self.doubtful.insert(partition.name.clone());
            }
            command => {
                self.change(relation, |info| alter_table(info, command));
                self.name_referenced(relation);
            }
        }
    }

    /// `REFERENCES users` points to the primary key of `users`.
    fn name_referenced(&mut self, relation: &Relation) {
        const UNSAID: &str = "()";
        let Some(info) = self.catalog.relation(relation) else { return };
        let unsaid = |c: &&ConstraintInfo| c.kind == 'f' && c.definition.contains(UNSAID);
        let to = info.constraints.iter().filter(unsaid).filter_map(|c| c.references.clone());
        let keys: Vec<(Relation, String)> = to
            .filter_map(|to| {
                let indexes = &self.catalog.relation(&to)?.indexes;
                let key = indexes.iter().find(|i| i.primary)?;
                let columns: Vec<String> = key.columns.iter().map(|k| quote_ident(k)).collect();
                Some((to, format!("({})", columns.join(", "))))
            })
            .collect();
        self.change(relation, |info| {
            for (to, key) in keys {
                let same =
                    |c: &&mut ConstraintInfo| c.kind == 'f' && c.references.as_ref() == Some(&to);
                info.constraints
                    .iter_mut()
                    .filter(same)
                    .for_each(|c| c.definition = c.definition.replace(UNSAID, &key));
            }
        });
    }

    /// Where the relation is, or would be.
    fn placed_known(&self, relation: &Relation) -> Relation {
        self.catalog
            .relation(relation)
            .map_or_else(|| self.placed(relation), |i| i.relation.clone())
    }

    /// A CHECK of a table of which nothing else is known.
    pub(super) fn learn_check(&mut self, table: &Relation, command: &Alter) {
        let is = |c: &Check, name: &str| c.table.same_as(table) && c.name == name;
        match command {
            Alter::AddConstraint(c) if c.kind == 'c' && !c.name.is_empty() => {
                self.checks.push(Check {
                    table: table.clone(),
                    name: c.name.clone(),
                    condition: c.condition.clone(),
                    validated: !c.not_valid && c.enforced,
                });
            }
            Alter::ValidateConstraint { name } => {
                self.checks.iter_mut().filter(|c| is(c, name)).for_each(|c| c.validated = true);
            }
            Alter::DropConstraint { name, .. } => self.checks.retain(|c| !is(c, name)),
            Alter::DropColumn { name, .. } => {
                self.checks.retain(|c| !c.table.same_as(table) || !names(&c.condition, name))
            }
            _ => {}
        }
    }

    /// Does a CHECK say already what SET NOT NULL would read every row for?
    pub(super) fn is_proven(&self, action: &Action) -> bool {
        let Action::Alter { relation, command: Alter::SetNotNull { column }, .. } = action else {
            return false;
        };
        let proves = |c: &&Check| c.validated && c.table.same_as(relation);
        self.checks.iter().filter(proves).any(|c| says_not_null(&c.condition, column))
    }

    fn rename_schema(&mut self, from: &str, to: &str) {
        let place = |r: &mut Relation| {
            if r.schema == from {
                to.clone_into(&mut r.schema);
            }
        };
        for info in &mut self.catalog.relations {
            place(&mut info.relation);
            info.constraints.iter_mut().filter_map(|c| c.references.as_mut()).for_each(place);
            info.partition.iter_mut().for_each(|p| place(&mut p.parent));
        }
        let prefix = format!("{}.", quote_ident(from));
        for object in &mut self.catalog.objects {
            object.uses.iter_mut().for_each(place);
            if let Some(rest) = object.identity.strip_prefix(&prefix) {
                object.identity = format!("{}.{rest}", quote_ident(to));
            }
        }
        self.made = self
            .made
            .iter()
            .cloned()
            .map(|mut r| {
                place(&mut r);
                r
            })
            .collect();
    }

    fn rename_column(&mut self, relation: &Relation, from: &str, to: &str) {
        let rename = |text: &mut String| *text = renamed(text, from, to);
        self.change(relation, |info| {
            info.columns.iter_mut().filter(|c| c.name == from).for_each(|c| c.name = to.to_owned());
            info.constraints.iter_mut().for_each(|c| rename(&mut c.definition));
            for i in &mut info.indexes {
                rename(&mut i.definition);
                i.columns.iter_mut().filter(|c| *c == from).for_each(|c| *c = to.to_owned());
            }
        });
    }

    fn rename(&mut self, relation: &Relation, to: &str) {
        if let Some(old) = self.catalog.relation(relation).map(|i| i.relation.clone()) {
            let new = Relation::new(old.schema.clone(), to);
            for info in &mut self.catalog.relations {
                if info.relation == old {
                    info.relation = new.clone();
                }
                let keys = info.constraints.iter_mut().filter_map(|c| c.references.as_mut());
                keys.filter(|r| **r == old).for_each(|r| *r = new.clone());
                if let Some(place) = info.partition.as_mut().filter(|p| p.parent == old) {
                    place.parent = new.clone();
                }
            }
            let uses = self.catalog.objects.iter_mut().flat_map(|o| &mut o.uses);
            uses.filter(|r| **r == old).for_each(|r| *r = new.clone());
            self.made_as(&old, new);
        } else if let Some(table) = self.catalog.index(relation).map(|(t, _)| t.relation.clone()) {
            self.change(&table, |info| {
                let same = info.indexes.iter_mut().filter(|i| i.name == relation.name);
                same.for_each(|i| i.name = to.to_owned());
            });
            self.made_as(relation, Relation::new(table.schema, to));
        } else if let Some(identity) = self.view(relation).map(|v| v.identity.clone()) {
            let new = self.placed(&Relation::new(relation.schema.clone(), to));
            let view = self.catalog.objects.iter_mut().find(|o| o.identity == identity);
            view.into_iter().for_each(|o| o.identity = new.quoted());
            self.made_as(relation, new);
        }
    }

    /// What this file made, it made still under another name.
    fn made_as(&mut self, old: &Relation, new: Relation) {
        if self.is_made(old) {
            self.made.retain(|m| !m.same_as(old));
            self.made.insert(new);
        }
    }

    fn drop(&mut self, d: &Drop) {
        if let Some(table) = &d.table {
            self.catalog.objects.retain(|o| {
                let same = |w: &String| o.identity.starts_with(&format!("{w} on "));
                o.kind != d.kind
                    || !o.uses.iter().any(|u| u.same_as(table))
                    || !d.written.iter().any(same)
            });
            return;
        }
        match d.kind.as_str() {
            "table" | "foreign table" | "materialized view" => {
                for name in &d.names {
                    let is_heir = |r: &&RelationInfo| d.cascade && r.is_heir_of(name);
                    let heirs = self.catalog.relations.iter().filter(is_heir);
                    for heir in heirs.map(|r| r.relation.clone()).collect::<Vec<_>>() {
                        self.drop_table(&heir);
                    }
                    self.drop_table(name);
                }
            }
            "view" => {
                for name in &d.names {
                    if let Some(identity) = self.view(name).map(|v| v.identity.clone()) {
                        self.drop_view(&identity);
                    }
                }
            }
            "index" => {
                for name in &d.names {
                    let Some((table, index)) = self.catalog.index(name) else { continue };
                    let (table, index) = (table.relation.clone(), index.name.clone());
                    self.change(&table, |info| info.indexes.retain(|i| i.name != index));
                }
            }
            // Columns of the type go too, and keys, and defaults.
            "type" | "domain" | "extension" | "function" | "sequence" if d.cascade => {
                self.doubt_all();
            }
            "schema" if d.cascade => {
                let gone = |schema: &str| d.names.iter().any(|n| n.name == schema);
                self.catalog.relations.retain(|r| !gone(&r.relation.schema));
            }
            _ => {}
        }
    }

    fn drop_table(&mut self, name: &Relation) {
        let Some(gone) = self.catalog.relation(name).map(|i| i.relation.clone()) else { return };
        let mut going = vec![gone];
        while let Some(gone) = going.pop() {
            let is_part = |p: &PartitionInfo| p.parent == gone;
            let parts = self.catalog.relations.iter().filter(|r| r.relation != gone);
            let parts = parts.filter(|r| r.partition.as_ref().is_some_and(is_part));
            going.extend(parts.map(|r| r.relation.clone()));
            self.catalog.relations.retain(|r| r.relation != gone);
            self.forget(&gone);
        }
    }

    /// What else knows of a table that is gone.
    fn forget(&mut self, gone: &Relation) {
        for info in &mut self.catalog.relations {
            info.constraints.retain(|c| c.references.as_ref() != Some(gone));
        }
        let views = self.catalog.objects.iter().filter(|o| is_view(o) && o.uses.contains(gone));
        let views: Vec<String> = views.map(|v| v.identity.clone()).collect();
        views.iter().for_each(|view| self.drop_view(view));
        self.catalog.objects.retain(|o| !o.uses.contains(gone) && o.identity != gone.quoted());
        self.made.remove(gone);
    }

    /// A view goes, and with it every view that reads it: without CASCADE there is none.
    fn drop_view(&mut self, identity: &str) {
        let mut going = vec![identity.to_owned()];
        while let Some(view) = going.pop() {
            self.catalog.objects.retain(|o| o.identity != view);
            let reads = |o: &&ObjectInfo| is_view(o) && o.uses.iter().any(|u| u.is_written(&view));
            going.extend(self.catalog.objects.iter().filter(reads).map(|o| o.identity.clone()));
            self.catalog.relations.retain(|r| r.kind != 'm' || !r.relation.is_written(&view));
            self.made.retain(|r| !r.is_written(&view));
        }
    }
}

fn is_view(object: &ObjectInfo) -> bool {
    matches!(object.kind.as_str(), "view" | "materialized view")
}

fn index(name: &str, columns: &[String], unique: bool) -> IndexInfo {
    IndexInfo {
        name: name.to_owned(),
        definition: String::new(),
        columns: columns.to_vec(),
        unique,
        primary: false,
        valid: true,
        constraint: false,
        scans: 0,
        bytes: 0.0,
    }
}

fn add_column(info: &mut RelationInfo, column: &NewColumn) {
    if info.columns.iter().any(|c| c.name == column.name) {
        return;
    }
    let default = match &column.default {
        NewDefault::Constant(text) | NewDefault::Volatile { expression: text, .. } => {
            Some(text.clone())
        }
        NewDefault::Sequence => Some("nextval(sequence)".to_owned()),
        NewDefault::None | NewDefault::Stored | NewDefault::Virtual => None,
    };
    info.columns.push(ColumnInfo {
        name: column.name.clone(),
        data_type: match column.data_type.trim_start_matches("pg_catalog.") {
            "serial" | "serial4" => "integer".to_owned(),
            "bigserial" | "serial8" => "bigint".to_owned(),
            "smallserial" | "serial2" => "smallint".to_owned(),
            _ => column.data_type.clone(),
        },
        not_null: column.not_null,
        default,
        generated: match column.default {
            NewDefault::Stored => Some('s'),
            NewDefault::Virtual => Some('v'),
            _ => None,
        },
    });
    for constraint in &column.constraints {
        add_constraint(info, constraint);
    }
}

/// The name PostgreSQL gives where none is given.
fn name_of(info: &RelationInfo, c: &NewConstraint) -> String {
    if !c.name.is_empty() {
        return c.name.clone();
    }
    let table = &info.relation.name;
    let columns = c.columns.join("_");
    match c.kind {
        'p' => format!("{table}_pkey"),
        'u' => format!("{table}_{columns}_key"),
        'x' => format!("{table}_{columns}_excl"),
        'f' => format!("{table}_{columns}_fkey"),
        _ if columns.is_empty() => format!("{table}_check"),
        _ => format!("{table}_{columns}_check"),
    }
}

fn add_constraint(info: &mut RelationInfo, c: &NewConstraint) {
    let set_not_null = |info: &mut RelationInfo, columns: &[String]| {
        let named = info.columns.iter_mut().filter(|k| columns.contains(&k.name));
        named.for_each(|k| k.not_null = true);
    };
    if c.kind == 'n' {
        if !c.not_valid {
            set_not_null(info, &c.columns);
        }
        return;
    }
    let name = name_of(info, c);
    let keys = c.columns.iter().map(|k| quote_ident(k)).collect::<Vec<_>>().join(", ");
    if matches!(c.kind, 'p' | 'u' | 'x') {
        let used =
            c.using_index.as_ref().and_then(|u| info.indexes.iter().position(|i| i.name == *u));
        match used.and_then(|at| info.indexes.get_mut(at)) {
            Some(i) => {
                i.name.clone_from(&name);
                i.primary = c.kind == 'p';
                i.constraint = true;
                let columns = i.columns.clone();
                if c.kind == 'p' {
                    set_not_null(info, &columns);
                }
            }
            None => info.indexes.push(IndexInfo {
                primary: c.kind == 'p',
                constraint: true,
                ..index(&name, &c.columns, c.kind != 'x')
            }),
        }
        if c.kind == 'p' {
            set_not_null(info, &c.columns);
        }
    }
    let definition = match (&c.references, c.kind) {
        (Some(to), _) => {
            let theirs: Vec<String> = c.referenced.iter().map(|k| quote_ident(k)).collect();
            format!("FOREIGN KEY ({keys}) REFERENCES {}({})", to.quoted(), theirs.join(", "))
        }
        (None, 'p') => format!("PRIMARY KEY ({keys})"),
        (None, 'u') => format!("UNIQUE ({keys})"),
        (None, _) => format!("CHECK ({})", c.condition),
    };
    let enforced = if c.enforced { "" } else { " NOT ENFORCED" };
    let definition = format!("{definition}{enforced}");
    info.constraints.push(ConstraintInfo {
        name,
        kind: c.kind,
        definition,
        validated: !c.not_valid,
        references: c.references.clone(),
    });
}

fn alter_table(info: &mut RelationInfo, command: &Alter) {
    let set_not_null = |info: &mut RelationInfo, column: &str, to: bool| {
        info.columns.iter_mut().filter(|c| c.name == column).for_each(|c| c.not_null = to);
    };
    match command {
        Alter::AddColumn { column, .. } => add_column(info, column),
        Alter::DropColumn { name, .. } => {
            info.columns.retain(|c| c.name != *name);
            info.indexes.retain(|i| !i.columns.contains(name));
            info.constraints
                .retain(|c| !names(c.definition.split(" REFERENCES ").next().unwrap_or(""), name));
        }
        Alter::SetType { column, data_type, .. } => {
            let same = info.columns.iter_mut().filter(|c| c.name == *column);
            same.for_each(|c| c.data_type.clone_from(data_type));
        }
        Alter::SetDefault { column, default } => {
            let same = info.columns.iter_mut().filter(|c| c.name == *column);
            same.for_each(|c| c.default.clone_from(default));
        }
        Alter::SetNotNull { column } => set_not_null(info, column, true),
        Alter::DropNotNull { column } => set_not_null(info, column, false),
        Alter::AddConstraint(c) => add_constraint(info, c),
        Alter::ValidateConstraint { name } => {
            let same = info.constraints.iter_mut().filter(|c| c.name == *name);
            same.for_each(|c| c.validated = true);
        }
        Alter::DropConstraint { name, .. } => {
            info.constraints.retain(|c| c.name != *name);
            info.indexes.retain(|i| !i.constraint || i.name != *name);
        }
        _ => {}
    }
}

/// The text with one word replaced by another.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        out.push_str(if word == from { to } else { word });
        word.clear();
    };
    for c in text.chars() {
        if is_word(c) {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}
