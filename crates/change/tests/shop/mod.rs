//! A shop's database with an application that has run for a while.
#![allow(dead_code)] // Each test file uses a part of it.

#[path = "../../../pg/tests/common/installation.rs"]
mod installation;

use pgward_change::GateOptions;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_sandbox::clone::CloneOptions;

/// Whether a rehearsal's clone cannot be made with the server we were pointed at.
pub(crate) fn no_clone() -> bool {
    installation::lacks(&["pg_dump", "pg_dumpall", "pg_restore", "psql"])
}

pub(crate) struct Production {
    pub(crate) server: PrivateServer,
    pub(crate) admin: Session,
}

const SHOP: &str = "
    CREATE EXTENSION pg_stat_statements;
    CREATE ROLE site LOGIN; CREATE ROLE deploy LOGIN SUPERUSER;
    CREATE TABLE accounts (
        id int PRIMARY KEY, login text UNIQUE, password_hash text, seen timestamptz);
    INSERT INTO accounts SELECT g, 'u' || g, md5(g::text) FROM generate_series(1, 5000) g;
    CREATE TABLE orders (
        id int PRIMARY KEY, customer int REFERENCES accounts, created timestamptz, note text);
    INSERT INTO orders
        SELECT g, g % 5000 + 1, now() - g * interval '1 minute', repeat('x', 100)
        FROM generate_series(1, 50000) g;
    CREATE INDEX orders_customer_created ON orders (customer, created);
    CREATE VIEW open_orders AS SELECT id, customer FROM orders WHERE note IS NOT NULL;
    CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders);
    GRANT ALL ON ALL TABLES IN SCHEMA public TO site;
    ANALYZE";

pub(crate) fn production() -> Production {
    let options = ServerOptions::new(installation::installation())
        .set("fsync", "off")
        .set("shared_preload_libraries", "pg_stat_statements");
    let server = PrivateServer::create(&options).unwrap();
    let admin = Session::connect(&server.target(), Purpose::Private).unwrap();
    admin.simple(SHOP).unwrap();
    let site = server.target().with_role("site").with_database("postgres");
    let site = Session::connect(&site, Purpose::Application("site")).unwrap();
    for n in 1..=40_i32 {
        let login = format!("u{n}");
        site.query("SELECT id, password_hash FROM accounts WHERE login = $1", &[&login]).unwrap();
        let hot = "SELECT id FROM orders WHERE customer = $1 ORDER BY created DESC LIMIT 10";
        site.query(hot, &[&n]).unwrap();
        site.query("SELECT id FROM open_orders WHERE customer = $1", &[&n]).unwrap();
    }
    Production { server, admin }
}

impl Production {
    /// Everything of the users: schema and rows.
    pub(crate) fn state(&self) -> (Vec<String>, Vec<String>) {
        let catalog = pgward_pg::catalog::schema(&self.admin).unwrap();
        let rows = ["accounts", "orders", "items"].map(|t| {
            let all = "coalesce(md5(string_agg(t::text, '' ORDER BY id)), '')";
            self.admin.query_one::<String>(&format!("SELECT {all} FROM {t} t"), &[]).unwrap()
        });
        (catalog.schema_lines(), rows.to_vec())
    }

    pub(crate) fn options(&self, without: &[Layer]) -> GateOptions {
        GateOptions {
            without: without.iter().copied().collect(),
            clone: Some(CloneOptions::new(self.server.installation().clone())),
            ..GateOptions::default()
        }
    }

    pub(crate) fn target(&self) -> Target {
        self.server.target().with_role("deploy").with_database("postgres")
    }

    pub(crate) fn until(&self, sql: &str) {
        let ready = pgward_pg::clock::poll(
            std::time::Duration::from_secs(30),
            std::time::Duration::from_millis(10),
            || Ok::<_, Error>(self.admin.query_one::<bool>(sql, &[])?.then_some(())),
        );
        assert!(ready.unwrap().is_some(), "never true: {sql}");
    }
}

pub(crate) fn change(text: &str) -> Change {
    pgward_sql::change(vec![pgward_sql::read("deploy.sql", text)])
}
