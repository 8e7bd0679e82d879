//! Reads PostgreSQL's server log in every format, names what each message is, and sums it up.

mod classes;
mod diagnosis;
mod families;
mod layout;
mod measure;
mod prefix;
mod record;
mod redact;
mod report;
mod shape;
mod stderr;
mod tag;
mod tally;
mod text;
mod time;

pub use classes::{Class, Weight, classes, classify};
pub use families::{FAMILIES, Family};
pub use layout::{Layout, read};
pub use measure::{Checkpoint, LockWait, Measure, Phase, Vacuum};
pub use prefix::Prefix;
pub use record::{Level, Record, kept};
pub use redact::redact;
pub use tally::Tally;
pub use time::Clock;

/// What can be wrong with what this room is given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("log_line_prefix {prefix:?} cannot be read: {why}")]
    Prefix { prefix: String, why: String },
    #[error(
        "the lines do not begin with log_line_prefix {prefix:?}: {n_read} of {n} do; one is \
         {line:?}{found}"
    )]
    Mismatch { prefix: String, n_read: usize, n: usize, line: String, found: String },
}
