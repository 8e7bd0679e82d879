//! `DO` blocks and functions: the statements inside them, found by PL/pgSQL's own parser.

use super::{Found, understand as understand_statement};
use crate::action::{Action, Transaction};
use crate::lex::{Token, TokenKind, tokens};
use crate::tree::{constant, parse_one};
use pg_query::NodeEnum;
use pg_query::protobuf::{ResTarget, SelectStmt};
use pgward_model::prelude::*;
use serde_json::Value;
use std::ops::Range;

pub(super) fn understand(node: &NodeEnum, text: &str) -> Found {
    let NodeEnum::DoStmt(_) = node else { return None };
    let actions = match steps(text) {
        Ok(steps) => steps.into_iter().flat_map(|s| s.actions).collect(),
        Err(error) => vec![Action::Unknown { why: format!("the block: {error}") }],
    };
    let kind = strongest_kind(&actions);
    Some((kind, actions))
}

/// A statement inside of a block.
pub(crate) struct Step {
    /// Of the body, from 1.
    line: usize,
    /// As the block has it; for EXECUTE the expression behind it.
    written: String,
    pub(crate) actions: Vec<Action>,
}

/// The statements of a DO block, or of the function that a CREATE FUNCTION in PL/pgSQL makes.
fn steps(text: &str) -> Result<Vec<Step>, pg_query::Error> {
    let mut steps = Vec::new();
    walk(&pg_query::parse_plpgsql(text)?, 1, &mut steps);
    Ok(steps)
}

/// The statements inside of a DO block and where they stand in its text, in bytes; none where it
/// is not understood.
pub(crate) fn placed_steps(text: &str) -> Vec<(Range<usize>, Vec<Action>)> {
    let token = |t: &Token| matches!(t.kind, TokenKind::Literal);
    let Some(body) = tokens(text).into_iter().find(token) else { return Vec::new() };
    let place = |step: &Step| {
        let line = text.get(body.start..body.end)?.split_inclusive('\n').take(step.line - 1);
        let from = body.start + line.map(str::len).sum::<usize>();
        let rest = text.get(from..body.end)?;
        let (at, len) = match rest.find(&step.written) {
            Some(at) => (at, step.written.len()),
            // The parser has blanked a part of it: an INTO.
            None => {
                let line = rest.lines().next()?;
                (line.len() - line.trim_start().len(), line.trim().len())
            }
        };
        Some(from + at..from + at + len)
    };
    let steps = steps(text).unwrap_or_default();
    steps.into_iter().filter_map(|step| Some((place(&step)?, step.actions))).collect()
}

/// CREATE FUNCTION: the object, and where to find what a call will do.
pub(super) fn define(node: &NodeEnum, text: &str) -> Found {
    let NodeEnum::CreateFunctionStmt(f) = node else { return None };
    let (kind, mut found) = super::objects::create(node)?;
    let mut names = crate::tree::strings(&f.funcname);
    let name = names.pop()?;
    found.push(Action::Define {
        function: Relation::new(names.pop().unwrap_or_default(), name),
        volatile: option(f, "volatility").and_then(constant).is_none_or(|v| v == "volatile"),
        definer: matches!(
            option(f, "security").and_then(|n| n.node.as_ref()),
            Some(NodeEnum::Boolean(b)) if b.boolval
        ),
        sets: settings(&f.options),
        text: text.to_owned(),
    });
    Some((kind, found))
}

/// What a call of the function does that this CREATE FUNCTION makes.
pub(crate) fn body(text: &str) -> Vec<Action> {
    let unknown = |why: &str| vec![Action::Unknown { why: why.to_owned() }];
    let Some(NodeEnum::CreateFunctionStmt(f)) = parse_one(text) else {
        return unknown("the function is not understood");
    };
    if let Some(body) = f.sql_body.as_deref() {
        let mut actions = Vec::new();
        of_sql_body(body, text, &mut actions);
        return actions;
    }
    let language = option(&f, "language").and_then(constant).unwrap_or_default().to_lowercase();
    let mut actions = Vec::new();
    match language.as_str() {
        "plpgsql" => match steps(text) {
            Ok(steps) => actions.extend(steps.into_iter().flat_map(|s| s.actions)),
            Err(error) => actions.push(Action::Unknown { why: format!("the body: {error}") }),
        },
        "sql" => {
            let body = option(&f, "as").map(crate::tree::texts).unwrap_or_default().join("");
            let Some(inner) = crate::tree::parse_all(&body) else {
                return unknown("the body of the function is not understood");
            };
            for inner in inner {
                actions.extend(understand_statement(&inner, &body).actions);
            }
        }
        other => return unknown(&format!("a function in {other} is not looked into")),
    }
    actions
}

/// `RETURN …`, or the statements of BEGIN ATOMIC in their lists.
fn of_sql_body(node: &pg_query::Node, text: &str, actions: &mut Vec<Action>) {
    let statement = match &node.node {
        Some(NodeEnum::List(list)) => {
            return list.items.iter().for_each(|item| of_sql_body(item, text, actions));
        }
        // What SELECT would compute.
        Some(NodeEnum::ReturnStmt(r)) => {
            let target = ResTarget { val: r.returnval.clone(), ..ResTarget::default() };
            let target = NodeEnum::ResTarget(Box::new(target));
            let target_list = vec![pg_query::Node { node: Some(target) }];
            &NodeEnum::SelectStmt(Box::new(SelectStmt { target_list, ..SelectStmt::default() }))
        }
        Some(statement) => statement,
        None => return,
    };
    actions.extend(understand_statement(statement, text).actions);
}

fn option<'a>(
    f: &'a pg_query::protobuf::CreateFunctionStmt,
    name: &str,
) -> Option<&'a pg_query::Node> {
    crate::tree::option(&f.options, name)?.arg.as_deref()
}

/// Names after SET in the options of a function.
fn settings(options: &[pg_query::Node]) -> Vec<String> {
    let set = options.iter().filter_map(|n| match &n.node {
        Some(NodeEnum::DefElem(e)) if e.defname == "set" => e.arg.as_ref()?.node.as_ref(),
        _ => None,
    });
    set.filter_map(|n| match n {
        NodeEnum::VariableSetStmt(s) => Some(s.name.to_lowercase()),
        _ => None,
    })
    .collect()
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
            Action::Rows(_)
                | Action::Truncate { .. }
                | Action::Read { .. }
                | Action::Copy { .. }
                | Action::Call { .. }
                | Action::SetSequence { .. }
        )
    });
    match rows {
        Some(verb) if only_rows => verb,
        None if only_rows => StatementKind::Select,
        _ if actions.iter().all(|a| matches!(a, Action::Unknown { .. })) => StatementKind::Other,
        _ => StatementKind::Ddl,
    }
}

fn walk(value: &Value, line: usize, steps: &mut Vec<Step>) {
    match value {
        Value::Array(items) => items.iter().for_each(|v| walk(v, line, steps)),
        Value::Object(map) => {
            for (key, inner) in map {
                let own = inner.get("lineno").and_then(Value::as_u64);
                let line = own.map_or(line, |l| usize::try_from(l).unwrap_or(1).max(1));
                let mut step = |written: Option<&Value>, take: fn(&str, &mut Vec<Action>)| {
                    let written = written.and_then(Value::as_str).unwrap_or("").to_owned();
                    let mut actions = Vec::new();
                    take(&written, &mut actions);
                    steps.push(Step { line, written, actions });
                };
                match key.as_str() {
                    "PLpgSQL_stmt_dynexecute" | "PLpgSQL_stmt_dynfors" => {
                        step(inner.pointer("/query/PLpgSQL_expr/query"), dynamic);
                        walk_without(inner, "query", line, steps);
                    }
                    "PLpgSQL_stmt_commit" | "PLpgSQL_stmt_rollback" => step(None, |_, actions| {
                        actions.push(Action::Transaction(Transaction::Commit));
                    }),
                    "PLpgSQL_expr" => step(inner.get("query"), nested),
                    _ => walk(inner, line, steps),
                }
            }
        }
        _ => {}
    }
}

fn walk_without(value: &Value, without: &str, line: usize, steps: &mut Vec<Step>) {
    if let Value::Object(map) = value {
        map.iter().filter(|(k, _)| *k != without).for_each(|(_, v)| walk(v, line, steps));
    }
}

/// A statement or an expression; an expression is what SELECT would compute.
fn nested(query: &str, actions: &mut Vec<Action>) {
    if query.is_empty() {
        return;
    }
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

/// Stands for a part of a name that is known only when the block runs. PostgreSQL takes it for
/// a letter.
pub(crate) const COMPUTED: char = '…';

/// A text that a block puts together, with [`COMPUTED`] for what is not constant: `format()`,
/// `||`, `quote_ident()`, constants.
fn spelled(node: &pg_query::Node) -> Option<String> {
    if let Some(text) = constant(node) {
        return Some(text);
    }
    match &node.node {
        Some(NodeEnum::TypeCast(cast)) => spelled(cast.arg.as_deref()?),
        Some(NodeEnum::AExpr(e)) if crate::tree::strings(&e.name) == ["||"] => {
            Some(spelled(e.lexpr.as_deref()?)? + &spelled(e.rexpr.as_deref()?)?)
        }
        Some(NodeEnum::FuncCall(call)) => {
            let name = crate::tree::strings(&call.funcname).pop()?;
            let first = call.args.first();
            match name.as_str() {
                "format" => formatted(&constant(first?)?, call.args.get(1..)?),
                "quote_ident" => Some(match constant(first?) {
                    Some(text) => quote_ident(&text),
                    None => COMPUTED.to_string(),
                }),
                "quote_literal" | "quote_nullable" => Some("'…'".to_owned()),
                "concat" => call.args.iter().map(spelled).collect(),
                _ => Some(COMPUTED.to_string()),
            }
        }
        _ => Some(COMPUTED.to_string()),
    }
}

/// `format()` with the arguments that are constant put in.
/// Source: PostgreSQL manual, String Functions, format.
fn formatted(pattern: &str, args: &[pg_query::Node]) -> Option<String> {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut next = 0;
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut position = String::new();
        while let Some(digit) = chars.next_if(|c| c.is_ascii_digit() || "$-*".contains(*c)) {
            position.push(digit);
        }
        if let Some(at) = position.strip_suffix('$').and_then(|p| p.parse::<usize>().ok()) {
            next = at.saturating_sub(1);
        }
        let argument = args.get(next).and_then(constant);
        match (chars.next()?, argument) {
            ('%', _) => {
                out.push('%');
                continue;
            }
            ('I', Some(text)) => out.push_str(&quote_ident(&text)),
            ('s', Some(text)) => out.push_str(&text),
            ('L', Some(text)) => out.push_str(&quote_literal(&text)),
            ('L', None) => out.push_str("'…'"),
            ('I' | 's', None) => out.push(COMPUTED),
            _ => return None,
        }
        next += 1;
    }
    Some(out)
}

/// `EXECUTE` of a text whose words are constant says what it does, if not always to which
/// relation; a text that is computed as a whole does not.
fn dynamic(expression: &str, actions: &mut Vec<Action>) {
    if expression.is_empty() {
        return;
    }
    let text = parse_one(&format!("SELECT {expression}")).and_then(|node| match node {
        NodeEnum::SelectStmt(s) => match &s.target_list.first()?.node {
            Some(NodeEnum::ResTarget(t)) => spelled(t.val.as_deref()?),
            _ => None,
        },
        _ => None,
    });
    match text.as_deref().and_then(crate::tree::parse_all) {
        Some(nodes) => {
            let source = text.as_deref().unwrap_or("");
            if source.contains(COMPUTED) {
                actions.push(Action::Computed { text: source.to_owned() });
            }
            for node in nodes {
                actions.extend(understand_statement(&node, source).actions);
            }
        }
        None => actions.push(Action::Unknown { why: format!("EXECUTE {expression}") }),
    }
}
