//! The default partition is read for each new one.

use crate::context::Context;
use crate::tables::default_of;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "default_partition_scans",
    severity: Severity::Error,
    title: "a new partition reads the whole default partition",
    harm: "it reads every row of the default partition under ACCESS EXCLUSIVE, so nobody reads or \
           writes it, and fails if one of them belongs into the new partition",
    instead: "move such rows first; add a CHECK to the default partition that excludes them, \
              NOT VALID, and VALIDATE it: then it is not read",
    source: "CREATE TABLE, PARTITION OF ... DEFAULT; ALTER TABLE, ATTACH PARTITION",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE p PARTITION OF t FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int, b text) PARTITION BY LIST (a); CREATE TABLE r \
                      PARTITION OF t DEFAULT; INSERT INTO t SELECT 7, repeat('x', 1000) FROM \
                      generate_series(1, 12000); ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ATTACH PARTITION p FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int, b text) PARTITION BY LIST (a); CREATE TABLE r \
                      PARTITION OF t DEFAULT; CREATE TABLE p (a int, b text);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "CREATE TABLE p PARTITION OF t FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE r PARTITION OF t \
                      DEFAULT; ANALYZE r;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE p PARTITION OF t FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE r (a int NOT \
                      NULL CHECK (a > 9)); ALTER TABLE t ATTACH PARTITION r DEFAULT;",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE p PARTITION OF t FOR VALUES IN (1);",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let parent = match action {
                Action::CreateTable(t) if !t.is_default => t.partition_of.as_ref(),
                Action::Alter {
                    relation,
                    command: Alter::AttachPartition { is_default: false, .. },
                    ..
                } => Some(relation),
                _ => None,
            };
            let Some(default) = parent.and_then(|p| default_of(cx, p)) else { continue };
            let name = &default.relation;
            let read = site.effects.iter().any(|e| e.relation.same_as(name) && e.scans);
            let has_check = default.constraints.iter().any(|c| c.kind == 'c' && c.validated);
            if !read || has_check || !cx.existed(site, name) {
                continue;
            }
            // It is there for what nobody expects: mostly empty, so long as nobody has counted.
            let severity = match default.n_rows {
                None => Severity::Warning,
                Some(_) => cx.weigh(name, Severity::Error),
            };
            let message = format!("ACCESS EXCLUSIVE on {name} while every row of it is read");
            found.push(cx.sized(site.finding(&LINT, severity, message), name));
        }
    }
}
