//! A function with its owner's rights takes its names from the caller.

use crate::context::{Context, Site};
use crate::users::has_word;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "definer_search_path",
    severity: Severity::Note,
    title: "a function with its owner's rights takes its names from the caller",
    harm: "who calls it sets search_path to a schema of his own, and his function or table is \
           used there with the rights of the owner",
    instead: "add SET search_path = '' and write every name with its schema",
    source: "CREATE FUNCTION, Writing SECURITY DEFINER Functions Safely",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = \
                  '' AS 'SELECT 1';",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; \
                  ALTER FUNCTION f() SET search_path = '';",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Define { function, definer: true, sets, .. } = action else { continue };
            let fixed = sets.iter().any(|s| s == "search_path");
            if !fixed && !is_fixed_later(cx, site, function) {
                let message = format!(
                    "{function} runs with the rights of its owner and the \
                    search_path of its caller"
                );
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}

fn is_fixed_later(cx: &Context, site: &Site, function: &Relation) -> bool {
    cx.sites.iter().skip(site.index + 1).any(|s| {
        let text = s.statement.text.to_lowercase();
        text.starts_with("alter")
            && has_word(&text, "search_path")
            && has_word(&text, &function.name.to_lowercase())
    })
}
