//! A unique index over rows that nobody has counted.

use crate::context::{Context, Site};
use crate::tables::added;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "unique_may_fail",
    severity: Severity::Note,
    title: "a unique key fails where two rows are equal",
    harm: "one pair of equal rows stops it at the end of the build; with CONCURRENTLY an INVALID \
           index stays behind, which refuses new rows all the same",
    instead: "look for equal rows first",
    source: "CREATE INDEX, UNIQUE; Building Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a, b);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a, b);",
            catalog: "CREATE TABLE t (a int PRIMARY KEY, b int);",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE n (a int); CREATE UNIQUE INDEX i ON n (a);",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT u UNIQUE USING INDEX i;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            if let Action::CreateIndex(i) = action
                && i.unique
            {
                found.extend(of_key(cx, site, &i.table, &i.columns, i.predicate.as_deref()));
            }
            if let Action::Alter { .. } = action {
                let keys = added(action).into_iter().filter(|(_, c)| {
                    matches!(c.kind, 'p' | 'u') && c.using_index.is_none() && !c.columns.is_empty()
                });
                found.extend(keys.filter_map(|(t, c)| of_key(cx, site, t, &c.columns, None)));
            }
        }
    }
}

fn of_key(
    cx: &Context,
    site: &Site,
    table: &Relation,
    columns: &[String],
    predicate: Option<&str>,
) -> Option<Finding> {
    let builds = site.effects.iter().any(|e| e.relation.same_as(table) && e.builds_index);
    if !cx.existed(site, table) || !builds {
        return None;
    }
    let known = cx.table(table);
    let narrower = |i: &IndexInfo| {
        let whole = i.unique && i.valid && !i.definition.contains(" WHERE ");
        whole && i.columns.iter().all(|c| columns.contains(c))
    };
    if known.is_some_and(|t| t.n_rows == Some(0.0) || t.indexes.iter().any(narrower)) {
        return None;
    }
    let keys: Vec<String> = columns
        .iter()
        .map(|c| if c.starts_with('(') { c.clone() } else { quote_ident(c) })
        .collect();
    let keys = keys.join(", ");
    let filter = predicate.map_or(String::new(), |p| format!(" WHERE {p}"));
    let sql = format!(
        "SELECT {keys}, count(*) FROM {}{filter} GROUP BY {keys} HAVING count(*) > 1 LIMIT 10;",
        table.quoted()
    );
    let message = format!("it fails if two rows of {table} have the same {keys}");
    Some(
        site.finding(&LINT, Severity::Note, message)
            .fix(LINT.instead, Some(sql))
            .placed(FixPlace::Before),
    )
}
