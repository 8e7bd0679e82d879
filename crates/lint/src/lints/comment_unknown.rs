//! A comment meant for pgward that it does not know.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::near;
use pgward_model::prelude::*;
use pgward_sql::expect::{self, Misread};

pub(super) static LINT: Lint = Lint {
    id: "comment_unknown",
    severity: Severity::Warning,
    title: "a comment for pgward that says nothing to it",
    harm: "what its author wanted to allow or to expect is neither allowed nor expected",
    instead: "write `-- pgward: allow LINT REASON` or `-- pgward: expect rows N`, `<= N`, `N..M`",
    source: "README, On your own database",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- pgward: alow drop_table moved to the archive\nDROP TABLE a;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- pgward: expect row 5\nDELETE FROM a WHERE b = 1;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- pgward: expect rows few\nDELETE FROM a WHERE b = 1;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "SELECT 1;\n-- pgward: ignore drop_table\n",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "-- pgward: expect rows 1..50\nDELETE FROM a WHERE b = 1;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "-- pgward: allow drop_table moved to the archive\nDROP TABLE a;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "-- checked with pgward: nothing to say\nSELECT 1;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        for Misread { span, word, about_rows } in expect::misread(file) {
            let message = match about_rows {
                true => format!("`{word}` gives no number of rows"),
                false => {
                    let meant = near::meant(&word, expect::WORDS.iter().copied());
                    format!("`{word}` is no word for pgward{meant}")
                }
            };
            let source = Source::new(SourceKind::Statement, &file.path);
            let evidence = Evidence::stated(LINT.harm, source);
            let warning = Severity::Warning;
            let mut finding =
                Finding::new(LINT.id, Layer::Static, warning, span, message, evidence)
                    .fix(LINT.instead, None);
            finding.file.clone_from(&file.path);
            found.push(finding);
        }
    }
}
