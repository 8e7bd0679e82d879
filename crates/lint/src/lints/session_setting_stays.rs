//! A setting of the session outlives the file.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "session_setting_stays",
    severity: Severity::Note,
    title: "a setting of the session outlives the file",
    harm: "the files that run next in the session, or the next client of a pooled connection, \
           meet other names, rights or triggers",
    instead: "SET LOCAL inside the transaction, or RESET it at the end of the file",
    source: "SET",
    guards_rows: false,
    examples: &[
        Example { sql: "SET search_path = app;", catalog: "", finds: &[Severity::Note] },
        Example { sql: "SET ROLE owner;", catalog: "", finds: &[Severity::Note] },
        Example { sql: "SET search_path = app; RESET search_path;", catalog: "", finds: &[] },
        Example { sql: "SET ROLE owner; RESET ALL; RESET ROLE;", catalog: "", finds: &[] },
        Example { sql: "BEGIN; SET LOCAL search_path = app; COMMIT;", catalog: "", finds: &[] },
        Example { sql: "SET lock_timeout = '2s';", catalog: "", finds: &[] },
    ],
    check,
};

/// Settings that change what the same statement means to the next one.
const MEANING: &[&str] =
    &["role", "row_security", "search_path", "session_authorization", "session_replication_role"];

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            if let Action::Set { name, value: Some(value), local: false } = action
                && MEANING.contains(&name.as_str())
                && !is_set_again(cx, site, name)
            {
                let message = format!("{name} = {value} stays for the rest of the session");
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}

/// Is it taken back, or set anew and told there?
fn is_set_again(cx: &Context, site: &Site, setting: &str) -> bool {
    let later = cx.sites.iter().skip(site.index + 1).filter(|s| s.file.path == site.file.path);
    later.flat_map(|s| &s.actions).any(|a| {
        matches!(a, Action::Set { name, local: false, value }
            if name == setting || (name.is_empty() && value.is_none()))
    })
}
