//! `DO` blocks: the statements inside them, found by PL/pgSQL's own parser.

use super::{Found, understand as understand_statement};
use crate::action::{Action, Transaction};
use crate::tree::{constant, parse_one};
use pg_query::NodeEnum;
use pgward_model::prelude::*;
use serde_json::Value;

pub(super) fn understand(node: &NodeEnum, text: &str) -> Found {
    let NodeEnum::DoStmt(_) = node else { return None };
    let mut actions = Vec::new();
    match pg_query::parse_plpgsql(text) {
        Ok(tree) => walk(&tree, &mut actions),
        Err(error) => actions.push(Action::Unknown { why: format!("the block: {error}") }),
    }
    let kind = strongest_kind(&actions);
    Some((kind, actions))
}

fn strongest_kind(actions: &[Action]) -> StatementKind {
    let rows = actions.iter().find_map(|a| match a {
        Action::Rows(r) => Some(r.verb),
        Action::Truncate { .. } => Some(StatementKind::Truncate),
        _ => None,
    });
    let only_rows = actions.iter().all(|a| {
        matches!(
            a,
            Action::Rows(_) | Action::Truncate { .. } | Action::Read { .. } | Action::Copy { .. }
        )
    });
    match rows {
        Some(verb) if only_rows => verb,
        None if only_rows => StatementKind::Select,
        _ if actions.iter().all(|a| matches!(a, Action::Unknown { .. })) => StatementKind::Other,
        _ => StatementKind::Ddl,
    }
}

fn walk(value: &Value, actions: &mut Vec<Action>) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| walk(v, actions)),
        Value::Object(map) => {
            for (key, inner) in map {
                match key.as_str() {
                    "PLpgSQL_stmt_dynexecute" | "PLpgSQL_stmt_dynfors" => {
                        dynamic(inner.pointer("/query/PLpgSQL_expr/query"), actions);
                        walk_without(inner, "query", actions);
                    }
                    "PLpgSQL_stmt_commit" | "PLpgSQL_stmt_rollback" => {
                        actions.push(Action::Transaction(Transaction::Commit));
                    }
                    "PLpgSQL_expr" => nested(inner, actions),
                    _ => walk(inner, actions),
                }
            }
        }
        _ => {}
    }
}

fn walk_without(value: &Value, without: &str, actions: &mut Vec<Action>) {
    if let Value::Object(map) = value {
        map.iter().filter(|(k, _)| *k != without).for_each(|(_, v)| walk(v, actions));
    }
}

/// A statement or an expression; an expression is what SELECT would compute.
fn nested(expr: &Value, actions: &mut Vec<Action>) {
    let Some(query) = expr.get("query").and_then(Value::as_str) else { return };
    // Assignments (`x := …`) have their own modes; what stands behind the sign is computed.
    let computed = query.split_once(":=").map_or(query, |(_, value)| value);
    let parsed = parse_one(query).or_else(|| parse_one(&format!("SELECT {computed}")));
    match parsed {
        Some(node) => {
            let inner = understand_statement(&node, query).actions;
            actions.extend(inner.into_iter().filter(|a| match a {
                Action::Read { reads, .. } => !reads.is_empty(),
                _ => true,
            }));
        }
        None => actions.push(Action::Unknown { why: format!("not understood: {query}") }),
    }
}

/// `EXECUTE 'constant'` says what it does; anything computed does not.
fn dynamic(query: Option<&Value>, actions: &mut Vec<Action>) {
    let Some(expression) = query.and_then(Value::as_str) else { return };
    let text = parse_one(&format!("SELECT {expression}")).and_then(|node| match node {
        NodeEnum::SelectStmt(s) => match &s.target_list.first()?.node {
            Some(NodeEnum::ResTarget(t)) => constant(t.val.as_deref()?),
            _ => None,
        },
        _ => None,
    });
    match text.as_deref().and_then(crate::tree::parse_all) {
        Some(nodes) => {
            for node in nodes {
                let source = text.as_deref().unwrap_or("");
                actions.extend(understand_statement(&node, source).actions);
            }
        }
        None => actions.push(Action::Unknown { why: format!("EXECUTE {expression}") }),
    }
}
