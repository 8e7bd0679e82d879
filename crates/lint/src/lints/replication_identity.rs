//! Logical replication can no longer tell the rows apart.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "replication_identity",
    severity: Severity::Warning,
    title: "logical replication cannot tell the rows of a table apart",
    harm: "every UPDATE and DELETE of a published table without a replica identity fails (55000)",
    instead: "give the table a primary key, or a unique index as its REPLICA IDENTITY, before it \
              is published",
    source: "Logical Replication, Publication; ALTER TABLE, REPLICA IDENTITY",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE PUBLICATION p FOR TABLE t;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE PUBLICATION p FOR TABLE t;",
            catalog: "CREATE TABLE t (a int PRIMARY KEY);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE a REPLICA IDENTITY NOTHING;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE a REPLICA IDENTITY FULL;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "ALTER TABLE a REPLICA IDENTITY USING INDEX i;", catalog: "", finds: &[] },
        Example { sql: "CREATE PUBLICATION p FOR TABLE t;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            match action {
                Action::Create { kind, tables, .. } if kind == "publication" => {
                    for info in tables.iter().filter_map(|t| cx.table(t)) {
                        let told = site.statement.text.to_lowercase().contains("publish");
                        if info.kind == 'r' && !told && !info.indexes.iter().any(|i| i.primary) {
                            let name = &info.relation;
                            let message = format!(
                                "{name} has no primary key: unless it has a \
                                replica identity, UPDATE and DELETE of it fail"
                            );
                            let evidence = cx.traffic(info);
                            found.push(site.catalog_finding(
                                &LINT,
                                Severity::Warning,
                                message,
                                evidence,
                            ));
                        }
                    }
                }
                Action::Alter { relation, command: Alter::Other { what }, .. }
                    if what == "ReplicaIdentity" && cx.existed(site, relation) =>
                {
                    let last = site.statement.text.split_whitespace().last().unwrap_or("");
                    let (severity, message) = match last.to_lowercase().as_str() {
                        "nothing" => (
                            Severity::Warning,
                            format!("UPDATE and DELETE of {relation} fail where it is published"),
                        ),
                        "full" => (
                            Severity::Note,
                            format!(
                                "{relation}: each change is sent with the whole old row, and \
                                the subscriber searches for it without an index"
                            ),
                        ),
                        _ => continue,
                    };
                    found.push(site.finding(&LINT, severity, message));
                }
                _ => {}
            }
        }
    }
}
