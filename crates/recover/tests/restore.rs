//! Accidents on a real server and the way back from each, with a proof that all is there.

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_model::name::Relation;
use pgward_model::runbook::Limits;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::tools;
use pgward_recover::error::Error;
use pgward_recover::restore;
use pgward_sandbox::backup::{self, Backup, Vault};
use pgward_sandbox::emptied;
use pgward_sandbox::side::{self, Point, SideOptions, SideServer};
use pgward_sandbox::wal::{self, WalSource};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::time::Duration;
use tempfile::TempDir;

/// Programs of PostgreSQL a restore runs; not every server package has them.
const PROGRAMS: &[&str] =
    &["pg_basebackup", "pg_dump", "pg_restore", "pg_verifybackup", "pg_waldump", "psql"];

/// An archiving server, filled and then backed up.
struct Production {
    server: PrivateServer,
    vault: Vault,
    backup: Backup,
    session: Session,
    dir: TempDir,
}

fn production(schema: &str) -> Production {
    let dir = tempfile::Builder::new()
        .prefix("pgward-test-")
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir()
        .expect("a temporary directory can be made");
    let vault = Vault::open(&dir.path().join("vault")).expect("a vault can be made");
    let options = ServerOptions::new(installation::installation())
        .set("fsync", "off")
        .set("wal_level", "logical")
        .set("archive_mode", "on")
        .set("archive_command", &backup::archive_command(&vault));
    let server = PrivateServer::create(&options).expect("a server starts");
    let target = server.target();
    let session = Session::connect(&target, Purpose::Private).expect("it answers");
    session.simple("CREATE DATABASE shop").expect("a database can be made");
    let session =
        Session::connect(&target.with_database("shop"), Purpose::Private).expect("it answers");
    session.simple(schema).expect("the schema can be made");
    let backup = backup::take(&target, server.installation(), &vault).expect("a backup works");
    Production { server, vault, backup, session, dir }
}

impl Production {
    fn target(&self) -> Target {
        self.session.target().clone()
    }

    fn number(&self, sql: &str) -> i64 {
        self.session.query_one(sql, &[]).expect("one number")
    }

    fn side(&self, point: Point) -> SideServer {
        let mut options = SideOptions::new(self.server.installation().clone());
        options.within = Duration::from_secs(60);
        side::start(&self.vault, &self.backup, &point, &options).expect("the side starts")
    }

    fn wal(&self) -> WalSource {
        backup::flush_wal(&self.session, &self.vault).expect("WAL is archived");
        WalSource::of(&self.vault, &self.backup, None, self.server.installation())
    }

    fn database(&self) -> u32 {
        let sql = "SELECT oid::int8 FROM pg_database WHERE datname = current_database()";
        u32::try_from(self.number(sql)).expect("an OID")
    }

    /// All definitions as text.
    fn schema(&self) -> String {
        let conninfo = tools::conninfo(&self.target());
        let program = self.server.installation().program("pg_dump");
        let within = Duration::from_secs(60);
        let args = ["-s", "-d", &conninfo];
        let text = tools::run(&program, &args, &[], within, tools::RunAs::Us).expect("a dump");
        text.lines().filter(|l| !l.starts_with('\\')).map(|l| format!("{l}\n")).collect()
    }
}

const SHOP: &str = r#"
CREATE ROLE shop_site; CREATE ROLE shop_owner;
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE "Orders" (
    id bigserial PRIMARY KEY, customer int REFERENCES customers, total numeric NOT NULL,
    tax numeric GENERATED ALWAYS AS (total * 0.2) STORED, n int GENERATED ALWAYS AS IDENTITY,
    note text DEFAULT 'none' CHECK (note <> ''));
CREATE INDEX orders_customer ON "Orders" (customer) WHERE total > 10;
CREATE TABLE items (id int PRIMARY KEY, order_id bigint REFERENCES "Orders" ON DELETE CASCADE);
CREATE VIEW dear AS SELECT * FROM "Orders" WHERE total > 100;
CREATE VIEW dear_customers AS SELECT DISTINCT customer FROM dear;
CREATE MATERIALIZED VIEW sums AS SELECT customer, sum(total) FROM "Orders" GROUP BY 1;
CREATE UNIQUE INDEX ON sums (customer);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON "Orders" FOR EACH ROW EXECUTE FUNCTION touch();
CREATE POLICY mine ON "Orders" USING (customer = 1);
ALTER TABLE "Orders" ENABLE ROW LEVEL SECURITY;
CREATE STATISTICS related ON customer, total FROM "Orders";
CREATE PUBLICATION feed FOR TABLE "Orders";
GRANT SELECT ON "Orders", dear TO shop_site; GRANT UPDATE (note) ON "Orders" TO shop_site;
GRANT USAGE ON SEQUENCE "Orders_id_seq" TO shop_site;
ALTER TABLE "Orders" OWNER TO shop_owner;
COMMENT ON TABLE "Orders" IS 'all of them'; COMMENT ON COLUMN "Orders".note IS 'free text';
COMMENT ON CONSTRAINT "Orders_note_check" ON "Orders" IS 'not empty';
COMMENT ON TRIGGER touched ON "Orders" IS 'does nothing'; COMMENT ON VIEW dear IS 'dear ones';
COMMENT ON INDEX orders_customer IS 'partial'; COMMENT ON POLICY mine ON "Orders" IS 'one';
CREATE TABLE years (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE y2026 PARTITION OF years FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX ON years (id); INSERT INTO years VALUES (1, '2026-05-05');
INSERT INTO customers SELECT g, 'c' FROM generate_series(1, 10) g;
INSERT INTO "Orders" (customer, total) SELECT g % 10 + 1, g FROM generate_series(1, 1000) g;
INSERT INTO items SELECT g, g FROM generate_series(1, 1000) g;
REFRESH MATERIALIZED VIEW sums;
"#;

const DIGEST: &str = r#"SELECT sum(hashtext(t::text)) FROM "Orders" t"#;

#[test]
fn a_dropped_table_comes_back_with_all_that_hung_on_it() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(SHOP);
    p.session.simple(r#"INSERT INTO "Orders" (customer, total) VALUES (1, 5000)"#).unwrap();
    let (schema, digest) = (p.schema(), p.number(DIGEST));
    p.session.simple("CREATE TABLE unrelated (id int)").unwrap();
    let oid = p.number(r#"SELECT '"Orders"'::regclass::oid::int8"#) as u32;
    let file = p.number(r#"SELECT pg_relation_filenode('"Orders"')::int8"#) as u32;
    // The script writes first, others write meanwhile, then it drops.
    p.session.simple("BEGIN; INSERT INTO customers VALUES (11, 'x')").unwrap();
    p.session.simple(r#"DROP TABLE "Orders", years CASCADE; COMMIT"#).unwrap();
    p.session.simple("DROP TABLE unrelated; INSERT INTO customers VALUES (12, 'y')").unwrap();

    let dropped = wal::dropper_of(&p.wal(), p.database(), file).unwrap();
    let side = p.side(Point::BeforeLsn(dropped.before_lock(Some(oid)).to_string()));
    let lost = [Relation::new("", "Orders"), Relation::new("public", "years")];
    let report = restore::objects(&p.target(), &side, &lost, &Limits::RESTORE).unwrap();
    assert_eq!(report.rows_restored, 1002);
    assert_eq!(report.notes, [""; 0]);
    assert_eq!(p.schema(), schema);
    assert_eq!(p.number(DIGEST), digest);
    assert_eq!(p.number("SELECT count(*) FROM customers"), 12);
    assert_eq!(p.number("SELECT count(*) FROM sums"), 10);
    assert_eq!(p.number(r#"INSERT INTO "Orders" (total) VALUES (1) RETURNING id"#), 1034);
    let again = restore::objects(&p.target(), &side, &lost, &Limits::RESTORE).unwrap_err();
    assert!(matches!(again, Error::Exists { .. }), "{again}");
    let never = [Relation::new("public", "never")];
    let error = restore::objects(&p.target(), &side, &never, &Limits::RESTORE).unwrap_err();
    assert!(matches!(error, Error::NotOnSide { .. }), "{error}");
}

#[test]
fn a_dropped_partition_comes_back_into_its_table() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(
        "CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers VALUES (1); \
         CREATE TABLE orders (id bigint, quarter text, customer int REFERENCES customers, \
         PRIMARY KEY (id, quarter)) PARTITION BY LIST (quarter); \
         CREATE TABLE orders_3 PARTITION OF orders FOR VALUES IN ('q3'); \
         CREATE TABLE orders_4 PARTITION OF orders FOR VALUES IN ('q4'); \
         CREATE INDEX by_customer ON orders (customer); \
         INSERT INTO orders SELECT g, 'q' || 3 + g % 2, 1 FROM generate_series(1, 100) g;",
    );
    let schema = p.schema();
    let oid = p.number("SELECT 'orders_4'::regclass::oid::int8") as u32;
    let file = p.number("SELECT pg_relation_filenode('orders_4')::int8") as u32;
    p.session.simple("DROP TABLE orders_4").unwrap();
    p.session.simple("INSERT INTO orders VALUES (200, 'q3', 1)").unwrap();

    // The whole table is locked before the partition is.
    let dropped = wal::dropper_of(&p.wal(), p.database(), file).unwrap();
    let side = p.side(Point::BeforeLsn(dropped.before_lock(Some(oid)).to_string()));
    let lost = [Relation::new("public", "orders_4")];
    let report = restore::objects(&p.target(), &side, &lost, &Limits::RESTORE).unwrap();
    assert_eq!(report.rows_restored, 50);
    assert_eq!(report.notes, [""; 0]);
    assert_eq!(p.schema(), schema);
    assert_eq!(p.number("SELECT count(*) FROM orders"), 101);
}

#[test]
fn a_row_written_meanwhile_does_not_keep_the_table_away() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a); \
         INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)",
    );
    let lsn: String = p.session.query_one("SELECT pg_current_wal_insert_lsn()::text", &[]).unwrap();
    p.session.simple("DROP TABLE a CASCADE").unwrap();
    p.session.simple("INSERT INTO b VALUES (2)").unwrap();
    p.wal();
    let side = p.side(Point::BeforeLsn(lsn));
    let lost = [Relation::new("public", "a")];
    let report = restore::objects(&p.target(), &side, &lost, &Limits::SHORT).unwrap();
    assert!(report.notes[0].contains("NOT VALID"), "{:?}", report.notes);
    assert_eq!(p.number("SELECT count(*) FROM a"), 1);
    assert!(p.session.simple("INSERT INTO b VALUES (3)").is_err());
}

#[test]
fn a_damaged_block_is_written_back_and_nothing_else() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(
        "CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t SET (autovacuum_enabled=off); \
         INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 1000) g",
    );
    let t = Relation::new("public", "t");
    p.session
        .simple("UPDATE t SET v = 'new' WHERE id % 7 = 0; DELETE FROM t WHERE id = 90")
        .unwrap();
    let digest = "SELECT sum(hashtext(t::text)) FROM t";
    let before = p.number(digest);
    let path: String = p.session.query_one("SELECT pg_relation_filepath('t')", &[]).unwrap();
    let (data_dir, evidence) = (p.server.data_dir().to_owned(), p.dir.path().join("evidence"));
    let target = p.target();
    let mut side = p.side(Point::Latest);
    let repair = |side: &SideServer, block: u32| {
        restore::block(&target, &data_dir, side, &t, block, &evidence, &Limits::RESTORE)
    };
    let whole = repair(&side, 1).unwrap_err();
    assert!(whole.to_string().contains("nothing to restore"), "{whole}");

    let server = p.server;
    server.halt();
    let file = std::fs::OpenOptions::new().write(true).open(data_dir.join(&path)).unwrap();
    for block in [1_u64, 3] {
        file.write_all_at(&[0xEE; 700], block * 8192 + 4000).unwrap();
    }
    server.start_again().unwrap();
    let session = Session::connect(&target, Purpose::Private).unwrap();
    assert!(session.query(digest, &[]).is_err());
    session.simple("INSERT INTO t VALUES (5000, 'later')").unwrap();
    let first = repair(&side, 1).unwrap();
    assert!(first.rows_restored > 40, "{first:?}");
    assert!(first.notes.iter().any(|n| n.contains("equal to the side")), "{first:?}");
    // The second block with the side that the first repair promoted.
    let second = repair(&side, 3).unwrap();
    assert!(second.rows_restored > 40, "{second:?}");
    session.simple("DELETE FROM t WHERE id = 5000").unwrap();
    assert_eq!(session.query_one::<i64>(digest, &[]).unwrap(), before);
    let kept = std::fs::read_dir(&evidence).unwrap().count();
    assert_eq!(kept, 6);
    let elsewhere =
        restore::block(&target, p.dir.path(), &side, &t, 1, &evidence, &Limits::RESTORE);
    assert!(matches!(elsewhere, Err(Error::NotLocal { .. })));
    let _ = &mut side;
}

#[test]
fn rows_get_their_values_back_unless_somebody_changed_them_since() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(
        "CREATE TABLE t (id int PRIMARY KEY, v text, twice int GENERATED ALWAYS AS (id * 2) STORED); \
         INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 30000) g; \
         CREATE TABLE keyless (v text); INSERT INTO keyless VALUES ('x')",
    );
    p.session.simple("INSERT INTO t VALUES (40000, 'after the backup')").unwrap();
    p.session.simple("BEGIN; UPDATE t SET v = 'rogue' WHERE id <= 25000").unwrap();
    let xid = p.number("SELECT pg_current_xact_id()::text::int8");
    // Others commit while it is open: kept, since the side stands just before its end.
    let site = Session::connect(&p.target(), Purpose::Private).unwrap();
    site.simple("UPDATE t SET v = 'by the site' WHERE id = 30000").unwrap();
    p.session
        .simple(
            "SAVEPOINT s; UPDATE t SET v = 'rogue' WHERE id >= 29990; RELEASE s; \
             DELETE FROM t WHERE id BETWEEN 26000 AND 26010; UPDATE keyless SET v = 'y'; \
             INSERT INTO t VALUES (50000, 'new'); COMMIT",
        )
        .unwrap();
    site.simple("UPDATE t SET v = 'newer' WHERE id IN (1, 2)").unwrap();
    site.simple("DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (26000, 'taken')").unwrap();
    let transaction = wal::transaction(&p.wal(), xid as u64).unwrap();
    let stop = transaction.before_end(p.number("SELECT 't'::regclass::oid::int8") as u32);
    let side = p.side(Point::BeforeLsn(stop.to_string()));

    // A row held by another session is not waited for, and is done once it is free.
    site.simple("BEGIN; SELECT FROM t WHERE id = 4 FOR UPDATE").unwrap();
    let t = Relation::new("", "t");
    let target = p.target();
    let report = std::thread::scope(|scope| {
        let repair = scope.spawn(|| restore::rows(&target, &side, &t, xid as u64, &Limits::SHORT));
        let most = "SELECT count(*) FROM t WHERE v = 'rogue'";
        clock::poll(Duration::from_secs(60), Duration::from_millis(20), || {
            Ok::<_, Error>((p.number(most) <= 1).then_some(()))
        })
        .unwrap();
        site.simple("COMMIT").unwrap();
        repair.join().unwrap().unwrap()
    });
    // 25,000 and 12 updated, 11 deleted; without 1, 2 (newer), 3 (gone), 26000 (taken).
    assert_eq!(report.rows_restored, 25_012 - 3 + 11 - 1, "{report:?}");
    assert_eq!(report.rows_kept_newer, 3, "{report:?}");
    assert!(report.notes.iter().any(|n| n.contains("(1) (2) (26000)")), "{report:?}");
    let right = "SELECT count(*) FROM t WHERE v = 'v' || id AND id BETWEEN 4 AND 29999 \
                 AND id <> 26000";
    assert_eq!(p.number(right), 29_995);
    let others = "SELECT count(*) FROM t WHERE (id, v) IN ((1, 'newer'), (26000, 'taken'), \
                  (30000, 'by the site'), (40000, 'after the backup'), (50000, 'new'))";
    assert_eq!(p.number(others), 5);
    let again = restore::rows(&target, &side, &t, xid as u64, &Limits::SHORT).unwrap();
    assert_eq!((again.rows_restored, again.rows_kept_newer), (0, 3), "{again:?}");
    let keyless = Relation::new("public", "keyless");
    let error = restore::rows(&target, &side, &keyless, xid as u64, &Limits::SHORT);
    assert!(matches!(error, Err(Error::NoPrimaryKey { .. })));
}

#[test]
fn emptied_tables_are_filled_again_beside_what_came_since() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(
        "CREATE TABLE flags (id int PRIMARY KEY); INSERT INTO flags VALUES (1), (2); \
         CREATE TABLE issues (id serial PRIMARY KEY, title text, flag int REFERENCES flags); \
         INSERT INTO issues (title, flag) SELECT 'i' || g, 1 FROM generate_series(1, 5000) g; \
         CREATE TABLE keyless (v text)",
    );
    p.session.simple("INSERT INTO issues (title) VALUES ('after the backup')").unwrap();
    p.session.simple("BEGIN; TRUNCATE flags RESTART IDENTITY CASCADE").unwrap();
    let xid = p.number("SELECT pg_current_xact_id()::text::int8");
    p.session.simple("COMMIT").unwrap();
    p.session.simple("INSERT INTO issues (title) VALUES ('new 1'), ('new 2')").unwrap();
    let transaction = wal::transaction(&p.wal(), xid as u64).unwrap();
    let side = p.side(Point::BeforeLsn(transaction.end_lsn.unwrap().to_string()));
    // The table that refers to the other is named first, and filled last.
    let tables = [Relation::new("public", "issues"), Relation::new("public", "flags")];
    let report = restore::refill(&p.target(), &side, &tables, &Limits::SHORT).unwrap();
    assert_eq!((report.rows_restored, report.rows_kept_newer), (2 + 5001 - 2, 2), "{report:?}");
    let news = "SELECT count(*) FROM issues WHERE (id, title) IN ((1, 'new 1'), (2, 'new 2'))";
    assert_eq!(p.number(news), 2);
    let old = "SELECT count(*) FROM issues WHERE title = 'i' || id OR title = 'after the backup'";
    assert_eq!(p.number(old), 4999);
    assert!(p.number("SELECT nextval('issues_id_seq')") > 5001);
    let again = restore::refill(&p.target(), &side, &tables, &Limits::SHORT).unwrap();
    assert_eq!(again.rows_restored, 0, "{again:?}");
    let keyless = [Relation::new("public", "keyless")];
    let error = restore::refill(&p.target(), &side, &keyless, &Limits::SHORT);
    assert!(matches!(error, Err(Error::NoPrimaryKey { .. })));
}

/// A gym whose tables one session empties one by one, while members sign up.
const GYM: &str = "
CREATE TABLE member (id serial PRIMARY KEY, mail text);
CREATE TABLE check_in (id serial PRIMARY KEY, member int NOT NULL REFERENCES member);
CREATE TABLE contract (id int PRIMARY KEY, member int NOT NULL REFERENCES member, note text);
CREATE TABLE course (id int PRIMARY KEY);
CREATE TABLE door (id int PRIMARY KEY); INSERT INTO door VALUES (1);
INSERT INTO member (mail) SELECT 'm' || g FROM generate_series(1, 500) g;
INSERT INTO check_in (member) SELECT 1 + g % 500 FROM generate_series(1, 3000) g;
INSERT INTO contract SELECT g, g, 'c' FROM generate_series(1, 400) g;
INSERT INTO course SELECT g FROM generate_series(1, 25) g;
";

impl Production {
    /// Runs the statements in a transaction; its id.
    fn transaction(&self, sql: &str) -> u64 {
        self.session.simple(&format!("BEGIN; {sql}")).expect("it runs");
        let xid = self.number("SELECT pg_current_xact_id()::text::int8");
        self.session.simple("COMMIT").expect("it commits");
        u64::try_from(xid).expect("a transaction")
    }

    fn oids(&self, tables: &[&str]) -> Vec<u32> {
        let oid = |t: &&str| self.number(&format!("SELECT '{t}'::regclass::oid::int8")) as u32;
        tables.iter().map(oid).collect()
    }

    /// The moments to go back to, with the names of the tables.
    fn moments(&self, seen: &[(u64, &[&str])]) -> Vec<(String, Vec<String>)> {
        let seen = seen.iter().map(|(xid, tables)| (*xid, self.oids(tables))).collect();
        let moments = emptied::moments(&self.wal(), self.database(), &seen).expect("moments");
        let name = |oid: &u32| {
            let sql = format!("SELECT {oid}::oid::regclass::text");
            self.session.query_one::<String>(&sql, &[]).expect("a name")
        };
        let named = |m: emptied::Moment| {
            let mut names: Vec<String> = m.tables.iter().map(name).collect();
            names.sort();
            (m.target.to_string(), names)
        };
        moments.into_iter().map(named).collect()
    }

    fn refill(&self, moments: &[(String, Vec<String>)]) -> Vec<restore::Report> {
        let fill = |(target, names): &(String, Vec<String>)| {
            let side = self.side(Point::BeforeLsn(target.clone()));
            let tables: Vec<Relation> = names.iter().map(|n| Relation::new("public", n)).collect();
            restore::refill(&self.target(), &side, &tables, &Limits::SHORT).expect("rows come back")
        };
        moments.iter().map(fill).collect()
    }
}

fn names(moments: &[(String, Vec<String>)]) -> Vec<Vec<&str>> {
    moments.iter().map(|(_, names)| names.iter().map(String::as_str).collect()).collect()
}

#[test]
fn tables_that_one_session_emptied_twice_come_back_from_before_the_first_time() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(GYM);
    p.transaction("TRUNCATE contract");
    p.session.simple("INSERT INTO member (mail) VALUES ('between')").unwrap();
    p.transaction("TRUNCATE check_in");
    let last = p.transaction("TRUNCATE member CASCADE");
    let course = p.transaction("TRUNCATE course");
    p.session.simple("INSERT INTO member (mail) VALUES ('after')").unwrap();
    // What is seen of it: the last transaction that touched each table.
    let moments = p.moments(&[(last, &["member", "check_in", "contract"]), (course, &["course"])]);
    assert_eq!(names(&moments).last().unwrap(), &["check_in", "contract"], "{moments:?}");
    assert!(names(&moments).first().unwrap().contains(&"member"), "{moments:?}");
    p.refill(&moments);
    let count = |table: &str| p.number(&format!("SELECT count(*) FROM {table}"));
    assert_eq!(["member", "check_in", "contract", "course"].map(count), [502, 3000, 400, 25]);
}

#[test]
fn rows_that_were_not_committed_yet_at_an_earlier_moment_are_not_lost() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(GYM);
    // Nobody writes in between: one side server is enough.
    let first = p.transaction("TRUNCATE check_in");
    let last = p.transaction("TRUNCATE door");
    let moments = p.moments(&[(first, &["check_in"]), (last, &["door"])]);
    assert_eq!(names(&moments), [["check_in", "door"]]);
    let site = Session::connect(&p.target(), Purpose::Private).unwrap();
    site.simple("BEGIN; INSERT INTO course VALUES (26)").unwrap();
    let first = p.transaction("TRUNCATE contract");
    site.simple("COMMIT").unwrap();
    let last = p.transaction("TRUNCATE course");
    let moments = p.moments(&[(first, &["contract"]), (last, &["course"])]);
    assert_eq!(names(&moments), [["course"], ["contract"]]);
    p.refill(&moments);
    assert_eq!(p.number("SELECT count(*) FROM course"), 26);
}

#[test]
fn rows_that_came_between_two_truncates_come_back_beside_those_of_before() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(GYM);
    p.transaction("TRUNCATE check_in");
    p.session.simple("INSERT INTO check_in (member) SELECT 7 FROM generate_series(1, 3)").unwrap();
    let last = p.transaction("TRUNCATE check_in");
    let moments = p.moments(&[(last, &["check_in"])]);
    assert_eq!(names(&moments), [["check_in"], ["check_in"]]);
    p.refill(&moments);
    assert_eq!(p.number("SELECT count(*) FROM check_in"), 3003);
}

#[test]
fn what_only_changed_or_refreshed_a_table_is_no_moment_to_go_back_to() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(GYM);
    // An index that is swapped, a table that is rewritten, and one that gets its new rows at once.
    p.transaction("CREATE INDEX c ON check_in (member); ALTER TABLE check_in ADD note text");
    p.transaction("DROP INDEX c; CREATE INDEX c ON check_in (id, member)");
    p.session.simple("VACUUM FULL member").unwrap();
    p.transaction("TRUNCATE contract; INSERT INTO contract VALUES (1, 1, 'new')");
    p.session.simple("DELETE FROM check_in WHERE id <= 10").unwrap();
    p.session.simple("INSERT INTO member (mail) VALUES ('late')").unwrap();
    let last = p.transaction("TRUNCATE check_in, contract, member");
    let moments = p.moments(&[(last, &["check_in", "contract", "member"])]);
    assert_eq!(names(&moments), [["check_in", "contract", "member"]]);
    p.refill(&moments);
    let count = |table: &str| p.number(&format!("SELECT count(*) FROM {table}"));
    assert_eq!(["member", "check_in", "contract"].map(count), [501, 2990, 1]);
}

#[test]
fn a_table_that_cannot_be_filled_does_not_stop_the_others() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let p = production(&format!(
        "{GYM} CREATE TABLE keyless (v text); CREATE TABLE bare (id int PRIMARY KEY)"
    ));
    let last = p.transaction("TRUNCATE keyless, bare, course");
    let moments = p.moments(&[(last, &["keyless", "bare", "course"])]);
    let (target, _) = moments.first().unwrap();
    let side = p.side(Point::BeforeLsn(target.clone()));
    let tables = ["keyless", "bare", "course"].map(|t| Relation::new("public", t));
    let error = restore::refill(&p.target(), &side, &tables, &Limits::SHORT).unwrap_err();
    assert_eq!(error.to_string(), "course came back, keyless did not");
    assert_eq!(p.number("SELECT count(*) FROM course"), 25);
    let [_, others @ ..] = &tables;
    let report = restore::refill(&p.target(), &side, others, &Limits::SHORT).unwrap();
    assert_eq!(report.empty, [Relation::new("public", "bare")]);
}
