//! A private server for the tests of this room, and databases on it.

use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::session::{Purpose, Session};
use pgward_pg::tools;

pub(crate) fn server() -> PrivateServer {
    let installation = tools::newest(&[]).expect("a PostgreSQL server is installed");
    let options = ServerOptions::new(installation)
        .set("fsync", "off")
        .set("shared_preload_libraries", "")
        .set("max_prepared_transactions", "2");
    PrivateServer::create(&options).expect("a private server starts")
}

/// A new database, filled by `setup`, and a session in it.
pub(crate) fn database(server: &PrivateServer, name: &str, setup: &str) -> Session {
    let postgres = session(server, "postgres");
    postgres.simple(&format!("CREATE DATABASE {name}")).expect("a database is made");
    let filled = session(server, name);
    if !setup.is_empty() {
        filled.simple(setup).unwrap_or_else(|e| panic!("{setup}: {}", e.message()));
    }
    filled
}

pub(crate) fn session(server: &PrivateServer, database: &str) -> Session {
    Session::connect(&server.target().with_database(database), Purpose::Private)
        .expect("a private server lets us in")
}
