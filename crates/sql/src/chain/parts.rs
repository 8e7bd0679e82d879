//! What is done to a table and goes on to its partitions and to those who inherit from it.

use super::Chain;
use crate::action::{Action, Alter, CreateIndex, CreateTable};
use crate::effects::{self, Created};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

impl Chain {
    /// What is done to a partitioned table is done to its partitions, and much of what is done to
    /// any table to those that inherit from it.
    pub(super) fn parts_too(&self, action: &Action, found: &[Effect]) -> Vec<Effect> {
        let (spreads, to_heirs) = self.spreads(action);
        if !spreads {
            return Vec::new();
        }
        let goes_on = |at: &Relation| match action {
            Action::Alter { relation, command: Alter::AttachPartition { .. }, .. } => {
                !at.same_as(relation)
            }
            Action::Alter { command: Alter::DetachPartition { partition, .. }, .. } => {
                at.same_as(partition)
            }
            Action::CreateTable(CreateTable { relation, partition_of: Some(parent), .. }) => {
                !at.same_as(relation) && !at.same_as(parent)
            }
            _ => true,
        };
        // A foreign key locks the partitions at its other end too, but not those who inherit.
        let is_own = |e: &Effect| match action {
            Action::Alter { relation, .. } => e.relation.same_as(relation),
            _ => true,
        };
        let named = effects::merge(found.to_vec()).into_iter().filter(|e| goes_on(&e.relation));
        let mut next: Vec<(Effect, bool)> = named.map(|e| (e.clone(), is_own(&e))).collect();
        let mut seen: BTreeSet<Relation> = BTreeSet::new();
        let mut spread = Vec::new();
        while let Some((effect, own)) = next.pop() {
            let is_part = |r: &&RelationInfo| {
                let heir = r.is_heir_of(&effect.relation);
                r.is_part_of(&effect.relation) && (!heir || (to_heirs && own))
            };
            for part in self.catalog.relations.iter().filter(is_part) {
                if seen.insert(part.relation.clone()) {
                    let copied = Effect { relation: part.relation.clone(), ..effect.clone() };
                    spread.extend(match own {
                        true => self.on_part(action, &copied, part),
                        false => vec![copied.clone()],
                    });
                    next.push((copied, own));
                }
            }
        }
        spread
    }

    /// Is the action carried on to partitions, and to heirs too?
    /// Source: `ATPrepCmd` in the server's source.
    fn spreads(&self, action: &Action) -> (bool, bool) {
        match action {
            Action::Alter { only: true, .. } => (false, false),
            Action::Alter { relation, command, .. } => match command {
                Alter::SetOwner { .. } | Alter::RowSecurity { .. } => (false, false),
                Alter::AddColumn { .. }
                | Alter::DropColumn { .. }
                | Alter::SetType { .. }
                | Alter::SetDefault { .. }
                | Alter::SetNotNull { .. }
                | Alter::DropNotNull { .. } => (true, true),
                Alter::AddConstraint(c) => (true, matches!(c.kind, 'c' | 'n' | 'p')),
                Alter::DropConstraint { name, .. } | Alter::ValidateConstraint { name } => {
                    let known = self.catalog.relation(relation).map(|info| &info.constraints);
                    let own = known.and_then(|all| all.iter().find(|c| c.name == *name));
                    (true, own.is_none_or(|c| c.kind == 'c'))
                }
                _ => (true, false),
            },
            Action::CreateIndex(i) => (!i.only, false),
            Action::RenameColumn { .. } | Action::Truncate { .. } | Action::Lock { .. } => {
                (true, true)
            }
            Action::Drop(d) => (d.kind == "table" || d.kind == "index", d.cascade),
            Action::CreateTable(t) => (t.partition_of.is_some(), false),
            Action::Vacuum { .. } | Action::Analyze { .. } => (true, false),
            _ => (false, false),
        }
    }

    /// What the action does to a partition or an heir; `copied` is what it does to its parent.
    fn on_part(&self, action: &Action, copied: &Effect, part: &RelationInfo) -> Vec<Effect> {
        match action {
            Action::Alter { command, kind, if_exists, .. }
                if !matches!(
                    command,
                    Alter::AttachPartition { .. } | Alter::DetachPartition { .. }
                ) && kind == "table" =>
            {
                // An heir has no key of its parent's, but never NULL where there is one.
                let by_key = match command {
                    Alter::AddConstraint(c) if c.kind == 'p' && part.partition.is_none() => {
                        c.columns.first().map(|k| Alter::SetNotNull { column: k.clone() })
                    }
                    _ => None,
                };
                let own = [Action::Alter {
                    relation: part.relation.clone(),
                    kind: kind.clone(),
                    if_exists: *if_exists,
                    only: true,
                    command: by_key.unwrap_or_else(|| command.clone()),
                }];
                let mut found = effects::effects(&own, &Created::default());
                effects::sharpen(&own, &self.catalog, &mut found);
                found
            }
            Action::CreateIndex(i) if has_index(part, i) => {
                vec![Effect { builds_index: false, ..copied.clone() }]
            }
            _ => vec![copied.clone()],
        }
    }
}

/// Has the partition such an index already, which becomes part of that of its parent?
pub(super) fn has_index(part: &RelationInfo, new: &CreateIndex) -> bool {
    let predicate = new.predicate.as_deref().unwrap_or("");
    part.indexes.iter().any(|i| {
        i.valid
            && i.columns == new.columns
            && (i.unique || !new.unique)
            && i.definition.split_once(" WHERE ").map_or("", |(_, p)| p) == predicate
    })
}
