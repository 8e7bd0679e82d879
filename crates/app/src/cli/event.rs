//! `pgward event`: tells of a change that no catalog shows, such as a deploy.

use super::{Exit, Servers, VaultDir};
use crate::http::Posted;
use crate::{client, face};
use anyhow::{Context, bail, ensure};
use jiff::tz::TimeZone;
use pgward_model::prelude::*;
use pgward_pg::clock;
use std::time::Duration;

/// Tell of a change that the database does not show: a deploy, a job, a switch of traffic
///
/// It is kept in the vault; a running `pgward watch` weighs it with all other changes when
/// trouble comes: only what precedes the trouble and touches what is hit can be to blame.
#[derive(clap::Args)]
pub struct Tell {
    /// What happened, such as "deploy 4711"
    what: String,
    /// When: an RFC 3339 time, or a time of the day such as 14:05 in UTC; otherwise now
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// Name of the server in the configuration; otherwise all of them
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// A relation that it touches; may be given several times
    #[arg(long, value_name = "RELATION")]
    on: Vec<String>,
    /// The role that it touches
    #[arg(long, value_name = "ROLE", conflicts_with = "on")]
    role: Option<String>,
    /// The role that did it
    #[arg(long, value_name = "ROLE")]
    by: Option<String>,
    #[command(flatten)]
    servers: Servers,
    /// Where a running `pgward watch` listens
    #[arg(long, value_name = "URL", env = "PGWARD_WATCHER", default_value = client::WATCHER)]
    watcher: String,
    #[command(flatten)]
    vault: VaultDir,
}

/// The watcher is on this machine or near.
const WITHIN: Duration = Duration::from_secs(2);

impl Tell {
    pub fn run(self) -> anyhow::Result<Exit> {
        ensure!(
            !self.what.trim().is_empty(),
            "an event without words: pgward event \"deploy 4711\""
        );
        let watched = self.servers.watched();
        let token = watched.as_ref().ok().and_then(|w| w.token.clone());
        let known = watched.map(|w| w.servers.into_iter().map(|s| s.name).collect::<Vec<_>>());
        let posted = |server: Option<&String>| Posted {
            what: self.what.clone(),
            at: self.at,
            server: server.cloned(),
            on: self.on.clone(),
            role: self.role.clone(),
            by: self.by.clone(),
        };
        let tell = |server: Option<&String>| {
            client::tell(&self.watcher, token.as_deref(), &posted(server), WITHIN)
        };
        let names = match (&self.server, known) {
            (Some(wanted), Ok(known)) if !known.contains(wanted) => {
                bail!("--server {wanted}: no such server; there are {}", known.join(", "))
            }
            (Some(wanted), _) => vec![wanted.clone()],
            (None, Ok(known)) => known,
            (None, Err(nobody)) => {
                ensure!(tell(None)?, nobody);
                return self.told();
            }
        };
        let mut to_keep = Vec::new();
        for name in &names {
            if !tell(Some(name))? {
                to_keep.push(posted(Some(name)).event(name, clock::now()));
            }
        }
        if to_keep.is_empty() {
            return self.told();
        }
        self.vault.store()?.append(&to_keep).context("the event is not kept")?;
        self.say(&format!("kept for {}", names.join(", ")))
    }

    fn told(&self) -> anyhow::Result<Exit> {
        self.say(&format!("told to the watcher at {}", self.watcher))
    }

    fn say(&self, how: &str) -> anyhow::Result<Exit> {
        face::line(&format!("{how}: {}", self.what.trim()))?;
        Ok(Exit::Quiet)
    }
}

/// A moment: RFC 3339, or a time of this day in UTC.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let today = clock::now().to_zoned(TimeZone::UTC).date();
    text.parse::<jiff::civil::Time>()
        .map_err(|_| ())
        .and_then(|time| today.to_datetime(time).to_zoned(TimeZone::UTC).map_err(|_| ()))
        .map(|zoned| zoned.timestamp())
        .map_err(|()| format!("`{text}` is not a time such as 2026-11-21T14:05:00Z or 14:05"))
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn moments_are_read() {
        let full = moment("2026-11-21T14:05:00Z").unwrap();
        assert_eq!(full.to_string(), "2026-11-21T14:05:00Z");
        assert_eq!(moment("2026-11-21T15:05:00+01:00").unwrap(), full);
        assert!(moment("14:05").unwrap().to_string().ends_with("T14:05:00Z"));
        assert!(moment("soon").unwrap_err().contains("soon"));
    }
}
