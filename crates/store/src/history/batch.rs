//! A batch: all rows of some seconds, in one object.

use crate::error::Error;
use crate::series::Series;
use jiff::Timestamp;
use std::path::PathBuf;

/// Rows that are to be written together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// When it was closed, by the server's clock.
    pub at: Timestamp,
    /// When its first row was noted.
    pub from: Timestamp,
    /// JSON lines `{"SERIES":{...}}`.
    pub(crate) lines: Vec<u8>,
}

/// Most bytes that a batch may have once it is unpacked: a second of 2,000 sessions that all
/// wait takes one megabyte.
const BYTES_MAX: usize = 64 << 20;

impl Batch {
    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.lines.len()
    }

    /// As it is written.
    pub(super) fn packed(&self) -> Result<Vec<u8>, std::io::Error> {
        zstd::encode_all(self.lines.as_slice(), 3)
    }
}

/// The lines of a packed batch.
pub(super) fn unpacked(packed: &[u8], path: PathBuf) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let broken = |source: std::io::Error| Error::Broken { path: path.clone(), source };
    let mut lines = Vec::new();
    let decoder = zstd::Decoder::new(packed).map_err(broken)?;
    decoder.take(BYTES_MAX as u64).read_to_end(&mut lines).map_err(broken)?;
    Ok(lines)
}

/// Of the lines of a batch, the rows of one series, as JSON lines of their own.
pub(super) fn rows_of(lines: &[u8], series: &Series, rows: &mut Vec<u8>) {
    let head = format!("{{\"{}\":", series.id);
    for line in lines.split(|b| *b == b'\n') {
        let row = line.strip_prefix(head.as_bytes()).and_then(|l| l.strip_suffix(b"}"));
        if let Some(row) = row {
            rows.extend_from_slice(row);
            rows.push(b'\n');
        }
    }
}
