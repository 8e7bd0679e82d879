//! Does a WHERE choose rows at all? Conditions that only look like a choice are found here.

use crate::action::Predicate;
use crate::tree::{constant, expression_text, mentions};
use pg_query::protobuf::{AExpr, AExprKind, BoolExpr, BoolExprType, NullTestType};
use pg_query::{Node, NodeEnum};
use std::collections::BTreeSet;

/// What a condition lets through.
enum Truth {
    /// Every row.
    Always,
    /// Every row in which these columns have a value.
    NotNull(BTreeSet<String>),
    Sometimes,
}

/// Reads a WHERE clause.
pub(crate) fn predicate(condition: Option<&Node>) -> Predicate {
    let Some(node) = condition else { return Predicate::Missing };
    let text = expression_text(node);
    match truth(node) {
        Truth::Always => Predicate::Always { condition: text },
        Truth::NotNull(columns) => {
            Predicate::NotNull { condition: text, columns: columns.into_iter().collect() }
        }
        Truth::Sometimes => Predicate::Selects { condition: text },
    }
}

/// As [`predicate`], of a condition's text.
#[cfg(test)]
fn predicate_of(condition: &str) -> Predicate {
    match crate::tree::parse_one(&format!("DELETE FROM t WHERE {condition}")) {
        Some(NodeEnum::DeleteStmt(d)) => predicate(d.where_clause.as_deref()),
        _ => panic!("{condition} does not parse"),
    }
}

fn truth(node: &Node) -> Truth {
    match &node.node {
        Some(NodeEnum::AConst(_) | NodeEnum::TypeCast(_)) => match constant(node).as_deref() {
            Some("true" | "t" | "yes" | "on" | "1") => Truth::Always,
            _ => Truth::Sometimes,
        },
        Some(NodeEnum::BoolExpr(b)) => of_bool(b),
        Some(NodeEnum::AExpr(e)) => of_operator(e),
        Some(NodeEnum::NullTest(test)) if test.nulltesttype() == NullTestType::IsNotNull => {
            match test.arg.as_deref().and_then(column) {
                Some(name) => Truth::NotNull(BTreeSet::from([name])),
                None => Truth::Sometimes,
            }
        }
        _ => Truth::Sometimes,
    }
}

fn of_bool(b: &BoolExpr) -> Truth {
    match b.boolop() {
        BoolExprType::OrExpr => {
            let mut weaker = Truth::Sometimes;
            for arg in &b.args {
                match truth(arg) {
                    Truth::Always => return Truth::Always,
                    Truth::NotNull(c) => weaker = Truth::NotNull(c),
                    Truth::Sometimes => {}
                }
            }
            if is_and_its_negation(&b.args) { Truth::Always } else { weaker }
        }
        BoolExprType::AndExpr => {
            let mut columns = BTreeSet::new();
            for arg in &b.args {
                match truth(arg) {
                    Truth::Always => {}
                    Truth::NotNull(c) => columns.extend(c),
                    Truth::Sometimes => return Truth::Sometimes,
                }
            }
            if columns.is_empty() { Truth::Always } else { Truth::NotNull(columns) }
        }
        BoolExprType::NotExpr => match b.args.first().and_then(constant).as_deref() {
            Some("false" | "f" | "no" | "off" | "0") => Truth::Always,
            _ => Truth::Sometimes,
        },
        BoolExprType::Undefined => Truth::Sometimes,
    }
}

/// `a IS NULL OR a IS NOT NULL`.
fn is_and_its_negation(args: &[Node]) -> bool {
    let tests: Vec<(String, bool)> = args
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::NullTest(t)) => {
                let arg = expression_text(t.arg.as_deref()?);
                Some((arg, t.nulltesttype() == NullTestType::IsNull))
            }
            _ => None,
        })
        .collect();
    tests.iter().any(|(a, null)| tests.iter().any(|(b, other)| a == b && null != other))
}

fn of_operator(e: &AExpr) -> Truth {
    let (Some(left), Some(right)) = (e.lexpr.as_deref(), e.rexpr.as_deref()) else {
        return Truth::Sometimes;
    };
    let operator = crate::tree::strings(&e.name).pop().unwrap_or_default();
    if let (Some(a), Some(b)) = (constant(left), constant(right)) {
        return if compare(&a, &operator, &b) { Truth::Always } else { Truth::Sometimes };
    }
    let columns = || mentions(left).columns;
    match e.kind() {
        AExprKind::AexprLike | AExprKind::AexprIlike
            if constant(right).is_some_and(|p| !p.is_empty() && p.chars().all(|c| c == '%'))
                && operator.starts_with("~~") =>
        {
            Truth::NotNull(columns())
        }
        AExprKind::AexprOp
            if matches!(operator.as_str(), "=" | "<=" | ">=") && same_column(left, right) =>
        {
            Truth::NotNull(columns())
        }
        _ => Truth::Sometimes,
    }
}

fn same_column(left: &Node, right: &Node) -> bool {
    column(left).is_some() && expression_text(left) == expression_text(right)
}

fn column(node: &Node) -> Option<String> {
    match &node.node {
        Some(NodeEnum::ColumnRef(c)) => crate::tree::strings(&c.fields).pop(),
        _ => None,
    }
}

/// Two constants: numbers as numbers, other texts only for equality.
fn compare(a: &str, operator: &str, b: &str) -> bool {
    if let (Ok(x), Ok(y)) = (a.parse::<f64>(), b.parse::<f64>()) {
        return match operator {
            "=" => x == y,
            "<>" => x != y,
            "<" => x < y,
            ">" => x > y,
            "<=" => x <= y,
            ">=" => x >= y,
            _ => false,
        };
    }
    match operator {
        "=" => a == b,
        "<>" => a != b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_that_choose_nothing_are_seen() {
        for always in [
            "true",
            "1 = 1",
            "NOT false",
            "id = 3 OR 1=1",
            "'a' = 'a'",
            "2 > 1 AND true",
            "a IS NULL OR a IS NOT NULL",
            "'t'::bool",
        ] {
            let got = predicate_of(always);
            assert!(matches!(got, Predicate::Always { .. }), "{always}: {got:?}");
        }
        for not_null in ["id = id", "id IS NOT NULL", "name LIKE '%'", "id >= id AND true"] {
            let got = predicate_of(not_null);
            assert!(matches!(got, Predicate::NotNull { .. }), "{not_null}: {got:?}");
        }
        for selects in [
            "id = 1",
            "a = b",
            "1 = 2",
            "id = id AND x = 3",
            "name LIKE 'a%'",
            "active",
            "a <> a",
            "NOT active",
        ] {
            let got = predicate_of(selects);
            assert!(matches!(got, Predicate::Selects { .. }), "{selects}: {got:?}");
        }
    }
}
