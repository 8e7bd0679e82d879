//! The server's host, when it is this machine.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use nix::sys::statvfs::statvfs;
use pgward_model::prelude::*;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(super) static SAMPLER: Sampler =
    Sampler { id: "host", period_s: 2.0, rights: "pg_monitor; the server on this machine", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    if eyes.data_dir.is_none() {
        let dir: String = eyes
            .session()?
            .query_one("SELECT pg_catalog.current_setting('data_directory')", &[])?;
        eyes.data_dir = Some(PathBuf::from(dir));
    }
    let Some(dir) = eyes.data_dir.as_ref().filter(|d| d.join("PG_VERSION").exists()) else {
        return Err(Error::Sampler {
            sampler: "host",
            why: "the server's data directory is not on this machine or not readable".into(),
        });
    };
    let stat = statvfs(dir)
        .map_err(|e| Error::Sampler { sampler: "host", why: format!("{}: {e}", dir.display()) })?;
    let unit = stat.fragment_size() as f64;
    let cpus = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    sample.host = Some(HostSample {
        disk_free_bytes: stat.blocks_available() as f64 * unit,
        disk_total_bytes: stat.blocks() as f64 * unit,
        load_per_cpu: load_average().map(|l| l / cpus),
        wal_free_bytes: wal_free(dir),
        memory_total_bytes: counter("/proc/meminfo", "MemTotal:").map(|kb| kb as f64 * 1024.0),
        oom_kills: counter("/proc/vmstat", "oom_kill"),
    });
    Ok(())
}

/// First number of `/proc/loadavg`; `None` where there is no such file.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Free bytes of the volume of `pg_wal`, where that is not the data's.
fn wal_free(dir: &Path) -> Option<f64> {
    let wal = dir.join("pg_wal");
    let device = |path: &Path| std::fs::metadata(path).ok().map(|m| m.dev());
    if device(&wal)? == device(dir)? {
        return None;
    }
    let stat = statvfs(&wal).ok()?;
    Some(stat.blocks_available() as f64 * stat.fragment_size() as f64)
}

/// The number behind a name in a file of the kernel.
pub(super) fn counter(file: &str, name: &str) -> Option<i64> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut words = text.lines().map(str::split_whitespace);
    words.find_map(|mut line| (line.next()? == name).then(|| line.next()?.parse().ok())?)
}
