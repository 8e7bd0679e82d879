//! `pgward backup`: takes a base backup into the vault.

use super::{Database, Exit, Programs, VaultDir};
use crate::face;
use anyhow::{Context, bail};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_sandbox::backup::{self, Backup as Taken, Vault};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Take a base backup into the vault, verified, with the WAL it needs
///
/// Point-in-time recovery also needs the archive: set the archive_command that this prints.
#[derive(clap::Args)]
pub struct Backup {
    #[command(flatten)]
    database: Database,
    /// List the backups of the vault instead, and what one that was interrupted has left
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    vault: VaultDir,
    #[command(flatten)]
    programs: Programs,
}

impl Backup {
    pub fn run(self) -> anyhow::Result<Exit> {
        if self.list {
            return self.show();
        }
        std::fs::create_dir_all(&self.vault.vault)
            .with_context(|| format!("{}: cannot be made", self.vault.vault.display()))?;
        let vault = Vault::open(&self.vault.vault.canonicalize()?)?;
        let target = self.database.target()?;
        let session = Session::connect(&target, Purpose::Inspect)?;
        let Some(installation) = self.programs.fitting(session.major())? else {
            bail!("pg_basebackup of PostgreSQL {} is not on this machine", session.major());
        };
        let taken = take(&target, &installation, &vault)?;
        face::line(&format!(
            "{}: {}, consistent from LSN {}, verified with pg_verifybackup",
            taken.id,
            human_bytes(taken.bytes as f64),
            taken.stop_lsn
        ))?;
        say_archive(&session, &vault)?;
        Ok(Exit::Quiet)
    }

    fn show(&self) -> anyhow::Result<Exit> {
        let Some(vault) = self.vault.backups()? else {
            face::line(&format!("{}: no vault here", self.vault.vault.display()))?;
            return Ok(Exit::Quiet);
        };
        let backups = backup::list(&vault)?;
        let unfinished = backup::unfinished(&vault)?;
        if backups.is_empty() && unfinished.is_empty() {
            face::line("no backup is known; `pgward backup` takes one")?;
        }
        for b in backups {
            face::line(&format!(
                "{}  {}  PostgreSQL {}  system {}  LSN {} to {}",
                b.id,
                human_bytes(b.bytes as f64),
                b.major(),
                b.system_identifier,
                b.start_lsn,
                b.stop_lsn
            ))?;
        }
        if !unfinished.is_empty() {
            let paths = unfinished.iter().map(|path| path.display().to_string());
            let quoted: Vec<String> = paths.map(|path| backup::shell_quote(&path)).collect();
            face::line(&format!(
                "unfinished: a backup was interrupted, or is being taken now; if none is, remove \
                 what is left: rm -r {}",
                quoted.join(" ")
            ))?;
        }
        Ok(Exit::Quiet)
    }
}

/// Takes a backup; on Ctrl-C it gives up, and what was copied is removed.
fn take(target: &Target, installation: &Installation, vault: &Vault) -> anyhow::Result<Taken> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))
        .context("cannot listen for Ctrl-C")?;
    let taken = backup::take_until(target, installation, vault, &interrupted);
    if taken.is_err() && interrupted.load(Ordering::Relaxed) {
        bail!("{target}: the backup was interrupted; what was copied is removed");
    }
    Ok(taken?)
}

/// Says how to archive WAL into the vault, unless the server does.
fn say_archive(session: &Session, vault: &Vault) -> anyhow::Result<()> {
    let archives: bool = session.query_one(
        "SELECT pg_catalog.current_setting('archive_mode') <> 'off' \
         AND pg_catalog.strpos(pg_catalog.current_setting('archive_command'), $1) > 0",
        &[&vault.wal_dir().display().to_string()],
    )?;
    if archives {
        return Ok(());
    }
    face::line(
        "WAL is not archived into this vault, so only this moment can be restored. On a server \
         of this machine set archive_mode = on (it needs a restart) and",
    )?;
    let command = quote_literal(&backup::archive_command(vault));
    face::line(&format!("  archive_command = {command}"))
}
