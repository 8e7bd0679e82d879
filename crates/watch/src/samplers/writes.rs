//! What statements give the kernel to write, while they run for long.

use super::host::counter;
use super::{Sampler, sessions};
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::get;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(super) static SAMPLER: Sampler = Sampler {
    id: "writes",
    period_s: 2.0,
    rights: "the server on this machine; its own user, or root",
    take,
};

/// What ends sooner fills no volume.
const RUNS_S: f64 = 2.0;
/// Two files of the kernel are read for each and for each of its workers: milliseconds.
const SESSIONS_MAX: usize = 100;

/// Those that have been at work for longest; without the directory the server is elsewhere, which
/// `host` says.
fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let is_here = |dir: &PathBuf| dir.join("PG_VERSION").exists();
    let Some(dir) = eyes.data_dir.clone().filter(is_here) else { return Ok(()) };
    // Looked at each time, so that a missing right is told before it matters.
    let postmaster = postmaster(&dir)?;
    sessions::ensure(eyes, sample);
    let at = sample.at;
    let works = |s: &&SessionSample| {
        s.state == "active" && s.blocked_by.is_empty() && s.runs_s(at) >= RUNS_S
    };
    let mut at_work: Vec<&SessionSample> = sample.sessions.iter().filter(works).collect();
    if at_work.is_empty() {
        return Ok(());
    }
    at_work.sort_by_key(|s| s.query_start);
    let at_work: Vec<Pid> = at_work.iter().take(SESSIONS_MAX).map(|s| s.pid).collect();
    let rows = eyes.session()?.query(include_str!("../../queries/workers.sql"), &[&at_work])?;
    let worker = |row| Ok((get(row, 0)?, get(row, 1)?));
    let workers: Vec<(Pid, Pid)> = rows.iter().map(worker).collect::<Result<_, Error>>()?;
    let mut all = Vec::new();
    for (pid, process) in at_work.into_iter().map(|pid| (pid, pid)).chain(workers) {
        if let Some(bytes) = written(postmaster, process)? {
            all.push(ProcessWrites { pid, process, bytes });
        }
    }
    sample.writes = Some(all);
    Ok(())
}

/// The server's first process, once it is clear that we may read what it writes. One whose pid is
/// 1 counts its pids in a container of its own.
fn postmaster(dir: &Path) -> Result<i64, Error> {
    let file = dir.join("postmaster.pid");
    let text = std::fs::read_to_string(&file).map_err(|e| unreadable(&file, &e))?;
    let pid: Option<i64> = text.lines().next().and_then(|line| line.trim().parse().ok());
    let pid = pid.filter(|pid| *pid > 1).ok_or_else(elsewhere)?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).map_err(|_| elsewhere())?;
    if !name.starts_with("post") {
        return Err(elsewhere());
    }
    let io = format!("/proc/{pid}/io");
    std::fs::read_to_string(&io).map_err(|e| unreadable(Path::new(&io), &e))?;
    Ok(pid)
}

fn elsewhere() -> Error {
    let why = "the server's processes are not seen among those of this machine, as when one of us \
               is in a container or /proc hides what belongs to others";
    Error::Sampler { sampler: SAMPLER.id, why: why.into() }
}

/// Bytes that a process of this server has given the kernel to write; `None` where it has ended.
fn written(postmaster: i64, process: Pid) -> Result<Option<i64>, Error> {
    if counter(&format!("/proc/{process}/status"), "PPid:") != Some(postmaster) {
        return Ok(None);
    }
    let io = format!("/proc/{process}/io");
    match std::fs::read_to_string(&io) {
        Ok(text) => {
            let value = text.lines().find_map(|line| line.strip_prefix("wchar:"));
            Ok(value.and_then(|v| v.trim().parse().ok()))
        }
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Err(unreadable(Path::new(&io), &e)),
        Err(_) => Ok(None),
    }
}

fn unreadable(file: &Path, error: &std::io::Error) -> Error {
    let why = format!(
        "{}: {error}; run as the server's user, or as root with CAP_SYS_PTRACE",
        file.display()
    );
    Error::Sampler { sampler: SAMPLER.id, why }
}
