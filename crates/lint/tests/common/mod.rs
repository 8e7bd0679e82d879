//! A private server for the tests of this room, and databases on it.
#![allow(dead_code, reason = "each test uses its part")]

#[path = "../../../pg/tests/common/installation.rs"]
mod installation;

use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::session::{Purpose, Session};

pub(crate) fn installation() -> pgward_pg::tools::Installation {
    installation::installation()
}

pub(crate) fn lacks(programs: &[&str]) -> bool {
    installation::lacks(programs)
}

pub(crate) fn server() -> PrivateServer {
    server_with("")
}

/// A server that loads these libraries.
pub(crate) fn server_with(libraries: &str) -> PrivateServer {
    let options = ServerOptions::new(installation())
        .set("fsync", "off")
        .set("shared_preload_libraries", libraries);
    PrivateServer::create(&options).expect("a private server starts")
}

/// A server whose conditions the examples of lints can stage.
pub(crate) fn server_with_conditions() -> PrivateServer {
    let options = ServerOptions::new(installation())
        .set("fsync", "off")
        .set("shared_preload_libraries", "pg_stat_statements")
        .set("wal_level", "logical")
        .set("max_prepared_transactions", "20")
        .set("max_slot_wal_keep_size", "10GB");
    PrivateServer::create(&options).expect("a private server starts")
}

/// A client like any other; it stays until it is dropped.
pub(crate) fn client(server: &PrivateServer, database: &str) -> Session {
    let target = server.target().with_database(database);
    Session::connect(&target, Purpose::Application("shop")).expect("a server lets its client in")
}

/// A new database, filled by `setup`, and a session in it.
pub(crate) fn database(server: &PrivateServer, name: &str, setup: &str) -> Session {
    let postgres = session(server, "postgres");
    postgres.simple(&format!("CREATE DATABASE {name}")).expect("a database is made");
    run(server, name, setup)
}

/// A session that has run `sql`.
pub(crate) fn run(server: &PrivateServer, database: &str, sql: &str) -> Session {
    let session = session(server, database);
    session.simple(sql).unwrap_or_else(|e| panic!("{sql}: {}", e.message()));
    session
}

pub(crate) fn session(server: &PrivateServer, database: &str) -> Session {
    Session::connect(&server.target().with_database(database), Purpose::Private)
        .expect("a private server lets us in")
}
