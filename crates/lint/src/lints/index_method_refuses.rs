//! An index of a kind that cannot do what is asked of it.

use crate::context::{Context, Site};
use crate::tables::column_type;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, CreateIndex};

pub(super) static LINT: Lint = Lint {
    id: "index_method_refuses",
    severity: Severity::Error,
    title: "an index that its access method refuses",
    harm: "PostgreSQL refuses it, and the change stops there",
    instead: "btree for UNIQUE and for several columns; an expression with an order for json, \
              xml and geometric types",
    source: "Index Types; CREATE INDEX; Interface Definition of Index Access Methods",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE UNIQUE INDEX CONCURRENTLY i ON t USING hash (a);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t USING hash (a, b);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t USING gin (a) INCLUDE (b);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (doc);",
            catalog: "CREATE TABLE t (doc json);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t (doc);",
            catalog: "CREATE TABLE t (doc jsonb);",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t USING hash (a);",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE INDEX CONCURRENTLY i ON t USING brin (a, b);",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

/// Access methods of the server itself; what an extension's can do is not known here.
const METHODS: &[&str] = &["btree", "hash", "gist", "spgist", "gin", "brin"];

/// Types without an order, so without an operator class for btree.
const UNORDERED: &[&str] =
    &["json", "xml", "point", "line", "lseg", "box", "path", "polygon", "jsonpath"];

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateIndex(index) = action else { continue };
            let why = by_text(index).or_else(|| by_type(cx, site, index));
            let Some(why) = why else { continue };
            let message = format!("the index on {} is refused: {why}", index.table);
            found.push(site.finding(&LINT, Severity::Error, message));
        }
    }
}

fn by_text(index: &CreateIndex) -> Option<String> {
    let method = index.method.as_str();
    if !METHODS.contains(&method) {
        return None;
    }
    let is = |list: &[&str]| list.contains(&method);
    if index.unique && method != "btree" {
        Some(format!("{method} cannot be UNIQUE"))
    } else if index.columns.len() > 1 && is(&["hash", "spgist"]) {
        Some(format!("{method} takes one column"))
    } else if !index.included.is_empty() && is(&["hash", "gin", "brin"]) {
        Some(format!("{method} has no INCLUDE"))
    } else {
        None
    }
}

fn by_type(cx: &Context, site: &Site, index: &CreateIndex) -> Option<String> {
    if index.special_keys || !matches!(index.method.as_str(), "btree" | "hash") {
        return None;
    }
    index.columns.iter().find_map(|column| {
        let data_type = pgward_sql::base_type(&column_type(cx, site, &index.table, column)?);
        let unordered = UNORDERED.contains(&data_type.as_str());
        let method = &index.method;
        unordered.then(|| format!("{column} is {data_type}, which {method} cannot compare"))
    })
}
