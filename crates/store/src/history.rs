//! The history: what samplers saw, second by second, as Parquet that anybody can read.
//!
//! Below one place, a directory or a bucket:
//!
//! ```text
//! SERIES/SERVER/DATE/0500-0600.parquet     rows of one series, an hour or five minutes
//! recent/SERVER/DATE/050003.123-0000.jsonl.zst
//!                                          batches: all rows of some seconds, JSON lines
//! ```
//!
//! A batch is written every five seconds, so that a crash loses no more than those. When five
//! minutes are over, their batches become one Parquet file a series; when an hour is over, its
//! files become one, and counters of ten seconds become those of a minute. What is written last
//! makes the rest superfluous: a file counts only where no file of a longer time covers it, a
//! batch only where no file of its series does. So a crash between writing and deleting costs
//! space and no row, without any rename, lock or manifest.

mod batch;
mod collect;
mod merge;
mod names;
mod parquet;
mod read;
mod recorder;
mod retain;
mod snapshot;
mod window;
mod writer;

pub use batch::Batch;
pub use collect::Collector;
pub use recorder::{Recorder, Trouble};
pub use retain::Keep;
pub use snapshot::{File, Slot, Snapshot};
pub use window::Looked;
pub use writer::Writer;

use crate::error::Error;
use crate::objects::Objects;
use object_store::ObjectStore;
use std::path::PathBuf;
use std::sync::Arc;

/// A history, to be read or written.
#[derive(Debug)]
pub struct History {
    pub(crate) objects: Objects,
}

impl History {
    /// The history in directory `path`, which is made where it does not exist.
    ///
    /// # Errors
    /// [`Error::Open`] when the directory can be neither found nor made.
    pub fn open(path: impl Into<PathBuf>) -> Result<History, Error> {
        Ok(History { objects: Objects::in_directory(path.into())? })
    }

    /// The history in `store`, which people know as `root`.
    ///
    /// # Errors
    /// [`Error::Open`] when no thread can be had to reach it.
    pub fn of(root: impl Into<PathBuf>, store: Arc<dyn ObjectStore>) -> Result<History, Error> {
        Ok(History { objects: Objects::of(root.into(), store)? })
    }

    /// Where people find it.
    pub fn root(&self) -> &std::path::Path {
        self.objects.root()
    }
}
