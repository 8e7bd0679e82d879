//! The server's host, when it is this machine.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use std::path::PathBuf;

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
    let stat = nix::sys::statvfs::statvfs(dir)
        .map_err(|e| Error::Sampler { sampler: "host", why: format!("{}: {e}", dir.display()) })?;
    let unit = stat.fragment_size() as f64;
    let cpus = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    sample.host = Some(HostSample {
        disk_free_bytes: stat.blocks_available() as f64 * unit,
        disk_total_bytes: stat.blocks() as f64 * unit,
        load_per_cpu: load_average().map(|l| l / cpus),
    });
    Ok(())
}

/// First number of `/proc/loadavg`; `None` where there is no such file.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}
