//! A writable private copy of a database, to rehearse on.

use crate::backup::{self, Vault, Wanted, require_room};
use crate::error::Error;
use crate::side::{self, Point, SideOptions};
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_pg::tools::{self, RunAs};
use std::time::Duration;

/// A clone; gone when dropped.
pub struct Clone {
    server: PrivateServer,
    superuser: String,
    database: String,
    /// How it was made: `backup 20261121T053428Z and its WAL`, `pg_dump`.
    pub how: String,
    /// What differs from the source, for the report.
    pub notes: Vec<String>,
}

/// Limits of a clone.
#[derive(Debug, Clone)]
pub struct CloneOptions {
    pub installation: Installation,
    /// Without a backup everything is read over the network: no larger database is copied so.
    pub dump_bytes_max: u64,
    pub parent: Option<std::path::PathBuf>,
    pub within: Duration,
}

impl CloneOptions {
    pub fn new(installation: Installation) -> Self {
        Self {
            installation,
            dump_bytes_max: 5 << 30, // about a minute to dump and two to load
            parent: None,
            within: Duration::from_secs(1800),
        }
    }
}

/// A session that waits this long for a lock of `pg_dump` may already be in the way of DDL.
const DUMP_LOCK_WAIT: &str = "--lock-wait-timeout=2s";

impl Clone {
    /// A superuser in the clone of the database asked for.
    pub fn target(&self) -> Target {
        self.server.target().with_role(&self.superuser).with_database(&self.database)
    }

    pub fn server(&self) -> &PrivateServer {
        &self.server
    }
}

/// Makes a clone of the database `source` points to: from the newest backup and all WAL when
/// the vault has one of that server, else with `pg_dump`.
///
/// # Errors
/// [`Error::CloneTooBig`] without a backup, [`Error::NoRoom`], those of [`side::start`].
pub fn make(
    source: &Target,
    vault: Option<&Vault>,
    options: &CloneOptions,
) -> Result<Clone, Error> {
    let session = Session::connect(source, Purpose::Inspect)?;
    let Some(vault) = vault else { return from_dump(&session, options, Vec::new()) };
    match from_backup(&session, vault, options) {
        Err(error @ (Error::NoBackup { .. } | Error::Major { .. })) => {
            from_dump(&session, options, vec![error.to_string()])
        }
        made => made,
    }
}

fn from_backup(session: &Session, vault: &Vault, options: &CloneOptions) -> Result<Clone, Error> {
    let identity = backup::identity(session)?;
    let wanted = Wanted {
        system_identifier: identity.system_identifier,
        timeline: Some(identity.timeline),
        before: None,
    };
    let backup = backup::choose(vault, &wanted)?;
    let mut notes = Vec::new();
    let flushed = match backup::flush_wal(session, vault) {
        Ok(lsn) => Some(lsn),
        Err(error) => {
            notes.push(format!("the clone lacks the newest WAL: {error}"));
            None
        }
    };
    let mut side_options = SideOptions::new(options.installation.clone());
    side_options.parent.clone_from(&options.parent);
    side_options.within = options.within;
    let side = side::start(vault, &backup, &Point::Latest, &side_options)?;
    if let Some(lsn) = flushed {
        side.wait_replayed(lsn, options.within)?;
    }
    side.promote()?;
    Ok(Clone {
        server: side.into_server(),
        superuser: backup.superuser,
        database: session.target().database().to_owned(),
        how: format!("backup {} and its WAL", backup.id),
        notes,
    })
}

fn from_dump(
    session: &Session,
    options: &CloneOptions,
    mut notes: Vec<String>,
) -> Result<Clone, Error> {
    let source = session.target();
    let installation = &options.installation;
    if installation.major < session.major() {
        return Err(Error::Major {
            what: format!("pg_dump of {source}"),
            tools: installation.major,
            server: session.major(),
        });
    }
    let bytes: i64 = session
        .query_one("SELECT pg_catalog.pg_database_size(pg_catalog.current_database())", &[])?;
    let bytes = bytes.cast_unsigned();
    if bytes > options.dump_bytes_max {
        return Err(Error::CloneTooBig {
            target: source.to_string(),
            mb: bytes >> 20,
            limit_mb: options.dump_bytes_max >> 20,
        });
    }
    let mut server_options = ServerOptions::new(installation.clone());
    server_options.parent.clone_from(&options.parent);
    for (name, value) in
        [("listen_addresses", ""), ("fsync", "off"), ("full_page_writes", "off"), ("jit", "off")]
    {
        server_options = server_options.set(name, value);
    }
    let server = PrivateServer::create(&server_options)?;
    // The archive and what is loaded from it; a compressed dump is smaller than the data.
    require_room(server.root_dir(), &format!("a clone of {source}"), bytes * 2)?;
    load_roles(source, &server, options, &mut notes)?;
    load_database(source, &server, options, &mut notes)?;
    Ok(Clone {
        superuser: "postgres".to_owned(),
        database: source.database().to_owned(),
        server,
        how: "pg_dump".to_owned(),
        notes,
    })
}

fn load_roles(
    source: &Target,
    server: &PrivateServer,
    options: &CloneOptions,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let file = server.root_dir().join("data").join("pgward-roles.sql").display().to_string();
    let conninfo = tools::conninfo(source);
    let args = ["-d", &conninfo, "--roles-only", "--no-role-passwords", "-w", "-f", &file];
    let program = options.installation.require("pg_dumpall")?;
    let env = tools::password_env(source, Purpose::Act);
    tools::run(&program, &args, &env, options.within, RunAs::ServerUser)?;
    let conninfo = tools::conninfo(&server.target());
    let args = ["-X", "-q", "-d", &conninfo, "-f", &file];
    let program = options.installation.require("psql")?;
    // `postgres` is there already, so the script goes on after errors; what matters shows later.
    if let Err(error) = tools::run(&program, &args, &[], options.within, RunAs::ServerUser) {
        notes.push(format!("roles: {error}"));
    }
    Ok(())
}

fn load_database(
    source: &Target,
    server: &PrivateServer,
    options: &CloneOptions,
    notes: &mut Vec<String>,
) -> Result<(), Error> {
    let file = server.root_dir().join("data").join("pgward-clone.dump").display().to_string();
    let conninfo = tools::conninfo(source);
    let args = ["-Fc", "-Z1", "-w", DUMP_LOCK_WAIT, "-d", &conninfo, "-f", &file];
    let env = tools::password_env(source, Purpose::Act);
    let program = options.installation.require("pg_dump")?;
    tools::run(&program, &args, &env, options.within, RunAs::ServerUser)?;
    let session = Session::connect(&server.target(), Purpose::Private)?;
    if source.database() != "postgres" {
        let name = pgward_model::name::quote_ident(source.database());
        session.simple(&format!("CREATE DATABASE {name} TEMPLATE template0"))?;
    }
    let conninfo = tools::conninfo(&server.target().with_database(source.database()));
    let jobs = std::thread::available_parallelism().map_or(1, |n| n.get().min(4)).to_string();
    let args = ["-d", &conninfo, "-j", &jobs, &file];
    let program = options.installation.require("pg_restore")?;
    // Some objects may need an extension that is not installed here; the rest still rehearses.
    if let Err(error) = tools::run(&program, &args, &[], options.within, RunAs::ServerUser) {
        notes.push(format!("not everything could be cloned: {error}"));
    }
    let _ = std::fs::remove_file(&file);
    Ok(())
}
