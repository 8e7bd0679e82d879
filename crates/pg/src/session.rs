//! One session with a server: every query has a deadline, every session says who we are.

mod carrier;
mod repeated;
pub mod tids;

use crate::error::Error;
use crate::target::Target;
use carrier::Carrier;
use repeated::Repeated;
use std::sync::{Arc, Mutex};
use std::time::Duration;
pub use tokio_postgres::Row;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// What a session is for: its `application_name` and its limits on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Reads every second; must never wait and never be noticed.
    Watch,
    /// Reads now and then: catalogs, scans in small portions.
    Inspect,
    /// Carries out steps; limits are set per step.
    Act,
    /// Brings back what was lost. It is the answer to an outage, and never its cause.
    Recover,
    /// A private server of our own, or load of a drill: no limits.
    Private,
    /// The load of a drill, which must look like an application.
    Application(&'static str),
}

impl Purpose {
    /// `application_name` of the session, for people; the watcher goes by [`own`] instead.
    pub fn application(self) -> &'static str {
        match self {
            Purpose::Watch => "pgward watch",
            Purpose::Inspect => "pgward inspect",
            Purpose::Act => "pgward act",
            Purpose::Recover => pgward_model::sample::RECOVERY,
            Purpose::Private => "pgward private",
            Purpose::Application(name) => name,
        }
    }

    fn settings(self) -> &'static str {
        match self {
            Purpose::Inspect => {
                "-c lock_timeout=100 -c statement_timeout=30000 \
                 -c idle_in_transaction_session_timeout=30000 \
                 -c max_parallel_workers_per_gather=0 -c jit=off"
            }
            Purpose::Act | Purpose::Recover => {
                "-c lock_timeout=2000 -c idle_in_transaction_session_timeout=60000"
            }
            Purpose::Watch | Purpose::Private | Purpose::Application(_) => "",
        }
    }

    /// What it sets for itself once it is connected. What comes with the connection hides in
    /// `pg_settings` what holds for others; what is set has theirs beside it, in `reset_val`.
    fn sets(self) -> &'static str {
        match self {
            // Nothing of ours is found by a path that others can put something on.
            // 100 ms: what bystanders do not notice; 2 s: what one tick may cost at worst.
            Purpose::Watch => {
                "SET search_path = pg_catalog; SET lock_timeout = 100; \
                 SET statement_timeout = 2000; SET idle_in_transaction_session_timeout = 5000; \
                 SET max_parallel_workers_per_gather = 0; SET jit = off"
            }
            _ => "",
        }
    }

    /// How long we wait for an answer before the session is given up.
    fn patience(self) -> Duration {
        match self {
            Purpose::Watch => Duration::from_secs(4),
            Purpose::Inspect => Duration::from_secs(40),
            // The server ends a step by its own limits first, see `Limits::PATIENT`.
            Purpose::Act | Purpose::Recover | Purpose::Private => Duration::from_secs(13 * 3600),
            Purpose::Application(_) => Duration::from_secs(60),
        }
    }
}

/// The outcome of one statement of a simple query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Rows affected or returned, as the command tag counts them.
    pub rows: u64,
    /// Text values of returned rows.
    pub values: Vec<Vec<Option<String>>>,
}

/// A message the server sent beside the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub severity: String,
    pub message: String,
}

/// A statement the server has parsed once; belongs to the session that prepared it.
pub struct Prepared {
    statement: tokio_postgres::Statement,
    name: String,
}

/// A connection; not shared between threads at the same time.
pub struct Session {
    client: Client,
    /// After the client, which ends first.
    carrier: Carrier,
    purpose: Purpose,
    target: Target,
    notices: Arc<Mutex<Vec<Notice>>>,
    version: u32,
    pid: i32,
    repeated: Repeated,
    /// Its place in [`own`], left when the session ends.
    _own: Option<own::Entry>,
}

/// The backends of this process that only watch: who they are, not what they call themselves.
///
/// An `application_name` is anyone's choice, so nobody is left out of a sample for it.
pub mod own {
    use jiff::Timestamp;
    use std::sync::{Mutex, MutexGuard};
    use std::time::{Duration, Instant};

    /// One backend of ours.
    struct Backend {
        pid: i32,
        /// By the server's clock; with the pid it names one backend of all servers.
        start: Timestamp,
        ended: Option<Instant>,
    }

    static BACKENDS: Mutex<Vec<Backend>> = Mutex::new(Vec::new());
    /// Probes come and go four times a second at most, the rest of us is a dozen.
    const BACKENDS_MAX: usize = 1_024;
    /// The server's log is read a tick later; a pid is hardly given again within a minute.
    const KEPT: Duration = Duration::from_secs(60);

    /// Enters a backend and takes it out, a minute after it was dropped.
    pub(super) struct Entry(i32, Timestamp);

    impl Entry {
        pub(super) fn new(pid: i32, start: Timestamp) -> Entry {
            let mut all = lock();
            all.retain(|b| b.ended.is_none_or(|ended| ended.elapsed() < KEPT));
            if all.len() >= BACKENDS_MAX {
                all.remove(0);
            }
            all.push(Backend { pid, start, ended: None });
            Entry(pid, start)
        }
    }

    impl Drop for Entry {
        fn drop(&mut self) {
            let mut all = lock();
            let mine = all.iter_mut().find(|b| (b.pid, b.start) == (self.0, self.1));
            if let Some(backend) = mine {
                backend.ended = Some(crate::clock::instant());
            }
        }
    }

    /// Pids and `backend_start` of our watching backends, side by side.
    pub fn backends() -> (Vec<i32>, Vec<Timestamp>) {
        lock().iter().map(|b| (b.pid, b.start)).unzip()
    }

    fn lock() -> MutexGuard<'static, Vec<Backend>> {
        BACKENDS.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A notice list never grows past this; a rehearsed loop could raise one per row.
const NOTICES_MAX: usize = 10_000;

impl Session {
    /// Connects within 5 s and checks that the server is one we know (14 to 18).
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::ConnectTimeout`], [`Error::Begin`], [`Error::Major`].
    pub fn connect(target: &Target, purpose: Purpose) -> Result<Session, Error> {
        Self::connect_within(target, purpose, Duration::from_secs(5))
    }

    /// As [`Session::connect`] with a time limit of one's own.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub fn connect_within(
        target: &Target,
        purpose: Purpose,
        within: Duration,
    ) -> Result<Session, Error> {
        let mut config = target.config();
        config.application_name(purpose.application());
        let settings = purpose.settings();
        if !settings.is_empty() {
            config.options(settings);
        }
        config.connect_timeout(within);
        // A server that no longer answers on the network is noticed within half a minute.
        config.keepalives_idle(Duration::from_secs(10));
        config.tcp_user_timeout(Duration::from_secs(30));
        let notices = Arc::new(Mutex::new(Vec::new()));
        let tls = target.tls().connector.clone();
        let runtime = carrier::runtime()
            .map_err(|source| Error::Begin { target: target.to_string(), source })?;
        let connected =
            runtime.block_on(async { tokio::time::timeout(within, config.connect(tls)).await });
        let connected = match connected {
            Ok(Ok(connected)) => Ok(connected),
            Ok(Err(source)) => Err(Error::Connect { target: target.to_string(), source }),
            Err(_) => Err(Error::ConnectTimeout { target: target.to_string(), within }),
        };
        let (client, connection) = match connected {
            Ok(both) => both,
            Err(error) => {
                // Nobody waits for a name that is still being looked up.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let version = connection.parameter("server_version").map_or(0, version_num);
        let major = version / 10_000;
        if !(14..=18).contains(&major) {
            return Err(Error::Major { target: target.to_string(), major });
        }
        let carrier = Carrier::new(runtime, connection, Arc::clone(&notices));
        let mut session = Session {
            client,
            carrier,
            purpose,
            target: target.clone(),
            notices,
            version,
            pid: 0,
            repeated: Repeated::default(),
            _own: None,
        };
        session.introduce()?;
        Ok(session)
    }

    /// Learns which backend it has, and notes it where it only watches.
    fn introduce(&mut self) -> Result<(), Error> {
        let sets = self.purpose.sets();
        if !sets.is_empty() {
            self.simple(sets)?;
        }
        let rows = self.query(
            "SELECT a.pid, a.backend_start
             FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a",
            &[],
        )?;
        let Some(row) = rows.first() else {
            self.pid = self.query_one("SELECT pg_catalog.pg_backend_pid()", &[])?;
            return Ok(());
        };
        self.pid = get(row, 0)?;
        let watches = matches!(self.purpose, Purpose::Watch | Purpose::Inspect | Purpose::Private);
        if let Some(start) = get::<Option<jiff::Timestamp>>(row, 1)?.filter(|_| watches) {
            self._own = Some(own::Entry::new(self.pid, start));
        }
        Ok(())
    }

    /// `server_version_num`, e.g. 150018.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// 14, 15, ...
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// Our own backend.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Has either side ended it?
    pub fn is_closed(&self) -> bool {
        self.carrier.catch_up();
        self.client.is_closed()
    }

    /// Runs one parametrised query and returns its rows.
    ///
    /// # Errors
    /// [`Error::Query`] with the server's message, [`Error::QueryTimeout`].
    pub fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        let text = self.marked(sql);
        match self.purpose {
            Purpose::Watch | Purpose::Inspect => {
                self.bounded(sql, self.repeated.query(&self.client, &text, params))
            }
            // One message instead of three.
            _ if params.is_empty() => self.bounded(sql, self.client.query_typed(&text, &[])),
            _ => self.bounded(sql, self.client.query(&text, params)),
        }
    }

    /// The first column of the only row.
    ///
    /// # Errors
    /// As [`Session::query`]; also when there is not exactly one row.
    pub fn query_one<T: for<'a> FromSql<'a>>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<T, Error> {
        let rows = self.query(sql, params)?;
        match rows.as_slice() {
            [row] => get(row, 0),
            _ => Err(Error::Rows { what: first_words(sql), n: rows.len() }),
        }
    }

    /// Runs one parametrised command; returns the rows it affected.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Result<u64, Error> {
        self.bounded(sql, self.client.execute(&self.marked(sql), params))
    }

    /// Parses a statement once, with every parameter a `bigint`, for a load that repeats it.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn prepare(&self, sql: &str, n_params: usize) -> Result<Prepared, Error> {
        let types = vec![tokio_postgres::types::Type::INT8; n_params];
        let text = self.marked(sql);
        let statement = self.bounded(sql, self.client.prepare_typed(&text, &types))?;
        Ok(Prepared { statement, name: first_words(sql) })
    }

    /// Runs a prepared statement; returns its rows, or how many it affected without any.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn run(&self, prepared: &Prepared, params: &[i64]) -> Result<(Vec<Row>, u64), Error> {
        let values: Vec<&(dyn ToSql + Sync)> =
            params.iter().map(|p| p as &(dyn ToSql + Sync)).collect();
        if prepared.statement.columns().is_empty() {
            let run = self.client.execute(&prepared.statement, &values);
            return Ok((Vec::new(), self.bounded(&prepared.name, run)?));
        }
        let rows = self.bounded(&prepared.name, self.client.query(&prepared.statement, &values))?;
        let n_rows = rows.len() as u64;
        Ok((rows, n_rows))
    }

    /// Sends text as one simple query: several statements are one implicit transaction.
    /// For statements of users and of ourselves without parameters.
    ///
    /// # Errors
    /// As [`Session::query`].
    pub fn simple(&self, sql: &str) -> Result<Vec<Outcome>, Error> {
        let messages = self.bounded(sql, self.client.simple_query(sql))?;
        let mut outcomes = Vec::new();
        let mut values = Vec::new();
        for message in messages {
            match message {
                SimpleQueryMessage::Row(row) => {
                    values.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect());
                }
                SimpleQueryMessage::CommandComplete(rows) => {
                    outcomes.push(Outcome { rows, values: std::mem::take(&mut values) });
                }
                _ => {}
            }
        }
        Ok(outcomes)
    }

    /// Notices since the last call.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(|e| e.into_inner()))
    }

    /// Asks the server, over a connection of its own, to cancel what this session runs.
    ///
    /// # Errors
    /// [`Error::Connect`] or [`Error::Begin`] when even that is not possible.
    pub fn canceller(&self) -> impl Fn() -> Result<(), Error> + Send + 'static {
        let token = self.client.cancel_token();
        let target = self.target.to_string();
        let tls = self.target.tls().clone();
        move || {
            // A request to cancel says nothing but a key. Where TLS is only preferred it goes
            // the shortest way, as that of psql does: the network may be in trouble too.
            let runtime = carrier::runtime()
                .map_err(|source| Error::Begin { target: target.clone(), source })?;
            let asked = match tls.mode {
                SslMode::Require => runtime.block_on(token.cancel_query(tls.connector.clone())),
                _ => runtime.block_on(token.cancel_query(NoTls)),
            };
            runtime.shutdown_background();
            asked.map_err(|source| Error::Connect { target: target.clone(), source })
        }
    }

    /// Every query of ours carries a marker, so that we and others can leave it out.
    fn marked(&self, sql: &str) -> String {
        match self.purpose {
            Purpose::Application(_) => sql.to_owned(),
            _ => format!("/* pgward */ {sql}"),
        }
    }

    fn bounded<T>(
        &self,
        sql: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        let within = self.purpose.patience();
        self.carrier
            .block_on(async { tokio::time::timeout(within, work).await })
            .map_err(|_| Error::QueryTimeout { what: first_words(sql), within })?
            .map_err(|source| Error::Query { what: first_words(sql), source })
    }
}

/// A column by position.
///
/// # Errors
/// [`Error::Column`] when the type is another one or the value is null and may not be.
pub fn get<T: for<'a> FromSql<'a>>(row: &Row, index: usize) -> Result<T, Error> {
    row.try_get(index).map_err(|source| Error::Column {
        what: "answer of the server".to_owned(),
        column: row.columns().get(index).map_or(index.to_string(), |c| c.name().to_owned()),
        source,
    })
}

/// The first 60 characters of a statement, on one line, to name it in a message; comments
/// before it are left out.
pub fn first_words(sql: &str) -> String {
    let lines = sql.lines().skip_while(|l| l.trim().is_empty() || l.trim().starts_with("--"));
    let one_line = lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(60) {
        Some((cut, _)) => format!("{} …", one_line.get(..cut).unwrap_or("")),
        None => one_line,
    }
}

/// `15.18 (Debian …)` or `18rc1` → 150018, 180000.
fn version_num(text: &str) -> u32 {
    let digits = text.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or("");
    let mut parts = digits.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    parts.next().unwrap_or(0) * 10_000 + parts.next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version_num("15.18 (Debian 15.18-0+deb12u1)"), 150_018);
        assert_eq!(version_num("18rc1"), 180_000);
    }

    #[test]
    fn long_statements_are_named_by_their_beginning() {
        assert_eq!(first_words("SELECT\n  1"), "SELECT 1");
        assert_eq!(first_words("-- Why.\n-- Since: 14\nSELECT 1"), "SELECT 1");
        assert!(first_words(&"x ".repeat(100)).ends_with(" …"));
    }
}
