//! Every lint's examples, against a real catalog where they need one.
#![allow(clippy::unwrap_used)]

mod common;

use pgward_lint::lints::LINTS;
use pgward_lint::{ANOTHER_SESSION, Example, Lint, Names, Options, Policy, check, judge_chain};
use pgward_model::prelude::*;
use pgward_pg::catalog;
use pgward_sql::frameworks::{Script, recognise};
use std::collections::BTreeMap;
use std::time::Duration;

#[test]
fn examples_find_what_they_say() {
    let server = common::server_with_conditions();
    let mut wrong = Vec::new();
    let mut n_databases = 0;
    for lint in LINTS {
        for example in lint.examples {
            let catalog = (!example.catalog.is_empty()).then(|| {
                n_databases += 1;
                catalog_of(&server, &format!("example_{n_databases}"), example.catalog)
            });
            if let Some(fault) = run(lint, example, catalog.as_ref()) {
                wrong.push(fault);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_assumed_without_a_catalog_is_said() {
    let sql = "ALTER TABLE a ALTER COLUMN g SET EXPRESSION AS (x + 2);";
    let change = pgward_sql::change(vec![pgward_sql::read("example.sql", sql)]);
    let found = check(&change, None, &Options::default());
    let told = found.iter().find(|f| f.lint == "add_column_rewrites").unwrap();
    assert!(told.message.contains("if it is stored, as is assumed"), "{}", told.message);
}

#[test]
fn what_earlier_files_left_is_held_against_a_later_one() {
    let refused = |files: &[&str]| {
        let read = |(i, text): (usize, &&str)| pgward_sql::read_actions(&format!("{i}.sql"), text);
        let files: Vec<_> = files.iter().enumerate().map(read).collect();
        let found = judge_chain(&files, None, &Options::default()).findings;
        let here = found.into_iter().filter(|f| f.lint == "statement_refused");
        here.map(|f| (f.file, f.severity, f.layer)).collect::<Vec<_>>()
    };
    let users = "CREATE TABLE users (id int PRIMARY KEY);";
    let again = "ALTER TABLE users ADD COLUMN age int;";
    let warned = ("2.sql".to_owned(), Severity::Warning, Layer::Static);
    assert_eq!(refused(&[users, again, again]), [warned]);
    assert_eq!(refused(&[again, again]), []);
    let maybe = "DO $$ BEGIN IF false THEN ALTER TABLE users ADD COLUMN age int; END IF; END $$;";
    assert_eq!(refused(&[users, maybe, again]), []);
    let taken = "CREATE TYPE mood AS ENUM ('ok'); ALTER TABLE users ADD m mood;
        DROP TYPE mood CASCADE; ALTER TABLE users ADD m text;";
    assert_eq!(refused(&[users, taken]), []);
}

/// Fills a database; counters of scans are there once the session that made them is gone.
fn catalog_of(server: &pgward_pg::server::PrivateServer, name: &str, setup: &str) -> Catalog {
    let (setup, beside) = setup.split_once(ANOTHER_SESSION).unwrap_or((setup, ""));
    drop(common::database(server, name, setup));
    let other = common::client(server, name);
    other.simple(beside).unwrap();
    let session = common::session(server, name);
    let wants_scans = setup.contains("enable_seqscan");
    let found = pgward_pg::clock::poll(
        Duration::from_secs(20),
        Duration::from_millis(50),
        || -> Result<Option<Catalog>, pgward_pg::error::Error> {
            let catalog = catalog::read(&session)?;
            let scanned = catalog.relations.iter().flat_map(|r| &r.indexes).any(|i| i.scans > 0);
            Ok((scanned || !wants_scans).then_some(catalog))
        },
    );
    let catalog = found.expect("the catalog is read").expect("scans are counted within 20 s");
    // It outlives its session, and whoever makes a slot waits for it.
    for t in catalog.conditions.iter().flat_map(|c| c.prepared.iter().flatten()) {
        session.simple(&format!("ROLLBACK PREPARED {}", quote_literal(&t.gid))).unwrap();
    }
    catalog
}

/// The files of an example, and what a framework says of them where their text shows which it is.
fn change_of(sql: &str) -> Change {
    let scripts: Vec<Script> = match sql.strip_prefix("-- file ") {
        Some(rest) => rest.split("-- file ").map(named).collect(),
        None => vec![Script { path: "example.sql".to_owned(), text: sql.to_owned() }],
    };
    let framework = recognise(&scripts);
    let refused: BTreeMap<String, &str> = (framework.chain)(&scripts)
        .into_iter()
        .filter_map(|m| Some((m.path, m.refused?)))
        .collect();
    let read = |script: &Script| {
        let why = refused.get(&script.path).map(|why| format!("{}: {why}", framework.title));
        ChangeFile { refused: why, ..pgward_sql::read(&script.path, &script.text) }
    };
    pgward_sql::change(scripts.iter().map(read).collect())
}

fn policy() -> Policy {
    let pattern = |text: &str| Some(regex::Regex::new(text).unwrap());
    Policy {
        require_application_name: true,
        forbid_foreign_keys: true,
        forbid_nullable_columns: true,
        require_schema: true,
        require_table_comments: true,
        require_columns: vec!["created_at".to_owned()],
        names: Names {
            table: pattern("^[a-z_]+$"),
            column: pattern("^[a-z_]+$"),
            index: pattern("_idx$"),
            constraint: pattern("_(fk|ck|key)$"),
        },
        forbid_types: vec!["money".to_owned()],
        forbid_collations: vec!["en_US".to_owned()],
        row_alignment: true,
    }
}

fn named(text: &str) -> Script {
    let (path, text) = text.split_once('\n').unwrap();
    Script { path: path.to_owned(), text: text.to_owned() }
}

fn run(lint: &Lint, example: &Example, catalog: Option<&Catalog>) -> Option<String> {
    // What is off by default is on for its own examples.
    let policy = if lint.id.starts_with("policy_") { policy() } else { Policy::default() };
    let options = Options { policy, ..Options::default() };
    let all = check(&change_of(example.sql), catalog, &options);
    let mut found: Vec<&Finding> = all.iter().filter(|f| f.lint == lint.id).collect();
    found.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let severities: Vec<Severity> = found.iter().map(|f| f.severity).collect();
    let well_made = found.iter().all(|f| {
        f.file.ends_with(".sql")
            && !f.evidence().is_empty()
            && !f.message.ends_with('.')
            && (f.layer == Layer::Static || catalog.is_some())
    });
    let messages: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    (severities != example.finds || !well_made).then(|| {
        format!(
            "{}: {}\n  expected {:?}\n  found    {severities:?}: {messages:#?}",
            lint.id, example.sql, example.finds
        )
    })
}
