//! SQL over the history that the vault keeps: read-only, within limits of time and memory.

#[cfg(feature = "datafusion")]
mod cells;
#[cfg_attr(not(feature = "datafusion"), path = "left_out.rs")]
mod engine;
mod error;
#[cfg(feature = "datafusion")]
mod said;
#[cfg(feature = "datafusion")]
mod table;

pub use error::Error;

use pgward_model::prelude::*;
use pgward_store::history::History;
use pgward_store::series::{Holds, SERIES, Series};
use std::sync::Arc;
use std::time::Duration;

/// What a query may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub seconds: f64,
    /// Of sorts, joins and groups; nothing is put on disk instead.
    pub memory_bytes: usize,
    /// What the answer may hold; more rows are left out, and the answer says so.
    pub n_rows: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { seconds: 30.0, memory_bytes: 256 << 20, n_rows: 10_000 }
    }
}

/// Threads of a query; watching needs the other processors.
pub(crate) const THREADS: usize = 2;
/// Bytes of the longest query: a list of a thousand fingerprints takes 20,000.
const SQL_BYTES_MAX: usize = 32 << 10;
/// More than the deepest query of that length takes, a sum of 16,000 ones; only what is used of
/// it takes memory.
const STACK_BYTES: usize = 256 << 20;

/// Answers one SELECT over the series of [`SERIES`], each of which is a table.
///
/// It may be asked while `pgward watch` writes: an answer has each row once, as things stood
/// when the query began.
///
/// # Errors
/// [`Error::Table`] and [`Error::Column`] with the nearest name there is, [`Error::Sql`] for what
/// is not understood, [`Error::Long`], [`Error::Writes`] for what is no question, [`Error::Time`] and
/// [`Error::Memory`] beyond the limits, [`Error::Kept`] where a file does not read.
pub fn query(history: &Arc<History>, sql: &str, limits: Limits) -> Result<Answer, Error> {
    if sql.len() > SQL_BYTES_MAX {
        return Err(Error::Long { n_bytes: sql.len(), most: SQL_BYTES_MAX });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|source| Error::Runtime { source })?;
    let end = Duration::try_from_secs_f64(limits.seconds).unwrap_or(Duration::MAX);
    let asked = engine::answer(Arc::clone(history), sql.to_owned(), limits);
    // On a thread of its own, so that an operator that never pauses ends in time too.
    let asked = runtime.spawn(asked);
    let answered = runtime.block_on(async { tokio::time::timeout(end, asked).await });
    runtime.shutdown_background();
    match answered {
        Ok(Ok(answer)) => answer,
        Ok(Err(crash)) => Err(Error::Crash { what: crash.to_string() }),
        Err(_) => Err(Error::Time { seconds: limits.seconds }),
    }
}

/// The tables that there are, and what is kept in each. Tables are there without a row, too.
///
/// # Errors
/// As of [`query`]; where the time does not suffice to count, what is kept is `None`.
pub fn tables(history: &Arc<History>, limits: Limits) -> Result<Vec<KeptTable>, Error> {
    let count = |series: &&Series| {
        let id = series.id;
        format!("SELECT '{id}', count(*), min(at), max(at) FROM {id}")
    };
    let counts: Vec<String> = SERIES.iter().map(count).collect();
    let counted = match query(history, &counts.join(" UNION ALL "), limits) {
        Ok(answer) => answer.rows,
        Err(Error::Time { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let table = |series: &&Series| KeptTable {
        name: series.id.to_owned(),
        about: series.about.to_owned(),
        columns: columns(series),
        kept: counted.iter().find_map(|row| kept(series, row)),
    };
    Ok(SERIES.iter().map(table).collect())
}

fn columns(series: &Series) -> Vec<KeptColumn> {
    let column = |name: &str, kind: &str, about: &str| KeptColumn {
        name: name.to_owned(),
        kind: kind.to_owned(),
        about: about.to_owned(),
    };
    let server = column("server", "text", "which server, as events name it");
    let own = series.columns.iter().map(|c| column(c.name, kind(c.holds), c.about));
    std::iter::once(server).chain(own).collect()
}

fn kind(holds: Holds) -> &'static str {
    match holds {
        Holds::Moment => "timestamptz",
        Holds::Text => "text",
        Holds::Whole => "bigint",
        Holds::Millis => "numeric",
        Holds::Float => "double precision",
        Holds::Yes => "boolean",
        Holds::Wholes => "bigint[]",
    }
}

/// What a row of [`tables`]'s count says, if it is of that series.
fn kept(series: &Series, row: &[Cell]) -> Option<Kept> {
    let [Cell::Text(id), Cell::Number(n_rows), from, to] = row else { return None };
    let moment = |cell: &Cell| match cell {
        Cell::Text(at) => at.parse().ok(),
        _ => None,
    };
    let kept = Kept { n_rows: n_rows.parse().ok()?, from: moment(from), to: moment(to) };
    (id == series.id).then_some(kept)
}
