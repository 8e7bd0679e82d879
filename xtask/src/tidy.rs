//! Holds the rules of the house that no compiler holds.

mod copies;
mod files;
mod manifests;
mod members;
mod rooms;

use crate::finding::Finding;
use crate::kinds::KINDS;
use crate::tree;
use anyhow::Result;
use std::path::Path;

/// The map that [`rooms`] are read from.
const MAP: &str = "ARCHITECTURE.md";

/// Everything that is out of order in the workspace at `root`.
///
/// # Errors
/// When the files or `cargo metadata` cannot be read.
pub(crate) fn tidy(root: &Path) -> Result<Vec<Finding>> {
    let files = tree::files(root)?;
    let manifests = manifests::read(root)?;
    let map = files.iter().find(|f| f.path == MAP).map_or("", |f| f.text.as_str());

    let mut findings = match rooms::parse(map) {
        Ok(rooms) => rooms::compare(&rooms, &manifests),
        Err(finding) => vec![finding],
    };
    findings.extend(manifests::idle_imports(&manifests, &files));
    findings.extend(files.iter().flat_map(files::check));
    findings.extend(copies::check(&files));
    findings.extend(KINDS.iter().flat_map(|kind| members::check(kind, &files)));
    Ok(findings)
}
