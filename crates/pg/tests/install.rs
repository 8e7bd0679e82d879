//! What is kept in a guarded database, and who may write it.
#![allow(clippy::unwrap_used)]

#[path = "common/installation.rs"]
mod installation;

use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::{install, journal};

struct Shop {
    _server: PrivateServer,
    admin: Session,
    deploy: Session,
}

fn shop() -> Shop {
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    let admin = Session::connect(&server.target(), Purpose::Private).unwrap();
    admin
        .simple(
            "CREATE ROLE deploy LOGIN; GRANT CREATE ON DATABASE postgres TO deploy; \
             GRANT CREATE ON SCHEMA public TO deploy",
        )
        .unwrap();
    let target = server.target().with_role("deploy");
    let deploy = Session::connect(&target, Purpose::Private).unwrap();
    Shop { _server: server, admin, deploy }
}

fn count(session: &Session, sql: &str) -> i64 {
    session.query_one(sql, &[]).unwrap()
}

/// Who deploys can keep the journal, and neither write nor change what tells on it.
fn journal_only(deploy: &Session) {
    let key = journal::Key { change_id: "abc", run: 1, step: 1 };
    journal::intend(deploy, key, "SELECT 1", true, &Undo::Nothing).unwrap();
    journal::ended(deploy, key, JournalState::Done, Some(1), None).unwrap();
    for forgery in [
        "INSERT INTO pgward.ddl_log (at, pid, role, application, client, command, object_kind, \
             identity, dropped, statement) \
         VALUES (now(), 1, 'site', '', '', 'DROP TABLE', 'table', 'orders', true, '')",
        "UPDATE pgward.ddl_log SET role = 'site'",
        "DELETE FROM pgward.ddl_log",
        "TRUNCATE pgward.ddl_log",
        "UPDATE pgward.definitions SET definition = ''",
        "ALTER TABLE pgward.ddl_log DISABLE TRIGGER ALL",
        "CREATE OR REPLACE FUNCTION pgward.log_ddl() RETURNS event_trigger LANGUAGE plpgsql AS \
             'BEGIN END'",
        "CREATE TABLE pgward.mine (x int)",
        "DROP SCHEMA pgward CASCADE",
        "SELECT pgward.forget_old(1000000000)",
    ] {
        let done = deploy.simple(forgery);
        assert_eq!(done.err().unwrap().sqlstate(), Some("42501"), "{forgery}");
    }
}

#[test]
fn a_role_that_deploys_cannot_write_the_ddl_log() {
    let shop = shop();
    let (admin, deploy) = (&shop.admin, &shop.deploy);
    assert!(install::install(admin).unwrap().ddl_log);
    // As an earlier README had it; the next install takes it back.
    admin
        .simple(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgward TO deploy; \
             GRANT ALL ON pgward.definitions TO PUBLIC",
        )
        .unwrap();
    admin.simple(&install::deploy_rights_sql("deploy")).unwrap();
    assert!(install::install(admin).unwrap().ddl_log);
    deploy.simple("CREATE TABLE orders (id int)").unwrap();
    journal_only(deploy);
    let logged = "SELECT count(*) FROM pgward.ddl_log \
                  WHERE identity = 'public.orders' AND role = 'deploy'";
    assert_eq!(count(admin, logged), 1);
}

/// Since 18 each NOT NULL is a constraint, and goes with its table.
#[test]
fn a_dropped_table_has_as_many_objects_on_every_major() {
    let shop = shop();
    shop.admin
        .simple("CREATE TABLE orders (id int PRIMARY KEY, at timestamptz NOT NULL, n int NOT NULL)")
        .unwrap();
    assert!(install::install(&shop.admin).unwrap().ddl_log);
    shop.admin.simple("DROP TABLE orders").unwrap();
    let logged: String = shop
        .admin
        .query_one("SELECT string_agg(identity, ', ' ORDER BY id) FROM pgward.ddl_log", &[])
        .unwrap();
    assert_eq!(logged, "public.orders, public.orders_pkey, orders_pkey on public.orders");
    assert_eq!(count(&shop.admin, "SELECT count(*) FROM pgward.definitions"), 0);
}

/// The journal of a role that is no superuser may hold its triggers.
#[test]
fn a_superuser_does_not_write_to_the_journal_of_another_role() {
    let shop = shop();
    let (admin, deploy) = (&shop.admin, &shop.deploy);
    install::install_journal(deploy).unwrap();
    install::trust_journal(deploy).unwrap();
    let error = install::trust_journal(admin).unwrap_err();
    assert!(error.message().contains("belongs to role deploy"), "{error}");
    admin
        .simple(
            "ALTER TABLE pgward.journal OWNER TO CURRENT_USER; \
             ALTER TABLE pgward.changes OWNER TO CURRENT_USER",
        )
        .unwrap();
    install::trust_journal(admin).unwrap();
}

/// A schema that the deploying role made is a trap for the superuser who installs the log.
#[test]
fn what_stood_in_the_schema_before_runs_with_nobodys_rights() {
    let shop = shop();
    let (admin, deploy) = (&shop.admin, &shop.deploy);
    assert!(!install::install(deploy).unwrap().ddl_log);
    let key = journal::Key { change_id: "before", run: 1, step: 1 };
    journal::intend(deploy, key, "SELECT 1", true, &Undo::Nothing).unwrap();
    deploy
        .simple(
            "CREATE FUNCTION pgward.rise() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN ALTER ROLE deploy SUPERUSER; RETURN NEW; END $$; \
             CREATE TABLE pgward.definitions (class_oid oid, object_oid oid, schema_name text, \
                 relation_name text, definition text, PRIMARY KEY (class_oid, object_oid)); \
             CREATE TRIGGER t BEFORE INSERT ON pgward.definitions \
                 FOR EACH ROW EXECUTE FUNCTION pgward.rise(); \
             CREATE FUNCTION pgward.redacted(query text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
        )
        .unwrap();
    assert_eq!(install::install(admin).unwrap().missing, Vec::<String>::new());
    let is_superuser = "SELECT count(*) FROM pg_roles WHERE rolname = 'deploy' AND rolsuper";
    deploy.simple("CREATE TABLE orders (id int PRIMARY KEY)").unwrap();
    assert_eq!(count(admin, is_superuser), 0);
    journal_only(deploy);
    assert_eq!(journal::newest_run(deploy, "before").unwrap().len(), 1, "its journal is kept");
    assert!(install::has_ddl_log(admin).unwrap());
}
