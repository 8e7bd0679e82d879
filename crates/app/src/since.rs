//! `--since`: which of the files a commit does not have as they are now, asked of git.

use anyhow::{Context, bail};
use pgward_lint::SinceRevision;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Of `files`, those that are new or changed since the revision, committed or not. Where the
/// branches have parted, since they parted. Standard input counts as changed.
///
/// # Errors
/// No git, no repository, a file outside of it, no such revision, no common ancestor.
pub fn changed(revision: &str, files: &[String]) -> anyhow::Result<SinceRevision> {
    let folder = folder_of(files);
    let top = git(&folder, &["rev-parse", "--show-toplevel"])
        .with_context(|| format!("--since {revision}: {} is in no repository", folder.display()))?;
    let top = PathBuf::from(line(&top));
    let top = std::fs::canonicalize(&top).unwrap_or(top);
    let named = format!("{revision}^{{commit}}");
    let commit = git(&folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &named])
        .with_context(|| format!("--since {revision}: no such commit, branch or tag"))?;
    // Only a hash from here on, which is neither an option nor a path.
    let parted = git(&top, &["merge-base", line(&commit), "HEAD"]).with_context(|| {
        format!(
            "--since {revision}: no common ancestor with HEAD; a shallow clone lacks it \
             (fetch more of the history)"
        )
    })?;
    let diff = |filter| ["diff", "--name-only", "-z", "--no-renames", filter, line(&parted), "--"];
    let new = ["ls-files", "--others", "-z", "--"];
    let names = |arguments: &[&str]| -> anyhow::Result<BTreeSet<PathBuf>> {
        let names = git(&top, arguments).with_context(|| format!("--since {revision}"))?;
        Ok(names.split('\0').filter(|name| !name.is_empty()).map(|n| top.join(n)).collect())
    };
    let edited = names(&diff("--diff-filter=ad"))?;
    let mut added = names(&diff("--diff-filter=A"))?;
    added.extend(names(&new)?);
    let mut changed = SinceRevision { revision: revision.to_owned(), ..SinceRevision::default() };
    for file in files {
        let path = std::fs::canonicalize(file).unwrap_or_default();
        if file != "-" && !path.starts_with(&top) {
            bail!("--since {revision}: {file} is not in the repository {}", top.display());
        }
        // A changed submodule is named as a whole.
        if file == "-" || path.ancestors().any(|part| added.contains(part)) {
            changed.added.insert(file.clone());
        } else if path.ancestors().any(|part| edited.contains(part)) {
            changed.edited.insert(file.clone());
        }
    }
    Ok(changed)
}

/// Where git is asked: in the folder of the first file.
fn folder_of(files: &[String]) -> PathBuf {
    let first = files.iter().find(|f| *f != "-");
    let path = first.and_then(|f| std::fs::canonicalize(f).ok());
    path.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned()
}

fn line(answer: &str) -> &str {
    answer.trim_end_matches('\n')
}

/// What git prints.
fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    // Paths come as they are, and no repository starts programs of its own.
    command.args(["-c", "core.quotePath=false", "-c", "core.fsmonitor=false"]);
    command.arg("-C").arg(folder).args(arguments).env("LC_ALL", "C");
    let output = command.output().context("the program git cannot be started; install it")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        let told = told.trim().lines().next().unwrap_or("").to_owned();
        bail!("git {}: {}", arguments.first().unwrap_or(&""), ending(&told));
    }
    String::from_utf8(output.stdout).context("git names a file whose path is not UTF-8")
}

fn ending(told: &str) -> &str {
    if told.is_empty() { "no answer" } else { told.strip_prefix("fatal: ").unwrap_or(told) }
}
