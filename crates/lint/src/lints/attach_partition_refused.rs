//! A table that does not have the columns of its parent cannot become a partition.

use crate::context::{Context, Site};
use crate::tables::is_altered_before;
use crate::users::listed;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "attach_partition_refused",
    severity: Severity::Error,
    title: "a partition with other columns than its parent",
    harm: "PostgreSQL refuses to attach it, and the change stops there",
    instead: "give it the same columns, types and NOT NULL as the parent; CREATE TABLE ... (LIKE \
              parent INCLUDING ALL) does",
    source: "ALTER TABLE, ATTACH PARTITION",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int, b text) PARTITION BY LIST (a); CREATE TABLE p (a int);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int NOT NULL) PARTITION BY LIST (a); CREATE TABLE p (a \
                      bigint, c int);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int NOT NULL, b text) PARTITION BY LIST (a); CREATE TABLE \
                      p (b text, a int NOT NULL);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE p ADD COLUMN b text; ALTER TABLE t ATTACH PARTITION p FOR VALUES IN \
                  (1);",
            catalog: "CREATE TABLE t (a int, b text) PARTITION BY LIST (a); CREATE TABLE p (a int);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, kind, command, .. } = action else { continue };
            let Alter::AttachPartition { partition, .. } = command else { continue };
            if kind == "index" {
                continue;
            }
            let wrong = differences(cx, site, relation, partition);
            if wrong.is_empty() {
                continue;
            }
            let n = wrong.len() as f64;
            let wrong = listed(&wrong);
            let evidence = cx.measured(wrong.clone(), n, "columns", "pg_attribute");
            let message = format!("{partition} cannot be attached to {relation}: {wrong}");
            found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
        }
    }
}

fn differences(cx: &Context, site: &Site, parent: &Relation, child: &Relation) -> Vec<String> {
    let changed = [parent, child].iter().any(|r| is_altered_before(cx, site, r));
    let Some((above, own)) = cx.table(parent).zip(cx.table(child)).filter(|_| !changed) else {
        return Vec::new();
    };
    let find =
        |info: &RelationInfo, name: &str| info.columns.iter().find(|c| c.name == name).cloned();
    let mut wrong = Vec::new();
    for column in &above.columns {
        let name = &column.name;
        match find(own, name) {
            None => wrong.push(format!("it has no column {name}")),
            Some(c) if !is_same_type(&c.data_type, &column.data_type) => {
                wrong.push(format!("{name} is {}, not {}", c.data_type, column.data_type));
            }
            Some(c) if column.not_null && !c.not_null => {
                wrong.push(format!("{name} must be NOT NULL"));
            }
            Some(_) => {}
        }
    }
    let surplus = own.columns.iter().filter(|c| find(above, &c.name).is_none());
    wrong.extend(surplus.map(|c| format!("the parent has no column {}", c.name)));
    wrong
}

/// Lengths are not compared: the files spell them in more than one way.
fn is_same_type(a: &str, b: &str) -> bool {
    pgward_sql::base_type(a) == pgward_sql::base_type(b)
}
