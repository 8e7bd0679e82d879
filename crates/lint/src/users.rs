//! Who uses a table or a column: running statements, functions, views, keys.

use crate::Lint;
use crate::context::{Context, Site};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, NewConstraint, Rows};
use std::collections::BTreeSet;

/// A list in a message is cut after this many; the rest is counted.
const LISTED_MAX: usize = 5;

/// Users that a change would break.
#[derive(Default)]
pub(crate) struct Users {
    statements: Vec<StatementTraffic>,
    /// `function public.f()`, `view public.v`.
    objects: Vec<String>,
}

impl Users {
    /// A finding at the catalog layer that names them; none when there are none.
    pub(crate) fn finding(
        &self,
        cx: &Context,
        site: &Site,
        lint: &Lint,
        message: &str,
    ) -> Option<Finding> {
        let mut evidence = Vec::new();
        for s in self.statements.iter().take(LISTED_MAX) {
            let calls = s.calls as f64;
            let claim =
                format!("{} called {} times by {}", first_words(&s.text), human(calls), s.role);
            evidence.push(cx.measured(claim, calls, "calls", "pg_stat_statements"));
        }
        if !self.objects.is_empty() {
            let claim = format!("used by {}", listed(&self.objects));
            evidence.push(cx.measured(
                claim,
                self.objects.len() as f64,
                "objects",
                "pg_proc, pg_depend",
            ));
        }
        let mut all = evidence.into_iter();
        let first = all.next()?;
        let n = self.statements.len() + self.objects.len();
        let message = format!("{message}; {n} of them are known");
        let finding = site.catalog_finding(lint, lint.severity, message, first);
        Some(all.fold(finding, Finding::and))
    }

    /// Also the views that a dropped column would take with it or that keep it from going.
    pub(crate) fn and_views(mut self, cx: &Context, relation: &Relation, column: &str) -> Self {
        let Some(catalog) = cx.catalog else { return self };
        let views = catalog.objects.iter().filter(|o| {
            o.kind.ends_with("view")
                && o.uses.iter().any(|u| u.same_as(relation))
                && has_word(&o.definition, column)
        });
        self.objects.extend(views.map(|v| format!("{} {}", v.kind, v.identity)));
        self
    }
}

/// Statements and functions that name the column of that table.
pub(crate) fn users_of_column(cx: &Context, relation: &Relation, column: &str) -> Users {
    users(cx, |text| {
        let uses = pgward_sql::uses(text);
        if uses.parsed {
            uses.columns.contains(column) && uses.relations.iter().any(|r| r.same_as(relation))
        } else {
            has_word(text, column) && has_word(text, &relation.name)
        }
    })
}

/// Statements and functions that name the table.
pub(crate) fn users_of_table(cx: &Context, relation: &Relation) -> Users {
    users(cx, |text| {
        let uses = pgward_sql::uses(text);
        if uses.parsed {
            uses.relations.iter().any(|r| r.same_as(relation))
        } else {
            has_word(text, &relation.name)
        }
    })
}

/// INSERTs, also those of functions, that list columns of the table and not this one.
pub(crate) fn users_of_inserts(cx: &Context, relation: &Relation, column: &str) -> Users {
    users_by_rows(cx, |rows| {
        let lists = !rows.columns.is_empty() && !rows.columns.iter().any(|c| c == column);
        rows.verb == StatementKind::Insert && rows.relation.same_as(relation) && lists
    })
}

/// INSERTs into the table and UPDATEs of it, also those of functions, that write what is meant.
pub(crate) fn users_of_writes(
    cx: &Context,
    relation: &Relation,
    is_meant: impl Fn(&Rows) -> bool,
) -> Users {
    users_by_rows(cx, |rows| {
        let writes = matches!(rows.verb, StatementKind::Insert | StatementKind::Update);
        writes && rows.relation.same_as(relation) && is_meant(rows)
    })
}

/// UPDATEs of the key that others point to, and DELETEs where the new key `of` them refuses those.
pub(crate) fn users_of_parent(
    cx: &Context,
    parent: &Relation,
    key: &[String],
    of: &NewConstraint,
) -> Users {
    users_by_rows(cx, |rows| {
        let touches = match rows.verb {
            StatementKind::Delete => matches!(of.on_delete, 'a' | 'r'),
            StatementKind::Update => assigns(rows, key),
            _ => false,
        };
        touches && rows.relation.same_as(parent)
    })
}

/// Does it give one of the columns a value? MERGE and an INSERT without a list name none: they may
/// write any, and so may each where no column is known.
pub(crate) fn assigns(rows: &Rows, columns: &[String]) -> bool {
    columns.is_empty()
        || rows.columns.is_empty()
        || rows.columns.iter().any(|c| columns.contains(c))
}

/// Statements and functions that write rows in the way that is meant.
fn users_by_rows(cx: &Context, is_meant: impl Fn(&Rows) -> bool) -> Users {
    users(cx, |text| {
        let text = text.strip_prefix("/* body */ ").unwrap_or(text);
        let file = pgward_sql::read("", text);
        let mut actions = file.statements.iter().flat_map(pgward_sql::actions);
        actions.any(|action| matches!(&action, Action::Rows(rows) if is_meant(rows)))
    })
}

/// Statements of clients that take all columns of the table; functions see the change.
pub(crate) fn users_of_all_columns(cx: &Context, relation: &Relation) -> Users {
    let all = users(cx, |text| {
        let uses = pgward_sql::uses(text);
        uses.columns.contains("*") && uses.relations.iter().any(|r| r.same_as(relation))
    });
    Users { objects: Vec::new(), ..all }
}

/// Statements and functions that call the function.
pub(crate) fn users_of_function(cx: &Context, function: &Relation) -> Users {
    users(cx, |text| {
        let uses = pgward_sql::uses(text);
        let name = |f: &String| f.rsplit('.').next() == Some(function.name.as_str());
        match uses.parsed {
            true => uses.functions.iter().any(name),
            false => has_word(text, &function.name),
        }
    })
}

/// The body of a function is one text to PostgreSQL; it is searched for the words.
fn users(cx: &Context, names: impl Fn(&str) -> bool) -> Users {
    let Some(catalog) = cx.catalog else { return Users::default() };
    let statements = catalog.statements.iter().filter(|s| names(&s.text)).cloned().collect();
    let functions = catalog
        .objects
        .iter()
        .filter(|o| o.kind == "function" && names(&format!("/* body */ {}", body(&o.definition))));
    Users { statements, objects: functions.map(|f| format!("function {}", f.identity)).collect() }
}

/// What stands between the dollar quotes of `pg_get_functiondef`.
fn body(definition: &str) -> &str {
    let inner = definition.split_once("$function$").map_or(definition, |(_, rest)| rest);
    inner.rsplit_once("$function$").map_or(inner, |(body, _)| body)
}

/// Does the text contain the name as a word?
pub(crate) fn has_word(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

/// What goes or breaks with a table: views on it, views on those, keys that point to it.
pub(crate) fn dependents(catalog: &Catalog, relation: &Relation) -> Vec<String> {
    let mut found: Vec<String> = catalog
        .referencing(relation)
        .into_iter()
        .filter(|(table, _)| !table.relation.same_as(relation))
        .map(|(table, key)| format!("foreign key {} of {}", key.name, table.relation))
        .collect();
    let mut seen = BTreeSet::new();
    let mut next = vec![relation.clone()];
    while let Some(used) = next.pop() {
        let views = catalog
            .objects
            .iter()
            .filter(|o| o.kind.ends_with("view") && o.uses.iter().any(|u| u.same_as(&used)));
        for view in views {
            if seen.insert(view.identity.clone()) {
                found.push(format!("{} {}", view.kind, view.identity));
                next.extend(pgward_sql::relations(&format!("SELECT FROM {}", view.identity)));
            }
        }
    }
    found
}

/// `a, b, c … and 4 more`.
pub(crate) fn listed(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(LISTED_MAX).map(String::as_str).collect();
    match names.len().saturating_sub(LISTED_MAX) {
        0 => shown.join(", "),
        more => format!("{} … and {more} more", shown.join(", ")),
    }
}

/// The first 80 characters of a statement on one line.
pub(crate) fn first_words(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(80) {
        Some((cut, _)) => format!("{} …", words.get(..cut).unwrap_or("")),
        None => words,
    }
}
