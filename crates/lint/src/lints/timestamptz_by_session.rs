//! Times that mean what the session's time zone says.

use crate::context::{Context, Site};
use crate::tables::{before, column_type};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "timestamptz_by_session",
    severity: Severity::Warning,
    title: "times are read in the time zone of the session that runs the change",
    harm: "timestamp and timestamptz are converted by the session's TimeZone: another client or \
           server setting, and every value is off by hours",
    instead: "USING col AT TIME ZONE 'UTC', or whatever zone the values were written in",
    source: "ALTER TABLE, SET DATA TYPE; Date/Time Types, Time Zones",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE timestamptz;",
            catalog: "CREATE TABLE t (a timestamp);",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE timestamptz USING a AT TIME ZONE 'UTC';",
            catalog: "CREATE TABLE t (a timestamp);",
            finds: &[],
        },
        Example {
            sql: "SET TimeZone = 'UTC'; ALTER TABLE t ALTER COLUMN a TYPE timestamptz;",
            catalog: "CREATE TABLE t (a timestamp);",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE timestamptz(3);",
            catalog: "CREATE TABLE t (a timestamptz);",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ALTER COLUMN a TYPE timestamptz;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let Alter::SetType { column, data_type, using: None } = command else { continue };
            let Some(old) = type_before(cx, site, relation, column) else { continue };
            let (old, new) = (pgward_sql::base_type(&old), pgward_sql::base_type(data_type));
            let pair = (old.as_str(), new.as_str());
            let by_zone =
                matches!(pair, ("timestamp", "timestamptz") | ("timestamptz", "timestamp"));
            if !by_zone || !cx.existed(site, relation) || sets_zone(cx, site) {
                continue;
            }
            let message = format!(
                "{relation}.{column} goes from {old} to {new} by the TimeZone of the session"
            );
            found.push(site.finding(&LINT, Severity::Warning, message));
        }
    }
}

fn type_before(cx: &Context, site: &Site, relation: &Relation, column: &str) -> Option<String> {
    let last = site.index.checked_sub(1).and_then(|i| cx.sites.get(i));
    let known = || cx.table(relation)?.columns.iter().find(|c| c.name == column);
    match last {
        Some(last) => column_type(cx, last, relation, column),
        None => known().map(|c| c.data_type.clone()),
    }
}

fn sets_zone(cx: &Context, site: &Site) -> bool {
    let set =
        |a: &Action| matches!(a, Action::Set { name, value: Some(_), .. } if name == "timezone");
    before(cx, site).any(set)
}
