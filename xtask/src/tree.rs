//! The files of the checkout: what git tracks or would track.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file that is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// `users` of `crates/lint/src/users.rs`.
    pub(crate) fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.split_once('.').map_or(name, |(stem, _)| stem)
    }

    /// Directly in `dir`, not deeper?
    pub(crate) fn is_in(&self, dir: &str) -> bool {
        self.path.rsplit_once('/').is_some_and(|(parent, _)| parent == dir)
    }
}

/// The root of the workspace this program runs for.
pub(crate) fn root() -> PathBuf {
    // Two checkouts may share a build directory, and so this binary: cargo tells which one it
    // runs for.
    let told = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let manifest_dir = told.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    manifest_dir.parent().unwrap_or(&manifest_dir).to_path_buf()
}

/// All text files of the checkout, sorted by path.
///
/// Asks git, so that files it ignores stay out; walks the directory where there is no git,
/// as in an unpacked release.
///
/// # Errors
/// When a directory or file cannot be read.
pub(crate) fn files(root: &Path) -> Result<Vec<File>> {
    let mut paths = match tracked(root) {
        Some(paths) => paths,
        None => {
            let mut paths = Vec::new();
            walk(root, root, &mut paths)?;
            paths
        }
    };
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        let full = root.join(&path);
        // Deleted but not yet committed as such, or a link that leads nowhere.
        if !full.is_file() {
            continue;
        }
        let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path, text });
        }
    }
    Ok(files)
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let names = String::from_utf8(output.stdout).ok()?;
    Some(names.split('\0').filter(|n| !n.is_empty()).map(str::to_owned).collect())
}

fn walk(root: &Path, dir: &Path, paths: &mut Vec<String>) -> Result<()> {
    let entries = dir.read_dir().with_context(|| format!("cannot list {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
        let path = entry.path();
        let kind = entry.file_type().with_context(|| format!("no type: {}", path.display()))?;
        if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".git" {
            walk(root, &path, paths)?;
        } else if kind.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            paths.push(relative.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_file_is_in_the_tree() {
        let files = files(&root()).unwrap();
        let this = files.iter().find(|f| f.path == "xtask/src/tree.rs").unwrap();
        assert_eq!(this.stem(), "tree");
        assert!(this.is_in("xtask/src") && !this.is_in("xtask"));
    }

    #[test]
    fn the_walk_sees_what_git_sees() {
        let src = root().join("xtask/src");
        let mut paths = Vec::new();
        walk(&src, &src, &mut paths).unwrap();
        assert!(paths.contains(&"tidy/rooms.rs".to_owned()), "{paths:?}");
    }
}
