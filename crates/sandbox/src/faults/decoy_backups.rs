//! Puts backups beside the right one that cannot serve: too late, of another server, or with a
//! hole in the WAL behind them.

use super::{Fault, FaultCx, Kind, Param, Params, Running, Truth, open, text};
use crate::backup::{self, Backup, Vault};
use crate::error::Error;
use pgward_pg::prelude::*;
use std::fs;
use std::time::Duration;

pub(super) static FAULT: Fault = Fault {
    id: "decoy_backups",
    title: "backups that cannot serve lie beside the right one",
    params: &[Param {
        name: "kind",
        default: None,
        kind: Kind::OneOf(&["late", "other", "gap"]),
        doc: "late: one of now; other: one of another server, newer than all; gap: a segment of \
              WAL is lost behind all backups there are, then a good one is taken",
    }],
    start,
};

struct Decoys(String);

/// A segment is archived at once when it is full, or after a minute when that failed.
const ARCHIVED_WITHIN: Duration = Duration::from_secs(90);

fn start(cx: &FaultCx<'_>, params: &Params) -> Result<Box<dyn Running>, Error> {
    let session = open(cx)?;
    let refused = |why: &str| Error::Fault { fault: FAULT.id, why: why.to_owned() };
    let vault = cx.vault.ok_or_else(|| refused("there is no vault with backups"))?;
    let server = cx.private.ok_or_else(|| refused("the server is none of ours"))?;
    let take = || backup::take(&server.target(), server.installation(), vault);
    let says = match text(params, "kind") {
        "late" => format!("backup {} was taken after the harm", take()?.id),
        "other" => other(vault)?,
        "gap" => {
            let lost = lose_segment(&session, vault)?;
            format!("segment {lost} is lost; backup {} was taken after it", take()?.id)
        }
        kind => return Err(refused(&format!("kind={kind}: late, other or gap"))),
    };
    Ok(Box::new(Decoys(says)))
}

/// The newest record once more, as of another server and a minute later.
fn other(vault: &Vault) -> Result<String, Error> {
    let newest = backup::list(vault)?.into_iter().next();
    let newest = newest.ok_or_else(|| Error::Fault {
        fault: FAULT.id,
        why: "there is no backup yet to look like".to_owned(),
    })?;
    let taken_at = newest.taken_at.checked_add(jiff::SignedDuration::from_mins(1));
    let taken_at = taken_at.unwrap_or(newest.taken_at);
    let id = taken_at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let system_identifier = newest.system_identifier ^ 0xffff;
    let decoy = Backup { id: id.clone(), taken_at, system_identifier, ..newest };
    let path = vault.backups_dir().join(format!("{id}.json"));
    let failed = |what| {
        let path = path.clone();
        move |source| Error::FaultFile { fault: FAULT.id, path, what, source }
    };
    let record = serde_json::to_string_pretty(&decoy)
        .map_err(|source| Error::BackupRecord { id: id.clone(), source })?;
    fs::write(&path, record).map_err(failed("cannot be written"))?;
    Ok(format!("backup {id} is of another server"))
}

/// Fills one segment, waits until it is archived, and removes it there.
fn lose_segment(session: &Session, vault: &Vault) -> Result<String, Error> {
    let name: String =
        session.query_one("SELECT pg_catalog.pg_walfile_name(pg_catalog.pg_switch_wal())", &[])?;
    let path = vault.wal_dir().join(&name);
    let archived = clock::poll(ARCHIVED_WITHIN, Duration::from_millis(100), || {
        Ok::<_, Error>(path.exists().then_some(()))
    })?;
    if archived.is_none() {
        let why = format!("segment {name} was not archived");
        return Err(Error::Fault { fault: FAULT.id, why });
    }
    let what = "cannot be removed";
    fs::remove_file(&path).map_err(|source| Error::FaultFile {
        fault: FAULT.id,
        path,
        what,
        source,
    })?;
    Ok(name)
}

impl Running for Decoys {
    fn truth(&self) -> Truth {
        Truth { says: self.0.clone(), n_done: 1, blocks: Vec::new() }
    }

    fn stop(&mut self) {}
}
