//! A new column type rewrites the whole table.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "alter_type_rewrites",
    severity: Severity::Error,
    title: "a new column type rewrites the whole table",
    harm: "ALTER COLUMN TYPE writes the table and its indexes anew under ACCESS EXCLUSIVE: \
           nobody reads or writes meanwhile",
    instead: "add a new column, keep both equal with a trigger, fill in batches, then swap",
    source: "ALTER TABLE, Notes",
    guards_rows: false,
    examples: &[
        Example {
            sql: "SET timezone = 'UTC'; ALTER TABLE t ALTER a TYPE timestamptz USING a;",
            catalog: "CREATE TABLE t (a timestamp);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER a TYPE text USING a::text;",
            catalog: "CREATE TABLE t (a varchar(10));",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE a ALTER COLUMN x TYPE bigint;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE TABLE n (x int); ALTER TABLE n ALTER x TYPE bigint;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN b TYPE varchar;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter {
                relation,
                kind,
                command: Alter::SetType { column, data_type, .. },
                ..
            } = action
            else {
                continue;
            };
            // Of a partitioned table it is the partitions that are written.
            let mut working =
                site.effects.iter().filter(|e| e.rewrites || e.scans || e.builds_index);
            let own = working.clone().find(|e| e.relation.same_as(relation));
            let effect = own.or_else(|| working.next());
            let works = effect.is_some();
            if kind == "type" || !works || !cx.existed(site, relation) {
                continue;
            }
            let what = match effect {
                Some(e) if e.rewrites => "every row is written anew",
                Some(e) if e.builds_index => "indexes are rebuilt",
                _ => "every row is checked",
            };
            let message = format!(
                "ACCESS EXCLUSIVE on {relation} while {what}: {column} becomes {data_type}"
            );
            let severity = cx.weigh(relation, Severity::Error);
            found.push(cx.sized(site.finding(&LINT, severity, message), relation));
        }
    }
}
