//! A column of type json.

use crate::columns::{Defined, defined, is_one_of, tell};
use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "json_column",
    severity: Severity::Note,
    title: "a column of type json",
    harm: "json has no equality: DISTINCT, GROUP BY and UNION over it fail (42883), and it is \
           parsed at each access",
    instead: "jsonb, unless the text must stay as it was written",
    source: "JSON Types",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE TABLE n (data json);", catalog: "", finds: &[Severity::Note] },
        Example { sql: "CREATE TABLE n (data jsonb);", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let is_it = |d: &Defined| is_one_of(&d.column.data_type, &["json"]);
    let of: Vec<Defined> = defined(cx).into_iter().filter(is_it).collect();
    tell(&LINT, &of, found);
}
