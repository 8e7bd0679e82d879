//! A fixed file leaves the same schema as the file before it, on a real server.
#![allow(clippy::unwrap_used)]

mod common;

use pgward_lint::{Options, check, fixed};
use pgward_model::prelude::*;
use pgward_pg::server::PrivateServer;
use pgward_pg::tools::{self, RunAs};
use std::time::Duration;

const SETUP: &str = "\
CREATE TABLE b (id int PRIMARY KEY);
CREATE TABLE t (id int PRIMARY KEY, a int, b int, \"Odd Name\" text);
INSERT INTO b SELECT generate_series(1, 9);
INSERT INTO t SELECT g, g, g, g FROM generate_series(1, 9) g;
CREATE INDEX old ON t (b);";

/// Each has one statement with an exact fix.
const CHANGES: &[&str] = &[
    "CREATE INDEX i ON t (a);",
    "CREATE UNIQUE INDEX IF NOT EXISTS i ON t USING btree (a DESC, lower(\"Odd Name\")) WHERE a > 0",
    "CREATE INDEX ON t (a) INCLUDE (b) -- its name is chosen\n;",
    "DROP INDEX IF EXISTS old;",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0 AND \"Odd Name\" <> '');",
    "ALTER TABLE ONLY t ADD CONSTRAINT \"C 1\" CHECK (a > 0) NO INHERIT;",
    "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE;",
    "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES b (id) DEFERRABLE INITIALLY DEFERRED;",
    "ALTER TABLE t ADD CONSTRAINT u UNIQUE (a, \"Odd Name\");",
    "ALTER TABLE t ALTER \"Odd Name\" SET NOT NULL;",
];

#[test]
fn a_fixed_change_leaves_the_same_schema_and_is_clean() {
    if common::lacks(&["pg_dump"]) {
        return;
    }
    let server = common::server();
    for (i, sql) in CHANGES.iter().enumerate() {
        let found = judged(sql);
        let after = fixed(sql, &found.iter().collect::<Vec<_>>());
        let after = after.unwrap_or_else(|| panic!("{sql}: nothing fixed: {found:#?}"));
        let left = judged(&after.text);
        let lints: Vec<&str> = after.lints.iter().map(|(lint, _)| lint.as_str()).collect();
        let again = left.iter().any(|f| lints.contains(&f.lint.as_str()));
        assert!(!again && left.iter().all(|f| f.severity == Severity::Note), "{left:#?}");
        let (before, after) = (format!("before_{i}"), (format!("after_{i}"), after.text));
        common::database(&server, &before, SETUP);
        common::database(&server, &after.0, SETUP);
        run_each(&server, &before, sql);
        run_each(&server, &after.0, &after.1);
        assert_eq!(schema(&server, &before), schema(&server, &after.0), "{}", after.1);
    }
}

fn judged(sql: &str) -> Vec<Finding> {
    let change = pgward_sql::change(vec![pgward_sql::read("a.sql", sql)]);
    check(&change, None, &Options::default())
}

/// Statement by statement, as psql does.
fn run_each(server: &PrivateServer, database: &str, sql: &str) {
    let session = common::session(server, database);
    for statement in &pgward_sql::read("a.sql", sql).statements {
        session.simple(&statement.text).unwrap_or_else(|e| panic!("{sql}: {}", e.message()));
    }
}

fn schema(server: &PrivateServer, database: &str) -> String {
    let conninfo = tools::conninfo(&server.target().with_database(database));
    let file = server.root_dir().join("data").join(format!("{database}.sql"));
    let args = ["-s", "-d", &conninfo, "-f", &file.display().to_string()];
    let program = common::installation().require("pg_dump").unwrap();
    tools::run(&program, &args, &[], Duration::from_secs(60), RunAs::ServerUser).unwrap();
    let dump = std::fs::read_to_string(file).unwrap();
    // Each dump has a random key of its own.
    dump.lines().filter(|l| !l.contains("restrict ")).collect::<Vec<_>>().join("\n")
}
