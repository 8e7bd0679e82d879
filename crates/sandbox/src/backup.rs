//! Base backups and the WAL archive in a vault directory.

use crate::error::Error;
use crate::wal::Lsn;
use jiff::Timestamp;
use jiff::civil::DateTime;
use pgward_pg::prelude::*;
use pgward_pg::server::{free_bytes, give_to_server_user, server_user_reaches};
use pgward_pg::session::get;
use pgward_pg::tools::{self, RunAs};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// A directory that keeps `backups/` and `wal/`, written by the server's OS user and by us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vault {
    pub dir: PathBuf,
}

/// A base backup that was taken completely and verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// When it was begun, UTC: `20261121T053428Z`.
    pub id: String,
    /// A data directory; where it lies now, not where it was taken to.
    #[serde(skip)]
    pub dir: PathBuf,
    pub taken_at: Timestamp,
    pub system_identifier: u64,
    pub timeline: u32,
    pub start_lsn: Lsn,
    /// Consistent from here on.
    pub stop_lsn: Lsn,
    /// `server_version_num`.
    pub server_version: u32,
    pub bytes: u64,
    pub wal_segment_bytes: u64,
    /// The bootstrap superuser, who is not `postgres` everywhere.
    pub superuser: String,
    /// Settings a standby must have at least as large as the server had.
    pub settings: Vec<(String, String)>,
    /// Tablespaces outside the data directory, by OID; copied to `ID.tablespaces/OID`.
    pub tablespaces: Vec<u32>,
    /// Why `pg_verifybackup` could not be asked; `None`: it found the backup whole.
    pub unverified: Option<String>,
}

/// Which server, and up to where, a backup must serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub system_identifier: u64,
    /// `None`: any.
    pub timeline: Option<u32>,
    /// Recovery must be able to stop before this; `None`: anywhere.
    pub before: Option<Lsn>,
}

/// Who a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub system_identifier: u64,
    pub timeline: u32,
}

const SETTINGS: &str = "
SELECT name,
       setting
FROM pg_catalog.pg_settings
WHERE name IN ('max_connections', 'max_worker_processes', 'max_wal_senders',
               'max_prepared_transactions', 'max_locks_per_transaction')
ORDER BY name";

const SERVER: &str = "
SELECT (SELECT pg_catalog.sum(pg_catalog.pg_database_size(d.oid))::bigint
        FROM pg_catalog.pg_database d
        WHERE pg_catalog.has_database_privilege(d.oid, 'CONNECT')),
       (SELECT s.setting::bigint FROM pg_catalog.pg_settings s WHERE s.name = 'wal_segment_size'),
       (SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.oid = 10)";

const TABLESPACES: &str = "
SELECT t.oid,
       pg_catalog.pg_tablespace_location(t.oid)
FROM pg_catalog.pg_tablespace t
WHERE pg_catalog.pg_tablespace_location(t.oid) LIKE '/%'
ORDER BY t.oid";

/// How an id begins: with the time, UTC.
const TIME: &str = "%Y%m%dT%H%M%SZ";
const TIME_BYTES: usize = "20261121T053428Z".len();

/// WAL written while the backup runs, and what makes it consistent: two default segments at
/// least, more under load.
const WAL_ROOM_BYTES: u64 = 256 << 20;

/// A backup may take this long: 1 TB at 100 MB/s.
const BACKUP_WITHIN: Duration = Duration::from_secs(3 * 3600);

/// The archiver is woken at once when a segment is full; failures are retried after 60 s.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(90);

impl Vault {
    /// Opens a vault, making what is missing.
    ///
    /// # Errors
    /// [`Error::VaultUnreachable`] when the server's OS user cannot get there,
    /// [`Error::File`] when it cannot be made.
    pub fn open(dir: &Path) -> Result<Vault, Error> {
        let make = |dir: &Path| {
            fs::create_dir_all(dir).map_err(|source| file(dir, "cannot be made", source))
        };
        make(dir)?;
        let dir = dir.canonicalize().map_err(|source| file(dir, "cannot be read", source))?;
        if !server_user_reaches(&dir) {
            let user = tools::server_user().map_or(String::new(), |u| u.name);
            return Err(Error::VaultUnreachable { dir, user });
        }
        let vault = Vault { dir };
        for dir in [vault.backups_dir(), vault.wal_dir()] {
            if !dir.is_dir() {
                make(&dir)?;
                give_to_server_user(&dir, 0o700)?;
            }
        }
        Ok(vault)
    }

    /// The WAL archive.
    pub fn wal_dir(&self) -> PathBuf {
        self.dir.join("wal")
    }

    pub fn backups_dir(&self) -> PathBuf {
        self.dir.join("backups")
    }
}

impl Backup {
    pub fn major(&self) -> u32 {
        self.server_version / 10_000
    }

    /// Where the copies of its tablespaces are.
    pub fn tablespaces_dir(&self) -> PathBuf {
        self.dir.with_extension("tablespaces")
    }
}

/// Asks a server who it is.
///
/// # Errors
/// [`Error::Pg`] when the role may not ask.
pub fn identity(session: &Session) -> Result<Identity, Error> {
    let rows = session.query(
        "SELECT s.system_identifier, \
                CASE WHEN pg_catalog.pg_is_in_recovery() THEN c.timeline_id::text \
                ELSE 'x' || pg_catalog.left(pg_catalog.pg_walfile_name(\
                         pg_catalog.pg_current_wal_insert_lsn()), 8) END \
         FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c",
        &[],
    )?;
    let row = rows.first().ok_or_else(|| pgward_pg::error::Error::Server {
        what: format!("{}: no control data", session.target()),
    })?;
    let timeline: String = get(row, 1)?;
    let timeline = match timeline.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16).unwrap_or(1),
        None => timeline.parse().unwrap_or(1),
    };
    Ok(Identity { system_identifier: get::<i64>(row, 0)?.cast_unsigned(), timeline })
}

/// Takes a base backup with its WAL, verifies it and records it. Nothing that looks like a
/// backup is left when it fails.
///
/// # Errors
/// [`Error::NoRoom`], [`Error::Major`] when the tools are older than the server,
/// [`Error::Pg`] with the words of `pg_basebackup` or `pg_verifybackup`.
pub fn take(target: &Target, installation: &Installation, vault: &Vault) -> Result<Backup, Error> {
    take_until(target, installation, vault, &AtomicBool::new(false))
}

/// As [`take`], which gives up when `stop` is set.
///
/// # Errors
/// As [`take`]; [`Error::Pg`] when it was stopped.
pub fn take_until(
    target: &Target,
    installation: &Installation,
    vault: &Vault,
    stop: &AtomicBool,
) -> Result<Backup, Error> {
    let session = Session::connect(target, Purpose::Inspect)?;
    let mut backup = describe(&session, vault)?;
    if installation.major < backup.major() {
        return Err(Error::Major {
            what: format!("base backup of {target}"),
            tools: installation.major,
            server: backup.major(),
        });
    }
    let needed = backup.bytes + backup.bytes / 10 + WAL_ROOM_BYTES;
    require_room(&vault.dir, &format!("a base backup of {target}"), needed)?;
    let locations = tablespaces(&session)?;
    drop(session);
    let taken = copy(target, installation, &backup, &locations, stop)
        .and_then(|()| verify(installation, &mut backup, stop))
        .and_then(|()| finish(vault, &mut backup));
    if taken.is_err() {
        let _ = fs::remove_dir_all(&backup.dir);
        let _ = fs::remove_dir_all(backup.tablespaces_dir());
    }
    taken.map(|()| backup)
}

/// What lies where backups are and belongs to none: one that was interrupted has left it, or is
/// being taken now.
///
/// # Errors
/// [`Error::File`] when the place cannot be read.
pub fn unfinished(vault: &Vault) -> Result<Vec<PathBuf>, Error> {
    let mut left = entries(vault)?;
    left.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let id = name.split('.').next().unwrap_or_default();
        let time = DateTime::strptime(TIME, id.get(..TIME_BYTES).unwrap_or_default());
        time.is_ok() && !vault.backups_dir().join(format!("{id}.json")).exists()
    });
    left.sort();
    Ok(left)
}

/// All backups of a vault, newest first.
///
/// # Errors
/// [`Error::BackupRecord`] for a record that does not read.
pub fn list(vault: &Vault) -> Result<Vec<Backup>, Error> {
    let mut backups = Vec::new();
    for path in entries(vault)? {
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let text =
            fs::read_to_string(&path).map_err(|source| file(&path, "cannot be read", source))?;
        let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut backup: Backup =
            serde_json::from_str(&text).map_err(|source| Error::BackupRecord { id, source })?;
        backup.dir = path.with_extension("");
        backups.push(backup);
    }
    backups.sort_by_key(|b| std::cmp::Reverse(b.stop_lsn));
    backups.sort_by_key(|b| std::cmp::Reverse(b.taken_at));
    Ok(backups)
}

/// The newest backup that can be recovered to where it is wanted.
///
/// # Errors
/// [`Error::NoBackup`], which says of each candidate why it cannot serve.
pub fn choose(vault: &Vault, wanted: &Wanted) -> Result<Backup, Error> {
    let mut refused = Vec::new();
    for backup in list(vault)? {
        match refusal(vault, &backup, wanted) {
            None => return Ok(backup),
            Some(why) => refused.push(format!("{} {why}", backup.id)),
        }
    }
    let before = wanted.before.map_or(String::new(), |lsn| format!(" from before {lsn}"));
    let wanted =
        format!("of system {}{before} in {}", wanted.system_identifier, vault.dir.display());
    Err(Error::NoBackup { wanted, refused })
}

/// An `archive_command` that keeps each segment once: the same file again is success, a
/// different one of the same name is refused, a half-written one is never seen.
pub fn archive_command(vault: &Vault) -> String {
    let dir = shell_quote(&vault.wal_dir().display().to_string()).replace('%', "%%");
    format!(
        "cmp -s \"%p\" {dir}/%f || {{ test ! -e {dir}/%f && cp \"%p\" {dir}/.%f.new && \
         {{ sync {dir}/.%f.new || true; }} && mv {dir}/.%f.new {dir}/%f; }}"
    )
}

/// Makes sure that everything written so far is in the archive; answers up to where.
///
/// # Errors
/// [`Error::NotArchived`] with the archiver's last failure, [`Error::Pg`] when the role may
/// not switch segments.
pub fn flush_wal(session: &Session, vault: &Vault) -> Result<Lsn, Error> {
    let rows = session.query(
        // One byte back: with nothing to switch the answer is the start of the next segment,
        // which to 16 is called by the name of the one before, from 17 on by its own.
        "SELECT s.lsn::text, pg_catalog.pg_walfile_name(s.lsn - 1) \
         FROM pg_catalog.pg_switch_wal() AS s(lsn)",
        &[],
    )?;
    let row = rows.first().ok_or_else(|| pgward_pg::error::Error::Server {
        what: "pg_switch_wal answered nothing".to_owned(),
    })?;
    let lsn: Lsn = get::<String>(row, 0)?.parse()?;
    let segment: String = get(row, 1)?;
    let path = vault.wal_dir().join(&segment);
    let archives: String =
        session.query_one("SELECT pg_catalog.current_setting('archive_mode')", &[])?;
    let within = if archives == "off" { Duration::ZERO } else { ARCHIVED_WITHIN };
    let there = clock::poll(within, Duration::from_millis(20), || {
        Ok::<_, Error>(path.is_file().then_some(()))
    })?;
    if there.is_some() {
        return Ok(lsn);
    }
    let why = if archives == "off" {
        ": archive_mode is off".to_owned()
    } else {
        session.query_one(
            "SELECT coalesce(': the archiver last failed at ' || a.last_failed_time \
                    || ' with ' || a.last_failed_wal, ': the archiver reports no failure, so it \
                    archives elsewhere') FROM pg_catalog.pg_stat_archiver a",
            &[],
        )?
    };
    let waited_s = within.as_secs();
    Err(Error::NotArchived { segment, wal_dir: vault.wal_dir(), waited_s, why })
}

/// Refuses when less than `needed` bytes are free below `dir`.
pub(crate) fn require_room(dir: &Path, what: &str, needed: u64) -> Result<(), Error> {
    let free = free_bytes(dir)?;
    if free >= needed {
        return Ok(());
    }
    Err(Error::NoRoom {
        dir: dir.to_owned(),
        what: what.to_owned(),
        free_bytes: free,
        needed_bytes: needed,
    })
}

/// `text` as one word of a shell command.
pub fn shell_quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn entries(vault: &Vault) -> Result<Vec<PathBuf>, Error> {
    let dir = vault.backups_dir();
    match fs::read_dir(&dir) {
        Ok(entries) => Ok(entries.filter_map(Result::ok).map(|e| e.path()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(file(&dir, "cannot be read", source)),
    }
}

fn describe(session: &Session, vault: &Vault) -> Result<Backup, Error> {
    let Identity { system_identifier, timeline } = identity(session)?;
    let rows = session.query(SERVER, &[])?;
    let row = rows.first().ok_or_else(|| pgward_pg::error::Error::Server {
        what: format!("{}: no answer about its size", session.target()),
    })?;
    let settings = session.query(SETTINGS, &[])?;
    let settings = settings
        .iter()
        .map(|row| Ok((get(row, 0)?, get(row, 1)?)))
        .collect::<Result<Vec<(String, String)>, Error>>()?;
    let taken_at = clock::now();
    let id = free_id(vault, taken_at);
    Ok(Backup {
        dir: vault.backups_dir().join(&id),
        id,
        taken_at,
        system_identifier,
        timeline,
        start_lsn: Lsn(0),
        stop_lsn: Lsn(0),
        server_version: session.version(),
        bytes: get::<Option<i64>>(row, 0)?.unwrap_or(0).cast_unsigned(),
        wal_segment_bytes: get::<i64>(row, 1)?.cast_unsigned(),
        superuser: get(row, 2)?,
        settings,
        tablespaces: Vec::new(),
        unverified: None,
    })
}

/// The time; numbered when two are taken within a second.
fn free_id(vault: &Vault, at: Timestamp) -> String {
    let time = at.strftime(TIME).to_string();
    let taken = |id: &str| vault.backups_dir().join(id).exists();
    let numbered = (2..).map(|n| format!("{time}-{n}"));
    std::iter::once(time.clone()).chain(numbered).find(|id| !taken(id)).unwrap_or(time)
}

fn tablespaces(session: &Session) -> Result<Vec<(u32, String)>, Error> {
    let rows = session.query(TABLESPACES, &[])?;
    rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

fn copy(
    target: &Target,
    installation: &Installation,
    backup: &Backup,
    locations: &[(u32, String)],
    stop: &AtomicBool,
) -> Result<(), Error> {
    let dir = backup.dir.display().to_string();
    let conninfo = tools::conninfo(target);
    let mut args: Vec<String> = ["-d", &conninfo, "-D", &dir, "-F", "plain", "-X", "stream"]
        .into_iter()
        .chain(["-c", "fast", "-w", "-l", "pgward"])
        .map(str::to_owned)
        .collect();
    for (oid, location) in locations {
        let to = backup.tablespaces_dir().join(oid.to_string());
        args.push("-T".to_owned());
        args.push(format!("{}={}", location.replace('=', "\\="), to.display()));
    }
    let program = installation.require("pg_basebackup")?;
    let env = tools::password_env(target, Purpose::Act);
    Ok(tools::run_until(&program, &args, &env, BACKUP_WITHIN, RunAs::ServerUser, stop)?)
}

/// `pg_verifybackup` reads every file against the manifest, and the WAL with the server's
/// own `pg_waldump`, which must be of its major.
fn verify(
    installation: &Installation,
    backup: &mut Backup,
    stop: &AtomicBool,
) -> Result<(), Error> {
    if installation.major != backup.major() {
        backup.unverified = Some(format!(
            "pg_verifybackup of PostgreSQL {} does not read WAL of {}",
            installation.major,
            backup.major()
        ));
        return Ok(());
    }
    let program = installation.require("pg_verifybackup")?;
    let dir = backup.dir.display().to_string();
    let args = ["-q", &dir];
    Ok(tools::run_until(&program, &args, &[], BACKUP_WITHIN, RunAs::ServerUser, stop)?)
}

/// Reads the range of WAL from the manifest and writes the record, which makes it count.
fn finish(vault: &Vault, backup: &mut Backup) -> Result<(), Error> {
    let manifest = backup.dir.join("backup_manifest");
    let text = fs::read(&manifest).map_err(|source| file(&manifest, "cannot be read", source))?;
    let id = backup.id.clone();
    let json: serde_json::Value =
        serde_json::from_slice(&text).map_err(|source| Error::BackupRecord { id, source })?;
    let lsn = |key: &str| -> Result<Lsn, Error> {
        let ranges = json.get("WAL-Ranges").and_then(|r| r.as_array());
        // The last range is of the timeline the backup ended on.
        ranges
            .and_then(|r| r.last()?.get(key)?.as_str())
            .ok_or_else(|| Error::BadLsn { text: format!("{key} in {}", manifest.display()) })?
            .parse()
    };
    backup.start_lsn = lsn("Start-LSN")?;
    backup.stop_lsn = lsn("End-LSN")?;
    backup.bytes = tree_bytes(&backup.dir) + tree_bytes(&backup.tablespaces_dir());
    backup.tablespaces = fs::read_dir(backup.tablespaces_dir())
        .map(|dir| {
            let names = dir.filter_map(Result::ok).map(|e| e.file_name());
            names.filter_map(|name| name.to_string_lossy().parse().ok()).collect()
        })
        .unwrap_or_default();
    let record = vault.backups_dir().join(format!("{}.json", backup.id));
    let id = backup.id.clone();
    let text = serde_json::to_string_pretty(backup)
        .map_err(|source| Error::BackupRecord { id, source })?;
    let partial = record.with_extension("json.new");
    fs::write(&partial, text)
        .and_then(|()| fs::File::open(&partial)?.sync_all())
        .and_then(|()| fs::rename(&partial, &record))
        .map_err(|source| file(&record, "cannot be written", source))
}

fn refusal(vault: &Vault, backup: &Backup, wanted: &Wanted) -> Option<String> {
    if backup.system_identifier != wanted.system_identifier {
        return Some(format!("is of another server (system {})", backup.system_identifier));
    }
    if let Some(before) = wanted.before
        && backup.stop_lsn > before
    {
        return Some(format!(
            "is consistent only from {} on, later than {before}",
            backup.stop_lsn
        ));
    }
    if !backup.dir.join("PG_VERSION").is_file() {
        return Some(format!("has lost its files in {}", backup.dir.display()));
    }
    let timeline = wanted.timeline?;
    if backup.timeline == timeline {
        return None;
    }
    let left_at = left_timeline_at(vault, timeline, backup.timeline);
    match left_at {
        Some(lsn) if lsn >= backup.stop_lsn => None,
        Some(lsn) => Some(format!("is of timeline {}, which ended at {lsn}", backup.timeline)),
        None => Some(format!("is of timeline {}, not an ancestor of {timeline}", backup.timeline)),
    }
}

/// Where the history of `timeline` says that its ancestor `from` ended.
fn left_timeline_at(vault: &Vault, timeline: u32, from: u32) -> Option<Lsn> {
    let history = vault.wal_dir().join(format!("{timeline:08X}.history"));
    let text = fs::read_to_string(history).ok()?;
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()?.parse() == Ok(from)).then(|| words.next()?.parse().ok()).flatten()
    })
}

fn tree_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .filter_map(Result::ok)
        .filter_map(|e| Some((e.path(), e.metadata().ok()?)))
        .map(|(path, meta)| if meta.is_dir() { tree_bytes(&path) } else { meta.len() })
        .sum()
}

pub(crate) fn file(path: &Path, what: &'static str, source: std::io::Error) -> Error {
    Error::File { path: path.to_owned(), what, source }
}
