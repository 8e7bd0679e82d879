//! A setting that this major version does not know.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "setting_unknown",
    severity: Severity::Error,
    title: "a setting that this major version does not know",
    harm: "SET of a name that is not there fails (42704), and the change with it",
    instead: "leave it out: dumps carry settings of the version that wrote them",
    source: "Release Notes, Migration",
    guards_rows: false,
    examples: &[
        Example {
            sql: "SET operator_precedence_warning = off;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[Severity::Error],
        },
        Example { sql: "SET transaction_timeout = 0;", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "SET lock_timeout = '2s'; SET app.tenant = '1';",
            catalog: "CREATE TABLE t (a int);",
            finds: &[],
        },
    ],
    check,
};

/// Settings of a session and the majors that know them, first and last, as the release notes
/// have them; 0 where they always were, or still are.
const KNOWN: &[(&str, u32, u32)] = &[
    ("operator_precedence_warning", 0, 13),
    ("vacuum_cleanup_index_scale_factor", 0, 13),
    ("force_parallel_mode", 0, 15),
    ("debug_parallel_query", 16, 0),
    ("transaction_timeout", 17, 0),
    ("enable_group_by_reordering", 17, 0),
    ("allow_alter_system", 17, 0),
    ("restrict_nonsystem_relation_kind", 17, 0),
];

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Set { name, value: Some(_), .. } = action else { continue };
            let Some((_, first, last)) = KNOWN.iter().find(|(known, ..)| known == name) else {
                continue;
            };
            let since = if *first > 0 { format!("since {first}") } else { String::new() };
            let until = if *last > 0 { format!("until {last}") } else { String::new() };
            let message = format!("{name} is there {since}{until} only");
            let Some(catalog) = cx.catalog.filter(|c| c.server_version > 0) else {
                found.push(site.finding(&LINT, Severity::Note, message));
                continue;
            };
            let major = catalog.server_version / 10_000;
            if major < *first || (*last > 0 && major > *last) {
                let claim = format!("the server is PostgreSQL {major}");
                let evidence = cx.measured(claim, f64::from(major), "major", "server_version_num");
                found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
            }
        }
    }
}
