//! A constraint without a name of its own.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "unnamed_constraint",
    severity: Severity::Note,
    title: "a constraint without a name",
    harm: "PostgreSQL chooses a name, another one where that is taken: a later DROP CONSTRAINT \
           may not find it on every database",
    instead: "ADD CONSTRAINT name ...",
    source: "ALTER TABLE, ADD table_constraint",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD CHECK (a > 0) NOT VALID;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id) NOT VALID;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE n (a int); ALTER TABLE n ADD CHECK (a > 0);",
            catalog: "",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ADD PRIMARY KEY (a);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::AddConstraint(c), .. } = action else {
                continue;
            };
            let what = match c.kind {
                'c' => "CHECK",
                'f' => "foreign key",
                'u' => "UNIQUE",
                'x' => "EXCLUDE",
                // A table has one primary key, a column one NOT NULL: they are found without.
                _ => continue,
            };
            if !c.name.is_empty() || c.using_index.is_some() || !cx.existed(site, relation) {
                continue;
            }
            let message = format!("the {what} on {relation} has no name of its own");
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}
