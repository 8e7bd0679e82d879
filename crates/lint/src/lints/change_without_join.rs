//! UPDATE or DELETE with a second table that nothing ties to the first.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "change_without_join",
    severity: Severity::Warning,
    title: "UPDATE or DELETE with a second table that nothing ties to the first",
    harm: "each row is joined with each: a condition on the second table alone changes every row \
           of the first",
    instead: "add the condition that joins both: WHERE a.id = b.a_id",
    source: "UPDATE; DELETE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "UPDATE a SET x = 1 FROM b WHERE b.kind = 'old';",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "DELETE FROM a USING b WHERE b.id = 3;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "UPDATE a SET x = b.x FROM b WHERE a.id = 3 AND b.id = 4;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "UPDATE a SET x = b.x FROM b WHERE a.id = 3;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "UPDATE a SET x = b.x FROM b WHERE a.id = b.id;", catalog: "", finds: &[] },
        Example {
            sql: "UPDATE a AS o SET x = 1 FROM b WHERE o.id = b.id;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "UPDATE a SET x = b.x FROM b WHERE kind = 'old';", catalog: "", finds: &[] },
        Example {
            sql: "DELETE FROM a USING a AS b WHERE a.id > b.id AND a.x = b.x;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Rows(rows) = action else { continue };
            let Some(apart) = rows.unjoined.as_ref() else { continue };
            if !cx.existed(site, &rows.relation) {
                continue;
            }
            let others: Vec<String> = apart.others.iter().map(ToString::to_string).collect();
            let others = others.join(", ");
            let (severity, message) = if apart.chooses {
                let what = format!("every chosen row of {} meets every row", rows.relation);
                (Severity::Note, format!("{what} of {others}: which one is taken is not said"))
            } else {
                let what = format!("every row of {}", rows.relation);
                (Severity::Warning, format!("{what}: the WHERE names {others} alone"))
            };
            found.push(site.finding(&LINT, severity, message));
        }
    }
}
