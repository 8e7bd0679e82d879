//! Columns of a new table in an order that wastes room.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "policy_alignment",
    severity: Severity::Note,
    title: "columns in an order that wastes room",
    harm: "each row carries bytes that hold nothing, on disk, in memory and in WAL",
    instead: "order columns by their alignment: 8 bytes, 4, 2, 1, then those of variable length",
    source: "Database Page Layout; pg_type.typalign",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (a boolean, b bigint, c boolean, d bigint);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (b bigint, d bigint, a boolean, c boolean);",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE TABLE n (a text, b bigint);", catalog: "", finds: &[] },
    ],
    check,
};

/// Less is lost to the 8 bytes that every row is rounded up to.
const PADDING_MIN: u32 = 8;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    if !cx.options.policy.row_alignment {
        return;
    }
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateTable(t) = action else { continue };
            let padding = padding(t.columns.iter().map(|c| size(&c.data_type)));
            if padding >= PADDING_MIN {
                let mut best: Vec<_> = t.columns.iter().collect();
                best.sort_by_key(|c| std::cmp::Reverse(size(&c.data_type).map(|(_, align)| align)));
                let names: Vec<&str> = best.iter().map(|c| c.name.as_str()).collect();
                let message = format!(
                    "{padding} bytes of each row of {} hold nothing; none would in the order {}",
                    t.relation,
                    names.join(", ")
                );
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}

/// Bytes between columns of fixed length; where one of variable length ends is not known, so
/// nothing is counted behind it.
fn padding(sizes: impl Iterator<Item = Option<(u32, u32)>>) -> u32 {
    let (mut at, mut lost) = (0_u32, 0);
    for (bytes, align) in sizes.map_while(|s| s) {
        let start = at.next_multiple_of(align);
        lost += start - at;
        at = start + bytes;
    }
    lost
}

/// Length and alignment of a type of fixed length: `pg_type.typlen` and `typalign`.
fn size(data_type: &str) -> Option<(u32, u32)> {
    match pgward_sql::base_type(data_type).as_str() {
        "bool" | "boolean" => Some((1, 1)),
        "int2" | "smallint" | "smallserial" => Some((2, 2)),
        "int4" | "integer" | "int" | "serial" | "date" | "float4" | "real" => Some((4, 4)),
        "int8" | "bigint" | "bigserial" | "float8" | "double precision" | "timestamp"
        | "timestamptz" | "time" => Some((8, 8)),
        "uuid" => Some((16, 1)),
        "interval" => Some((16, 8)),
        _ => None,
    }
}
