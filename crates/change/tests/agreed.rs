//! What authors and teams have agreed to, as the gate weighs it against a live catalog.
#![allow(clippy::unwrap_used)]

mod shop;

use pgward_change::{GateOptions, gate};
use pgward_lint::FileOptions;
use pgward_model::prelude::*;
use pgward_sql::expect::Allowance;
use shop::production;

#[test]
fn each_layer_accounts_for_what_it_let_pass() {
    let production = production();
    let report = |options: GateOptions, files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, sql)| pgward_sql::read(path, sql)).collect();
        gate(&pgward_sql::change(files), &production.target(), &options).unwrap()
    };
    let options = || GateOptions { without: [Layer::Rehearsal].into(), ..GateOptions::default() };
    let n =
        |report: &GateReport, lint: &str| report.findings.iter().filter(|f| f.lint == lint).count();

    // The text shows the one, the planner the other; each is told once.
    let sql = "-- pgward: allow rows_above_expectation the old accounts, as agreed\n\
               UPDATE accounts SET seen = now() WHERE id <= 1000;\n\
               -- pgward: allow drop_used_index nobody reads by it\n\
               -- pgward: allow lock_table no longer here\nSELECT 1;";
    let told = report(options(), &[("1.sql", sql)]);
    let lowered: Vec<(&str, Layer)> =
        told.silenced.iter().map(|s| (s.lint.as_str(), s.layer)).collect();
    assert_eq!(lowered, [("rows_above_expectation", Layer::Catalog)], "{told:#?}");
    assert_eq!(told.silenced[0].reason, "the old accounts, as agreed");
    assert_eq!(n(&told, "allow_unused"), 2, "{:#?}", told.findings);
    assert_eq!(told.stopped_by, None);

    // pgward.toml lowers what the text shows, and a file that is not judged stops nothing.
    let allow = vec![Allowance { lint: "drop_table".into(), reason: "agreed".into() }];
    let agreed = FileOptions { allow, ..FileOptions::default() };
    let files = [("old.sql", "TRUNCATE orders;"), ("new.sql", "DROP TABLE IF EXISTS open_items;")];
    let stopped = report(options(), &files);
    assert_eq!(stopped.stopped_by, Some(Layer::Static));
    let only = GateOptions {
        files: [("new.sql".to_owned(), agreed)].into(),
        only: Some(["new.sql".to_owned()].into()),
        ..options()
    };
    let passed = report(only, &files);
    assert!(passed.findings.iter().all(|f| f.file == "new.sql"), "{:#?}", passed.findings);
    assert!(passed.silenced.iter().any(|s| s.lint == "drop_table" && s.by == SilencedBy::Config));
    assert_eq!(passed.stopped_by, None, "{:#?}", passed.findings);

    // Rows at stake are answered for by their number only.
    let allow = vec![Allowance { lint: "truncate".into(), reason: "agreed".into() }];
    let severity = [("truncate".to_owned(), Severity::Note)].into();
    let agreed = FileOptions { allow, severity, ..FileOptions::default() };
    let asked = GateOptions { files: [("1.sql".to_owned(), agreed)].into(), ..options() };
    let sql = "-- pgward: allow truncate agreed\nTRUNCATE orders CASCADE;";
    let guarded = report(asked, &[("1.sql", sql)]);
    let truncate = |f: &&Finding| f.lint == "truncate" && f.layer == Layer::Catalog;
    let weights: Vec<Severity> =
        guarded.findings.iter().filter(truncate).map(|f| f.severity).collect();
    assert!(weights.contains(&Severity::Error), "{:#?}", guarded.findings);

    // Values of one file are not those of another.
    let vars = [("t".to_owned(), "items".to_owned())].into();
    let with = FileOptions { vars, ..FileOptions::default() };
    let files = [("a.sql", "SELECT * FROM :t;"), ("b.sql", "SELECT * FROM :t;")];
    let own = GateOptions { files: [("a.sql".to_owned(), with)].into(), ..options() };
    let unset = report(own, &files);
    let where_unset: Vec<&str> = unset
        .findings
        .iter()
        .filter(|f| f.lint == "unset_variable")
        .map(|f| f.file.as_str())
        .collect();
    assert_eq!(where_unset, ["b.sql"]);
}
