//! The keeper of truth: a second session reads `pg_locks` while each statement holds its
//! locks, and the claims of `pgward_sql` must be what the server did.
#![allow(clippy::unwrap_used)]

mod common;

use pgward_model::prelude::*;
use pgward_pg::session::{Session, get};
use std::collections::BTreeMap;
use std::time::Duration;

const SCHEMA: &str = "
CREATE TABLE parent (id int PRIMARY KEY, name text);
CREATE TABLE t (
    id int PRIMARY KEY, a int, b text, v varchar(20), p int, n numeric(10, 2), d timestamp,
    CONSTRAINT t_a_check CHECK (a >= 0),
    CONSTRAINT t_p_fkey FOREIGN KEY (p) REFERENCES parent (id)
);
INSERT INTO parent SELECT g, 'n' FROM generate_series(1, 10) g;
INSERT INTO t SELECT g, g, 'b' || g, 'v', 1, 1, now() FROM generate_series(1, 100) g;
CREATE INDEX t_a ON t (a);
CREATE UNIQUE INDEX t_b ON t (b);
CREATE UNIQUE INDEX t_n_id ON t (id, n);
CREATE TABLE child (id int, t int CONSTRAINT child_t_fkey REFERENCES t (id));
CREATE TABLE checked (a int CONSTRAINT nn CHECK (a IS NOT NULL), w int);
ALTER TABLE checked ADD CONSTRAINT checked_w_check CHECK (w > 0) NOT VALID;
INSERT INTO checked VALUES (1, 1);
CREATE TABLE made (id int, g int GENERATED ALWAYS AS (id * 2) STORED);
CREATE TABLE kept (id int PRIMARY KEY);
CREATE TABLE follows (k int REFERENCES kept (id) ON DELETE CASCADE);
INSERT INTO kept VALUES (1);
CREATE VIEW w AS SELECT id, a FROM t;
CREATE MATERIALIZED VIEW m AS SELECT id, a FROM t;
CREATE UNIQUE INDEX m_id ON m (id);
CREATE SEQUENCE s;
CREATE FUNCTION trf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trf();
CREATE POLICY pol ON t USING (true);
CREATE RULE ru AS ON INSERT TO parent DO ALSO NOTHING;
CREATE TABLE parted (k int, x int) PARTITION BY LIST (k);
CREATE TABLE part1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted2 (k int) PARTITION BY LIST (k);
CREATE TABLE one PARTITION OF parted2 FOR VALUES IN (1);
CREATE TABLE rest PARTITION OF parted2 DEFAULT;
CREATE TABLE loose (k int, x int NOT NULL);
CREATE UNIQUE INDEX loose_k ON loose (k);
CREATE UNIQUE INDEX loose_x ON loose (x);
CREATE TABLE solo (k int);
CREATE TABLE base (a int);
CREATE TABLE derived (a int) INHERITS (base);
CREATE TABLE viewed (a int);
CREATE VIEW viewed1 AS SELECT a FROM viewed;
CREATE VIEW viewed2 AS SELECT a FROM viewed1;
CREATE MATERIALIZED VIEW filled AS SELECT a FROM viewed2;
CREATE VIEW viewed3 AS SELECT a FROM filled;
CREATE DOMAIN small AS int;
CREATE TABLE uses_small (a small);
CREATE ROLE reader;
CREATE SCHEMA other;
ANALYZE;
";

/// Virtual columns, which 18 has brought.
const VIRTUAL: &str = "
CREATE TABLE seen (
    id int,
    g int GENERATED ALWAYS AS (id * 2) VIRTUAL,
    h int GENERATED ALWAYS AS (id * 2) VIRTUAL NOT NULL
);
INSERT INTO seen VALUES (1);
";

/// Statements that only some majors know, from the first of them.
const NEWER: &[(u32, &str)] = &[
    (15, "MERGE INTO t USING parent ON t.p = parent.id WHEN MATCHED THEN UPDATE SET a = 2"),
    (17, "ALTER TABLE made ALTER COLUMN g SET EXPRESSION AS (id * 3)"),
    (18, "ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (id * 2) VIRTUAL"),
    (18, "ALTER TABLE seen ALTER COLUMN g SET EXPRESSION AS (id * 3)"),
    (18, "ALTER TABLE seen ALTER COLUMN g TYPE bigint"),
    (18, "ALTER TABLE seen ALTER COLUMN h SET EXPRESSION AS (id * 3)"),
    (18, "ALTER TABLE t ADD CONSTRAINT a_given NOT NULL a"),
    (18, "ALTER TABLE t ADD CONSTRAINT a_given NOT NULL a NOT VALID"),
    (18, "ALTER TABLE t ADD CONSTRAINT a_small CHECK (a < 0) NOT ENFORCED"),
    (18, "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES parent (id) NOT ENFORCED"),
];

/// Statements that can run in a transaction; all of them are rolled back.
const STATEMENTS: &[&str] = &[
    "SELECT * FROM t",
    "SELECT * FROM t WHERE id IN (SELECT id FROM parent) FOR UPDATE",
    "WITH x AS (SELECT * FROM parent) SELECT * FROM x, t",
    "WITH gone AS (DELETE FROM child RETURNING id) SELECT * FROM gone",
    "INSERT INTO t (id, p) SELECT 1000, id FROM parent LIMIT 1",
    "UPDATE t SET a = 1 WHERE id = 1",
    "DELETE FROM child",
    "DELETE FROM parent WHERE id = 7",
    "DELETE FROM kept WHERE id = 1",
    "UPDATE t SET p = 2 WHERE id = 1",
    "UPDATE t SET a = parent.id FROM parent WHERE parent.id = t.p",
    "TRUNCATE child",
    "TRUNCATE t CASCADE",
    "LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE",
    "LOCK TABLE t",
    "EXPLAIN SELECT * FROM t",
    "EXPLAIN ANALYZE UPDATE t SET a = 1",
    "CREATE INDEX ON t (n)",
    "CREATE UNIQUE INDEX i ON t (id, a)",
    "DROP INDEX t_a",
    "ALTER INDEX t_a RENAME TO t_a2",
    "ALTER INDEX t_a SET (fillfactor = 80)",
    "REINDEX TABLE t",
    "REINDEX INDEX t_a",
    "CREATE TABLE n (a int REFERENCES parent (id))",
    "CREATE TABLE n (LIKE t INCLUDING ALL)",
    "CREATE TABLE n (x int) INHERITS (base)",
    "CREATE TABLE part2 PARTITION OF parted FOR VALUES IN (2)",
    "CREATE TABLE two PARTITION OF parted2 FOR VALUES IN (2)",
    "CREATE TABLE n AS SELECT * FROM t",
    "SELECT * INTO n FROM t",
    "CREATE VIEW z AS SELECT t.id FROM t JOIN parent ON true",
    "CREATE OR REPLACE VIEW w AS SELECT id, a FROM t WHERE a > 1",
    "CREATE MATERIALIZED VIEW z AS SELECT * FROM t",
    "REFRESH MATERIALIZED VIEW m",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
    "DROP TABLE child",
    "DROP TABLE viewed CASCADE",
    "DROP VIEW viewed1 CASCADE",
    "DROP VIEW w",
    "DROP MATERIALIZED VIEW m",
    "DROP SEQUENCE s",
    "ALTER SEQUENCE s INCREMENT 2",
    "ALTER SEQUENCE s RENAME TO s2",
    "ALTER TABLE t RENAME TO t2",
    "ALTER TABLE t RENAME COLUMN a TO a2",
    "ALTER TABLE t RENAME CONSTRAINT t_a_check TO c2",
    "ALTER VIEW w RENAME COLUMN a TO a2",
    "ALTER VIEW w RENAME TO w2",
    "ALTER TABLE t SET SCHEMA other",
    "ALTER VIEW w SET SCHEMA other",
    "ALTER TABLE t ADD COLUMN x int",
    "ALTER TABLE t ADD COLUMN x int DEFAULT -1",
    "ALTER TABLE t ADD COLUMN x int NOT NULL DEFAULT 0",
    "ALTER TABLE t ADD COLUMN x timestamptz DEFAULT now()",
    "ALTER TABLE t ADD COLUMN x date DEFAULT current_date",
    "ALTER TABLE t ADD COLUMN x text DEFAULT lower('X')",
    "ALTER TABLE t ADD COLUMN x uuid DEFAULT gen_random_uuid()",
    "ALTER TABLE t ADD COLUMN x float DEFAULT random()",
    "ALTER TABLE t ADD COLUMN x bigserial",
    "ALTER TABLE t ADD COLUMN x int GENERATED BY DEFAULT AS IDENTITY",
    "ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a + 1) STORED",
    "ALTER TABLE t ADD COLUMN x int CHECK (x > 0)",
    "ALTER TABLE t ADD COLUMN x int DEFAULT 1 CHECK (x > 0)",
    "ALTER TABLE t ADD COLUMN x int REFERENCES parent (id)",
    "ALTER TABLE t ADD COLUMN x int UNIQUE",
    "ALTER TABLE t DROP COLUMN b",
    "ALTER TABLE t DROP COLUMN p",
    "ALTER TABLE kept DROP COLUMN id CASCADE",
    "ALTER TABLE kept ALTER COLUMN id TYPE bigint",
    "ALTER TABLE t ALTER COLUMN p TYPE bigint, DROP COLUMN b",
    "ALTER TABLE child ALTER COLUMN id TYPE bigint",
    "ALTER TABLE t ALTER COLUMN v TYPE varchar(50)",
    "ALTER TABLE t ALTER COLUMN v TYPE text",
    "ALTER TABLE t ALTER COLUMN v TYPE varchar(10)",
    "ALTER TABLE t ALTER COLUMN n TYPE numeric(12, 2)",
    "ALTER TABLE t ALTER COLUMN n TYPE numeric(12, 3)",
    "ALTER TABLE t ALTER COLUMN b SET DEFAULT 'x'",
    "ALTER TABLE t ALTER COLUMN b DROP DEFAULT",
    "ALTER TABLE t ALTER COLUMN b SET NOT NULL",
    "ALTER TABLE t ALTER COLUMN id SET NOT NULL",
    "ALTER TABLE checked ALTER COLUMN a SET NOT NULL",
    "ALTER TABLE t ALTER COLUMN b DROP NOT NULL",
    "ALTER TABLE t ALTER COLUMN b SET STATISTICS 500",
    "ALTER TABLE t ALTER COLUMN b SET (n_distinct = 5)",
    "ALTER TABLE t ALTER COLUMN b SET STORAGE EXTERNAL",
    "ALTER TABLE t ALTER COLUMN b SET COMPRESSION pglz",
    "ALTER TABLE t ADD CONSTRAINT k CHECK (id > 0)",
    "ALTER TABLE t ADD CONSTRAINT k CHECK (id > 0) NOT VALID",
    "ALTER TABLE checked VALIDATE CONSTRAINT checked_w_check",
    "ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES parent (id)",
    "ALTER TABLE child ADD CONSTRAINT k FOREIGN KEY (id) REFERENCES parent (id) NOT VALID",
    "ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)",
    "ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX t_b",
    "ALTER TABLE child ADD PRIMARY KEY (id)",
    "ALTER TABLE loose ADD PRIMARY KEY USING INDEX loose_k",
    "ALTER TABLE loose ADD PRIMARY KEY USING INDEX loose_x",
    "ALTER TABLE t ADD CONSTRAINT k EXCLUDE USING btree (a WITH =)",
    "ALTER TABLE t DROP CONSTRAINT t_a_check",
    "ALTER TABLE t DROP CONSTRAINT t_p_fkey",
    "ALTER TABLE t ALTER CONSTRAINT t_p_fkey DEFERRABLE",
    "ALTER TABLE t SET (fillfactor = 80)",
    "ALTER TABLE t SET (autovacuum_enabled = off)",
    "ALTER TABLE t RESET (fillfactor)",
    "ALTER VIEW w SET (security_barrier = true)",
    "ALTER TABLE child SET UNLOGGED",
    "ALTER TABLE t CLUSTER ON t_a",
    "ALTER TABLE t SET WITHOUT CLUSTER",
    "ALTER TABLE t OWNER TO reader",
    "ALTER TABLE t REPLICA IDENTITY FULL",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE t FORCE ROW LEVEL SECURITY",
    "ALTER TABLE t DISABLE TRIGGER tr",
    "ALTER TABLE t ENABLE TRIGGER ALL",
    "ALTER TABLE parent DISABLE RULE ru",
    "ALTER TABLE loose INHERIT base2",
    "ALTER TABLE derived NO INHERIT base",
    "ALTER TABLE parted ATTACH PARTITION loose FOR VALUES IN (9)",
    "ALTER TABLE parted2 ATTACH PARTITION solo FOR VALUES IN (9)",
    "ALTER TABLE parted DETACH PARTITION part1",
    "ALTER TABLE parted2 DETACH PARTITION one",
    "CREATE TRIGGER tr2 AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION trf()",
    "CREATE OR REPLACE TRIGGER tr BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION trf()",
    "ALTER TRIGGER tr ON t RENAME TO tr3",
    "DROP TRIGGER tr ON t",
    "CREATE POLICY pol2 ON t USING (a = 1)",
    "ALTER POLICY pol ON t USING (a = 2)",
    "ALTER POLICY pol ON t RENAME TO pol3",
    "DROP POLICY pol ON t",
    "CREATE RULE r2 AS ON DELETE TO parent DO ALSO NOTHING",
    "ALTER RULE ru ON parent RENAME TO ru2",
    "DROP RULE ru ON parent",
    "CREATE STATISTICS st (dependencies) ON a, b FROM t",
    "COMMENT ON TABLE t IS 'x'",
    "COMMENT ON COLUMN t.a IS 'x'",
    "COMMENT ON CONSTRAINT t_a_check ON t IS 'x'",
    "COMMENT ON TRIGGER tr ON t IS 'x'",
    "COMMENT ON INDEX t_a IS 'x'",
    "COMMENT ON VIEW w IS 'x'",
    "CREATE PUBLICATION pub FOR TABLE t",
    "CLUSTER t USING t_a",
    "ANALYZE t",
    "GRANT SELECT ON t TO reader",
    "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER DOMAIN small ADD CONSTRAINT c CHECK (VALUE < 9)",
    "ALTER DOMAIN small SET NOT NULL",
    "DROP FUNCTION trf() CASCADE",
    "DROP TABLE part1",
    "DROP TABLE rest",
    "DROP TABLE one",
    "DROP TABLE t CASCADE",
    "DROP MATERIALIZED VIEW filled CASCADE",
    "DO $$ BEGIN ALTER TABLE t ADD COLUMN x int; EXECUTE 'UPDATE parent SET name = 1'; END $$",
    "DO $$ DECLARE n int; BEGIN SELECT count(*) INTO n FROM parent;
        IF n > 0 THEN DELETE FROM child; END IF; END $$",
];

/// Statements that cannot run in a transaction: they are stopped by a lock that conflicts
/// with SHARE UPDATE EXCLUSIVE and above on the first relation, and asked what they want.
const ALONE: &[(&str, &str)] = &[
    ("t", "CREATE INDEX CONCURRENTLY ON t (n)"),
    ("t", "DROP INDEX CONCURRENTLY t_a"),
    ("t", "REINDEX TABLE CONCURRENTLY t"),
    ("t", "VACUUM t"),
    ("t", "VACUUM ANALYZE t"),
    ("t", "VACUUM FULL t"),
    ("parted", "ALTER TABLE parted DETACH PARTITION part1 CONCURRENTLY"),
];

#[test]
fn locks_are_what_the_server_takes() {
    let server = common::server();
    let setup = format!("{SCHEMA} CREATE TABLE base2 (k int, x int);");
    let worker = common::database(&server, "locks", &setup);
    let watcher = common::session(&server, "locks");
    let mut wrong = Vec::new();
    let newer = NEWER.iter().filter(|(since, _)| worker.major() >= *since).map(|(_, sql)| sql);
    if worker.major() >= 18 {
        worker.simple(VIRTUAL).unwrap();
    }
    let catalog = pgward_pg::catalog::read(&watcher).unwrap();
    for sql in STATEMENTS.iter().chain(newer) {
        let claimed = claims(sql, &catalog);
        match observe(&worker, &watcher, sql) {
            Ok(seen) => wrong.extend(compare(sql, &claimed, &seen)),
            Err(failed) => wrong.push(failed),
        }
    }
    for (relation, sql) in ALONE {
        let claimed = claims(sql, &catalog);
        let (name, mode) = wanted(&server, &watcher, relation, sql);
        let claim = claimed.iter().find(|e| e.relation.name == name).map(|e| e.lock);
        if claim != Some(mode) {
            wrong.push(format!("{sql}\n    {name}: claimed {claim:?}, the server asked {mode:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} claims differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// What the catalog does not hold, the statements before have told.
#[test]
fn a_domain_with_a_rule_is_proven_for_each_row() {
    let server = common::server();
    let domains =
        "CREATE DOMAIN ruled AS int CHECK (VALUE > 0); CREATE DOMAIN given AS int NOT NULL;
        CREATE DOMAIN free AS int;";
    let tables = "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);";
    let worker = common::database(&server, "domains", &format!("{domains} {tables}"));
    let watcher = common::session(&server, "domains");
    let catalog = pgward_pg::catalog::read(&watcher).unwrap();
    let mut wrong = Vec::new();
    for data_type in ["ruled", "ruled DEFAULT 1", "given DEFAULT 1", "free DEFAULT 1"] {
        let sql = format!("ALTER TABLE t ADD COLUMN x {data_type}");
        let mut chain = pgward_sql::Chain::new(Some(&catalog));
        let read = |text: &str| pgward_sql::read("t.sql", text).statements;
        let mut claimed = Vec::new();
        for statement in read(domains).iter().chain(&read(&sql)) {
            claimed = chain.run(&pgward_sql::actions(statement));
        }
        let seen = observe(&worker, &watcher, &sql).unwrap();
        wrong.extend(compare(&sql, &claimed, &seen));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const PARTS: &str = "
CREATE TABLE base (id int, note text);
CREATE TABLE heir (more int) INHERITS (base);
CREATE TABLE grandheir () INHERITS (heir);
CREATE TABLE pk (id int PRIMARY KEY);
CREATE TABLE events (id int, kind int REFERENCES pk) PARTITION BY LIST (id);
CREATE TABLE low PARTITION OF events FOR VALUES IN (1);
CREATE TABLE high PARTITION OF events FOR VALUES IN (2, 3) PARTITION BY LIST (id);
CREATE TABLE high2 PARTITION OF high FOR VALUES IN (2);
CREATE TABLE rest PARTITION OF events DEFAULT PARTITION BY LIST (id);
CREATE TABLE rest9 PARTITION OF rest FOR VALUES IN (9);
CREATE TABLE loose (id int, kind int) PARTITION BY LIST (id);
CREATE TABLE loose5 PARTITION OF loose FOR VALUES IN (5);
CREATE TABLE days (day date) PARTITION BY RANGE (day);
CREATE TABLE checked (day date NOT NULL CHECK (day >= '2026-01-01' AND day < '2027-01-01'));
CREATE TABLE unchecked (day date NOT NULL CHECK (day >= '2026-01-01'));
CREATE INDEX events_kind ON events (kind);
CREATE INDEX low_id ON low (id);
INSERT INTO pk VALUES (1);
INSERT INTO events VALUES (1, 1), (2, 1), (9, 1);
INSERT INTO base VALUES (1, 'a'); INSERT INTO heir VALUES (2, 'b', 2);
";

const ON_PARTS: &[&str] = &[
    "ALTER TABLE base ADD COLUMN x int",
    "ALTER TABLE base ADD COLUMN x float DEFAULT random()",
    "ALTER TABLE base ALTER COLUMN id TYPE bigint",
    "ALTER TABLE base ALTER COLUMN id SET NOT NULL",
    "ALTER TABLE base ALTER COLUMN id SET DEFAULT 3",
    "ALTER TABLE base ADD CHECK (id > 0)",
    "ALTER TABLE ONLY base ADD CHECK (id > 0) NO INHERIT",
    "ALTER TABLE base ADD PRIMARY KEY (id)",
    "ALTER TABLE base ADD UNIQUE (id)",
    "ALTER TABLE base ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE base RENAME COLUMN note TO text",
    "ALTER TABLE heir NO INHERIT base",
    "LOCK TABLE base",
    "TRUNCATE base",
    "DROP TABLE base CASCADE",
    "CREATE INDEX ON base (id)",
    "ALTER TABLE events ADD CHECK (id > 0)",
    "ALTER TABLE events ALTER COLUMN kind TYPE bigint",
    "ALTER TABLE ONLY events ALTER COLUMN kind SET DEFAULT 2",
    "ALTER TABLE events ATTACH PARTITION loose FOR VALUES IN (5)",
    "ALTER TABLE events DETACH PARTITION high",
    "ALTER TABLE days ATTACH PARTITION checked FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "ALTER TABLE days ATTACH PARTITION unchecked FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "ALTER TABLE days ATTACH PARTITION unchecked DEFAULT",
    "CREATE TABLE six PARTITION OF events FOR VALUES IN (6)",
    "CREATE INDEX ON events (id)",
    "DROP INDEX events_kind",
    "DROP TABLE events",
    "LOCK TABLE events IN SHARE MODE",
];

/// Partitions and heirs are locked with their parent; a chain of migrations follows them.
#[test]
fn what_is_done_to_a_table_is_done_to_its_parts() {
    let server = common::server();
    let worker = common::database(&server, "parts", PARTS);
    let watcher = common::session(&server, "parts");
    let catalog = pgward_pg::catalog::read(&watcher).unwrap();
    let mut wrong = Vec::new();
    for sql in ON_PARTS {
        let mut chain = pgward_sql::Chain::new(Some(&catalog));
        let statement = pgward_sql::read("t.sql", sql).statements.remove(0);
        let claimed = chain.run(&pgward_sql::actions(&statement));
        let seen = observe(&worker, &watcher, sql).unwrap();
        let said = |begin: &str, name: &str| {
            let mark = format!("table \"{name}\"");
            seen.notices.iter().any(|n| n.starts_with(begin) && n.contains(&mark))
        };
        // A key is proven without naming its table, and so is what a default partition holds.
        let is_silent = sql.starts_with("CREATE TABLE")
            || seen.notices.iter().any(|n| n.starts_with("validating foreign"));
        for (name, mode) in &seen.locks {
            let claim = claimed.iter().find(|e| e.relation.name == *name);
            let is_table = matches!(seen.kinds[name].as_str(), "r" | "p");
            let is_new = claim.is_some_and(|e| !e.existed_before);
            if !is_table || is_new || (claim.is_none() && *mode < LockMode::Share) {
                continue;
            }
            let did = (
                *mode,
                seen.rewritten.contains(name) && !sql.starts_with("TRUNCATE"),
                said("building", name) && !seen.rewritten.contains(name),
                said("verifying", name),
            );
            let claim = claim.map(|e| {
                let scans = if is_silent { did.3 } else { e.scans };
                (e.lock, e.rewrites, e.builds_index && !seen.rewritten.contains(name), scans)
            });
            if claim != Some(did) {
                wrong.push(format!("{sql}\n    {name}: claimed {claim:?}, did {did:?}"));
            }
        }
        let taken = |e: &&Effect| seen.locks.contains_key(&e.relation.name);
        for e in claimed.iter().filter(|e| e.existed_before && !taken(e)) {
            wrong.push(format!("{sql}\n    {}: claimed {}, took none", e.relation, e.lock));
        }
    }
    assert!(wrong.is_empty(), "{} claims differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn claims(sql: &str, catalog: &Catalog) -> Vec<Effect> {
    let file = pgward_sql::read("t.sql", sql);
    assert_eq!(file.statements.len(), 1, "{sql}");
    assert_ne!(file.statements[0].kind, StatementKind::Unparsed, "{sql}");
    pgward_sql::effects_with(&file.statements[0], catalog)
}

/// What a statement did to the relations that were there before.
#[derive(Default)]
struct Seen {
    locks: BTreeMap<String, LockMode>,
    kinds: BTreeMap<String, String>,
    rewritten: Vec<String>,
    notices: Vec<String>,
}

fn observe(worker: &Session, watcher: &Session, sql: &str) -> Result<Seen, String> {
    let nodes_before = file_nodes(watcher);
    worker.simple("BEGIN; SET LOCAL client_min_messages = debug1").unwrap();
    worker.take_notices();
    if let Err(e) = worker.simple(sql) {
        worker.simple("ROLLBACK").unwrap();
        return Err(format!("{sql}: {}", e.message()));
    }
    let mut seen = Seen {
        notices: worker.take_notices().into_iter().map(|n| n.message).collect(),
        ..Seen::default()
    };
    // Oids, since a renamed relation has another name only inside the transaction.
    let rows = watcher
        .query(
            "SELECT c.relname::text, c.relkind::text, l.mode
             FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
             JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE l.pid = $1 AND l.granted AND n.nspname = 'public'",
            &[&worker.pid()],
        )
        .unwrap();
    for row in rows {
        let (name, kind, mode): (String, String, String) =
            (get(&row, 0).unwrap(), get(&row, 1).unwrap(), get(&row, 2).unwrap());
        let mode = LockMode::from_pg_name(&mode).unwrap();
        let strongest = seen.locks.entry(name.clone()).or_insert(mode);
        *strongest = mode.max(*strongest);
        seen.kinds.insert(name, kind);
    }
    for (name, node) in file_nodes_of(worker) {
        if nodes_before.get(&name).is_some_and(|before| *before != node) {
            seen.rewritten.push(name);
        }
    }
    worker.simple("ROLLBACK").unwrap();
    Ok(seen)
}

fn file_nodes(session: &Session) -> BTreeMap<String, u32> {
    file_nodes_of(session).into_iter().collect()
}

fn file_nodes_of(session: &Session) -> Vec<(String, u32)> {
    session
        .query(
            "SELECT relname::text, relfilenode FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm')",
            &[],
        )
        .unwrap()
        .iter()
        .map(|row| (get(row, 0).unwrap(), get(row, 1).unwrap()))
        .collect()
}

fn compare(sql: &str, claimed: &[Effect], seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    for e in claimed.iter().filter(|e| e.existed_before) {
        let name = &e.relation.name;
        let is_relation = !matches!(&e.destroys, Destroys::Object(what) if what.contains('('));
        if is_relation && seen.locks.get(name) != Some(&e.lock) {
            let server = seen.locks.get(name).map(ToString::to_string);
            wrong
                .push(format!("{sql}\n    {name}: claimed {}, the server took {server:?}", e.lock));
        }
        let rewritten = seen.rewritten.contains(name);
        let empties = e.destroys == Destroys::AllRows;
        if is_relation && !empties && rewritten != e.rewrites {
            wrong.push(format!(
                "{sql}\n    {name}: claimed rewrites {}, was {rewritten}",
                e.rewrites
            ));
        }
        let mark = format!("table \"{name}\"");
        let verified = seen.notices.iter().any(|n| {
            (n.starts_with("verifying") && n.contains(&mark))
                || (n.starts_with("validating foreign") && sql.contains(&format!("TABLE {name} ")))
        });
        let alters = sql.starts_with(&format!("ALTER TABLE {name} "));
        if alters && verified && !e.scans && !e.rewrites && !sql.contains("FOREIGN KEY") {
            wrong.push(format!("{sql}\n    {name}: every row was read: {:?}", seen.notices));
        }
        if alters && e.scans && !verified && !e.rewrites && !sql.contains("PARTITION") {
            wrong.push(format!("{sql}\n    {name}: claimed a scan, the server made none"));
        }
        let built =
            seen.notices.iter().any(|n| n.starts_with("building index") && n.contains(&mark));
        if built && !e.builds_index && !e.rewrites && !empties {
            wrong.push(format!("{sql}\n    {name}: an index was built: {:?}", seen.notices));
        }
    }
    for (name, mode) in &seen.locks {
        let kind = seen.kinds.get(name).map_or("", String::as_str);
        let matters = *mode > LockMode::AccessShare && kind != "i" && kind != "S";
        let known = claimed.iter().any(|e| e.relation.name == *name && e.lock >= *mode);
        if matters && !known {
            wrong.push(format!("{sql}\n    {name}: the server took {mode}, nothing was claimed"));
        }
    }
    wrong
}

/// Runs a statement against a lock it must wait for; the relation and mode it asks for.
fn wanted(
    server: &pgward_pg::server::PrivateServer,
    watcher: &Session,
    relation: &str,
    sql: &str,
) -> (String, LockMode) {
    let holder = common::session(server, "locks");
    let worker = common::session(server, "locks");
    holder
        .simple(&format!("BEGIN; LOCK TABLE ONLY {relation} IN SHARE UPDATE EXCLUSIVE MODE"))
        .unwrap();
    let cancel = worker.canceller();
    let pid = worker.pid();
    std::thread::scope(|scope| {
        let run = scope.spawn(|| worker.simple(sql));
        let asked = pgward_pg::clock::poll(
            Duration::from_secs(20),
            Duration::from_millis(10),
            || -> Result<Option<(String, LockMode)>, pgward_pg::error::Error> {
                let rows = watcher.query(
                    "SELECT c.relname::text, l.mode FROM pg_locks l
                     JOIN pg_class c ON c.oid = l.relation WHERE l.pid = $1 AND NOT l.granted",
                    &[&pid],
                )?;
                let Some(row) = rows.first() else { return Ok(None) };
                let mode: String = get(row, 1)?;
                Ok(LockMode::from_pg_name(&mode).zip(get(row, 0).ok()).map(|(m, n)| (n, m)))
            },
        );
        cancel().unwrap();
        let ended = run.join().unwrap();
        assert!(ended.is_err(), "{sql}: it did not wait");
        holder.simple("ROLLBACK").unwrap();
        asked.unwrap().unwrap_or_else(|| panic!("{sql}: it waited for nothing"))
    })
}
