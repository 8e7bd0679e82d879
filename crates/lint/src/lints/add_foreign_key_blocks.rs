//! A new foreign key stops writes on both tables.

use crate::context::Context;
use crate::tables::{is_partitioned, validated_later};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "add_foreign_key_blocks",
    severity: Severity::Error,
    title: "a new foreign key stops writes on both tables",
    harm: "it reads every row under SHARE ROW EXCLUSIVE on both tables: nobody writes to \
           either meanwhile",
    instead: "add it NOT VALID, then VALIDATE CONSTRAINT in a transaction of its own",
    source: "ALTER TABLE, ADD table_constraint; Explicit Locking",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES b (id);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES b (id) NOT VALID;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN b int REFERENCES b (id);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN b int DEFAULT NULL REFERENCES b (id);",
            catalog: "",
            finds: &[Severity::Error],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            if !cx.existed(site, relation) {
                continue;
            }
            let (parent, severity) = match command {
                Alter::AddConstraint(c) if c.kind == 'f' && !c.not_valid => {
                    (c.references.as_ref(), cx.weigh(relation, Severity::Error))
                }
                // Without a default the new column is empty: no rows to compare, but the locks are
                // taken.
                Alter::AddColumn { column, .. } => {
                    let key = column.constraints.iter().find_map(|c| c.references.as_ref());
                    let scans =
                        site.effects.iter().any(|e| e.relation.same_as(relation) && e.scans);
                    let severity = if scans { Severity::Error } else { Severity::Note };
                    (key, cx.weigh(relation, severity))
                }
                _ => continue,
            };
            let Some(parent) = parent else { continue };
            let message =
                format!("SHARE ROW EXCLUSIVE on {relation} and {parent}: writes to both wait");
            let sql = match command {
                Alter::AddConstraint(c) => validated_later(site, relation, &c.name),
                _ => None,
            };
            let finding = site
                .finding(&LINT, severity, message)
                .fix(LINT.instead, sql)
                .exact(site.stands_alone() && !is_partitioned(cx, site, relation));
            found.push(cx.sized(cx.sized(finding, relation), parent));
        }
    }
}
