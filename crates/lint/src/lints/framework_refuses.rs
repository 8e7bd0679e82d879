//! The tool that carries out the migrations would not take the file.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "framework_refuses",
    severity: Severity::Error,
    title: "the migration tool does not take the file",
    harm: "the deploy stops at this file, before or in the middle of it, and those behind it do \
           not run",
    instead: "write the tool's markers as its manual has them",
    source: "the manual of the tool that the message names",
    guards_rows: false,
    examples: &[
        Example {
            sql: "-- file 1_a.sql\nCREATE TABLE a (b int);\n-- +goose Up\nCREATE TABLE c (d int);\n",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "-- file 1_a.sql\n-- +goose Up\nCREATE TABLE c (d int);\n-- +goose Down\n",
            catalog: "",
            finds: &[],
        },
        Example { sql: "CREATE TABLE a (b int);\n", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        let Some(why) = &file.refused else { continue };
        let source = Source::new(SourceKind::Statement, &file.path);
        let evidence = Evidence::stated(why.clone(), source);
        // What the tool does not run is no statement.
        let first = file.statements.first().map(|s| s.span);
        let span = first.unwrap_or(Span { line: 1, column: 1, ..Span::default() });
        let message = format!("the file would be refused by {why}");
        let mut finding =
            Finding::new(LINT.id, Layer::Static, Severity::Error, span, message, evidence)
                .fix(LINT.instead, None);
        finding.file.clone_from(&file.path);
        found.push(finding);
    }
}
