//! Private PostgreSQL servers: for clones, restores, drills and tests, gone when we are gone.

use crate::clock;
use crate::error::Error;
use crate::target::Target;
use crate::tools::{self, Installation, OsUser, RunAs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// How a private server is made.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    pub installation: Installation,
    /// Lines of `postgresql.conf`; they win over our defaults.
    pub settings: Vec<(String, String)>,
    pub checksums: bool,
    /// Where its directory is made; the system's temporary directory when `None`.
    pub parent: Option<PathBuf>,
    /// A disk of its own for its data directory, of so many bytes, in memory: to rehearse what
    /// happens when it is full. Needs root; its log is elsewhere and goes on.
    pub disk_bytes: Option<u64>,
    /// How long it may take until it accepts connections (recovery included).
    pub start_within: Duration,
}

impl ServerOptions {
    /// With checksums, our default settings, in the temporary directory.
    pub fn new(installation: Installation) -> Self {
        Self {
            installation,
            settings: Vec::new(),
            checksums: true,
            parent: None,
            disk_bytes: None,
            start_within: Duration::from_secs(60), // an empty server needs 1 s
        }
    }

    /// Adds a setting.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running server of our own. Dropping it stops the server at once and removes its
/// directory; the same happens when pgward is killed, by a shell that waits for our end.
pub struct PrivateServer {
    home: Home,
    data_dir: PathBuf,
    port: u16,
    listens: bool,
    options: ServerOptions,
    postmaster: Mutex<Child>,
}

/// The directory of a private server and the shell that removes it after us.
struct Home {
    root: PathBuf,
    socket_dir: PathBuf,
    /// Where a disk of its own is mounted.
    disk: Option<PathBuf>,
    watchdog: Child,
}

/// Waits until our end of its stdin closes, then stops the server and removes the
/// directories. `$1` data directory, `$2` a disk to unmount or nothing, the others are removed. A postmaster's working
/// directory is its data directory, so a process id used again is not hit.
const WATCHDOG: &str = r#"
trap '' INT TERM HUP QUIT
while read -r _; do :; done
data=$1
disk=$2
shift 2
pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ] && { [ ! -d /proc/self ] || [ "/proc/$pid/cwd" -ef "$data" ]; }; then
    kill -QUIT "$pid" 2>/dev/null
    n=0
    while kill -0 "$pid" 2>/dev/null && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
    kill -KILL "$pid" 2>/dev/null
fi
[ -z "$disk" ] || umount -l "$disk" 2>/dev/null
n=0
while [ $n -lt 20 ]; do
    rm -rf -- "$@" 2>/dev/null
    left=no
    for dir in "$@"; do [ -e "$dir" ] && left=yes; done
    [ $left = no ] && exit 0
    sleep 0.2
    n=$((n + 1))
done
"#;

/// A temporary directory, gone when it is dropped, and also when pgward is killed.
pub struct GuardedDir {
    root: PathBuf,
    watchdog: Child,
}

impl GuardedDir {
    /// Makes it in the system's temporary directory, for the server's OS user to read.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be made, [`Error::Refused`] when no temporary directory
    /// can be reached by the server's OS user.
    pub fn make() -> Result<GuardedDir, Error> {
        let user = tools::server_user();
        let root = make_dir(&parent_dir(None, user.as_ref())?, user.as_ref())?;
        own(&root, user.as_ref(), 0o755)?;
        Self::guard(root)
    }

    /// Makes it in the system's temporary directory, for nobody but us: it may hold rows.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be made.
    pub fn for_us() -> Result<GuardedDir, Error> {
        Self::guard(make_dir(&std::env::temp_dir(), None)?)
    }

    fn guard(root: PathBuf) -> Result<GuardedDir, Error> {
        let watchdog = watch_over(&root.join("no-server"), None, &[&root])?;
        Ok(GuardedDir { root, watchdog })
    }

    pub fn path(&self) -> &Path {
        &self.root
    }
}

impl Drop for GuardedDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root); // what stays, the watchdog tries again
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// Starts the shell that ends the server of `data_dir`, unmounts its disk and removes `dirs`
/// after us.
fn watch_over(data_dir: &Path, disk: Option<&Path>, dirs: &[&Path]) -> Result<Child, Error> {
    let mut watchdog = Command::new("/bin/sh");
    watchdog
        .args(["-c", WATCHDOG, "pgward-watchdog"])
        .arg(data_dir)
        .arg(disk.unwrap_or(Path::new("")))
        .args(dirs)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0);
    watchdog.spawn().map_err(|source| file(data_dir, "no watchdog", source))
}

/// A socket's path may have 107 bytes on Linux (`sun_path`), 103 on macOS; what we add to
/// the directory is `/s/.s.PGSQL.65535`.
const ROOT_BYTES_MAX: usize = 103 - 17;

/// `initdb` writes 40 MB and 16 MB of WAL; the first checkpoints double the WAL.
const FREE_BYTES_MIN: u64 = 128 << 20;

/// Other programs may take the port between our look and the server's start.
const PORT_TRIES: u32 = 5;

const HBA: &str = "\
local all         all              trust
local replication all              trust
host  all         all 127.0.0.1/32 scram-sha-256
host  replication all 127.0.0.1/32 scram-sha-256
";

const DEFAULTS: &[(&str, &str)] = &[
    ("logging_collector", "on"),
    ("log_destination", "stderr,csvlog"),
    ("log_filename", "postgresql-%Y-%m-%d_%H%M%S.log"),
    ("log_file_mode", "0640"),
    ("log_line_prefix", "%m [%p] %q%u@%d/%a "),
    ("log_lock_waits", "on"),
    ("log_statement", "ddl"),
    ("log_connections", "on"),
    ("log_timezone", "UTC"),
    ("lc_messages", "C"),
];

impl PrivateServer {
    /// Makes an empty cluster (UTF8, superuser `postgres`) and starts it.
    ///
    /// # Errors
    /// [`Error::Server`] with the server's words when it does not come up,
    /// [`Error::Tool`] from `initdb`, [`Error::File`], [`Error::Refused`] when the disk is
    /// nearly full or the directory cannot be reached by the server's OS user.
    pub fn create(options: &ServerOptions) -> Result<PrivateServer, Error> {
        Self::start_filled(options, |data_dir| initdb(options, data_dir))
    }

    /// Starts a server on a data directory that `fill` makes; it is removed with the server.
    /// The directory does not exist yet and its parent belongs to the server's OS user.
    ///
    /// # Errors
    /// Those of `fill`, and as [`PrivateServer::create`].
    pub fn start_filled<E: From<Error>>(
        options: &ServerOptions,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<PrivateServer, E> {
        let home = Home::make(options, None)?;
        let data_dir = home.root.join("data");
        if let Some(disk) = &home.disk {
            mount(disk, options.disk_bytes.unwrap_or(0))?;
        }
        fill(&data_dir)?;
        Ok(Self::start(home, data_dir, options)?)
    }

    /// Starts a server on an existing data directory, which stays when the server ends.
    ///
    /// # Errors
    /// As [`PrivateServer::create`].
    pub fn start_on(data_dir: &Path, options: &ServerOptions) -> Result<PrivateServer, Error> {
        let home = Home::make(options, Some(data_dir))?;
        Self::start(home, data_dir.to_owned(), options)
    }

    /// Superuser `postgres`, database `postgres`, over the unix socket.
    pub fn target(&self) -> Target {
        self.parse(&[("host", &self.home.socket_dir.display().to_string()), ("user", "postgres")])
    }

    /// A role with a password over TCP, as an application on another machine would come.
    pub fn tcp_target(&self, role: &str, password: &str) -> Target {
        self.parse(&[("host", "127.0.0.1"), ("user", role), ("password", password)])
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Its log files: `*.log` and `*.csv`.
    pub fn log_dir(&self) -> PathBuf {
        self.home.log_dir()
    }

    /// Removed with the server; room for what belongs to it.
    pub fn root_dir(&self) -> &Path {
        &self.home.root
    }

    pub fn installation(&self) -> &Installation {
        &self.options.installation
    }

    /// The postmaster.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.postmaster().id()).unwrap_or(0)
    }

    fn postmaster(&self) -> MutexGuard<'_, Child> {
        self.postmaster.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Has the postmaster ended by itself?
    pub fn has_ended(&self) -> bool {
        !matches!(self.postmaster().try_wait(), Ok(None))
    }

    /// The last lines of its log that tell of trouble, at most `max`.
    pub fn log_trouble(&self, max: usize) -> Vec<String> {
        self.home.trouble(max)
    }

    /// Starts the server again after it was stopped or has died, on the same port.
    ///
    /// # Errors
    /// As [`PrivateServer::create`].
    pub fn start_again(&self) -> Result<(), Error> {
        let mut postmaster = self.postmaster();
        end(&mut postmaster, Signal::SIGINT);
        *postmaster = self.home.spawn(&self.data_dir, &self.options)?;
        self.home.wait_ready(&mut postmaster, &self.data_dir, self.options.start_within)
    }

    /// Stops the server in order (fast shutdown with checkpoint), keeping its directory;
    /// for what needs a clean data directory.
    pub fn halt(&self) {
        end(&mut self.postmaster(), Signal::SIGINT);
    }

    /// Stops the server and removes its directory.
    pub fn stop(self) {
        end(&mut self.postmaster(), Signal::SIGINT);
    }

    fn start(
        home: Home,
        data_dir: PathBuf,
        options: &ServerOptions,
    ) -> Result<PrivateServer, Error> {
        let listens = !options
            .settings
            .iter()
            .any(|(name, value)| name == "listen_addresses" && value.trim().is_empty());
        let mut tries = PORT_TRIES;
        loop {
            let port = if listens { free_port()? } else { 5432 };
            home.write_config(options, port)?;
            let mut postmaster = home.spawn(&data_dir, options)?;
            let ready = home.wait_ready(&mut postmaster, &data_dir, options.start_within);
            tries -= 1;
            match ready {
                Ok(()) => {
                    let options = options.clone();
                    let postmaster = Mutex::new(postmaster);
                    return Ok(Self { home, data_dir, port, listens, options, postmaster });
                }
                Err(error) => {
                    end(&mut postmaster, Signal::SIGQUIT);
                    let taken = error.to_string().contains("Address already in use");
                    if !taken || tries == 0 {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn parse(&self, pairs: &[(&str, &str)]) -> Target {
        let mut text = format!("port={} dbname=postgres", self.port);
        for (key, value) in pairs {
            let value = value.replace('\\', "\\\\").replace('\'', "\\'");
            text.push_str(&format!(" {key}='{value}'"));
        }
        Target::parse(&text).expect("keys are known and values are quoted")
    }

    /// Does it listen on the loopback interface?
    pub fn listens(&self) -> bool {
        self.listens
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        end(&mut self.postmaster(), Signal::SIGQUIT);
    }
}

impl Home {
    /// Makes the directory and starts the watchdog before anything else is in it.
    fn make(options: &ServerOptions, kept_data: Option<&Path>) -> Result<Home, Error> {
        let user = tools::server_user();
        if user.is_none() && nix::unistd::geteuid().is_root() {
            return Err(Error::Refused {
                step: "start a private server".to_owned(),
                why: "we are root, PostgreSQL refuses root, and there is neither an OS user \
                      postgres nor nobody"
                    .to_owned(),
            });
        }
        let parent = parent_dir(options.parent.as_deref(), user.as_ref())?;
        check_free(&parent)?;
        let root = make_dir(&parent, user.as_ref())?;
        let socket_dir = if root.as_os_str().len() <= ROOT_BYTES_MAX {
            root.join("s")
        } else {
            make_dir(Path::new("/tmp"), user.as_ref())?
        };
        let data_dir = kept_data.map_or(root.join("data"), Path::to_owned);
        let own_disk = options.disk_bytes.is_some() && kept_data.is_none();
        let disk = own_disk.then(|| root.join("data"));
        let watchdog = watch_over(&data_dir, disk.as_deref(), &[&root, &socket_dir])?;
        let home = Home { root, socket_dir, disk, watchdog };
        for dir in [&home.socket_dir, &home.log_dir()] {
            if !dir.is_dir() {
                fs::create_dir(dir).map_err(|source| file(dir, "cannot be made", source))?;
            }
            own(dir, user.as_ref(), 0o700)?;
        }
        Ok(home)
    }

    fn log_dir(&self) -> PathBuf {
        self.root.join("log")
    }

    fn startup_log(&self) -> PathBuf {
        self.log_dir().join("startup.log")
    }

    fn write_config(&self, options: &ServerOptions, port: u16) -> Result<(), Error> {
        let mut lines = String::new();
        let mut add = |name: &str, value: &str| {
            let value = value.replace('\\', "\\\\").replace('\'', "''");
            lines.push_str(&format!("{name} = '{value}'\n"));
        };
        for (name, value) in DEFAULTS {
            add(name, value);
        }
        add("listen_addresses", "127.0.0.1");
        for (name, value) in &options.settings {
            add(name, value);
        }
        add("port", &port.to_string());
        add("unix_socket_directories", &self.socket_dir.display().to_string());
        add("log_directory", &self.log_dir().display().to_string());
        for (name, file) in [("hba_file", "pg_hba.conf"), ("ident_file", "pg_ident.conf")] {
            add(name, &self.root.join(file).display().to_string());
        }
        let user = tools::server_user();
        let files =
            [("postgresql.conf", lines.as_str()), ("pg_hba.conf", HBA), ("pg_ident.conf", "")];
        for (name, text) in files {
            let path = self.root.join(name);
            fs::write(&path, text).map_err(|source| file(&path, "cannot be written", source))?;
            own(&path, user.as_ref(), 0o600)?;
        }
        Ok(())
    }

    fn spawn(&self, data_dir: &Path, options: &ServerOptions) -> Result<Child, Error> {
        let log = self.startup_log();
        let cannot = |source| file(&log, "cannot be written", source);
        let stderr = fs::File::create(&log).map_err(cannot)?;
        own(&log, tools::server_user().as_ref(), 0o640)?;
        let stdout = stderr.try_clone().map_err(cannot)?;
        let program = options.installation.program("postgres");
        let mut command = tools::command(&program, RunAs::ServerUser);
        command
            .arg("-D")
            .arg(data_dir)
            .arg("-c")
            .arg(format!("config_file={}", self.root.join("postgresql.conf").display()))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0);
        command.spawn().map_err(|source| file(&program, "cannot be started", source))
    }

    /// Waits until the eighth line of `postmaster.pid` says that connections are accepted:
    /// `ready`, or `standby` in recovery.
    fn wait_ready(
        &self,
        postmaster: &mut Child,
        data_dir: &Path,
        within: Duration,
    ) -> Result<(), Error> {
        let pid_file = data_dir.join("postmaster.pid");
        let pid = postmaster.id().to_string();
        let ready = clock::poll(within, Duration::from_millis(20), || {
            if let Ok(Some(status)) = postmaster.try_wait() {
                return Err(self.failure(&format!("ended with {status}")));
            }
            let text = fs::read_to_string(&pid_file).unwrap_or_default();
            let ours = text.lines().next() == Some(pid.as_str());
            let state = text.lines().nth(7).unwrap_or("").trim();
            Ok((ours && matches!(state, "ready" | "standby")).then_some(()))
        })?;
        ready.ok_or_else(|| {
            self.failure(&format!("accepted no connections within {} s", within.as_secs()))
        })
    }

    fn failure(&self, what: &str) -> Error {
        let trouble = self.trouble(8).join("; ");
        let disk =
            if trouble.contains("No space left on device") { " (the disk is full)" } else { "" };
        Error::Server {
            what: format!("private server in {}: {what}{disk}: {trouble}", self.root.display()),
        }
    }

    fn trouble(&self, max: usize) -> Vec<String> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.log_dir())
            .map(|dir| dir.filter_map(Result::ok).map(|e| e.path()).collect())
            .unwrap_or_default();
        files.retain(|f| f.extension().is_some_and(|e| e == "log"));
        files.sort_by_key(|f| (*f != self.startup_log(), f.clone()));
        let words = ["FATAL:", "PANIC:", "ERROR:", "WARNING:", "HINT:", "DETAIL:", "could not"];
        let mut lines: Vec<String> = Vec::new();
        for path in files {
            // Before the collector runs everything counts, also what only says LOG.
            let all = path == self.startup_log();
            let text = read_tail(&path);
            let told = text.lines().filter(|l| all || words.iter().any(|w| l.contains(w)));
            lines.extend(told.filter(|l| !l.contains("logging collector")).map(str::to_owned));
        }
        lines.split_off(lines.len().saturating_sub(max))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(disk) = &self.disk {
            let _ = std::process::Command::new("umount").arg("-l").arg(disk).status();
        }
        // What we cannot remove, the watchdog tries again; its end is our end of the pipe.
        for dir in [&self.root, &self.socket_dir] {
            let _ = fs::remove_dir_all(dir);
        }
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// Mounts a disk in memory for the server's OS user.
fn mount(disk: &Path, bytes: u64) -> Result<(), Error> {
    let step = || format!("give a private server a disk of its own of {} MB", bytes >> 20);
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::Refused {
            step: step(),
            why: "only root may mount one; run this as root or in a container of its own"
                .to_owned(),
        });
    }
    let user = tools::server_user();
    fs::create_dir(disk).map_err(|source| file(disk, "cannot be made", source))?;
    let (disk_arg, options) = (disk.display().to_string(), format!("size={bytes},mode=0700"));
    let args = ["-t", "tmpfs", "-o", &options, "pgward", &disk_arg];
    let within = Duration::from_secs(10);
    tools::run(Path::new("mount"), &args, &[], within, RunAs::Us)?;
    own(disk, user.as_ref(), 0o700)
}

fn initdb(options: &ServerOptions, data_dir: &Path) -> Result<(), Error> {
    let data = data_dir.display().to_string();
    let with_locale = |locale: &str| {
        let locale = format!("--locale={locale}");
        let mut args = vec!["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8"];
        args.extend(["--no-sync", "--no-instructions", &locale]);
        if options.checksums {
            args.push("--data-checksums");
        } else if options.installation.major >= 18 {
            args.push("--no-data-checksums");
        }
        let program = options.installation.program("initdb");
        // 1 s on an idle disk; two minutes for a machine under heavy load
        tools::run(&program, &args, &[], Duration::from_secs(120), RunAs::ServerUser)
    };
    match with_locale("C.UTF-8") {
        Err(Error::Tool { stderr, .. }) if stderr.contains("invalid locale") => with_locale("C"),
        other => other,
    }
    .map(|_| ())
}

/// The directory to work in: reachable for the OS user that runs the server.
fn parent_dir(asked: Option<&Path>, user: Option<&OsUser>) -> Result<PathBuf, Error> {
    if let Some(dir) = asked {
        let dir = fs::canonicalize(dir).map_err(|source| file(dir, "no such directory", source))?;
        return match (reachable(&dir, user), user) {
            (false, Some(user)) => Err(Error::Refused {
                step: format!("start a private server in {}", dir.display()),
                why: format!(
                    "OS user {} may not enter that directory or one above it; \
                     chmod o+x them or name another one",
                    user.name
                ),
            }),
            _ => Ok(dir),
        };
    }
    let usual = std::env::temp_dir();
    let places = [usual, PathBuf::from("/tmp"), PathBuf::from("/var/tmp")];
    let found = places.iter().find(|d| d.is_dir() && reachable(d, user));
    found.cloned().ok_or_else(|| Error::Refused {
        step: "start a private server".to_owned(),
        why: "no temporary directory that the server's OS user may enter".to_owned(),
    })
}

fn reachable(dir: &Path, user: Option<&OsUser>) -> bool {
    let Some(user) = user else { return true };
    dir.ancestors().all(|d| {
        fs::metadata(d).is_ok_and(|m| {
            let mode = m.permissions().mode();
            match (m.uid() == user.uid, m.gid() == user.gid) {
                (true, _) => mode & 0o100 != 0,
                (_, true) => mode & 0o010 != 0,
                _ => mode & 0o001 != 0,
            }
        })
    })
}

fn check_free(dir: &Path) -> Result<(), Error> {
    let free = free_bytes(dir)?;
    if free >= FREE_BYTES_MIN {
        return Ok(());
    }
    Err(Error::Refused {
        step: format!("start a private server in {}", dir.display()),
        why: format!(
            "only {} MB are free there, at least {} MB are needed; free some or name \
             another directory",
            free >> 20,
            FREE_BYTES_MIN >> 20
        ),
    })
}

/// Bytes that an ordinary user may still write below `dir`.
///
/// # Errors
/// [`Error::File`] when `dir` cannot be asked.
pub fn free_bytes(dir: &Path) -> Result<u64, Error> {
    let stat = nix::sys::statvfs::statvfs(dir)
        .map_err(|errno| file(dir, "free space unknown", errno.into()))?;
    Ok(stat.blocks_available() as u64 * stat.fragment_size() as u64)
}

fn make_dir(parent: &Path, user: Option<&OsUser>) -> Result<PathBuf, Error> {
    let dir = tempfile::Builder::new()
        .prefix("pgward-")
        .tempdir_in(parent)
        .map_err(|source| file(parent, "no directory can be made here", source))?
        .keep();
    own(&dir, user, 0o700)?;
    Ok(dir)
}

/// May the OS user that runs servers enter `dir`? Always, when that is us.
pub fn server_user_reaches(dir: &Path) -> bool {
    reachable(dir, tools::server_user().as_ref())
}

/// Gives a file or directory to the OS user that runs servers.
///
/// # Errors
/// [`Error::File`] when owner or mode cannot be set.
pub fn give_to_server_user(path: &Path, mode: u32) -> Result<(), Error> {
    own(path, tools::server_user().as_ref(), mode)
}

fn own(path: &Path, user: Option<&OsUser>, mode: u32) -> Result<(), Error> {
    if let Some(user) = user {
        std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid))
            .map_err(|source| file(path, "owner cannot be changed", source))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|source| file(path, "permissions cannot be changed", source))
}

fn free_port() -> Result<u16, Error> {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| file(Path::new("127.0.0.1"), "no free port", source))
}

/// Ends a postmaster: asks with `signal`, insists with SIGQUIT, then SIGKILL.
fn end(postmaster: &mut Child, signal: Signal) {
    let tries = [(signal, 15), (Signal::SIGQUIT, 8), (Signal::SIGKILL, 5)]; // s, each
    for (signal, seconds) in tries {
        if !matches!(postmaster.try_wait(), Ok(None)) {
            return;
        }
        if let Ok(pid) = i32::try_from(postmaster.id()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
        let within = Duration::from_secs(seconds);
        let _ = clock::poll(within, Duration::from_millis(5), || match postmaster.try_wait() {
            Ok(None) => Ok(None),
            Ok(Some(_)) => Ok(Some(())),
            Err(error) => Err(error),
        });
    }
}

/// The last 64 kB: more than any failed start prints.
fn read_tail(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    tools::tail(&text, 1 << 16).to_owned()
}

fn file(path: &Path, what: &str, source: std::io::Error) -> Error {
    Error::File { path: path.to_owned(), what: what.to_owned(), source }
}
