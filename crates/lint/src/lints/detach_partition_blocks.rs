//! DETACH stops the whole partitioned table.

use crate::context::Context;
use crate::tables::default_of;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "detach_partition_blocks",
    severity: Severity::Error,
    title: "DETACH PARTITION stops the whole partitioned table",
    harm: "it takes ACCESS EXCLUSIVE on the parent until the commit: queries on every partition \
           wait, and they queue behind it while it waits for a long one; CONCURRENTLY is refused \
           where there is a default partition",
    instead: "DETACH PARTITION ... CONCURRENTLY outside of a transaction; with a default \
              partition, DETACH under a short lock_timeout",
    source: "ALTER TABLE, DETACH PARTITION",
    guards_rows: false,
    examples: &[
        Example { sql: "ALTER TABLE t DETACH PARTITION p;", catalog: "", finds: &[Severity::Note] },
        Example { sql: "ALTER TABLE t DETACH PARTITION p CONCURRENTLY;", catalog: "", finds: &[] },
        Example {
            sql: "ALTER TABLE t DETACH PARTITION p CONCURRENTLY;",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE p PARTITION OF t \
                      FOR VALUES IN (1); CREATE TABLE r PARTITION OF t DEFAULT;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t DETACH PARTITION p CONCURRENTLY;",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE p PARTITION OF t \
                      FOR VALUES IN (1);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let Alter::DetachPartition { partition, concurrently } = command else { continue };
            if !cx.existed(site, relation) {
                continue;
            }
            if !concurrently {
                let message = format!(
                    "ACCESS EXCLUSIVE on {relation} until the commit: reads and writes wait"
                );
                let sql = format!(
                    "ALTER TABLE {} DETACH PARTITION {} CONCURRENTLY;",
                    relation.quoted(),
                    partition.quoted()
                );
                let finding = site.finding(&LINT, Severity::Note, message);
                found.push(finding.fix(LINT.instead, Some(sql)));
            } else if let Some(default) = default_of(cx, relation) {
                let claim = format!("{} is the default partition of {relation}", default.relation);
                let from = "pg_partitioned_table.partdefid";
                let evidence = cx.measured(claim, 1.0, "partitions", from);
                let message =
                    format!("CONCURRENTLY is refused: {relation} has a default partition");
                found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
            }
        }
    }
}
