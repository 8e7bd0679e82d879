//! A name longer than PostgreSQL keeps.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "name_too_long",
    severity: Severity::Note,
    title: "a name longer than PostgreSQL keeps",
    harm: "it is cut to 63 bytes with no more than a NOTICE: tools that look for the whole name \
           make the object again or do not find it, and two long names may become one",
    instead: "a name of at most 63 bytes",
    source: "SQL Syntax, Identifiers and Key Words",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE INDEX orders_by_customer_and_country_and_state_and_day_of_the_first_order \
                  ON n (a);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "SELECT 'a constant may be as long as it likes, since it is no name at all, is \
                  it';",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE INDEX i ON n (a);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        if site.statement.kind != StatementKind::Ddl {
            continue;
        }
        for name in pgward_sql::long_names(&site.statement.text) {
            let message = format!("{name} has {} bytes", name.len());
            found.push(site.finding(&LINT, Severity::Note, message));
        }
    }
}
