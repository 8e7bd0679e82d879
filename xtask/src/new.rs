//! Starts a member of a kind from its template.

use crate::kinds::{KINDS, is_id};
use anyhow::{Context, Result, bail};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

/// Writes the file of member `id` and returns what is left to do.
///
/// # Errors
/// When there is no such kind, the id is none, or the file exists or cannot be written.
pub(crate) fn new(root: &Path, kind: &str, id: &str) -> Result<String> {
    let templated = || KINDS.iter().filter(|k| k.template.is_some());
    let Some((kind, template)) =
        templated().find(|k| k.name == kind).and_then(|k| Some((k, k.template?)))
    else {
        let names: Vec<&str> = templated().map(|k| k.name).collect();
        bail!("there is no template for '{kind}', only for: {}", names.join(", "));
    };
    if !is_id(id) {
        bail!("'{id}' is no id: use lower-case words joined by _, such as drop_table");
    }
    let path = kind.path(id);
    let full = root.join(&path);
    if let Some(dir) = full.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", kind.dir))?;
    }
    // Never over a file that is there.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&full)
        .with_context(|| format!("cannot create {path}"))?;
    file.write_all(template.replace("{{id}}", id).as_bytes())
        .with_context(|| format!("cannot write {path}"))?;
    Ok(format!(
        "Wrote {path}.\nNext: write {}.\nThen fill it in; CONTRIBUTING.md says what its tests ask.\n",
        kind.registration(id)
    ))
}
