//! Sequences that are set to another number.

use crate::action::{Action, Alter, SequenceName};
use crate::tree::{constant, dotted, option};
use pg_query::{Node, NodeEnum};
use pgward_model::prelude::*;

/// `RESTART [WITH n]` and nothing else, or `START WITH n RESTART`.
pub(super) fn restart(options: &[Node], column: Option<String>) -> Option<Alter> {
    let with = option(options, "restart")?.arg.as_deref();
    let (start, n) = (option(options, "start"), options.len());
    let next = match (with, start.map(|o| o.arg.as_deref())) {
        (None, None) if n == 1 => None,
        (Some(value), None) if n == 1 => Some(number(value)?),
        (None, Some(Some(value))) if n == 2 => Some(number(value)?),
        _ => return None,
    };
    Some(Alter::Restart { column, next })
}

/// `SELECT setval('a_id_seq', 7)`; one of a number that is computed may be right.
pub(super) fn set(targets: &[Node]) -> Vec<Action> {
    let calls = targets.iter().filter_map(|n| match &n.node {
        Some(NodeEnum::ResTarget(target)) => call_of(target.val.as_deref()?, "setval"),
        _ => None,
    });
    let action = |args: &[Node]| {
        let (name, last) = (args.first()?, number(args.get(1)?)?);
        let is_called = match args.get(2) {
            Some(value) => constant(value)? != "false",
            None => true,
        };
        let next = if is_called { last.saturating_add(1) } else { last };
        Some(Action::SetSequence { sequence: named(name)?, next })
    };
    calls.filter_map(action).collect()
}

/// `'a_id_seq'`, with `::regclass` or without, or `pg_get_serial_sequence('a', 'id')`.
fn named(node: &Node) -> Option<SequenceName> {
    if let Some(NodeEnum::TypeCast(cast)) = &node.node {
        return named(cast.arg.as_deref()?);
    }
    match call_of(node, "pg_get_serial_sequence") {
        Some([table, column, ..]) => {
            let (table, column) = (written_name(&constant(table)?)?, constant(column)?);
            Some(SequenceName::Feeds { table, column })
        }
        Some(_) => None,
        None => Some(SequenceName::Own(written_name(&constant(node)?)?)),
    }
}

/// A name as text has it: `shop."Order"`.
fn written_name(text: &str) -> Option<Relation> {
    crate::relations(&format!("SELECT FROM {text}")).into_iter().next()
}

/// The arguments, where it is a call of that function of the server.
fn call_of<'a>(node: &'a Node, function: &str) -> Option<&'a [Node]> {
    let Some(NodeEnum::FuncCall(call)) = &node.node else { return None };
    let name = dotted(&crate::tree::strings(&call.funcname));
    let is_own = name.schema.is_empty() || name.schema == "pg_catalog";
    (is_own && name.name == function).then_some(call.args.as_slice())
}

fn number(node: &Node) -> Option<i64> {
    match &node.node {
        Some(NodeEnum::Float(f)) => f.fval.parse().ok(),
        _ => constant(node)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is set, and the next number: 0 for the start.
    fn set_by(sql: &str) -> Vec<(String, i64)> {
        let actions = crate::read_actions("a.sql", sql).actions.into_iter().flatten();
        let set = actions.filter_map(|a| match a {
            Action::SetSequence { sequence: SequenceName::Own(name), next } => {
                Some((name.to_string(), next))
            }
            Action::SetSequence { sequence: SequenceName::Feeds { table, column }, next } => {
                Some((format!("{table}({column})"), next))
            }
            Action::Alter { relation, command: Alter::Restart { column: None, next }, .. } => {
                Some((relation.to_string(), next.unwrap_or(0)))
            }
            Action::Alter {
                relation, command: Alter::Restart { column: Some(c), next }, ..
            } => Some((format!("{relation}({c})"), next.unwrap_or(0))),
            _ => None,
        });
        set.collect()
    }

    #[test]
    fn a_sequence_is_set_by_restart_and_by_setval_of_a_constant() {
        for (sql, sequence, next) in [
            ("ALTER SEQUENCE a_id_seq RESTART", "a_id_seq", 0),
            ("ALTER SEQUENCE a_id_seq RESTART WITH 7", "a_id_seq", 7),
            ("ALTER SEQUENCE a_id_seq RESTART WITH 3000000000", "a_id_seq", 3_000_000_000),
            ("ALTER SEQUENCE a_id_seq START WITH 70 RESTART", "a_id_seq", 70),
            ("ALTER TABLE s.a ALTER id RESTART WITH 7", "s.a(id)", 7),
            ("SELECT setval('a_id_seq', 7)", "a_id_seq", 8),
            ("SELECT pg_catalog.setval('a_id_seq'::regclass, 7, false)", "a_id_seq", 7),
            ("SELECT setval(pg_get_serial_sequence('s.a', 'id'), 1)", "s.a(id)", 2),
            ("DO $$BEGIN PERFORM setval('a_id_seq', 1, false); END$$", "a_id_seq", 1),
        ] {
            assert_eq!(set_by(sql), [(sequence.to_owned(), next)], "{sql}");
        }
        for sql in [
            "SELECT setval('a_id_seq', (SELECT max(id) FROM a))",
            "SELECT setval('a_id_seq', 7, (SELECT count(*) > 0 FROM a))",
            "SELECT my.setval('a_id_seq', 7)",
            "ALTER SEQUENCE a_id_seq MAXVALUE 7",
            "ALTER SEQUENCE a_id_seq INCREMENT BY -1 RESTART",
            "SELECT nextval('a_id_seq')",
        ] {
            assert_eq!(set_by(sql), [], "{sql}");
        }
    }
}
