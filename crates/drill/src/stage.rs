//! Sets the stage: a private server with backup and archive, its roles, the live load.

use crate::error::Error;
use crate::scenario::Scenario;
use pgward_pg::install;
use pgward_pg::prelude::*;
use pgward_pg::server::{GuardedDir, PrivateServer, ServerOptions, free_bytes};
use pgward_sandbox::backup::{self, Vault};
use pgward_sandbox::ledger::Ledger;
use pgward_sandbox::load::Load;
use pgward_sandbox::marker::{self, Marker};
use pgward_sandbox::proxy::Proxy;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a drill takes place. Fields are dropped in this order: the load ends before its
/// server does.
pub(crate) struct Stage {
    pub(crate) load: Load,
    pub(crate) proxy: Proxy,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) marker: Marker,
    pub(crate) vault: Vault,
    pub(crate) server: Arc<PrivateServer>,
    /// Everything the drill keeps outside the server; removed at the end.
    pub(crate) dir: GuardedDir,
}

/// The database of every drill.
const DATABASE: &str = "shop";
/// Extensions of every drill: what ran, and which pages are in memory.
const EXTENSIONS: [&str; 2] = ["pg_stat_statements", "pg_buffercache"];
/// A server without room for its next segment of WAL (16 MB by default) stops.
const FREE_BYTES_MIN: u64 = 16 << 20;
/// Roles of a drill: who deploys, who serves clients, who asks for reports, who watches, who may
/// do everything.
pub(crate) const ROLES: [&str; 5] = ["deploy", "site", "bi", "pgward", DBA];
const DBA: &str = "dba";

impl Stage {
    /// The superuser, in the drill's database.
    pub(crate) fn superuser(&self) -> Target {
        self.server.target().with_database(DATABASE)
    }

    /// A role as it would come from another machine: through the proxy.
    pub(crate) fn client(&self, role: &str) -> Target {
        self.server
            .tcp_target(role, password(role))
            .with_database(DATABASE)
            .through_port(self.proxy.port())
    }

    /// A role over the server's own port, past the proxy.
    pub(crate) fn direct(&self, role: &str) -> Target {
        self.server.tcp_target(role, password(role)).with_database(DATABASE)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.server.data_dir().to_path_buf()
    }

    /// Starts the server, fills it, takes a backup and starts the load.
    ///
    /// # Errors
    /// [`Error::Stage`] for a setup that does not run; what server and backup fail with. An
    /// installation without [`EXTENSIONS`] is refused before anything is made.
    pub(crate) fn set(
        scenario: &Scenario,
        installation: &Installation,
        seed: u64,
    ) -> Result<Stage, Error> {
        EXTENSIONS.iter().try_for_each(|extension| installation.require_extension(extension))?;
        let dir = GuardedDir::make()?;
        let parent = parent(&dir);
        Self::set_in(dir, scenario, installation, seed)
            .map_err(|error| or_full_disk(scenario, &parent, error))
    }

    /// Is there room for the server to go on?
    ///
    /// # Errors
    /// [`Error::DiskFull`].
    pub(crate) fn has_room(&self, scenario: &Scenario) -> Result<(), Error> {
        let dir = self.parent();
        match too_little_mb(&dir) {
            Some(free_mb) => Err(disk_full(scenario, &dir, free_mb, None)),
            None => Ok(()),
        }
    }

    /// The directory that its own are made in.
    pub(crate) fn parent(&self) -> PathBuf {
        parent(&self.dir)
    }

    fn set_in(
        dir: GuardedDir,
        scenario: &Scenario,
        installation: &Installation,
        seed: u64,
    ) -> Result<Stage, Error> {
        let vault = Vault::open(&dir.path().join("vault"))?;
        let server = Arc::new(start_server(scenario, installation, &vault)?);
        let marker = fill(scenario, &server)?;
        backup::take(&server.target(), installation, &vault)?;
        let ledger = Arc::new(Ledger::open(&dir.path().join("acknowledged.tsv"))?);
        let proxy = Proxy::start(server.port(), seed)?;
        let role = scenario.header.load_role.as_ref().map_or("site", |r| r.get_ref().as_str());
        let target = server
            .tcp_target(role, password(role))
            .with_database(DATABASE)
            .through_port(proxy.port());
        let load = Load::start(&target, &scenario.load, seed, Arc::clone(&ledger))?;
        Ok(Stage { load, proxy, ledger, marker, vault, server, dir })
    }
}

fn password(role: &str) -> &str {
    role // a private server on loopback; the password only makes failed logins possible
}

fn start_server(
    scenario: &Scenario,
    installation: &Installation,
    vault: &Vault,
) -> Result<PrivateServer, Error> {
    let mut options = ServerOptions::new(installation.clone())
        .set("shared_preload_libraries", "pg_stat_statements")
        .set("wal_level", "replica")
        .set("archive_mode", "on")
        .set("archive_command", &backup::archive_command(vault))
        .set("max_connections", "100")
        .set("shared_buffers", "64MB")
        .set("track_io_timing", "on");
    for (name, value) in &scenario.header.settings {
        options = options.set(name, value);
    }
    options.disk_bytes = scenario.header.disk_mb.map(|mb| mb << 20);
    Ok(PrivateServer::create(&options)?)
}

/// Roles, schema and data, what pgward installs, and the marker that makes it a sandbox.
fn fill(scenario: &Scenario, server: &PrivateServer) -> Result<Marker, Error> {
    let admin = Session::connect(&server.target(), Purpose::Private)?;
    for role in ROLES {
        admin.simple(&format!("CREATE ROLE {role} LOGIN PASSWORD '{}'", password(role)))?;
    }
    admin.simple(&format!("ALTER ROLE {DBA} SUPERUSER"))?;
    admin.simple(&format!("CREATE DATABASE {DATABASE}"))?;
    let target = server.target().with_database(DATABASE);
    let session = Session::connect(&target, Purpose::Private)?;
    session.simple(
        "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION IF NOT EXISTS pg_buffercache; \
         GRANT CREATE, USAGE ON SCHEMA public TO deploy; \
         ALTER DEFAULT PRIVILEGES FOR ROLE deploy GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO site; \
         ALTER DEFAULT PRIVILEGES FOR ROLE deploy GRANT USAGE ON SEQUENCES TO site",
    )?;
    session.simple("SET ROLE deploy")?;
    session
        .simple(&scenario.setup)
        .map_err(|e| wrong(scenario, &format!("its setup does not run: {}", e.message())))?;
    session.simple("RESET ROLE")?;
    session.simple("VACUUM ANALYZE")?;
    install::install(&session)?;
    session.simple(&install::least_rights_sql("pgward"))?;
    session.simple(&install::deploy_rights_sql("deploy"))?;
    Ok(marker::mark(&session)?)
}

fn parent(dir: &GuardedDir) -> PathBuf {
    dir.path().parent().unwrap_or(dir.path()).to_owned()
}

/// The error itself, or the full disk of `dir` as what is behind it.
pub(crate) fn or_full_disk(scenario: &Scenario, dir: &Path, error: Error) -> Error {
    match (error, too_little_mb(dir)) {
        (error @ (Error::DiskFull { .. } | Error::Interrupted { .. }), _) | (error, None) => error,
        (error, Some(free_mb)) => disk_full(scenario, dir, free_mb, Some(Box::new(error))),
    }
}

/// MB that are left on the disk of `dir`, when a server cannot go on with them.
fn too_little_mb(dir: &Path) -> Option<u64> {
    let free = free_bytes(dir).ok()?; // not known is not full
    (free < FREE_BYTES_MIN).then_some(free >> 20)
}

fn disk_full(scenario: &Scenario, dir: &Path, free_mb: u64, source: Option<Box<Error>>) -> Error {
    Error::DiskFull { scenario: scenario.id.clone(), dir: dir.to_owned(), free_mb, source }
}

fn wrong(scenario: &Scenario, why: &str) -> Error {
    Error::Stage { scenario: scenario.id.clone(), why: why.to_owned() }
}
