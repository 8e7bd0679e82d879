//! A new CHECK reads the whole table.

use crate::context::Context;
use crate::tables::{added, validated_later};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "add_check_scans",
    severity: Severity::Error,
    title: "a new CHECK reads the whole table",
    harm: "it reads every row under ACCESS EXCLUSIVE: nobody reads or writes meanwhile",
    instead: "add it NOT VALID, then VALIDATE CONSTRAINT in a transaction of its own",
    source: "ALTER TABLE, ADD table_constraint [ NOT VALID ]",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT c CHECK (x > 0) NOT VALID;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN x int DEFAULT 1 CHECK (x > 0);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); ANALYZE t;",
            finds: &[Severity::Note],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, .. } = action else { continue };
            let check = added(action).into_iter().find(|(_, c)| c.kind == 'c' && !c.not_valid);
            let Some((_, c)) = check else { continue };
            let column = matches!(action, Action::Alter { command: Alter::AddColumn { .. }, .. });
            // Rows that are written anew with the column are checked on the way.
            let read = site.effects.iter().any(|e| e.relation.same_as(relation) && e.scans);
            if !cx.existed(site, relation) || (column && !read) {
                continue;
            }
            let severity = cx.weigh(relation, Severity::Error);
            let message = format!(
                "ACCESS EXCLUSIVE on {relation} while every row is read: CHECK ({})",
                c.condition
            );
            let finding = site
                .finding(&LINT, severity, message)
                .fix(LINT.instead, validated_later(site, relation, &c.name))
                .exact(!column && site.stands_alone());
            found.push(cx.sized(finding, relation));
        }
    }
}
