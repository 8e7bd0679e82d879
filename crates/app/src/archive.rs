//! Keeps the history of a server while it is watched; what cannot be kept stops nothing.

use pgward_model::prelude::*;
use pgward_store::Vault;
use pgward_store::history::{Keep, Recorder, Trouble, Writer};

/// How much history is kept of each server.
#[derive(clap::Args, Clone, Default)]
pub struct Keeping {
    /// Days of history that are kept of each server; 0 keeps none
    #[arg(long, value_name = "DAYS", default_value_t = Keep::default().days)]
    history_days: u32,
    /// Most bytes of history of each server; the oldest days go first
    #[arg(long, value_name = "BYTES", default_value_t = Keep::default().bytes)]
    history_bytes: u64,
}

/// The history of one server.
pub struct Archive {
    recorder: Recorder,
    trouble: Option<Trouble>,
}

impl Keeping {
    /// Goes on with the history of `server`, if any is to be kept.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn open(&self, vault: &Vault, server: &str) -> anyhow::Result<Option<Archive>> {
        if self.history_days == 0 || self.history_bytes == 0 {
            return Ok(None);
        }
        let keep = Keep { days: self.history_days, bytes: self.history_bytes };
        let writer = Writer::new(vault.history()?, server, keep);
        Ok(Some(Archive { recorder: Recorder::start(writer)?, trouble: None }))
    }
}

impl Archive {
    /// Notes a sample; gives a line where writing has just begun to fail, or goes on again.
    pub fn note(&mut self, sample: &Sample) -> Option<String> {
        self.recorder.note(sample);
        let trouble = self.recorder.trouble();
        let told = match (&self.trouble, &trouble) {
            (None, Some(new)) => Some(format!("the history is in trouble: {}", new.why)),
            (Some(old), None) => {
                Some(format!("the history is in order again; it was not since {}", old.since))
            }
            _ => None,
        };
        self.trouble = trouble;
        told
    }
}
