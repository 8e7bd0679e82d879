//! PostgreSQL's own programs on this machine: where they are, how they are run.

use crate::clock::{self, Deadline};
use crate::error::Error;
use crate::session::Purpose;
use crate::target::Target;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// An installed PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    pub major: u32,
    /// Holds `postgres`, `initdb`, ...
    pub bin_dir: PathBuf,
}

impl Installation {
    /// The full path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// The full path of a program that need not come with every server package.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is not installed.
    pub fn require(&self, name: &str) -> Result<PathBuf, Error> {
        let program = self.program(name);
        if program.is_file() {
            return Ok(program);
        }
        Err(Error::Refused {
            step: format!("run {name} of PostgreSQL {}", self.major),
            why: format!(
                "{} has no such program; install postgresql-client-{}",
                self.bin_dir.display(),
                self.major
            ),
        })
    }

    /// Is `extension` among the server's files? Where `initdb` does not tell the directory,
    /// nothing is claimed: the server then says itself what it lacks.
    ///
    /// # Errors
    /// [`Error::NoExtension`] when its control file is not there; as [`run`].
    pub fn require_extension(&self, extension: &str) -> Result<(), Error> {
        // It prints its settings to stderr, touches nothing and ends with 0.
        let script = "exec \"$0\" --show -D /nonexistent 2>&1";
        let args = ["-c", script, &self.program("initdb").display().to_string()];
        let within = Duration::from_secs(10); // it only prints; a cold disk may be slow
        let settings = run(Path::new("/bin/sh"), &args, &[], within, RunAs::ServerUser)?;
        let Some(share) = settings.lines().find_map(|l| l.strip_prefix("share_path=")) else {
            return Ok(());
        };
        let control = Path::new(share).join("extension").join(format!("{extension}.control"));
        if control.is_file() {
            return Ok(());
        }
        Err(Error::NoExtension { extension: extension.to_owned(), major: self.major, control })
    }
}

/// The OS user a program runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunAs {
    /// Whoever runs pgward.
    Us,
    /// [`server_user`] when we are root, else us: for whatever touches a server's files.
    ServerUser,
}

/// An OS user that may run a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsUser {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
}

/// Where packages put servers, major by major; `*` stands for the major.
const PLACES: &[&str] = &["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"];

/// Output kept of a program, each of stdout and stderr; the rest is read and dropped.
const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// Bytes of stderr that go into an error message, from its end.
const MESSAGE_BYTES_MAX: usize = 2_000;

/// Variables that would send PostgreSQL's programs to another server than the one we name.
const FOREIGN_VARIABLES: &[&str] = &[
    "PGAPPNAME",
    "PGCLIENTENCODING",
    "PGCONNECT_TIMEOUT",
    "PGDATA",
    "PGDATABASE",
    "PGDATESTYLE",
    "PGHOST",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGSERVICE",
    "PGSERVICEFILE",
    "PGSSLMODE",
    "PGTARGETSESSIONATTRS",
    "PGTZ",
    "PGUSER",
];

/// All servers installed here, newest major first, each directory once. `path_dirs` are
/// searched too: the directories of `PATH`, which only `app` may read.
pub fn installations(path_dirs: &[PathBuf]) -> Vec<Installation> {
    let mut dirs: Vec<PathBuf> = PLACES.iter().flat_map(|place| expand(place)).collect();
    dirs.extend_from_slice(path_dirs);
    let mut found: Vec<Installation> = Vec::new();
    for dir in dirs {
        let Ok(installation) = installation_at(&dir) else { continue };
        if !found.contains(&installation) {
            found.push(installation);
        }
    }
    found.sort_by_key(|i| std::cmp::Reverse(i.major));
    found
}

/// The server in `dir` or `dir/bin`.
///
/// # Errors
/// [`Error::NoServer`] when there is no `postgres` program that tells its version.
pub fn installation_at(dir: &Path) -> Result<Installation, Error> {
    let missing = || Error::NoServer { looked: dir.display().to_string() };
    let bin_dir = [dir.to_owned(), dir.join("bin")]
        .into_iter()
        .find(|d| d.join("postgres").is_file() && d.join("initdb").is_file())
        .ok_or_else(missing)?;
    let bin_dir = bin_dir.canonicalize().unwrap_or(bin_dir);
    let version = run(
        &bin_dir.join("postgres"),
        &["--version"],
        &[],
        Duration::from_secs(10), // it only prints; a cold disk may be slow
        RunAs::Us,
    )?;
    let major = version
        .split_whitespace()
        .find_map(|word| word.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok())
        .ok_or_else(missing)?;
    Ok(Installation { major, bin_dir })
}

/// The newest server installed here.
///
/// # Errors
/// [`Error::NoServer`], which says how to install one.
pub fn newest(path_dirs: &[PathBuf]) -> Result<Installation, Error> {
    installations(path_dirs)
        .into_iter()
        .next()
        .ok_or_else(|| Error::NoServer { looked: PLACES.join(", ") + ", PATH" })
}

/// The OS user servers run as when we are root, which PostgreSQL refuses to run as:
/// `postgres` where it exists, else `nobody`. `None` when we are an ordinary user.
pub fn server_user() -> Option<OsUser> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    ["postgres", "nobody"].into_iter().find_map(|name| {
        let user = nix::unistd::User::from_name(name).ok()??;
        Some(OsUser { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() })
    })
}

/// How PostgreSQL's programs are told to reach a database, as `-d` takes it; the password
/// goes through the environment, see [`password_env`].
pub fn conninfo(target: &Target) -> String {
    let port = target.port().to_string();
    let mut pairs = vec![
        ("host", target.host()),
        ("port", port),
        ("user", target.role().to_owned()),
        ("dbname", target.database().to_owned()),
    ];
    pairs.extend(target.tls().settings.iter().cloned());
    let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key}='{}'", quoted(value)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The password of `target` for the environment of a program, and who is asking.
pub fn password_env(target: &Target, purpose: Purpose) -> Vec<(&'static str, String)> {
    let mut env = vec![("PGAPPNAME", purpose.application().to_owned())];
    env.extend(target.password().map(|password| ("PGPASSWORD", password)));
    env
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// [`Error::Tool`] with the end of its stderr, [`Error::ToolTimeout`] after `within`, when
/// it is killed; [`Error::File`] when it cannot be started.
pub fn run<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    env: &[(&str, String)],
    within: Duration,
    run_as: RunAs,
) -> Result<String, Error> {
    let mut output = String::new();
    let mut cut = false;
    each_line(program, args, env, within, run_as, |line| {
        cut |= output.len() + line.len() > OUTPUT_BYTES_MAX;
        if !cut {
            output.push_str(line);
            output.push('\n');
        }
        ControlFlow::Continue(())
    })?;
    if cut {
        let what = format!("{}: more output than {OUTPUT_BYTES_MAX} bytes", program.display());
        return Err(Error::Server { what });
    }
    Ok(output)
}

/// Runs a program to its end, or kills it when `stop` is set; what it prints is not kept.
///
/// # Errors
/// As [`run`]; [`Error::Tool`] too when it was stopped.
pub fn run_until<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    env: &[(&str, String)],
    within: Duration,
    run_as: RunAs,
    stop: &AtomicBool,
) -> Result<(), Error> {
    let mut command = command(program, run_as);
    command.args(args).envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    with_child(program, command, within, |child| {
        // Its output ends with it, and is waited for in place of its process id.
        let from = child.stdout.take();
        let output = std::thread::spawn(move || from.map(read_bounded));
        while !output.is_finished() {
            if stop.load(Ordering::Relaxed) {
                child.kill()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = output.join();
        Ok(())
    })
}

/// Runs a program and writes its stdout, whatever its size, to `to`.
///
/// # Errors
/// As [`run`]; [`Error::File`] when `to` takes no more.
pub fn stream<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    env: &[(&str, String)],
    within: Duration,
    to: &mut dyn Write,
) -> Result<(), Error> {
    let mut command = command(program, RunAs::Us);
    command.args(args).envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    with_child(program, command, within, |child| {
        let mut from = child.stdout.take();
        from.as_mut().map_or(Ok(0), |from| std::io::copy(from, to)).map(|_| ())
    })
    .map(|_| ())
}

/// Runs a program whose stdin `write` fills; returns what it printed. When `write` fails the
/// program is killed before it sees the end of its input.
///
/// # Errors
/// That of `write` unless the program failed by itself; as [`run`].
pub fn feed<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    env: &[(&str, String)],
    within: Duration,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error>,
) -> Result<String, Error> {
    let mut command = command(program, RunAs::Us);
    command.args(args).envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut output = None;
    let mut written = Ok(());
    let fed = with_child(program, command, within, |child| {
        let from = child.stdout.take();
        output = Some(std::thread::spawn(move || from.map(read_bounded).unwrap_or_default()));
        let Some(stdin) = child.stdin.take() else { return Ok(()) };
        let mut stdin = BufWriter::with_capacity(1 << 16, stdin);
        written = write(&mut stdin);
        if written.is_err() {
            let _ = child.kill();
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        stdin.flush()
    });
    let output = output.and_then(|thread| thread.join().ok()).unwrap_or_default();
    match (fed, written) {
        (Ok(()), Ok(())) => Ok(output),
        // Its own words say more than our broken pipe; killed by us it has none.
        (Err(Error::Tool { tool, status, stderr }), _) if !stderr.is_empty() => {
            Err(Error::Tool { tool, status, stderr })
        }
        (_, Err(error)) | (Err(error), Ok(())) => Err(error),
    }
}

/// Starts a program, lets `talk` deal with its pipes, ends it when `within` is over.
fn with_child(
    program: &Path,
    mut command: Command,
    within: Duration,
    talk: impl FnOnce(&mut Child) -> Result<(), std::io::Error>,
) -> Result<(), Error> {
    let tool = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let cannot = |what: &str, source| Error::File {
        path: program.to_owned(),
        what: what.to_owned(),
        source,
    };
    let mut child = command.spawn().map_err(|source| cannot("cannot be started", source))?;
    let stderr = child.stderr.take();
    let stderr = std::thread::spawn(move || stderr.map(read_bounded).unwrap_or_default());
    let deadline = Deadline::after(within);
    // While we talk nobody waits for the child, so its process id stays its own.
    let (done, talking) = std::sync::mpsc::channel::<()>();
    let pid = i32::try_from(child.id()).ok().map(nix::unistd::Pid::from_raw);
    let timer = std::thread::spawn(move || {
        let late = talking.recv_timeout(deadline.left())
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout);
        if let (true, Some(pid)) = (late, pid) {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    });
    let talked = talk(&mut child);
    drop(done);
    let _ = timer.join();
    let status = wait(&mut child, deadline).map_err(|source| cannot("cannot wait", source))?;
    if status.is_none() {
        end(&mut child);
    }
    let stderr = stderr.join().unwrap_or_default();
    match status {
        _ if deadline.passed() => Err(Error::ToolTimeout { tool, within }),
        Some(status) if status.success() => {
            talked.map_err(|source| cannot("its pipe broke", source))
        }
        Some(status) => Err(Error::Tool {
            tool,
            status: status.to_string(),
            stderr: tail(stderr.trim(), MESSAGE_BYTES_MAX).to_owned(),
        }),
        None => Err(Error::ToolTimeout { tool, within }),
    }
}

/// Runs a program and hands over its stdout line by line, without line ends. When
/// `each` breaks, the program is ended and that is success.
///
/// # Errors
/// As [`run`].
pub fn each_line<S: AsRef<OsStr>>(
    program: &Path,
    args: &[S],
    env: &[(&str, String)],
    within: Duration,
    run_as: RunAs,
    mut each: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<(), Error> {
    let tool = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let mut command = command(program, run_as);
    command.args(args).envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let cannot = |what: &str, source| Error::File {
        path: program.to_owned(),
        what: what.to_owned(),
        source,
    };
    let mut child = command.spawn().map_err(|source| cannot("cannot be started", source))?;
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let stderr = std::thread::spawn(move || stderr.map(read_bounded).unwrap_or_default());
    let (lines_in, lines) = std::sync::mpsc::sync_channel::<String>(1024);
    let reader = std::thread::spawn(move || forward_lines(stdout, &lines_in));
    let deadline = Deadline::after(within);
    let mut broke = false;
    loop {
        match lines.recv_timeout(deadline.left()) {
            Ok(line) if each(&line).is_break() => {
                broke = true;
                break;
            }
            Ok(_) => {}
            Err(_) => break, // end of output, or the deadline
        }
    }
    drop(lines);
    if broke {
        end(&mut child);
    }
    let status = wait(&mut child, deadline).map_err(|source| cannot("cannot wait", source))?;
    if status.is_none() {
        end(&mut child);
    }
    let _ = reader.join();
    let stderr = stderr.join().unwrap_or_default();
    match status {
        _ if broke => Ok(()),
        None => Err(Error::ToolTimeout { tool, within }),
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Error::Tool {
            tool,
            status: status.to_string(),
            stderr: tail(stderr.trim(), MESSAGE_BYTES_MAX).to_owned(),
        }),
    }
}

/// A command with our fixed environment, in a directory every user may enter, as the user
/// asked for. `PG*` variables of the caller do not reach it.
pub(crate) fn command(program: &Path, run_as: RunAs) -> Command {
    let mut command = Command::new(program);
    for name in FOREIGN_VARIABLES {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C").current_dir("/");
    if let (RunAs::ServerUser, Some(user)) = (run_as, server_user()) {
        command.uid(user.uid).gid(user.gid);
    }
    command
}

/// The last `max` bytes of a text, cut at a character.
pub(crate) fn tail(text: &str, max: usize) -> &str {
    let from = text.len().saturating_sub(max);
    (from..=text.len()).find_map(|i| text.get(i..)).unwrap_or("")
}

fn wait(
    child: &mut Child,
    deadline: Deadline,
) -> Result<Option<std::process::ExitStatus>, std::io::Error> {
    // A short first interval, since its output has ended and it is about to exit.
    let mut every = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if deadline.passed() {
            return Ok(None);
        }
        std::thread::sleep(every.min(deadline.left()));
        every = (every * 2).min(Duration::from_millis(50));
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn forward_lines(from: Option<impl Read>, to: &std::sync::mpsc::SyncSender<String>) {
    let Some(from) = from else { return };
    let mut reader = BufReader::with_capacity(1 << 16, from);
    let mut line = Vec::new();
    while let Ok(n) = reader.read_until(b'\n', &mut line) {
        if n == 0 || to.send(String::from_utf8_lossy(&line).trim_end_matches('\n').into()).is_err()
        {
            return;
        }
        line.clear();
    }
}

fn read_bounded(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = from.by_ref().take(OUTPUT_BYTES_MAX as u64).read_to_end(&mut kept);
    let _ = std::io::copy(&mut from, &mut std::io::sink());
    String::from_utf8_lossy(&kept).into_owned()
}

fn expand(place: &str) -> Vec<PathBuf> {
    let Some((before, after)) = place.split_once('*') else { return vec![PathBuf::from(place)] };
    let (dir, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(entries) = std::fs::read_dir(if dir.is_empty() { "/" } else { dir }) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|e| e.file_name().to_string_lossy().starts_with(prefix))
        .map(|e| PathBuf::from(format!("{}{after}", e.path().display())))
        .collect()
}

/// Seconds since `start`, for reports.
pub fn seconds_since(start: std::time::Instant) -> f64 {
    clock::instant().duration_since(start).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SH: &str = "/bin/sh";

    fn sh(script: &str, within_ms: u64) -> Result<String, Error> {
        let within = Duration::from_millis(within_ms);
        run(Path::new(SH), &["-c", script], &[("A", "b".to_owned())], within, RunAs::Us)
    }

    #[test]
    fn output_and_errors_are_captured() {
        assert_eq!(sh("echo $A; echo c", 5_000).unwrap(), "b\nc\n");
        let error = sh("echo no space left >&2; exit 3", 5_000).unwrap_err().to_string();
        assert!(error.contains("sh failed with exit status: 3: no space left"), "{error}");
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let start = clock::instant();
        assert!(matches!(sh("exec sleep 60", 50), Err(Error::ToolTimeout { .. })));
        assert!(seconds_since(start) < 30.0);
    }

    #[test]
    fn a_program_can_be_stopped_or_comes_to_its_end() {
        let run = |script: &str, stop: bool| {
            let within = Duration::from_secs(60);
            let stop = AtomicBool::new(stop);
            run_until(Path::new(SH), &["-c", script], &[], within, RunAs::Us, &stop)
        };
        let start = clock::instant();
        assert!(matches!(run("exec sleep 60", true), Err(Error::Tool { .. })));
        assert!(seconds_since(start) < 30.0);
        run("echo done", false).unwrap();
        let error = run("echo no space left >&2; exit 3", false).unwrap_err().to_string();
        assert!(error.contains("sh failed with exit status: 3: no space left"), "{error}");
    }

    #[test]
    fn a_program_is_fed_and_its_own_words_are_kept() {
        let within = Duration::from_secs(20);
        let feed = |script: &str, fails: bool| {
            feed(Path::new(SH), &["-c", script], &[], within, |stdin| {
                let ours = Error::Server { what: "ours".to_owned() };
                let big = "x\n".repeat(200_000); // more than a pipe holds
                stdin.write_all(big.as_bytes()).map_err(|_| ours)?;
                if fails { Err(Error::Server { what: "source".to_owned() }) } else { Ok(()) }
            })
        };
        assert_eq!(feed("wc -l", false).unwrap().trim(), "200000");
        let error = feed("cat >/dev/null; echo done", true).unwrap_err().to_string();
        assert_eq!(error, "source");
        let error = feed("echo the table is locked by someone else >&2; exit 3", false);
        assert!(error.unwrap_err().to_string().contains("locked by someone else"));
    }

    #[test]
    fn output_can_be_left_in_the_middle() {
        let mut seen = 0;
        let endless = "while :; do echo x; done";
        let within = Duration::from_secs(60);
        each_line(Path::new(SH), &["-c", endless], &[], within, RunAs::Us, |_| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        assert_eq!(seen, 3);
    }

    /// A server's programs find their other files beside them, wherever they are moved to; these
    /// have none.
    #[test]
    fn an_extension_whose_files_are_not_there_is_named() {
        let real = newest(&[]).unwrap();
        real.require_extension("plpgsql").unwrap();
        let moved = tempfile::tempdir().unwrap();
        crate::server::give_to_server_user(moved.path(), 0o755).unwrap();
        let bin_dir = moved.path().join(real.bin_dir.strip_prefix("/").unwrap());
        std::fs::create_dir_all(&bin_dir).unwrap();
        for name in ["initdb", "postgres"] {
            std::fs::copy(real.program(name), bin_dir.join(name)).unwrap();
        }
        let bare = installation_at(&bin_dir).unwrap();
        let error = bare.require_extension("pg_stat_statements").unwrap_err();
        let told = error.to_string();
        assert!(told.contains(&moved.path().display().to_string()), "{told}");
        assert!(told.contains("has no extension pg_stat_statements"), "{told}");
        assert!(error.hint().unwrap().contains(&format!("postgresql-contrib-{}", real.major)));
    }

    #[test]
    fn the_newest_server_comes_first_and_a_wrong_directory_is_named() {
        let all = installations(&[]);
        assert!(!all.is_empty(), "the tests need an installed PostgreSQL");
        assert!(all.is_sorted_by_key(|i| std::cmp::Reverse(i.major)));
        let error = installation_at(Path::new("/usr/share")).unwrap_err();
        assert!(error.to_string().contains("/usr/share"), "{error}");
        assert!(error.hint().unwrap().contains("--postgres"));
    }
}
