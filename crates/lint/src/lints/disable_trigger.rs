//! Triggers or keys are switched off.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "disable_trigger",
    severity: Severity::Warning,
    title: "triggers or keys are switched off",
    harm: "rows that come in meanwhile are not checked, not logged, not copied, and nothing \
           repairs them later",
    instead: "leave them on; load in batches instead",
    source: "ALTER TABLE, DISABLE TRIGGER; session_replication_role",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a DISABLE TRIGGER ALL;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "SET session_replication_role = replica;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE a DISABLE ROW LEVEL SECURITY;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example { sql: "ALTER TABLE a ENABLE TRIGGER ALL;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let message = match action {
                Action::Alter { relation, command, .. } if cx.existed(site, relation) => {
                    match command {
                        Alter::Trigger { name: Some(name), enable: false } => {
                            format!("trigger {name} of {relation} no longer runs")
                        }
                        Alter::Trigger { name: None, enable: false } => {
                            format!("no trigger of {relation} runs any more")
                        }
                        Alter::RowSecurity { what }
                            if matches!(
                                what.as_str(),
                                "DisableRowSecurity" | "NoForceRowSecurity"
                            ) =>
                        {
                            format!("row security of {relation} is off: all rows are seen")
                        }
                        _ => continue,
                    }
                }
                Action::Set { name, value: Some(value), .. }
                    if name == "session_replication_role" && value == "replica" =>
                {
                    "no trigger and no foreign key is checked in this session".to_owned()
                }
                _ => continue,
            };
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}
