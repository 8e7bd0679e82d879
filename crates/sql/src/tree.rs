//! Small readers over the parse tree of `pg_query`.

use crate::walk::{Field, walk};
use pg_query::protobuf::{self, a_const};
use pg_query::{DeparseOptions, Node, NodeEnum, ParserOptions};
use pgward_model::prelude::*;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

/// The only statement of `sql`; `None` where it does not parse or is not one.
pub(crate) fn parse_one(sql: &str) -> Option<NodeEnum> {
    let mut all = parse_all(sql)?;
    if all.len() == 1 { all.pop() } else { None }
}

/// All statements of `sql`; `None` where it does not parse.
pub(crate) fn parse_all(sql: &str) -> Option<Vec<NodeEnum>> {
    let parsed = pg_query::parse(sql, ParserOptions::default()).ok()?;
    let nodes = parsed.protobuf.stmts.into_iter().filter_map(|s| s.stmt?.node);
    Some(nodes.collect())
}

/// What PostgreSQL's parser has against `sql`; `None` where it takes it.
pub(crate) fn refusal(sql: &str) -> Option<String> {
    match pg_query::parse(sql, ParserOptions::default()) {
        Err(pg_query::Error::Parse(said)) => Some(said),
        _ => None, // a tree too deep for us to read is no mistake of its author
    }
}

pub(crate) fn relation(range: &protobuf::RangeVar) -> Relation {
    let is_temporary = range.relpersistence == "t" && range.schemaname.is_empty();
    let schema = if is_temporary { "pg_temp" } else { range.schemaname.as_str() };
    Relation::new(schema, range.relname.clone())
}

pub(crate) fn some_relation(range: Option<&protobuf::RangeVar>) -> Relation {
    range.map(relation).unwrap_or_default()
}

/// The relations among some nodes.
pub(crate) fn ranges(nodes: &[Node]) -> Vec<Relation> {
    nodes
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::RangeVar(range)) => Some(relation(range)),
            _ => None,
        })
        .collect()
}

/// The words of a list of strings.
pub(crate) fn strings(nodes: &[Node]) -> Vec<String> {
    nodes
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::String(s)) => Some(s.sval.clone()),
            _ => None,
        })
        .collect()
}

/// `[catalog.][schema.]name` as a relation.
pub(crate) fn dotted(parts: &[String]) -> Relation {
    match parts {
        [] => Relation::default(),
        [name] => Relation::new("", name.clone()),
        [.., schema, name] => Relation::new(schema.clone(), name.clone()),
    }
}

/// A name as a node: a list of strings, a string, a type, a function with arguments.
pub(crate) fn named(node: &Node) -> Relation {
    match &node.node {
        Some(NodeEnum::List(list)) => dotted(&strings(&list.items)),
        Some(NodeEnum::String(s)) => Relation::new("", s.sval.clone()),
        Some(NodeEnum::TypeName(t)) => dotted(&strings(&t.names)),
        Some(NodeEnum::ObjectWithArgs(o)) => dotted(&strings(&o.objname)),
        Some(NodeEnum::RangeVar(r)) => relation(r),
        _ => Relation::default(),
    }
}

/// A name as SQL writes it, with the argument types where it has some.
pub(crate) fn written(node: &Node) -> String {
    let name = named(node).quoted();
    let Some(NodeEnum::ObjectWithArgs(object)) = &node.node else { return name };
    if object.args_unspecified {
        return name;
    }
    let types: Vec<String> = object
        .objargs
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::TypeName(t)) => Some(type_text(t)),
            _ => None,
        })
        .collect();
    format!("{name}({})", types.join(", "))
}

pub(crate) fn role(spec: Option<&protobuf::RoleSpec>) -> String {
    use protobuf::RoleSpecType::*;
    let Some(spec) = spec else { return String::new() };
    match spec.roletype() {
        RolespecPublic => "PUBLIC".to_owned(),
        RolespecCurrentRole | RolespecCurrentUser => "CURRENT_USER".to_owned(),
        RolespecSessionUser => "SESSION_USER".to_owned(),
        _ => quote_ident(&spec.rolename),
    }
}

pub(crate) fn roles(nodes: &[Node]) -> Vec<String> {
    nodes
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::RoleSpec(spec)) => Some(role(Some(spec))),
            _ => None,
        })
        .collect()
}

/// An expression in PostgreSQL's own spelling; empty where it cannot be written.
pub(crate) fn expression_text(expression: &Node) -> String {
    if let Some(NodeEnum::AConst(c)) = &expression.node {
        match &c.val {
            Some(a_const::Val::Boolval(b)) => return b.boolval.to_string(),
            Some(a_const::Val::Ival(i)) if i.ival >= 0 => return i.ival.to_string(),
            Some(a_const::Val::Sval(s)) if !s.sval.contains(['\\', '\'']) => {
                return format!("'{}'", s.sval);
            }
            _ => {}
        }
    }
    let target = protobuf::ResTarget {
        val: Some(Box::new(expression.clone())),
        ..protobuf::ResTarget::default()
    };
    let select = protobuf::SelectStmt {
        target_list: vec![Node { node: Some(NodeEnum::ResTarget(Box::new(target))) }],
        limit_option: protobuf::LimitOption::Default as i32,
        op: protobuf::SetOperation::SetopNone as i32,
        ..protobuf::SelectStmt::default()
    };
    let text = NodeEnum::SelectStmt(Box::new(select)).deparse(DeparseOptions::default());
    text.ok().and_then(|t| t.strip_prefix("SELECT ").map(str::to_owned)).unwrap_or_default()
}

/// A type as SQL writes it.
///
/// A chain of migrations names a dozen types thousands of times: each is spelled once.
pub(crate) fn type_text(type_name: &protobuf::TypeName) -> String {
    thread_local! {
        static SPELLED: RefCell<HashMap<TypeKey, String>> = RefCell::default();
    }
    let Some(key) = type_key(type_name) else { return spell_type(type_name) };
    SPELLED.with_borrow_mut(|spelled| {
        if spelled.len() > TYPES_MAX {
            spelled.clear();
        }
        spelled.entry(key).or_insert_with(|| spell_type(type_name)).clone()
    })
}

/// Names, modifiers, array bounds, SETOF: all that the text of a type depends on.
type TypeKey = (Vec<String>, Vec<String>, Vec<String>, bool);

const TYPES_MAX: usize = 1_000;

fn type_key(t: &protobuf::TypeName) -> Option<TypeKey> {
    let constants = |nodes: &[Node]| nodes.iter().map(constant).collect::<Option<Vec<_>>>();
    let plain = !t.pct_type && t.type_oid == 0;
    plain.then_some((
        strings(&t.names),
        constants(&t.typmods)?,
        constants(&t.array_bounds)?,
        t.setof,
    ))
}

fn spell_type(type_name: &protobuf::TypeName) -> String {
    let null = protobuf::AConst { isnull: true, ..protobuf::AConst::default() };
    let cast = protobuf::TypeCast {
        arg: Some(Box::new(Node { node: Some(NodeEnum::AConst(null)) })),
        type_name: Some(type_name.clone()),
        location: -1,
    };
    let text = expression_text(&Node { node: Some(NodeEnum::TypeCast(Box::new(cast))) });
    text.strip_prefix("NULL::")
        .map_or_else(|| dotted(&strings(&type_name.names)).quoted(), str::to_owned)
}

/// The value of a constant: text, number or truth as text.
pub(crate) fn constant(node: &Node) -> Option<String> {
    match &node.node {
        Some(NodeEnum::AConst(c)) => match c.val.as_ref()? {
            a_const::Val::Ival(i) => Some(i.ival.to_string()),
            a_const::Val::Fval(f) => Some(f.fval.clone()),
            a_const::Val::Boolval(b) => Some(b.boolval.to_string()),
            a_const::Val::Sval(s) => Some(s.sval.clone()),
            a_const::Val::Bsval(b) => Some(b.bsval.clone()),
        },
        Some(NodeEnum::TypeCast(cast)) => constant(cast.arg.as_deref()?),
        Some(NodeEnum::String(s)) => Some(s.sval.clone()),
        Some(NodeEnum::Integer(i)) => Some(i.ival.to_string()),
        _ => None,
    }
}

/// The strings of a list or of one string.
pub(crate) fn texts(node: &Node) -> Vec<String> {
    match &node.node {
        Some(NodeEnum::List(list)) => strings(&list.items),
        _ => constant(node).into_iter().collect(),
    }
}

/// The options of `VACUUM (FULL)`, `REINDEX (CONCURRENTLY)`, ...: is `name` on?
pub(crate) fn option_is_on(options: &[Node], name: &str) -> bool {
    option(options, name).is_some_and(|option| {
        let value = option.arg.as_deref().and_then(constant);
        !matches!(value.as_deref(), Some("false" | "off" | "0"))
    })
}

/// The option of that name.
pub(crate) fn option<'a>(options: &'a [Node], name: &str) -> Option<&'a protobuf::DefElem> {
    options.iter().find_map(|n| match &n.node {
        Some(NodeEnum::DefElem(e)) if e.defname == name => Some(&**e),
        _ => None,
    })
}

/// What a subtree mentions, whatever kinds of nodes it is made of.
#[derive(Debug, Default)]
pub(crate) struct Mentions {
    /// Without names that are CTEs of the same tree.
    pub(crate) relations: Vec<Relation>,
    /// Last part of each column name.
    pub(crate) columns: BTreeSet<String>,
    /// `[schema.]name` of each function called.
    pub(crate) functions: BTreeSet<String>,
}

pub(crate) fn mentions(tree: &impl serde::Serialize) -> Mentions {
    let mut found = Mentions::default();
    let (mut ctes, mut schema) = (BTreeSet::new(), None);
    let text = |field: Field<'_>| match field() {
        Value::String(text) => Some(text),
        _ => None,
    };
    walk(tree, &mut |kind, name, field| match (kind, name) {
        ("RangeVar", "schemaname") => schema = text(field),
        ("RangeVar", "relname") => {
            let schema = schema.take().unwrap_or_default();
            found.relations.extend(text(field).map(|name| Relation::new(schema, name)));
        }
        ("CommonTableExpr", "ctename") => ctes.extend(text(field)),
        ("ColumnRef", "fields") => found.columns.extend(words(&field()).pop()),
        ("ResTarget", "name") => found.columns.extend(text(field)),
        ("FuncCall", "funcname") => {
            found.functions.insert(words(&field()).join("."));
        }
        _ => {}
    });
    found.relations.retain(|r| !r.schema.is_empty() || !ctes.contains(&r.name));
    let mut seen = BTreeSet::new();
    found.relations.retain(|r| seen.insert(r.clone()));
    found
}

/// As [`mentions`], of a whole statement. The rows of a large `INSERT … VALUES` are data:
/// only values that are no constants are looked into.
pub(crate) fn mentions_of(node: &NodeEnum) -> Mentions {
    let NodeEnum::InsertStmt(insert) = node else { return mentions(node) };
    let Some(NodeEnum::SelectStmt(select)) =
        insert.select_stmt.as_ref().and_then(|n| n.node.as_ref())
    else {
        return mentions(node);
    };
    if select.values_lists.is_empty() {
        return mentions(node);
    }
    let computed: Vec<&Node> = select
        .values_lists
        .iter()
        .filter_map(|row| match &row.node {
            Some(NodeEnum::List(row)) => Some(&row.items),
            _ => None,
        })
        .flatten()
        .filter(|value| !is_data(value))
        .collect();
    let parts = (
        (&insert.relation, &insert.on_conflict_clause, &insert.returning_clause),
        (&insert.with_clause, &select.with_clause, computed),
    );
    mentions(&parts)
}

/// A constant, DEFAULT, or a call without arguments as `now()`.
fn is_data(value: &Node) -> bool {
    match &value.node {
        Some(NodeEnum::AConst(_) | NodeEnum::SetToDefault(_)) => true,
        Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(is_data),
        Some(NodeEnum::FuncCall(call)) => call.args.is_empty(),
        _ => false,
    }
}

/// The parts of each column name in a tree: `t.id` → `[t, id]`.
pub(crate) fn column_paths(tree: &impl serde::Serialize) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    walk(tree, &mut |kind, name, field| {
        if (kind, name) == ("ColumnRef", "fields") {
            found.push(words(&field()));
        }
    });
    found
}

fn words(list: &Value) -> Vec<String> {
    let Value::Array(items) = list else { return Vec::new() };
    items
        .iter()
        .filter_map(|i| i.get("node")?.get("String")?.get("sval")?.as_str())
        .map(str::to_owned)
        .collect()
}

/// The names of a query's columns; `None` where it takes all of a table or leaves one unnamed.
pub(crate) fn output_names(query: &NodeEnum) -> Option<Vec<String>> {
    let NodeEnum::SelectStmt(select) = query else { return None };
    if let Some(left) = &select.larg {
        return output_names(&NodeEnum::SelectStmt(left.clone()));
    }
    let name = |n: &Node| {
        let Some(NodeEnum::ResTarget(t)) = &n.node else { return None };
        if !t.name.is_empty() {
            return Some(t.name.clone());
        }
        match &t.val.as_ref()?.node {
            Some(NodeEnum::ColumnRef(c)) => match &c.fields.last()?.node {
                Some(NodeEnum::String(s)) => Some(s.sval.clone()),
                _ => None,
            },
            _ => None,
        }
    };
    let names: Option<Vec<String>> = select.target_list.iter().map(name).collect();
    names.filter(|n| !n.is_empty())
}

/// Is there a `*` in a target list anywhere in it?
pub(crate) fn takes_all_columns(node: &NodeEnum) -> bool {
    let mut found = false;
    walk(node, &mut |kind, _, _| found |= kind == "AStar");
    found
}
