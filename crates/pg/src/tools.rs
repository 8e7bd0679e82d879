//! PostgreSQL's own programs on this machine: where they are, how they are run.

use crate::clock;
use crate::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// An installed PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    pub major: u32,
    /// Holds `postgres`, `initdb`, ...
    pub bin_dir: PathBuf,
}
