//! A catalog in a file: what `pgward catalog` writes and `check --catalog` reads.

use anyhow::{Context, bail};
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The format that is written, and the only one that is read.
const FORMAT: u32 = 1;
/// Some kilobytes a relation: 100,000 of them stay far below.
const BYTES_MAX: u64 = 1 << 30;

#[derive(Serialize)]
struct File {
    /// Which format this is; also by what such a file is known.
    pgward_catalog: u32,
    #[serde(flatten)]
    catalog: Catalog,
}

#[derive(Deserialize)]
struct Head {
    pgward_catalog: u32,
}

/// The catalog as JSON on one line; what open transactions run stands in it without constants.
///
/// # Errors
/// Never, unless a number in it is none.
pub fn written(mut catalog: Catalog) -> anyhow::Result<String> {
    let open = catalog.conditions.iter_mut().flat_map(|c| &mut c.transactions);
    for transaction in open.flatten() {
        transaction.statement = pgward_sql::shape(&transaction.statement);
    }
    Ok(serde_json::to_string(&File { pgward_catalog: FORMAT, catalog })?)
}

/// Reads what [`written`] has made.
///
/// # Errors
/// A file that is not there or no catalog, or of another format.
pub fn read(path: &Path) -> anyhow::Result<Catalog> {
    let name = path.display();
    let metadata = std::fs::metadata(path).with_context(|| format!("{name}: no such catalog"))?;
    if metadata.len() > BYTES_MAX {
        bail!("{name}: {} is no catalog", human_bytes(metadata.len() as f64));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("{name}: cannot be read"))?;
    let again = "make it with `pgward catalog --database URL > FILE`";
    let head: Head = serde_json::from_str(&text)
        .with_context(|| format!("{name}: not a catalog of pgward; {again}"))?;
    if head.pgward_catalog != FORMAT {
        let found = head.pgward_catalog;
        bail!("{name}: a catalog of format {found}, and this pgward reads {FORMAT}; {again}");
    }
    serde_json::from_str(&text)
        .with_context(|| format!("{name}: a damaged or cut catalog; {again}"))
}
