//! A server on the side: a backup brought to one point in time, read-only, touching nothing else.

use crate::backup::{Backup, Vault, file, require_room, shell_quote};
use crate::error::Error;
use crate::wal::{Lsn, WalSource};
use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions, give_to_server_user};
use pgward_pg::tools::{self, RunAs};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where a side server stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// As soon as the backup is consistent.
    Consistent,
    /// After all WAL there is; it goes on when more comes. Never writes a page of its own.
    Latest,
    /// Just before the record at this LSN.
    BeforeLsn(String),
}

/// What a side server may use.
#[derive(Debug, Clone)]
pub struct SideOptions {
    pub installation: Installation,
    /// `pg_wal` of the primary, where it is on this machine: has what is not archived yet.
    pub pg_wal_dir: Option<PathBuf>,
    /// Where its directory is made; the system's temporary directory when `None`.
    pub parent: Option<PathBuf>,
    /// From the copy to the point.
    pub within: Duration,
}

/// A running side server; gone when dropped.
pub struct SideServer {
    server: PrivateServer,
    backup: Backup,
    vault: Vault,
    point: Point,
    wal: WalSource,
}

/// Room a side server needs beside the copy: replay writes temporary files and WAL.
const ROOM_BYTES: u64 = 256 << 20;

impl SideOptions {
    pub fn new(installation: Installation) -> Self {
        Self {
            installation,
            pg_wal_dir: None,
            parent: None,
            within: Duration::from_secs(1800), // 100 GB of copy and replay
        }
    }
}

/// Copies a backup and recovers it to `point`.
///
/// # Errors
/// [`Error::NoRoom`]; [`Error::Major`]; [`Error::Side`] with what the server's log says, WAL
/// that is missing above all.
pub fn start(
    vault: &Vault,
    backup: &Backup,
    point: &Point,
    options: &SideOptions,
) -> Result<SideServer, Error> {
    if options.installation.major != backup.major() {
        return Err(Error::Major {
            what: format!("restore of backup {}", backup.id),
            tools: options.installation.major,
            server: backup.major(),
        });
    }
    if let Point::BeforeLsn(lsn) = point {
        let lsn: Lsn = lsn.parse()?;
        if lsn < backup.stop_lsn {
            let refused = vec![format!("{} is consistent from {}", backup.id, backup.stop_lsn)];
            return Err(Error::NoBackup { wanted: format!("from before {lsn}"), refused });
        }
    }
    let mut server_options = ServerOptions::new(options.installation.clone());
    server_options.parent.clone_from(&options.parent);
    server_options.start_within = options.within;
    server_options.settings = settings(vault, backup, point, options.pg_wal_dir.as_deref());
    let deadline = clock::Deadline::after(options.within);
    let server =
        PrivateServer::start_filled(&server_options, |data_dir| fill(backup, data_dir, point))
            .map_err(|error| match error {
                Error::Pg(pgward_pg::error::Error::Server { what }) => {
                    failure(backup, point, &what)
                }
                other => other,
            })?;
    let pg_wal = options.pg_wal_dir.as_deref();
    let wal = WalSource::of(vault, backup, pg_wal, &options.installation);
    let (backup, vault, point) = (backup.clone(), vault.clone(), point.clone());
    let mut side = SideServer { server, backup, vault, point, wal };
    side.wait_until_there(deadline)?;
    Ok(side)
}

impl SideServer {
    /// The superuser of the backed-up server, database `postgres`, over a unix socket.
    pub fn target(&self) -> Target {
        self.server.target().with_role(&self.backup.superuser)
    }

    pub fn server(&self) -> &PrivateServer {
        &self.server
    }

    pub fn backup(&self) -> &Backup {
        &self.backup
    }

    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The log it was recovered with.
    pub fn wal(&self) -> &WalSource {
        &self.wal
    }

    pub fn installation(&self) -> &Installation {
        self.server.installation()
    }

    /// Up to where it has replayed; after a promotion, where it ended.
    ///
    /// # Errors
    /// [`Error::Pg`] when it does not answer.
    pub fn replayed(&self) -> Result<Lsn, Error> {
        let session = Session::connect(&self.target(), Purpose::Private)?;
        replayed(&session)
    }

    /// Waits until it has replayed at least up to `lsn`; for [`Point::Latest`].
    ///
    /// # Errors
    /// [`Error::Side`] when that takes longer than `within`.
    pub fn wait_replayed(&self, lsn: Lsn, within: Duration) -> Result<(), Error> {
        let session = Session::connect(&self.target(), Purpose::Private)?;
        let reached = clock::poll(within, Duration::from_millis(20), || {
            Ok::<_, Error>((replayed(&session)? >= lsn).then_some(()))
        })?;
        let so_far = replayed(&session)?;
        reached.ok_or_else(|| {
            let what =
                format!("replayed up to {so_far} only, not {lsn}, in {} s", within.as_secs());
            failure(&self.backup, &self.point, &what)
        })
    }

    /// Ends recovery: from now on it is a server of its own, writable, on a new timeline.
    ///
    /// # Errors
    /// [`Error::Pg`] when it does not come out of recovery within 60 s.
    pub fn promote(&self) -> Result<(), Error> {
        let session = Session::connect(&self.target(), Purpose::Private)?;
        if !in_recovery(&session)? {
            return Ok(());
        }
        // 60 s is the default of pg_promote
        let promoted: bool = session.query_one("SELECT pg_catalog.pg_promote(true, 60)", &[])?;
        if promoted && !in_recovery(&session)? {
            return Ok(());
        }
        Err(failure(&self.backup, &self.point, "not promoted within 60 s"))
    }

    /// Has it been promoted?
    ///
    /// # Errors
    /// [`Error::Pg`] when it does not answer.
    pub fn is_promoted(&self) -> Result<bool, Error> {
        Ok(!in_recovery(&Session::connect(&self.target(), Purpose::Private)?)?)
    }

    pub(crate) fn into_server(self) -> PrivateServer {
        self.server
    }

    /// What the log says when the server has ended by itself; else the error as it is.
    fn ended(&mut self, error: pgward_pg::error::Error) -> Error {
        let _ = clock::poll(Duration::from_secs(5), Duration::from_millis(20), || {
            Ok::<_, Error>(self.server.has_ended().then_some(()))
        });
        if !self.server.has_ended() {
            return error.into();
        }
        let log = self.server.log_trouble(6).join("; ");
        failure(&self.backup, &self.point, &format!("ended: {log}"))
    }

    fn wait_until_there(&mut self, deadline: clock::Deadline) -> Result<(), Error> {
        let session = match Session::connect(&self.target(), Purpose::Private) {
            Ok(session) => session,
            Err(error) => return Err(self.ended(error)),
        };
        // The start-up process: paused at the target, or out of WAL and waiting for more.
        let there = match self.point {
            Point::Latest => {
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity \
                 WHERE backend_type = 'startup' AND wait_event = 'RecoveryRetrieveRetryInterval')"
            }
            _ => "SELECT pg_catalog.pg_get_wal_replay_pause_state() = 'paused'",
        };
        let every = Duration::from_millis(20);
        let reached =
            clock::poll(deadline.left(), every, || match session.query_one(there, &[]) {
                Ok(there) => Ok(bool::then_some(there, ())),
                Err(error) if error.is_connection_lost() => Err(self.ended(error)),
                Err(error) => Err(error.into()),
            })?;
        let log = self.server.log_trouble(6).join("; ");
        if reached.is_none() {
            let so_far = replayed(&session)?;
            let what = format!("not there in time, replayed up to {so_far}: {log}");
            return Err(failure(&self.backup, &self.point, &what));
        }
        if log.contains("insufficient parameter settings") {
            return Err(failure(&self.backup, &self.point, &log));
        }
        Ok(())
    }
}

fn replayed(session: &Session) -> Result<Lsn, Error> {
    let lsn: Option<String> =
        session.query_one("SELECT pg_catalog.pg_last_wal_replay_lsn()::text", &[])?;
    lsn.unwrap_or_else(|| "0/0".to_owned()).parse()
}

fn in_recovery(session: &Session) -> Result<bool, Error> {
    Ok(session.query_one("SELECT pg_catalog.pg_is_in_recovery()", &[])?)
}

fn settings(
    vault: &Vault,
    backup: &Backup,
    point: &Point,
    pg_wal_dir: Option<&Path>,
) -> Vec<(String, String)> {
    let mut settings = backup.settings.clone();
    let mut set = |name: &str, value: &str| settings.push((name.to_owned(), value.to_owned()));
    set("restore_command", &restore_command(&vault.wal_dir(), pg_wal_dir));
    for (name, value) in [
        ("listen_addresses", ""),
        ("hot_standby", "on"),
        ("archive_mode", "off"),
        ("autovacuum", "off"),
        ("jit", "off"),
        // Its data can be made again; what costs time is the disk.
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("max_wal_size", "8GB"),
        // Replay and one sequential reader; small enough for any machine.
        ("shared_buffers", "256MB"),
        // Readers are never cancelled in favour of replay.
        ("max_standby_archive_delay", "-1"),
        ("max_standby_streaming_delay", "-1"),
        ("wal_retrieve_retry_interval", "200ms"),
        ("recovery_target_action", "pause"),
    ] {
        set(name, value);
    }
    match point {
        Point::Consistent => set("recovery_target", "immediate"),
        Point::Latest => {}
        Point::BeforeLsn(lsn) => {
            set("recovery_target_lsn", lsn);
            set("recovery_target_inclusive", "off");
        }
    }
    settings
}

fn restore_command(wal_dir: &Path, pg_wal_dir: Option<&Path>) -> String {
    std::iter::once(wal_dir)
        .chain(pg_wal_dir)
        .map(|dir| {
            let dir = shell_quote(&dir.display().to_string()).replace('%', "%%");
            format!("cp {dir}/%f \"%p\" 2>/dev/null")
        })
        .collect::<Vec<_>>()
        .join(" || ")
}

/// Copies the backup and prepares it for recovery: none of the server's own settings, which
/// may archive, replicate or listen.
fn fill(backup: &Backup, data_dir: &Path, point: &Point) -> Result<(), Error> {
    let parent = data_dir.parent().unwrap_or(data_dir);
    let what = format!("a copy of backup {}", backup.id);
    require_room(parent, &what, backup.bytes + ROOM_BYTES)?;
    copy_tree(&backup.dir, data_dir)?;
    for oid in &backup.tablespaces {
        let from = backup.tablespaces_dir().join(oid.to_string());
        let to = parent.join("tablespaces").join(oid.to_string());
        fs::create_dir_all(parent.join("tablespaces"))
            .map_err(|source| file(&to, "cannot be made", source))?;
        give_to_server_user(&parent.join("tablespaces"), 0o700)?;
        copy_tree(&from, &to)?;
        let link = data_dir.join("pg_tblspc").join(oid.to_string());
        fs::remove_file(&link)
            .and_then(|()| std::os::unix::fs::symlink(&to, &link))
            .map_err(|source| file(&link, "cannot be linked", source))?;
    }
    for name in ["postgresql.auto.conf", "standby.signal", "recovery.signal", "tablespace_map"] {
        match fs::remove_file(data_dir.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(file(&data_dir.join(name), "cannot be removed", e));
            }
            _ => {}
        }
    }
    let signal = match point {
        Point::Latest => "standby.signal",
        _ => "recovery.signal",
    };
    let path = data_dir.join(signal);
    fs::write(&path, "").map_err(|source| file(&path, "cannot be written", source))?;
    Ok(give_to_server_user(&path, 0o600)?)
}

/// Shares blocks with the original where the file system can; else a plain copy.
fn copy_tree(from: &Path, to: &Path) -> Result<(), Error> {
    let within = Duration::from_secs(3 * 3600); // as long as the backup may take
    let (from, to) = (format!("{}/.", from.display()), to.display().to_string());
    let cp = Path::new("/bin/cp");
    let args = ["-a", "--reflink=auto", from.as_str(), to.as_str()];
    tools::run(cp, &args, &[], within, RunAs::ServerUser)?;
    Ok(())
}

fn failure(backup: &Backup, point: &Point, why: &str) -> Error {
    let why = if why.contains("recovery ended before configured recovery target was reached") {
        format!("the archive has no WAL up to that point: {why}")
    } else {
        why.to_owned()
    };
    Error::Side { backup: backup.id.clone(), point: point.to_string(), why }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Consistent => f.write_str("its first consistent point"),
            Point::Latest => f.write_str("the end of the WAL"),
            Point::BeforeLsn(lsn) => write!(f, "just before {lsn}"),
        }
    }
}
