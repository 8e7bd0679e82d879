//! The change meets a table with an index that a failed CONCURRENTLY has left.

use crate::context::{Context, Site};
use crate::tables::everywhere;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "invalid_index",
    severity: Severity::Note,
    title: "an INVALID index stays on a table of this change",
    harm: "a CONCURRENTLY that failed has left it: every write keeps it up, no query uses it",
    instead: "DROP INDEX CONCURRENTLY it and build it again",
    source: "CREATE INDEX, Building Indexes Concurrently",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int); CREATE INDEX i ON t (a); UPDATE pg_index SET \
                      indisvalid = false WHERE indexrelid = 'i'::regclass;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "DROP INDEX CONCURRENTLY i;",
            catalog: "CREATE TABLE t (a int); CREATE INDEX i ON t (a); UPDATE pg_index SET \
                      indisvalid = false WHERE indexrelid = 'i'::regclass;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int); CREATE INDEX i ON t (a);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let mut said = BTreeSet::new();
    for site in cx.sites.iter().filter(|s| s.statement.kind == StatementKind::Ddl) {
        let touched = site.effects.iter().filter(|e| e.lock > LockMode::AccessShare);
        for table in touched.filter_map(|e| cx.table(&e.relation)).filter(|t| t.kind != 'p') {
            for index in table.indexes.iter().filter(|i| !i.valid) {
                if !is_mended(cx, table, index) && said.insert(index.name.clone()) {
                    found.push(finding(cx, site, table, index));
                }
            }
        }
    }
}

fn is_mended(cx: &Context, table: &RelationInfo, index: &IndexInfo) -> bool {
    everywhere(cx).any(|a| match a {
        Action::Drop(d) if d.kind == "index" => d.names.iter().any(|n| n.name == index.name),
        Action::Drop(d) if d.kind == "table" => d.names.iter().any(|n| table.relation.same_as(n)),
        Action::Reindex { name, .. } => name.name == index.name || table.relation.same_as(name),
        _ => false,
    })
}

fn finding(cx: &Context, site: &Site, table: &RelationInfo, index: &IndexInfo) -> Finding {
    let name = Relation::new(table.relation.schema.clone(), index.name.clone());
    let evidence = cx.measured(
        format!("index {name} on {} is INVALID now", table.relation),
        index.bytes,
        "bytes",
        "pg_index.indisvalid",
    );
    let message = format!("index {name} on {} is INVALID and stays so", table.relation);
    let sql = format!("DROP INDEX CONCURRENTLY {};\n{};", name.quoted(), concurrently(index));
    site.catalog_finding(&LINT, Severity::Note, message, evidence)
        .fix(LINT.instead, Some(sql))
        .placed(FixPlace::Before)
}

fn concurrently(index: &IndexInfo) -> String {
    index.definition.replacen(" INDEX ", " INDEX CONCURRENTLY ", 1)
}
