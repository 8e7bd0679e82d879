//! What each action locks, rewrites, scans, builds and destroys.
//!
//! Source of the lock modes: PostgreSQL manual, Explicit Locking and the page of each
//! command; a test on a real server compares each of them with `pg_locks`.

mod alter;
mod catalog;

use crate::action::{Action, CreateTable, Drop, Predicate, ReindexKind, Rows, Transaction};
use pgward_model::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

pub use catalog::{base_type, effects_with, existed, takes_every_table};
pub(crate) use catalog::{is_itself, keeps_values, names, says_not_null, sharpen};

/// What earlier statements of a change have made, so that nobody else can use it yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Created {
    relations: BTreeSet<String>,
    /// Index → its table.
    indexes: BTreeMap<String, Relation>,
}

impl Created {
    pub(crate) fn has(&self, relation: &Relation) -> bool {
        self.relations.contains(&relation.name)
            || self
                .indexes
                .get(&relation.name)
                .is_some_and(|table| self.relations.contains(&table.name))
    }

    pub(crate) fn table_of_index(&self, index: &Relation) -> Option<&Relation> {
        self.indexes.get(&index.name)
    }

    /// Remembers what these actions make.
    pub(crate) fn learn(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::CreateTable(CreateTable { relation, .. })
                | Action::CreateTableAs { relation, .. }
                | Action::CreateView { relation, replace: false, .. } => {
                    self.relations.insert(relation.name.clone());
                }
                Action::CreateIndex(index) => {
                    self.indexes.insert(index.name.clone(), index.table.clone());
                }
                Action::RenameRelation { relation, to, .. } => {
                    if self.relations.remove(&relation.name) {
                        self.relations.insert(to.clone());
                    }
                    if let Some(table) = self.indexes.remove(&relation.name) {
                        self.indexes.insert(to.clone(), table);
                    }
                }
                _ => {}
            }
        }
    }
}

/// One line of effects while they are gathered.
pub(crate) fn effect(relation: &Relation, lock: LockMode) -> Effect {
    Effect {
        relation: relation.clone(),
        lock,
        rewrites: false,
        scans: false,
        builds_index: false,
        destroys: Destroys::Nothing,
        existed_before: true,
    }
}

fn all(relations: &[Relation], lock: LockMode) -> Vec<Effect> {
    relations.iter().map(|r| effect(r, lock)).collect()
}

/// The effects of a statement's actions, one entry per relation and thing destroyed, each
/// with the strongest lock taken on its relation.
pub(crate) fn effects(actions: &[Action], created: &Created) -> Vec<Effect> {
    let mut known = Cow::Borrowed(created);
    let mut found = Vec::new();
    for (i, action) in actions.iter().enumerate() {
        let mut here = of_action(action, &known);
        for e in &mut here {
            e.existed_before = !known.has(&e.relation) && !makes(action, &e.relation);
        }
        found.extend(here);
        if i + 1 < actions.len() {
            known.to_mut().learn(std::slice::from_ref(action));
        }
    }
    merge(found)
}

fn makes(action: &Action, relation: &Relation) -> bool {
    match action {
        Action::CreateTable(CreateTable { relation: made, .. })
        | Action::CreateTableAs { relation: made, .. }
        | Action::CreateView { relation: made, replace: false, .. } => made == relation,
        _ => false,
    }
}

/// One entry per relation and thing destroyed; every entry knows all of its relation.
pub(crate) fn merge(found: Vec<Effect>) -> Vec<Effect> {
    if found.len() < 2 {
        return found;
    }
    let mut sums: BTreeMap<&Relation, (Effect, Vec<&Destroys>)> = BTreeMap::new();
    for e in &found {
        let (sum, gone) = sums.entry(&e.relation).or_insert_with(|| (e.clone(), Vec::new()));
        sum.lock = sum.lock.max(e.lock);
        sum.rewrites |= e.rewrites;
        sum.scans |= e.scans;
        sum.builds_index |= e.builds_index;
        sum.existed_before &= e.existed_before;
        if !gone.contains(&&e.destroys) {
            gone.push(&e.destroys);
        }
    }
    let mut merged = Vec::new();
    for e in &found {
        let Some((sum, gone)) = sums.get_mut(&e.relation) else { continue };
        if gone.iter().any(|d| **d != Destroys::Nothing) {
            gone.retain(|d| **d != Destroys::Nothing);
        }
        if let Some(at) = gone.iter().position(|d| **d == e.destroys) {
            gone.remove(at);
            merged.push(Effect { destroys: e.destroys.clone(), ..sum.clone() });
        }
    }
    merged
}

fn of_action(action: &Action, created: &Created) -> Vec<Effect> {
    use LockMode::*;
    match action {
        Action::CreateTable(t) => of_create_table(t),
        Action::CreateTableAs { relation, reads, .. } => {
            let mut found = all(reads, AccessShare);
            found.push(effect(relation, AccessExclusive));
            found
        }
        Action::CreateView { relation, reads, .. } => {
            let mut found = all(reads, AccessShare);
            found.push(effect(relation, AccessExclusive));
            found
        }
        Action::CreateIndex(i) => {
            let lock = if i.concurrently { ShareUpdateExclusive } else { Share };
            vec![Effect { builds_index: true, ..effect(&i.table, lock) }]
        }
        Action::Create { kind, tables, .. } => all(tables, of_part(kind)),
        Action::Alter { relation, kind, command, .. } => alter::of_alter(relation, kind, command),
        Action::RenameColumn { relation, .. } | Action::RenameConstraint { relation, .. } => {
            vec![effect(relation, AccessExclusive)]
        }
        Action::RenameRelation { relation, kind, .. } => {
            let lock = if kind == "index" { ShareUpdateExclusive } else { AccessExclusive };
            vec![effect(relation, lock)]
        }
        Action::RenameOther { table: Some(table), .. } => vec![effect(table, AccessExclusive)],
        Action::SetSchema { kind, relation, .. } if is_relation(kind) => {
            vec![effect(relation, AccessExclusive)]
        }
        Action::Drop(d) => of_drop(d, created),
        Action::Truncate { relations, .. } => relations
            .iter()
            .map(|r| Effect {
                destroys: Destroys::AllRows,
                builds_index: true, // empty ones
                ..effect(r, AccessExclusive)
            })
            .collect(),
        Action::Refresh { relation, concurrently: true } => vec![effect(relation, Exclusive)],
        Action::Refresh { relation, concurrently: false } => {
            vec![Effect { rewrites: true, builds_index: true, ..effect(relation, AccessExclusive) }]
        }
        Action::Rows(rows) => of_rows(rows),
        Action::Read { reads, locked } => {
            let mut found = all(reads, AccessShare);
            found.extend(all(locked, RowShare));
            found
        }
        Action::Copy { relation, writes } => {
            vec![effect(relation, if *writes { RowExclusive } else { AccessShare })]
        }
        Action::Lock { relations, mode, .. } => all(relations, *mode),
        Action::Vacuum { .. } | Action::Analyze { .. } | Action::Cluster { .. } => {
            of_vacuum(action)
        }
        Action::Reindex { kind, name, concurrently } => of_reindex(*kind, name, *concurrently),
        Action::Comment { kind, relation: Some(relation) } => {
            let whole = is_relation(kind) || kind == "column";
            vec![effect(relation, if whole { ShareUpdateExclusive } else { AccessShare })]
        }
        _ => Vec::new(),
    }
}

/// The lock that making a trigger, policy, rule or statistics object takes on its table.
fn of_part(kind: &str) -> LockMode {
    match kind {
        "trigger" => LockMode::ShareRowExclusive,
        "statistics" | "publication" => LockMode::ShareUpdateExclusive,
        _ => LockMode::AccessExclusive,
    }
}

pub(crate) fn is_relation(kind: &str) -> bool {
    ["table", "view", "materialized view", "sequence", "index", "foreign table"].contains(&kind)
}

fn of_create_table(t: &CreateTable) -> Vec<Effect> {
    let mut found = vec![effect(&t.relation, LockMode::AccessExclusive)];
    found.extend(
        t.references
            .iter()
            .filter(|r| **r != t.relation)
            .map(|r| effect(r, LockMode::ShareRowExclusive)),
    );
    found.extend(t.partition_of.iter().map(|r| effect(r, LockMode::AccessExclusive)));
    found.extend(all(&t.inherits, LockMode::ShareUpdateExclusive));
    found.extend(all(&t.like, LockMode::AccessShare));
    found
}

fn of_drop(d: &Drop, created: &Created) -> Vec<Effect> {
    let lock =
        if d.concurrently { LockMode::ShareUpdateExclusive } else { LockMode::AccessExclusive };
    if let Some(table) = &d.table {
        let gone = d.written.iter().map(|w| format!("{} {w}", d.kind));
        return gone
            .map(|what| Effect { destroys: Destroys::Object(what), ..effect(table, lock) })
            .collect();
    }
    let mut found = Vec::new();
    for (name, written) in d.names.iter().zip(&d.written) {
        let destroys = match d.kind.as_str() {
            "table" | "foreign table" => Destroys::Table,
            "index" => Destroys::Index(name.name.clone()),
            kind => Destroys::Object(format!("{kind} {written}")),
        };
        if let ("index", Some(table)) = (d.kind.as_str(), created.table_of_index(name)) {
            found.push(effect(table, lock));
        }
        found.push(Effect { destroys, ..effect(name, lock) });
    }
    found
}

fn of_rows(rows: &Rows) -> Vec<Effect> {
    let destroys = match rows.verb {
        StatementKind::Insert => Destroys::Nothing,
        _ => Destroys::Rows {
            unbounded: matches!(rows.predicate, Predicate::Missing | Predicate::Always { .. }),
        },
    };
    let scans = matches!(destroys, Destroys::Rows { unbounded: true });
    let mut found = all(&rows.reads, LockMode::AccessShare);
    found.push(Effect { destroys, scans, ..effect(&rows.relation, LockMode::RowExclusive) });
    found
}

fn of_vacuum(action: &Action) -> Vec<Effect> {
    let rewritten = |r: &Relation| Effect {
        rewrites: true,
        builds_index: true,
        ..effect(r, LockMode::AccessExclusive)
    };
    match action {
        Action::Vacuum { relations, full: true } => relations.iter().map(rewritten).collect(),
        Action::Cluster { relation } => relation.iter().map(rewritten).collect(),
        Action::Vacuum { relations, .. } | Action::Analyze { relations } => {
            all(relations, LockMode::ShareUpdateExclusive)
        }
        _ => Vec::new(),
    }
}

fn of_reindex(kind: ReindexKind, name: &Relation, concurrently: bool) -> Vec<Effect> {
    let lock = match (concurrently, kind) {
        (true, _) => LockMode::ShareUpdateExclusive,
        (false, ReindexKind::Index) => LockMode::AccessExclusive,
        (false, _) => LockMode::Share,
    };
    match kind {
        ReindexKind::Index | ReindexKind::Table => {
            vec![Effect { builds_index: true, ..effect(name, lock) }]
        }
        ReindexKind::Schema | ReindexKind::System | ReindexKind::Database => Vec::new(),
    }
}

/// May this run inside a transaction block?
pub(crate) fn may_run_in_transaction(action: &Action) -> bool {
    match action {
        Action::CreateIndex(i) => !i.concurrently,
        Action::Drop(d) => !d.concurrently,
        Action::Reindex { kind, concurrently, .. } => {
            !concurrently && matches!(kind, ReindexKind::Index | ReindexKind::Table)
        }
        Action::Vacuum { .. } | Action::DropDatabase { .. } | Action::AlterSystem { .. } => false,
        Action::Cluster { relation } => relation.is_some(),
        Action::Alter { command, .. } => {
            !matches!(command, crate::action::Alter::DetachPartition { concurrently: true, .. })
        }
        Action::Transaction(t) => *t != Transaction::Finish,
        Action::Other { in_transaction, .. } => *in_transaction,
        _ => true,
    }
}
