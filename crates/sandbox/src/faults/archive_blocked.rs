//! Takes the archive away from the archiver: its directory can no longer be written.

use super::{Fault, FaultCx, Kind, LASTS_MAX, Param, Params, Running, Truth, duration, open};
use crate::error::Error;
use pgward_pg::prelude::*;
use pgward_pg::server::give_to_server_user;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) static FAULT: Fault = Fault {
    id: "archive_blocked",
    title: "the WAL archive cannot be written",
    params: &[Param {
        name: "lasts",
        default: Some("0s"),
        kind: Kind::Duration(LASTS_MAX),
        doc: "until somebody mends it; 0s: until the drill ends",
    }],
    start,
};

struct ArchiveBlocked {
    dir: PathBuf,
    stop: Arc<AtomicBool>,
    mender: Option<JoinHandle<()>>,
}

/// Read and enter, not write: what a volume that was mounted read-only looks like.
const READ_ONLY: u32 = 0o500;
const WRITABLE: u32 = 0o700;

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    open(cx)?;
    let lasts = duration(FAULT.id, params, "lasts")?;
    let vault = cx.vault.ok_or_else(|| Error::Fault {
        fault: FAULT.id,
        why: "the server archives to no vault of ours".to_owned(),
    })?;
    let dir = vault.wal_dir();
    fs::set_permissions(&dir, fs::Permissions::from_mode(READ_ONLY)).map_err(|source| {
        let what = "cannot be made read-only";
        Error::FaultFile { fault: FAULT.id, path: dir.clone(), what, source }
    })?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut running = ArchiveBlocked { dir, stop: Arc::clone(&stop), mender: None };
    if !lasts.is_zero() {
        let dir = running.dir.clone();
        running.mender = Some(std::thread::spawn(move || {
            let deadline = clock::Deadline::after(lasts);
            while !deadline.passed() && !stop.load(Ordering::SeqCst) {
                std::thread::sleep(deadline.left().min(Duration::from_millis(50)));
            }
            give_to_server_user(&dir, WRITABLE).ok();
        }));
    }
    Ok(Box::new(running))
}

impl Running for ArchiveBlocked {
    fn truth(&self) -> Truth {
        let says = format!("{} could not be written by the archiver", self.dir.display());
        Truth { says, n_done: 1, blocks: Vec::new() }
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(mender) = self.mender.take() {
            mender.join().ok();
        }
        give_to_server_user(&self.dir, WRITABLE).ok(); // a directory that is gone needs none
    }
}

impl Drop for ArchiveBlocked {
    fn drop(&mut self) {
        self.stop();
    }
}
