//! A column of type char.

use crate::columns::{Defined, defined, is_one_of, tell};
use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "char_type",
    severity: Severity::Note,
    title: "a column of type char",
    harm: "values are filled up with blanks on disk, and comparisons ignore them: it is \
           neither smaller nor faster than text",
    instead: "text, with a CHECK of its length where it matters",
    source: "Character Types",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE TABLE n (code char(5));", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "ALTER TABLE a ADD COLUMN code character(2);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example { sql: "CREATE TABLE n (code text, other varchar(5));", catalog: "", finds: &[] },
        Example { sql: "CREATE TABLE n (flag \"char\");", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let is_it = |d: &Defined| is_one_of(&d.column.data_type, &["char", "character", "bpchar"]);
    let of: Vec<Defined> = defined(cx).into_iter().filter(is_it).collect();
    tell(&LINT, &of, found);
}
