//! An extension changes its version.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "extension_update",
    severity: Severity::Note,
    title: "an extension changes its version",
    harm: "its script may drop, replace or rewrite anything of the extension, and most have no \
           way back to the old version",
    instead: "rehearse it on a clone, and say the version: UPDATE TO '2.1'",
    source: "ALTER EXTENSION",
    guards_rows: false,
    examples: &[
        Example { sql: "ALTER EXTENSION postgis UPDATE;", catalog: "", finds: &[Severity::Note] },
        Example { sql: "ALTER EXTENSION postgis SET SCHEMA gis;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            if matches!(action, Action::Other { what, .. } if what == "alter extension") {
                let message = "what the update script does is not in the text";
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}
