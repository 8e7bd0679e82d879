//! What PostgreSQL says of statements, as the tracer writes it down.
#![allow(clippy::unwrap_used)]

use pgward_change::Tracer;
use pgward_model::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::tools;
use std::collections::BTreeMap;

const FIRST: &str = "\
CREATE TABLE users (id serial PRIMARY KEY, name varchar(20), age int, plan text);
CREATE TABLE orders (id serial PRIMARY KEY, user_id int);
CREATE TABLE reading (day date) PARTITION BY RANGE (day);
CREATE TABLE reading_25 PARTITION OF reading FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE reading_rest PARTITION OF reading DEFAULT;
CREATE ROLE somebody;";

const SECOND: &str = "\
ALTER TABLE users ALTER COLUMN age TYPE bigint;
ALTER TABLE users ALTER COLUMN name TYPE varchar(40);
CREATE INDEX users_name ON users (name);
CREATE INDEX CONCURRENTLY orders_user ON orders (user_id);
ALTER TABLE users ALTER name SET NOT NULL;
ALTER TABLE orders ADD CONSTRAINT k FOREIGN KEY (user_id) REFERENCES users (id);
DO $$ BEGIN EXECUTE 'ALTER TABLE orders ADD CHECK (id > 0)'; END $$;
GRANT SELECT ON users TO app;
ALTER TABLE users DROP COLUMN plan;
VACUUM FULL orders;
TRUNCATE orders;
DROP INDEX CONCURRENTLY orders_user;
DROP TABLE nope;
BEGIN;
DROP TABLE orders;
ROLLBACK;
ALTER TABLE orders ADD COLUMN note text;
DROP TABLE orders;
CREATE TABLE fresh (id int REFERENCES users (id));
COPY (SELECT * FROM users) TO STDOUT (FORMAT csv);
SELECT 1;
CREATE TABLE reading_26 PARTITION OF reading FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
ALTER TABLE reading DETACH PARTITION reading_25;
DELETE FROM reading_rest;
CREATE MATERIALIZED VIEW names AS SELECT name FROM users;
VACUUM FULL;
REINDEX SCHEMA public;";

fn installation() -> tools::Installation {
    match std::env::var_os("PGWARD_TEST_POSTGRES") {
        Some(dir) => tools::installation_at(dir.as_ref()).unwrap(),
        None => tools::newest(&[]).unwrap(),
    }
}

fn told(effect: &Effect) -> String {
    let mut words = vec![effect.relation.to_string(), effect.lock.to_string()];
    let does = [
        (effect.rewrites, "rewrites"),
        (effect.scans, "scans"),
        (effect.builds_index, "builds"),
        (!effect.existed_before, "new"),
    ];
    words.extend(does.into_iter().filter(|(does, _)| *does).map(|(_, word)| word.to_owned()));
    if effect.destroys != Destroys::Nothing {
        words.push(format!("{:?}", effect.destroys));
    }
    words.join(" ")
}

#[test]
fn each_statement_is_told_as_the_server_did_it() {
    let options = ServerOptions::new(installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    let mut tracer = Tracer::new(&server.target()).unwrap();
    let files = [pgward_sql::read("1.sql", FIRST), pgward_sql::read("2.sql", SECOND)];
    let traced = tracer.chain(&files, &BTreeMap::new(), |_| {}).unwrap();
    let second: Vec<String> = traced
        .iter()
        .filter(|t| t.file == "2.sql")
        .map(|t| {
            let mut effects: Vec<String> = t.effects.iter().map(told).collect();
            effects.extend(t.error.clone());
            effects.sort();
            format!("{}: {}", t.line, effects.join(", "))
        })
        .collect();
    assert_eq!(
        second,
        [
            "1: users ACCESS EXCLUSIVE rewrites builds",
            "2: users ACCESS EXCLUSIVE",
            "3: users SHARE builds",
            "4: orders SHARE UPDATE EXCLUSIVE builds",
            "5: users ACCESS EXCLUSIVE scans",
            "6: orders SHARE ROW EXCLUSIVE scans, users SHARE ROW EXCLUSIVE",
            "7: orders ACCESS EXCLUSIVE scans",
            "8: ",
            "9: users ACCESS EXCLUSIVE Column(\"plan\")",
            "10: orders ACCESS EXCLUSIVE rewrites builds",
            "11: orders ACCESS EXCLUSIVE builds AllRows",
            "12: orders SHARE UPDATE EXCLUSIVE, orders_user SHARE UPDATE EXCLUSIVE new \
             Index(\"orders_user\")",
            "13: table \"nope\" does not exist (42P01)",
            "14: ",
            "15: orders ACCESS EXCLUSIVE Table, users ACCESS EXCLUSIVE",
            "16: ",
            "17: orders ACCESS EXCLUSIVE",
            "18: orders ACCESS EXCLUSIVE Table, users ACCESS EXCLUSIVE",
            "19: fresh ACCESS EXCLUSIVE new, users SHARE ROW EXCLUSIVE",
            "20: users ACCESS SHARE",
            "21: ",
            "22: reading ACCESS EXCLUSIVE, reading_26 ACCESS EXCLUSIVE new, reading_rest ACCESS \
             EXCLUSIVE scans",
            "23: reading ACCESS EXCLUSIVE, reading_25 ACCESS EXCLUSIVE, reading_rest ACCESS \
             EXCLUSIVE",
            "24: reading_rest ROW EXCLUSIVE",
            "25: names ACCESS EXCLUSIVE new, users ACCESS SHARE",
            "26: fresh ACCESS EXCLUSIVE rewrites new, names ACCESS EXCLUSIVE rewrites new, \
             reading_25 ACCESS EXCLUSIVE rewrites, reading_26 ACCESS EXCLUSIVE rewrites new, \
             reading_rest ACCESS EXCLUSIVE rewrites, users ACCESS EXCLUSIVE rewrites builds",
            "27: fresh SHARE new, names SHARE new, reading_25 SHARE, reading_26 SHARE new, \
             reading_rest SHARE, users SHARE builds",
        ]
    );
}
