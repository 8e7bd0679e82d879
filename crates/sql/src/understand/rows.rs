//! Statements that read or change rows.

use super::{Found, one, sequence};
use crate::action::{Action, Predicate, Rows, Unjoined};
use crate::predicate::predicate;
use crate::tree::{Mentions, column_paths, mentions, mentions_of, ranges, relation, some_relation};
use pg_query::protobuf::{self, OnConflictAction};
use pg_query::{Node, NodeEnum};
use pgward_model::prelude::*;

pub(super) fn understand(node: &NodeEnum) -> Found {
    match node {
        NodeEnum::SelectStmt(s) => select(s),
        NodeEnum::InsertStmt(_)
        | NodeEnum::UpdateStmt(_)
        | NodeEnum::DeleteStmt(_)
        | NodeEnum::MergeStmt(_) => {
            let actions = changes(node);
            let kind = actions.iter().rev().find_map(|a| match a {
                Action::Rows(r) => Some(r.verb),
                _ => None,
            });
            Some((kind.unwrap_or(StatementKind::Other), actions))
        }
        NodeEnum::TruncateStmt(t) => one(
            StatementKind::Truncate,
            Action::Truncate {
                relations: ranges(&t.relations),
                cascade: t.behavior() == protobuf::DropBehavior::DropCascade,
            },
        ),
        NodeEnum::CopyStmt(c) => one(
            if c.is_from { StatementKind::Insert } else { StatementKind::Select },
            match &c.relation {
                Some(range) => Action::Copy { relation: relation(range), writes: c.is_from },
                None => read(mentions(&c.query)),
            },
        ),
        NodeEnum::LockStmt(l) => one(
            StatementKind::Other,
            Action::Lock {
                relations: ranges(&l.relations),
                mode: lock_mode(l.mode),
                nowait: l.nowait,
            },
        ),
        NodeEnum::ExplainStmt(e) => explain(e),
        NodeEnum::PrepareStmt(p) => inner(p.query.as_deref()),
        NodeEnum::DeclareCursorStmt(d) => inner(d.query.as_deref()),
        _ => None,
    }
}

fn inner(node: Option<&pg_query::Node>) -> Found {
    understand(node?.node.as_ref()?)
}

/// EXPLAIN runs the statement only with ANALYZE; otherwise it takes its locks to plan it.
fn explain(e: &protobuf::ExplainStmt) -> Found {
    if crate::tree::option_is_on(&e.options, "analyze") {
        return inner(e.query.as_deref());
    }
    one(StatementKind::Select, read(mentions(&e.query)))
}

fn read(found: Mentions) -> Action {
    Action::Read { reads: found.relations, locked: Vec::new() }
}

/// The tables whose rows FOR UPDATE locks: those it names, else all of the FROM clause.
fn locked(s: &protobuf::SelectStmt) -> Vec<Relation> {
    if s.locking_clause.is_empty() {
        return Vec::new();
    }
    let named = s.locking_clause.iter().flat_map(|n| match &n.node {
        Some(NodeEnum::LockingClause(l)) => ranges(&l.locked_rels),
        _ => Vec::new(),
    });
    let named: Vec<Relation> = named.collect();
    let from = mentions(&s.from_clause);
    // FOR UPDATE OF names aliases, so that only their number of tables is sure.
    if named.is_empty() || !named.iter().all(|n| from.relations.contains(n)) {
        from.relations
    } else {
        named
    }
}

fn select(s: &protobuf::SelectStmt) -> Found {
    let found = mentions(s);
    if let Some(into) = &s.into_clause {
        let made = some_relation(into.rel.as_ref());
        let reads = found.relations.iter().filter(|r| **r != made).cloned().collect();
        let action = Action::CreateTableAs {
            relation: made,
            materialized: false,
            if_not_exists: false,
            reads,
        };
        return one(StatementKind::Ddl, action);
    }
    let mut actions = with_clause(s.with_clause.as_ref());
    // What PostgreSQL brings does nothing to relations.
    let own = found.functions.iter().filter(|f| !f.starts_with("pg_catalog."));
    let calls = own.map(|name| Action::Call { function: called(name), procedure: false });
    let calls: Vec<Action> = calls.collect();
    let kind = if actions.is_empty() { StatementKind::Select } else { StatementKind::Update };
    let kind = actions
        .iter()
        .find_map(|a| match a {
            Action::Rows(r) => Some(r.verb),
            _ => None,
        })
        .unwrap_or(kind);
    actions.push(Action::Read { reads: found.relations, locked: locked(s) });
    actions.extend(calls);
    actions.extend(sequence::set(&s.target_list));
    Some((kind, actions))
}

/// `schema.name` of a function, as the tree joins it.
pub(crate) fn called(name: &str) -> Relation {
    match name.split_once('.') {
        Some((schema, name)) => Relation::new(schema, name),
        None => Relation::new("", name),
    }
}

/// Data-changing statements inside WITH.
fn with_clause(with: Option<&protobuf::WithClause>) -> Vec<Action> {
    let Some(with) = with else { return Vec::new() };
    with.ctes
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::CommonTableExpr(cte)) => cte.ctequery.as_ref()?.node.as_ref(),
            _ => None,
        })
        .flat_map(|query| match query {
            NodeEnum::InsertStmt(_)
            | NodeEnum::UpdateStmt(_)
            | NodeEnum::DeleteStmt(_)
            | NodeEnum::MergeStmt(_) => changes(query),
            _ => Vec::new(),
        })
        .collect()
}

/// The changes of one INSERT, UPDATE, DELETE or MERGE, those inside its WITH first.
fn changes(node: &NodeEnum) -> Vec<Action> {
    let chosen = |text: &str| Predicate::Selects { condition: text.to_owned() };
    let found = mentions_of(node);
    let (with, mut rows) = match node {
        NodeEnum::InsertStmt(i) => (
            i.with_clause.as_ref(),
            rows(StatementKind::Insert, i.relation.as_ref(), chosen(""), insert_columns(i), &found),
        ),
        NodeEnum::UpdateStmt(u) => (
            u.with_clause.as_ref(),
            rows(
                StatementKind::Update,
                u.relation.as_ref(),
                predicate(u.where_clause.as_deref()),
                targets(&u.target_list),
                &found,
            ),
        ),
        NodeEnum::DeleteStmt(d) => (
            d.with_clause.as_ref(),
            rows(
                StatementKind::Delete,
                d.relation.as_ref(),
                predicate(d.where_clause.as_deref()),
                Vec::new(),
                &found,
            ),
        ),
        NodeEnum::MergeStmt(m) => (
            m.with_clause.as_ref(),
            rows(StatementKind::Update, m.relation.as_ref(), chosen("MERGE"), Vec::new(), &found),
        ),
        _ => return Vec::new(),
    };
    rows.unjoined = match node {
        NodeEnum::UpdateStmt(u) => {
            unjoined(u.relation.as_ref(), &u.from_clause, u.where_clause.as_deref())
        }
        NodeEnum::DeleteStmt(d) => {
            unjoined(d.relation.as_ref(), &d.using_clause, d.where_clause.as_deref())
        }
        _ => None,
    };
    rows.constants = match node {
        NodeEnum::UpdateStmt(u) if with.is_none() && u.from_clause.is_empty() => {
            constants(&u.target_list).filter(|_| rows.predicate == Predicate::Missing)
        }
        _ => None,
    };
    let mut actions = with_clause(with);
    actions.push(Action::Rows(rows));
    actions
}

/// Tables of FROM that no condition ties to the changed one. A column without the name of its
/// table may belong to either, so that nothing is said of it.
fn unjoined(
    range: Option<&protobuf::RangeVar>,
    from: &[Node],
    condition: Option<&Node>,
) -> Option<Unjoined> {
    let (range, condition) = (range?, condition?);
    let mut others = Vec::new();
    let mut called = Vec::new();
    for item in from {
        match &item.node {
            Some(NodeEnum::RangeVar(other)) => {
                others.push(relation(other));
                called.push(alias(other));
            }
            // Joins and queries have conditions of their own.
            _ => return None,
        }
    }
    let paths = column_paths(&Some(Box::new(condition.clone())));
    let tables: Option<Vec<&String>> =
        paths.iter().map(|p| p.len().checked_sub(2).and_then(|at| p.get(at))).collect();
    let tables = tables?;
    let chooses = tables.contains(&&alias(range));
    let ties = chooses && called.iter().any(|name| tables.contains(&name));
    (!others.is_empty() && !tables.is_empty() && !ties).then_some(Unjoined { others, chooses })
}

fn alias(range: &protobuf::RangeVar) -> String {
    range.alias.as_ref().map_or_else(|| range.relname.clone(), |a| a.aliasname.clone())
}

fn rows(
    verb: StatementKind,
    range: Option<&protobuf::RangeVar>,
    predicate: Predicate,
    columns: Vec<String>,
    found: &Mentions,
) -> Rows {
    let relation = some_relation(range);
    let reads = found.relations.iter().filter(|r| **r != relation).cloned().collect();
    Rows { verb, relation, predicate, columns, reads, unjoined: None, constants: None }
}

fn constants(targets: &[Node]) -> Option<Vec<String>> {
    let set_to = |target: &Node| {
        let Some(NodeEnum::ResTarget(target)) = &target.node else { return None };
        let value = target.val.as_deref()?.node.as_ref()?;
        constant(value).or_else(|| is_clock(value).then(String::new))
    };
    let all: Vec<String> = targets.iter().map(set_to).collect::<Option<_>>()?;
    all.iter().any(|to| !to.is_empty()).then_some(all)
}

/// A value that is not NULL.
fn constant(node: &NodeEnum) -> Option<String> {
    match node {
        NodeEnum::AConst(value) => value.val.as_ref().map(|v| format!("{v:?}")),
        NodeEnum::TypeCast(cast) => constant(cast.arg.as_deref()?.node.as_ref()?),
        _ => None,
    }
}

fn is_clock(node: &NodeEnum) -> bool {
    match node {
        NodeEnum::SqlvalueFunction(_) => true,
        NodeEnum::FuncCall(call) => call.funcname.last().is_some_and(|name| {
            matches!(&name.node, Some(NodeEnum::String(s)) if CLOCKS.contains(&s.sval.as_str()))
        }),
        _ => false,
    }
}

const CLOCKS: [&str; 4] =
    ["now", "clock_timestamp", "statement_timestamp", "transaction_timestamp"];

fn insert_columns(i: &protobuf::InsertStmt) -> Vec<String> {
    let mut columns = targets(&i.cols);
    if let Some(conflict) = &i.on_conflict_clause
        && conflict.action() == OnConflictAction::OnconflictUpdate
    {
        columns.extend(targets(&conflict.target_list));
    }
    columns
}

fn targets(list: &[pg_query::Node]) -> Vec<String> {
    list.iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::ResTarget(t)) => Some(t.name.clone()),
            _ => None,
        })
        .collect()
}

/// `LockStmt.mode` counts from 1 in the order of strength, as `pg_locks` does.
fn lock_mode(mode: i32) -> LockMode {
    usize::try_from(mode - 1)
        .ok()
        .and_then(|i| LockMode::ALL.get(i).copied())
        .unwrap_or(LockMode::AccessExclusive)
}
