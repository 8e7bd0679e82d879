//! A text with a limit in its type.

use crate::columns::{Defined, defined, is_one_of, tell};
use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "varchar_limit",
    severity: Severity::Note,
    title: "a text with a limit in its type",
    harm: "the first longer value fails (22001), and a smaller limit means to read or write \
           the whole table",
    instead: "text, with a CHECK that can be exchanged without a rewrite",
    source: "Character Types",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (name varchar(50), code varchar(3));",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN name character varying(20);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "CREATE TABLE n (name varchar, other text);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let is_it = |d: &Defined| {
        let limited = d.column.data_type.contains('(');
        limited && is_one_of(&d.column.data_type, &["varchar"])
    };
    let of: Vec<Defined> = defined(cx).into_iter().filter(is_it).collect();
    tell(&LINT, &of, found);
}
