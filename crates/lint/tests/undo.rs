//! The keeper of the way back: each statement runs on a real server, then its inverse, and
//! the schema must be what it was before.
#![allow(clippy::unwrap_used)]

mod common;

use pgward_model::prelude::*;
use pgward_pg::catalog;

const SCHEMA: &str = "
CREATE SCHEMA s;
CREATE TABLE parent (id int PRIMARY KEY, \"Name\" text DEFAULT 'x');
CREATE TABLE t (
    id int PRIMARY KEY, a int, b text NOT NULL DEFAULT 'b', p int,
    CONSTRAINT t_a_check CHECK (a >= 0),
    CONSTRAINT t_p_fkey FOREIGN KEY (p) REFERENCES parent (id)
);
CREATE INDEX t_a ON t (a DESC) WHERE a > 1;
CREATE UNIQUE INDEX t_b ON t (lower(b));
CREATE UNIQUE INDEX t_p ON t (id, p);
CREATE VIEW w AS SELECT id, a FROM t;
CREATE FUNCTION f(n int, txt text) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION trf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trf();
CREATE SEQUENCE q;
CREATE TABLE s.inner_table (a int);
CREATE INDEX inner_a ON s.inner_table (a);
CREATE ROLE undo_reader;
INSERT INTO t VALUES (1, 2, 'b', NULL);
";

/// Statements with an exact way back.
const EXACT: &[&str] = &[
    "CREATE TABLE n (a int REFERENCES parent (id), b bigserial)",
    "CREATE TABLE n AS SELECT * FROM t",
    "CREATE MATERIALIZED VIEW n AS SELECT * FROM t",
    "CREATE TABLE IF NOT EXISTS n (a int)",
    "CREATE TABLE IF NOT EXISTS t (a int)",
    "CREATE INDEX i ON t (b)",
    "CREATE INDEX ON t (b, p)",
    "CREATE INDEX CONCURRENTLY i ON t (b)",
    "CREATE INDEX i ON s.inner_table (a)",
    "CREATE VIEW z AS SELECT a FROM t",
    "CREATE OR REPLACE VIEW z AS SELECT a FROM t",
    "CREATE OR REPLACE FUNCTION f(n int, txt text) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE OR REPLACE FUNCTION g(n int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE FUNCTION f(n bigint, VARIADIC x text[]) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    "CREATE TRIGGER tr2 AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION trf()",
    "CREATE SEQUENCE q2",
    "CREATE SCHEMA s2",
    "ALTER TABLE t ADD COLUMN x int DEFAULT 3, ADD COLUMN \"Y y\" text",
    "ALTER TABLE t ADD COLUMN IF NOT EXISTS a int",
    "ALTER TABLE t ALTER COLUMN p TYPE bigint",
    "ALTER TABLE s.inner_table ALTER COLUMN a TYPE bigint",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT 7",
    "ALTER TABLE t ALTER COLUMN b SET DEFAULT 'z'",
    "ALTER TABLE t ALTER COLUMN b DROP DEFAULT",
    "ALTER TABLE t ALTER COLUMN a SET NOT NULL",
    "ALTER TABLE t ALTER COLUMN b DROP NOT NULL",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 1)",
    "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES parent (id) NOT VALID",
    "ALTER TABLE t ADD UNIQUE (a)",
    "ALTER TABLE s.inner_table ADD PRIMARY KEY (a)",
    "ALTER TABLE t ADD CONSTRAINT tu UNIQUE USING INDEX t_p",
    "ALTER TABLE t DROP CONSTRAINT t_a_check",
    "ALTER TABLE t DROP CONSTRAINT t_p_fkey",
    "ALTER TABLE parent DROP CONSTRAINT parent_pkey CASCADE",
    "ALTER TABLE t RENAME COLUMN a TO z",
    "ALTER TABLE parent RENAME COLUMN \"Name\" TO name",
    "ALTER TABLE t RENAME TO \"T 2\"",
    "ALTER TABLE inner_table RENAME TO other",
    "ALTER TABLE t RENAME CONSTRAINT t_a_check TO c",
    "ALTER INDEX t_a RENAME TO t_z",
    "ALTER INDEX s.inner_a RENAME TO t_z",
    "ALTER VIEW w RENAME TO v",
    "ALTER VIEW w RENAME COLUMN a TO z",
    "ALTER FUNCTION f(int, text) RENAME TO g",
    "ALTER TRIGGER tr ON t RENAME TO tr3",
    "ALTER TABLE t SET SCHEMA s",
    "ALTER TABLE t OWNER TO undo_reader",
    "ALTER TABLE s.inner_table SET UNLOGGED",
    "DROP INDEX t_a",
    "DROP INDEX CONCURRENTLY t_b",
    "DROP INDEX s.inner_a",
    "DROP INDEX IF EXISTS nothing",
    "DROP TRIGGER tr ON t",
    "SELECT * FROM t",
    "ANALYZE t",
    "SET lock_timeout = 0",
];

/// Statements whose way back brings the schema, and says what it does not bring.
const LOSSY: &[&str] = &[
    "CREATE OR REPLACE VIEW w AS SELECT id, a, b FROM t",
    "ALTER TABLE s.inner_table DROP COLUMN a",
    "ALTER TABLE s.inner_table ALTER COLUMN a TYPE text USING 'none'",
    "ALTER TABLE t DISABLE TRIGGER tr",
    "DROP VIEW w",
    "DROP FUNCTION f(int, text)",
    "GRANT SELECT ON t TO undo_reader",
    "CREATE SCHEMA lost; DROP SCHEMA lost",
];

/// Statements without way back, or none that the catalog can give.
const IMPOSSIBLE: &[&str] = &[
    "DROP TABLE t",
    "TRUNCATE t",
    "DELETE FROM t",
    "UPDATE t SET a = 1",
    "INSERT INTO t (id) VALUES (2)",
    "DROP SCHEMA s CASCADE",
    "CALL p()",
    "FROBNICATE t",
    "DO $$ BEGIN ALTER TABLE t ADD x int; END $$",
    "ALTER TABLE t ADD CHECK (a > 3)",
];

#[test]
fn the_way_back_brings_the_schema_back() {
    let server = common::server();
    let session = common::database(&server, "undo", SCHEMA);
    session.simple("ALTER DATABASE undo SET search_path = public, s").unwrap();
    let session = common::session(&server, session.target().database());
    let mut wrong = Vec::new();
    for (exact, sql) in EXACT.iter().map(|s| (true, s)).chain(LOSSY.iter().map(|s| (false, s))) {
        let before = catalog::schema(&session).unwrap();
        let statements = pgward_sql::read("u.sql", sql).statements;
        let undos: Vec<Undo> =
            statements.iter().map(|s| pgward_sql::inverse(s, Some(&before))).collect();
        for s in &statements {
            session.simple(&s.text).unwrap_or_else(|e| panic!("{}: {}", s.text, e.message()));
        }
        for undo in undos.iter().rev() {
            let (is_exact, back) = match undo {
                Undo::Nothing => (true, Vec::new()),
                Undo::Exact { statements } => (true, statements.clone()),
                Undo::Lossy { statements, .. } => (false, statements.clone()),
                Undo::Impossible { why } => panic!("{sql}: {why}"),
            };
            if undos.len() == 1 && is_exact != exact {
                wrong.push(format!("{sql}: {undo:?}"));
            }
            for text in back {
                session.simple(&text).unwrap_or_else(|e| panic!("{sql}\n{text}: {}", e.message()));
            }
        }
        let after = catalog::schema(&session).unwrap();
        if after.schema_lines() != before.schema_lines() {
            let (old, new) = (before.schema_lines(), after.schema_lines());
            let gone: Vec<_> = old.iter().filter(|l| !new.contains(l)).collect();
            let came: Vec<_> = new.iter().filter(|l| !old.contains(l)).collect();
            wrong.push(format!("{sql}\n  undo {undos:?}\n  gone {gone:#?}\n  came {came:#?}"));
            break; // What follows would start from another schema.
        }
    }
    let before = catalog::schema(&session).unwrap();
    for sql in IMPOSSIBLE {
        let statement = &pgward_sql::read("u.sql", sql).statements[0];
        let undo = pgward_sql::inverse(statement, Some(&before));
        if !matches!(undo, Undo::Impossible { .. }) {
            wrong.push(format!("{sql}: {undo:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
