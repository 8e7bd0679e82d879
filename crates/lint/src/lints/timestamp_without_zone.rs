//! A time without its zone.

use crate::columns::{Defined, defined, tell};
use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "timestamp_without_zone",
    severity: Severity::Note,
    title: "a time without its zone",
    harm: "what clock was meant is not kept: clients with another TimeZone read another moment",
    instead: "timestamptz",
    source: "Date/Time Types",
    guards_rows: false,
    examples: &[
        Example { sql: "CREATE TABLE n (at timestamp);", catalog: "", finds: &[Severity::Note] },
        Example {
            sql: "ALTER TABLE a ADD COLUMN at timestamp(3) without time zone;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (at timestamptz, til timestamp(3) with time zone);",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let is_it = |d: &Defined| {
        let data_type = d.column.data_type.trim_start_matches("pg_catalog.");
        let zoned = data_type.starts_with("timestamptz") || data_type.contains("with time zone");
        data_type.starts_with("timestamp") && !zoned
    };
    let of: Vec<Defined> = defined(cx).into_iter().filter(is_it).collect();
    tell(&LINT, &of, found);
}
