//! The changes behind five real outages: the text alone stops each of them, and where the
//! text is not looked at, the live catalog does.
#![allow(clippy::unwrap_used)]

mod common;

use pgward_lint::{Options, check};
use pgward_model::prelude::*;
use pgward_pg::session::Session;
use std::collections::BTreeMap;
use std::time::Duration;

const SHOP: &str = "
CREATE EXTENSION pg_stat_statements;
CREATE TABLE accounts (id int PRIMARY KEY, login text, plan text, updated_at timestamptz);
CREATE TABLE orders
    (id int PRIMARY KEY, customer int REFERENCES accounts (id), created timestamptz);
CREATE INDEX orders_customer_created ON orders (customer, created);
CREATE VIEW open_orders AS SELECT id FROM orders;
CREATE FUNCTION who(n int) RETURNS text LANGUAGE sql AS 'SELECT login FROM accounts WHERE id = n';
INSERT INTO accounts SELECT g, 'u' || g, 'x', now() FROM generate_series(1, 500) g;
INSERT INTO orders SELECT g, g % 500 + 1, now() FROM generate_series(1, 5000) g;
CREATE ROLE app; GRANT SELECT, UPDATE ON accounts, orders TO app;
ANALYZE;
";

const TRAFFIC: &str = "
SET enable_seqscan = off;
SELECT created FROM orders WHERE customer = 7 ORDER BY created DESC LIMIT 1;
SELECT id FROM accounts WHERE login = 'u7';
SET ROLE app; UPDATE accounts SET plan = 'y' WHERE id = 3; RESET ROLE;
";

/// The five changes, the lint that must say it by the text, and by the catalog.
const CHANGES: &[(&str, &str, &str)] = &[
    (
        "BEGIN; UPDATE accounts SET updated_at = now();",
        "change_without_where",
        "change_without_where",
    ),
    (
        "ALTER TABLE accounts ADD COLUMN email text;
         UPDATE accounts SET email = login WHERE email IS NULL;
         ALTER TABLE accounts RENAME COLUMN login TO login_old;
         ALTER TABLE accounts ALTER COLUMN email SET NOT NULL;",
        "rename_column",
        "rename_column",
    ),
    (
        "DROP INDEX CONCURRENTLY orders_customer_created;
         CREATE INDEX CONCURRENTLY orders_created_customer ON orders (created, customer);",
        "drop_before_replacement",
        "drop_used_index",
    ),
    ("DROP TABLE IF EXISTS \"${PREFIX}orders\" CASCADE;", "unset_variable", "drop_table"),
    ("REVOKE SELECT, UPDATE ON orders, accounts FROM app;", "grant_broad", "grant_broad"),
];

#[test]
fn five_outages_are_stopped_twice() {
    let server = common::server_with("pg_stat_statements");
    drop(common::database(&server, "shop", SHOP));
    drop(common::run(&server, "shop", TRAFFIC));
    let catalog = counted(&common::session(&server, "shop"));
    for (sql, by_text, by_catalog) in CHANGES {
        let change = pgward_sql::change(vec![pgward_sql::read("change.sql", sql)]);
        let found = check(&change, Some(&catalog), &Options::default());
        let alone = check(&change, None, &Options::default());
        // An index or a right alone is a warning to the text, which cannot know that it is used.
        let text_severity = match *by_text {
            "drop_before_replacement" | "grant_broad" => Severity::Warning,
            _ => Severity::Error,
        };
        assert!(
            alone.iter().any(|f| f.lint == *by_text && f.severity == text_severity),
            "{sql}: {alone:#?}"
        );
        assert!(
            found.iter().any(|f| f.lint == *by_catalog
                && f.layer == Layer::Catalog
                && f.severity == Severity::Error
                && f.evidence().iter().all(|e| e.value.is_some())),
            "{sql}: {found:#?}"
        );
    }
    names_who_breaks(&catalog);
}

fn names_who_breaks(catalog: &Catalog) {
    let sql = "ALTER TABLE accounts RENAME COLUMN login TO email";
    let change = pgward_sql::change(vec![pgward_sql::read("change.sql", sql)]);
    let found = check(&change, Some(catalog), &Options::default());
    let finding = found.iter().find(|f| f.layer == Layer::Catalog).unwrap();
    let claims: Vec<&str> = finding.evidence().iter().map(|e| e.claim.as_str()).collect();
    assert!(
        claims.iter().any(|c| c.starts_with("SELECT id FROM accounts WHERE login = $1 called 1"))
    );
    assert!(claims.iter().any(|c| c.contains("function public.who(n integer)")), "{claims:?}");
}

#[test]
fn a_given_variable_is_a_name_like_any_other() {
    let text = "DROP TABLE \"${PREFIX}orders\";";
    let change = pgward_sql::change(vec![pgward_sql::read("change.sql", text)]);
    let given = |value: &str| Options {
        vars: BTreeMap::from([("PREFIX".to_owned(), value.to_owned())]),
        ..Options::default()
    };
    let lints = |options: &Options| -> Vec<String> {
        check(&change, None, options).into_iter().map(|f| f.lint).collect()
    };
    assert!(lints(&given("")).contains(&"unset_variable".to_owned()));
    assert!(!lints(&given("old_")).contains(&"unset_variable".to_owned()));
    let found = check(&change, None, &given("old_"));
    assert!(found.iter().any(|f| f.lint == "drop_table" && f.message.starts_with("old_orders ")));
}

/// The catalog once the counters of the traffic have arrived.
fn counted(session: &Session) -> Catalog {
    let read = || -> Result<Option<Catalog>, pgward_pg::error::Error> {
        let catalog = pgward_pg::catalog::read(session)?;
        let used = catalog.index(&Relation::new("public", "orders_customer_created"));
        Ok(used.is_some_and(|(_, i)| i.scans > 0).then_some(catalog))
    };
    pgward_pg::clock::poll(Duration::from_secs(20), Duration::from_millis(50), read)
        .unwrap()
        .expect("the traffic is counted within 20 s")
}
