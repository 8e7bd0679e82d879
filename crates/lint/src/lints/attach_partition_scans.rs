//! A table that becomes a partition is read as a whole.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "attach_partition_scans",
    severity: Severity::Warning,
    title: "ATTACH PARTITION reads the whole new partition",
    harm: "it reads every row of it under ACCESS EXCLUSIVE, unless a CHECK proves that all fit; \
           who still uses the table by its own name waits",
    instead: "ADD CONSTRAINT ... CHECK of the same bounds NOT VALID, VALIDATE it, then attach",
    source: "ALTER TABLE, ATTACH PARTITION; Table Partitioning",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1);",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE p (a int); \
                      ANALYZE p;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE p (a int NOT \
                      NULL CHECK (a = 1));",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE p (a int); ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1);",
            catalog: "",
            finds: &[],
        },
        Example { sql: "ALTER INDEX i ATTACH PARTITION j;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { kind, command: Alter::AttachPartition { partition, .. }, .. } =
                action
            else {
                continue;
            };
            // Whether a CHECK proves the bounds is not computed: one that is validated is trusted.
            let has_check = cx.table(partition).is_some_and(|t| {
                t.kind == 'p' || t.constraints.iter().any(|c| c.kind == 'c' && c.validated)
            });
            if kind == "index" || has_check || !cx.existed(site, partition) {
                continue;
            }
            let severity = cx.weigh(partition, Severity::Warning);
            let message = format!("ACCESS EXCLUSIVE on {partition} while every row of it is read");
            found.push(cx.sized(site.finding(&LINT, severity, message), partition));
        }
    }
}
