//! The same effects, made exact by the live catalog: which table an index belongs to, which
//! types need no rewrite, what CASCADE reaches.

use super::{Created, effect, effects, merge};
use crate::action::{Action, Alter, Drop, ReindexKind, Rows};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

/// Did the relation exist before the change? The catalog knows better than the text, which
/// cannot tell what `IF NOT EXISTS` found.
pub fn existed(effect: &Effect, catalog: Option<&Catalog>) -> bool {
    effect.existed_before
        || catalog.is_some_and(|c| {
            c.relation(&effect.relation).is_some() || c.index(&effect.relation).is_some()
        })
}

/// A statement's effects with names qualified and everything added that only the catalog
/// tells: tables of indexes, referenced tables, the reach of CASCADE.
pub fn effects_with(statement: &Statement, catalog: &Catalog) -> Vec<Effect> {
    let actions = crate::actions(statement);
    let mut found = effects(&actions, &Created::default());
    for e in &mut found {
        let known = statement.effects.iter().find(|k| k.relation == e.relation);
        e.existed_before = known.is_none_or(|k| existed(k, Some(catalog)));
    }
    sharpen(&actions, catalog, &mut found);
    merge(found)
}

/// Makes effects that the text gave exact: corrects what the catalog refutes, adds what only it
/// tells, qualifies names.
pub(crate) fn sharpen(actions: &[Action], catalog: &Catalog, found: &mut Vec<Effect>) {
    for action in actions {
        refine(action, catalog, found);
        found.extend(more(action, catalog));
    }
    for e in found {
        if let Some(info) = catalog.relation(&e.relation) {
            e.relation = info.relation.clone();
        } else if let Some((table, index)) = catalog.index(&e.relation) {
            e.relation = Relation::new(table.relation.schema.clone(), index.name.clone());
        }
    }
}

/// What the text assumed and the catalog refutes.
fn refine(action: &Action, catalog: &Catalog, found: &mut [Effect]) {
    let Action::Alter { relation, command, .. } = action else { return };
    let Some(info) = catalog.relation(relation) else { return };
    let Some(e) = found.iter_mut().find(|e| e.relation == *relation) else { return };
    match command {
        Alter::SetType { column, data_type, using } => {
            let old = info.columns.iter().find(|c| c.name == *column);
            let keeps = |o: &ColumnInfo| {
                o.generated == Some('v')
                    || (is_itself(using.as_deref(), column, data_type)
                        && keeps_heap(&o.data_type, data_type))
            };
            if old.is_some_and(keeps) {
                e.rewrites = false;
                // Another collation or operator class sorts otherwise.
                let resorts = old.is_some_and(|o| o.data_type.ends_with("citext"))
                    != data_type.ends_with("citext");
                let keys = |i: &IndexInfo| resorts && i.columns.iter().any(|k| k == column);
                e.builds_index = info.indexes.iter().any(|i| is_rebuilt(i, column) || keys(i));
                e.scans =
                    info.constraints.iter().any(|c| c.kind == 'c' && names(&c.definition, column));
            } else if old.is_some() {
                // The keys of a column that is written anew are checked anew.
                let own = |c: &&ConstraintInfo| c.kind == 'f' && names_key(c, column);
                e.scans = info.constraints.iter().any(|c| own(&c));
                e.builds_index = !info.indexes.is_empty();
            }
        }
        Alter::SetExpression { column } if is_virtual(info, column) => {
            e.rewrites = false;
            e.builds_index = false;
            e.scans = proves_not_null(info, column); // what was promised is proven again
        }
        Alter::SetNotNull { column } if proves_not_null(info, column) => e.scans = false,
        Alter::AttachPartition { .. } => refine_attach(command, catalog, info, found),
        Alter::AddConstraint(c) if c.kind == 'p' => {
            let columns = match &c.using_index {
                Some(name) => info
                    .indexes
                    .iter()
                    .find(|i| i.name == *name)
                    .map(|i| i.columns.clone())
                    .unwrap_or_default(),
                None => c.columns.clone(),
            };
            e.scans = columns.is_empty() || !columns.iter().all(|c| proves_not_null(info, c));
        }
        _ => {}
    }
}

/// A table is not read when a CHECK says that its rows fit, nor when it takes all that its
/// parent gets because there is no other partition.
fn refine_attach(command: &Alter, catalog: &Catalog, parent: &RelationInfo, found: &mut [Effect]) {
    let Alter::AttachPartition { partition, is_default, bounds } = command else { return };
    let Some(info) = catalog.relation(partition) else { return };
    let has_others = || catalog.relations.iter().any(|r| r.is_part_of(&parent.relation));
    let takes_all = *is_default && catalog.server_version > 0 && !has_others();
    if takes_all || proves_bounds(info, bounds) {
        found.iter_mut().filter(|e| e.relation == *partition).for_each(|e| e.scans = false);
    }
}

/// Does a validated CHECK name every bound, of a column that is never NULL? Whether its
/// conditions are those of the bounds is not computed.
fn proves_bounds(info: &RelationInfo, bounds: &[String]) -> bool {
    let says = |check: &str, bound: &String| match bound.starts_with('\'') {
        true => check.contains(bound.as_str()),
        false => names(check, bound.trim_start_matches('-')),
    };
    let is_never_null = |check: &str| {
        let whole = || check.to_lowercase().contains(" is not null");
        info.columns.iter().any(|c| names(check, &c.name) && (c.not_null || whole()))
    };
    !bounds.is_empty()
        && info
            .constraints
            .iter()
            .filter(|c| c.kind == 'c' && c.validated)
            .any(|c| bounds.iter().all(|b| says(&c.definition, b)) && is_never_null(&c.definition))
}

/// Is it a virtual generated column, which has nothing in the heap (since 18)?
fn is_virtual(info: &RelationInfo, column: &str) -> bool {
    info.columns.iter().any(|c| c.name == column && c.generated == Some('v'))
}

/// A NOT NULL column, or a validated CHECK that says so (since PostgreSQL 12).
fn proves_not_null(info: &RelationInfo, column: &str) -> bool {
    let proves =
        |c: &ConstraintInfo| c.kind == 'c' && c.validated && says_not_null(&c.definition, column);
    info.columns.iter().any(|c| c.name == column && c.not_null)
        || info.constraints.iter().any(proves)
}

/// Does a CHECK hold for no row that has NULL in the column? Reads a list of conditions joined
/// by AND; of anything else it says no.
pub(crate) fn says_not_null(definition: &str, column: &str) -> bool {
    let wanted = format!("{} is not null", quote_ident(column)).to_lowercase();
    let plain: String = definition.chars().filter(|c| !matches!(c, '(' | ')')).collect();
    let plain = plain.to_lowercase();
    let plain = plain.trim().strip_prefix("check ").unwrap_or(plain.trim());
    !plain.split_whitespace().any(|w| matches!(w, "or" | "case"))
        && plain.split(" and ").any(|condition| condition.trim() == wanted)
}

/// Is the column on the near side of the foreign key?
fn names_key(key: &ConstraintInfo, column: &str) -> bool {
    key.definition.split(" REFERENCES ").next().is_some_and(|own| names(own, column))
}

/// An index on an expression or with a WHERE that names the column.
fn is_rebuilt(index: &IndexInfo, column: &str) -> bool {
    let definition = &index.definition;
    let keys = definition.split_once('(').map_or("", |(_, keys)| keys);
    let special = keys.contains('(') || definition.contains(" WHERE ");
    special && names(keys, column)
}

/// Does the text contain the column as a word?
pub(crate) fn names(text: &str, column: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == column)
}

/// Type changes that leave the heap as it is.
/// Source: PostgreSQL manual, ALTER TABLE, Notes ("binary coercible"), and length
/// coercions of varchar, numeric, varbit, time types (`*_support` functions).
fn keeps_heap(old: &str, new: &str) -> bool {
    let (old_base, old_mods) = base_and_mods(old);
    let (new_base, new_mods) = base_and_mods(new);
    let wider = |i: usize| match (old_mods.get(i), new_mods.get(i)) {
        (_, None) => true,
        (Some(a), Some(b)) => b >= a,
        (None, Some(_)) => false,
    };
    match (old_base.as_str(), new_base.as_str()) {
        ("varchar", "varchar") | ("varbit", "varbit") => wider(0),
        ("text", "varchar") => new_mods.is_empty(),
        ("varchar" | "text", "citext") | ("citext", "text") => true,
        ("citext", "varchar") => new_mods.is_empty(),
        ("varchar", "text") | ("cidr", "inet") => true,
        ("numeric", "numeric") => {
            new_mods.is_empty()
                || (!old_mods.is_empty()
                    && wider(0)
                    && old_mods.get(1).unwrap_or(&0) == new_mods.get(1).unwrap_or(&0))
        }
        ("timestamp", "timestamp") | ("timestamptz", "timestamptz") | ("interval", "interval") => {
            wider(0)
        }
        (a, b) => a == b && old_mods == new_mods,
    }
}

/// Is what stands behind USING the column as it is, or only cast to its new type?
pub(crate) fn is_itself(using: Option<&str>, column: &str, data_type: &str) -> bool {
    let Some(using) = using.map(|u| u.trim_matches(['(', ')'])) else { return true };
    let (own, cast) = using.split_once("::").unwrap_or((using, data_type));
    own == quote_ident(column) && base_and_mods(cast) == base_and_mods(data_type)
}

/// Does every value survive the way there and back? Wider types of the same kind.
pub(crate) fn keeps_values(old: &str, new: &str) -> bool {
    let (old_base, _) = base_and_mods(old);
    let (new_base, _) = base_and_mods(new);
    let widths = ["int2", "int4", "int8"];
    let rank = |name: &str| widths.iter().position(|w| *w == name);
    keeps_heap(old, new)
        || matches!((rank(&old_base), rank(&new_base)), (Some(a), Some(b)) if a <= b)
}

/// One name for each built-in type, without its length: `character varying(20)` → `varchar`.
pub fn base_type(data_type: &str) -> String {
    base_and_mods(data_type).0
}

/// `character varying(20)` → (`varchar`, [20]).
fn base_and_mods(data_type: &str) -> (String, Vec<u64>) {
    let lower = data_type.to_lowercase();
    let (before, rest) = lower.split_once('(').unwrap_or((&lower, ""));
    let (mods, after) = rest.split_once(')').unwrap_or(("", ""));
    let name =
        format!("{}{after}", before.trim()).trim().trim_start_matches("pg_catalog.").to_owned();
    let base = match name.as_str() {
        "character varying" => "varchar",
        "bit varying" => "varbit",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        "integer" | "int" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "decimal" => "numeric",
        other => other,
    };
    (base.to_owned(), mods.split(',').filter_map(|m| m.trim().parse().ok()).collect())
}

/// What only the catalog knows to be touched.
fn more(action: &Action, catalog: &Catalog) -> Vec<Effect> {
    let exclusive = LockMode::AccessExclusive;
    match action {
        Action::Drop(d) if d.kind == "index" => {
            let lock = if d.concurrently { LockMode::ShareUpdateExclusive } else { exclusive };
            let tables = d.names.iter().filter_map(|n| catalog.index(n));
            tables.map(|(table, _)| effect(&table.relation, lock)).collect()
        }
        Action::Drop(d) if d.kind == "table" => of_drop_table(d, catalog),
        Action::Drop(d) if d.kind == "schema" && d.cascade => of_schemas(d, catalog),
        Action::CreateTable(t) => {
            let mut found = of_default(t.partition_of.as_ref(), catalog);
            found.iter_mut().for_each(|e| e.scans = !t.is_default);
            found.extend(t.partition_of.iter().flat_map(|parent| of_cloned_keys(parent, catalog)));
            found
        }
        Action::Alter { relation, command: Alter::AttachPartition { partition, .. }, .. } => {
            of_attached(relation, partition, catalog)
        }
        Action::Alter {
            relation, command: Alter::DetachPartition { concurrently, .. }, ..
        } if !concurrently => {
            let mut found = of_default(Some(relation), catalog);
            found.extend(of_cloned_keys(relation, catalog)); // its own from now on
            found
        }
        Action::Truncate { relations, cascade: true } => reach(relations, catalog)
            .into_iter()
            .map(|r| Effect {
                destroys: Destroys::AllRows,
                builds_index: true,
                ..effect(&r, exclusive)
            })
            .collect(),
        Action::Drop(d) if d.cascade && is_view(&d.kind) => of_views(&d.names, catalog),
        Action::Drop(d) if d.cascade && d.kind.ends_with("function") => of_functions(d, catalog),
        Action::Reindex { kind: ReindexKind::Index, name, concurrently: false } => {
            let table = catalog.index(name).map(|(table, _)| &table.relation);
            let built = |r| Effect { builds_index: true, ..effect(r, LockMode::Share) };
            table.map(built).into_iter().collect()
        }
        Action::Reindex { .. } | Action::Vacuum { .. } => of_every_table(action, catalog),
        Action::CheckDomain { domain } => of_domain(domain, catalog),
        Action::Rows(rows) => of_keys(rows, catalog),
        Action::Copy { relation, writes: true } => parents(relation, catalog, |_| true),
        Action::Alter { relation, command: Alter::SetType { column, .. }, .. } => {
            of_key_column(relation, column, catalog)
        }
        Action::Alter { relation, command: Alter::DropColumn { name, cascade, .. }, .. } => {
            let mut found = of_key_column(relation, name, catalog);
            // Without CASCADE a key that points to the column stops the statement.
            found.retain(|_| *cascade || !is_referenced(relation, name, catalog));
            found.iter_mut().for_each(|e| e.scans = false);
            found
        }
        Action::Alter { relation, command: Alter::DropConstraint { name, .. }, .. } => catalog
            .relation(relation)
            .into_iter()
            .flat_map(|info| &info.constraints)
            .filter(|c| c.name == *name)
            .filter_map(|c| c.references.as_ref())
            .map(|parent| effect(parent, exclusive))
            .collect(),
        _ => Vec::new(),
    }
}

/// The lock that an action takes on all that is stored, one after the other, and the schema it
/// keeps to: VACUUM FULL and REINDEX without a table.
pub fn takes_every_table(action: &Action) -> Option<(LockMode, Option<&str>)> {
    match action {
        Action::Vacuum { relations, full: true } if relations.is_empty() => {
            Some((LockMode::AccessExclusive, None))
        }
        Action::Reindex { kind: ReindexKind::Database, concurrently: false, .. } => {
            Some((LockMode::Share, None))
        }
        Action::Reindex { kind: ReindexKind::Schema, name, concurrently: false } => {
            Some((LockMode::Share, Some(&name.name)))
        }
        _ => None,
    }
}

fn of_every_table(action: &Action, catalog: &Catalog) -> Vec<Effect> {
    let Some((lock, schema)) = takes_every_table(action) else { return Vec::new() };
    let takes = |r: &Relation| schema.is_none_or(|schema| r.schema == schema);
    let anew = |r: &Relation, builds_index| Effect {
        rewrites: lock == LockMode::AccessExclusive,
        builds_index,
        ..effect(r, lock)
    };
    let stored = catalog.relations.iter().filter(|r| matches!(r.kind, 'r' | 'm'));
    let tables = stored.filter(|r| takes(&r.relation));
    let views = catalog.objects.iter().filter(|o| o.kind == "materialized view");
    let views = views.filter_map(|o| identity(&o.identity)).filter(|name| takes(name));
    let views = views.filter(|name| catalog.relation(name).is_none());
    tables
        .map(|r| anew(&r.relation, !r.indexes.is_empty()))
        .chain(views.map(|name| anew(&name, false)))
        .collect()
}

/// A column's foreign keys are made anew or go with it, which locks their other ends.
fn of_key_column(relation: &Relation, column: &str, catalog: &Catalog) -> Vec<Effect> {
    let Some(info) = catalog.relation(relation) else { return Vec::new() };
    let side = |key: &ConstraintInfo, i: usize| {
        key.definition.split(" REFERENCES ").nth(i).is_some_and(|part| names(part, column))
    };
    let own = info.constraints.iter().filter(|c| c.kind == 'f' && side(c, 0));
    let parents = own.filter_map(|c| c.references.clone());
    let children = catalog.referencing(&info.relation).into_iter();
    let children = children.filter(|(_, key)| side(key, 1)).map(|(t, _)| t.relation.clone());
    let lock = LockMode::AccessExclusive;
    let checked = children.map(|r| Effect { scans: true, ..effect(&r, lock) });
    parents.map(|r| effect(&r, lock)).chain(checked).collect()
}

fn is_referenced(relation: &Relation, column: &str, catalog: &Catalog) -> bool {
    catalog.referencing(relation).iter().any(|(_, key)| {
        key.definition.split(" REFERENCES ").nth(1).is_some_and(|part| names(part, column))
    })
}

/// Dropping a table drops its foreign keys, which locks the tables on their other end. That of
/// a partition locks its parent and the default partition, whose bounds it changes.
fn of_drop_table(d: &Drop, catalog: &Catalog) -> Vec<Effect> {
    let mut found = Vec::new();
    for info in d.names.iter().filter_map(|n| catalog.relation(n)) {
        let parents = info.constraints.iter().filter_map(|c| c.references.as_ref());
        found.extend(
            parents
                .filter(|p| !p.same_as(&info.relation))
                .map(|p| effect(p, LockMode::AccessExclusive)),
        );
        if let Some(place) = &info.partition {
            let of_parent = |r: &&RelationInfo| {
                let is_default = |p: &PartitionInfo| p.parent == place.parent && p.is_default;
                r.oid != info.oid && r.partition.as_ref().is_some_and(is_default)
            };
            let default = catalog.relations.iter().find(of_parent).map(|r| &r.relation);
            let locked = std::iter::once(&place.parent).chain(default);
            found.extend(locked.map(|r| effect(r, LockMode::AccessExclusive)));
        }
        if d.cascade {
            for (table, constraint) in catalog.referencing(&info.relation) {
                found.push(Effect {
                    destroys: Destroys::Constraint(constraint.name.clone()),
                    ..effect(&table.relation, LockMode::AccessExclusive)
                });
            }
            found.extend(of_views(std::slice::from_ref(&info.relation), catalog));
        }
    }
    found
}

/// Tables of a schema that goes with all it holds.
fn of_schemas(d: &Drop, catalog: &Catalog) -> Vec<Effect> {
    let gone = |r: &&RelationInfo| d.names.iter().any(|n| n.name == r.relation.schema);
    let table = |r: &RelationInfo| Effect {
        destroys: Destroys::Table,
        ..effect(&r.relation, LockMode::AccessExclusive)
    };
    let tables = catalog.relations.iter().filter(gone).map(table);
    let views = catalog.objects.iter().filter(|o| is_view(&o.kind)).filter_map(|view| {
        let name = identity(&view.identity)?;
        d.names.iter().any(|n| n.name == name.schema).then(|| Effect {
            destroys: Destroys::Object(format!("{} {}", view.kind, view.identity)),
            ..effect(&name, LockMode::AccessExclusive)
        })
    });
    tables.chain(views).collect()
}

/// The default partition must not hold what a new partition takes.
fn of_default(parent: Option<&Relation>, catalog: &Catalog) -> Vec<Effect> {
    let is_default = |r: &&RelationInfo| {
        let place = r.partition.as_ref().zip(parent);
        place.is_some_and(|(p, parent)| p.is_default && p.parent.same_as(parent))
    };
    let default = catalog.relations.iter().find(is_default);
    default.map(|r| effect(&r.relation, LockMode::AccessExclusive)).into_iter().collect()
}

/// A partition gets each index of its parent that it has not got.
fn of_missing_indexes(parent: &Relation, partition: &Relation, catalog: &Catalog) -> Vec<Effect> {
    let Some((above, own)) = catalog.relation(parent).zip(catalog.relation(partition)) else {
        return Vec::new();
    };
    let has = |i: &IndexInfo| own.indexes.iter().any(|o| o.columns == i.columns);
    let missing = above.indexes.iter().any(|i| !has(i));
    let lock = LockMode::AccessExclusive;
    let built = Effect { builds_index: true, ..effect(&own.relation, lock) };
    missing.then_some(built).into_iter().collect()
}

fn of_attached(parent: &Relation, partition: &Relation, catalog: &Catalog) -> Vec<Effect> {
    let mut found = of_default(Some(parent), catalog);
    found.iter_mut().for_each(|e| e.scans = true);
    found.extend(of_missing_indexes(parent, partition, catalog));
    let keys = of_cloned_keys(parent, catalog);
    if !keys.is_empty() {
        found.push(Effect { scans: true, ..effect(partition, LockMode::AccessExclusive) });
    }
    found.extend(keys);
    found
}

/// A partition gets each foreign key of its parent, which locks the table at the other end.
fn of_cloned_keys(parent: &Relation, catalog: &Catalog) -> Vec<Effect> {
    let keys = catalog.relation(parent).into_iter().flat_map(|info| &info.constraints);
    let keys = keys.filter(|c| c.kind == 'f').filter_map(|c| c.references.as_ref());
    keys.map(|to| effect(to, LockMode::ShareRowExclusive)).collect()
}

/// Tables with a column of the domain: each is read under SHARE (`validateDomainCheckConstraint`
/// in the server's source).
fn of_domain(domain: &Relation, catalog: &Catalog) -> Vec<Effect> {
    let of_it = |c: &ColumnInfo| {
        let name = c.data_type.rsplit('.').next().unwrap_or("");
        name.trim_matches('"') == domain.name
    };
    let tables = catalog.relations.iter().filter(|r| r.columns.iter().any(of_it));
    let read = |r: &RelationInfo| Effect { scans: true, ..effect(&r.relation, LockMode::Share) };
    tables.map(read).collect()
}

/// Views and materialized views.
fn is_view(kind: &str) -> bool {
    matches!(kind, "view" | "materialized view")
}

/// Views on these relations, and views on those: CASCADE drops them all.
fn of_views(names: &[Relation], catalog: &Catalog) -> Vec<Effect> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<Relation> = names.to_vec();
    let mut found = Vec::new();
    while let Some(used) = next.pop() {
        let views = catalog
            .objects
            .iter()
            .filter(|o| is_view(&o.kind) && o.uses.iter().any(|u| u.same_as(&used)));
        for view in views.filter(|v| seen.insert(v.identity.clone())) {
            let Some(name) = identity(&view.identity) else { continue };
            found.push(Effect {
                destroys: Destroys::Object(format!("{} {}", view.kind, view.identity)),
                ..effect(&name, LockMode::AccessExclusive)
            });
            next.push(name);
        }
    }
    found
}

fn identity(text: &str) -> Option<Relation> {
    crate::relations(&format!("SELECT FROM {text}")).into_iter().next()
}

/// Triggers that call a dropped function go with it.
fn of_functions(d: &Drop, catalog: &Catalog) -> Vec<Effect> {
    let calls = |o: &&ObjectInfo| {
        o.kind == "trigger" && d.names.iter().any(|n| names(&o.definition, &n.name))
    };
    catalog
        .objects
        .iter()
        .filter(calls)
        .flat_map(|o| o.uses.iter().map(move |table| (o, table)))
        .map(|(o, table)| Effect {
            destroys: Destroys::Object(format!("trigger {}", o.identity)),
            ..effect(table, LockMode::AccessExclusive)
        })
        .collect()
}

/// Foreign keys are checked row by row, under ROW SHARE on the table at their other end.
fn of_keys(rows: &Rows, catalog: &Catalog) -> Vec<Effect> {
    match rows.verb {
        StatementKind::Insert => parents(&rows.relation, catalog, |_| true),
        StatementKind::Update => parents(&rows.relation, catalog, |key| {
            let own = key.definition.split(" REFERENCES ").next().unwrap_or("");
            rows.columns.iter().any(|c| names(own, c))
        }),
        StatementKind::Delete => catalog
            .referencing(&rows.relation)
            .into_iter()
            .map(|(table, key)| {
                let acts = key.definition.contains(" ON DELETE CASCADE")
                    || key.definition.contains(" ON DELETE SET");
                let lock = if acts { LockMode::RowExclusive } else { LockMode::RowShare };
                effect(&table.relation, lock)
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn parents(
    relation: &Relation,
    catalog: &Catalog,
    counts: impl Fn(&ConstraintInfo) -> bool,
) -> Vec<Effect> {
    let Some(info) = catalog.relation(relation) else { return Vec::new() };
    let keys = info.constraints.iter().filter(|c| counts(c));
    keys.filter_map(|c| c.references.as_ref())
        .map(|parent| effect(parent, LockMode::RowShare))
        .collect()
}

/// Tables that TRUNCATE … CASCADE empties besides those it names.
fn reach(named: &[Relation], catalog: &Catalog) -> Vec<Relation> {
    let start: Vec<Relation> =
        named.iter().filter_map(|r| catalog.relation(r)).map(|i| i.relation.clone()).collect();
    let mut seen: BTreeSet<Relation> = start.iter().cloned().collect();
    let mut next = start;
    let mut found = Vec::new();
    while let Some(relation) = next.pop() {
        for (table, _) in catalog.referencing(&relation) {
            if seen.insert(table.relation.clone()) {
                found.push(table.relation.clone());
                next.push(table.relation.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, partition: Option<PartitionInfo>, oid: u32) -> RelationInfo {
        RelationInfo { partition, ..RelationInfo::new(oid, Relation::new("public", name), 'r') }
    }

    fn with(sql: &str, relations: Vec<RelationInfo>) -> Vec<Effect> {
        let empty = Catalog::new(Timestamp::UNIX_EPOCH, 180_004, "");
        let catalog = Catalog { relations, ..empty };
        effects_with(crate::read("t.sql", sql).statements.first().unwrap(), &catalog)
    }

    #[test]
    fn a_virtual_column_is_not_written_anew() {
        let rewrites = |generated, sql: &str| {
            let mut made = table("made", None, 1);
            made.columns.push(ColumnInfo {
                name: "g".to_owned(),
                data_type: "integer".to_owned(),
                not_null: false,
                default: Some("(id * 2)".to_owned()),
                generated,
            });
            with(sql, vec![made]).first().unwrap().rewrites
        };
        for sql in [
            "ALTER TABLE made ALTER COLUMN g SET EXPRESSION AS (id * 3)",
            "ALTER TABLE made ALTER COLUMN g TYPE bigint",
        ] {
            assert!(!rewrites(Some('v'), sql), "{sql}");
            assert!(rewrites(Some('s'), sql), "{sql}");
        }
    }

    #[test]
    fn dropping_a_partition_locks_its_parent_and_the_default_one() {
        let place = |is_default| {
            let parent = Relation::new("public", "parted");
            Some(PartitionInfo { parent, is_default, detach_pending: false })
        };
        let one = table("one", place(false), 1);
        let two = table("two", place(false), 2);
        let rest = table("rest", place(true), 3);
        let found = with("DROP TABLE one", vec![one, two, rest]);
        let names: Vec<&str> = found.iter().map(|e| e.relation.name.as_str()).collect();
        assert_eq!(names, ["one", "parted", "rest"]);
        assert!(found.iter().all(|e| e.lock == LockMode::AccessExclusive));
    }

    #[test]
    fn widening_keeps_the_heap() {
        for (old, new) in [
            ("character varying(20)", "varchar(50)"),
            ("character varying(20)", "text"),
            ("text", "varchar"),
            ("numeric(10,2)", "numeric(12, 2)"),
            ("numeric(10,2)", "numeric"),
            ("integer", "int"),
            ("cidr", "inet"),
        ] {
            assert!(keeps_heap(old, new), "{old} → {new}");
        }
        for (old, new) in [
            ("integer", "bigint"),
            ("character varying(50)", "varchar(20)"),
            ("text", "varchar(20)"),
            ("numeric(10,2)", "numeric(12,3)"),
            ("timestamp without time zone", "timestamptz"),
        ] {
            assert!(!keeps_heap(old, new), "{old} → {new}");
        }
    }
}
