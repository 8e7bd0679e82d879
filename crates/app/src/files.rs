//! Reads what is to be judged: files, directories of migrations, standard input.

use anyhow::{Context, bail};
use pgward_model::prelude::*;
use pgward_sql::Read;
use pgward_sql::frameworks::{Framework, Migration, Role, Script, recognise};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Migrations that build on each other, in their order.
pub struct Chain {
    pub files: Vec<Read>,
    /// Single files of a folder that may hold more.
    pub partial: bool,
}

impl Chain {
    pub fn files(&self) -> impl Iterator<Item = &ChangeFile> {
        self.files.iter().map(|r| &r.file)
    }
}

/// Bytes of SQL that are read: a dump is no change.
const BYTES_MAX: u64 = 200 << 20;
/// Statements of one file that change the schema: each is held against all others.
const DDL_MAX: usize = 20_000;
/// Directories below the one that is given.
const DEPTH_MAX: usize = 16;
/// Files of one run; the largest projects have some thousand migrations.
const FILES_MAX: usize = 100_000;

/// Files that go to production together, in the order given; a directory stands for the SQL
/// files in it.
///
/// # Errors
/// As [`chains`].
pub fn read_change(paths: &[String]) -> anyhow::Result<Change> {
    Ok(change(&chains(paths)?))
}

/// All files of all chains as one change.
pub fn change(chains: &[Chain]) -> Change {
    pgward_sql::change(chains.iter().flat_map(Chain::files).cloned().collect())
}

/// Chains of migrations: the files given are one, and so is each directory that holds any.
///
/// The framework of each is recognised; scripts for the way down are left out, but for a file
/// that is given by its name.
///
/// # Errors
/// A file that is not there, not text, or too large; nothing to judge.
pub fn chains(paths: &[String]) -> anyhow::Result<Vec<Chain>> {
    let mut given = Vec::new();
    let mut chains = Vec::new();
    for path in paths {
        if path == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().lock().take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
            given.push(script("-", bytes)?);
        } else if Path::new(path).is_dir() {
            let folders: Vec<Vec<String>> = by_chain(path)?.into_values().collect();
            let read: Vec<(Chain, Vec<String>)> =
                folders.par_iter().map(|f| chain(f)).collect::<anyhow::Result<_>>()?;
            for (chain, left_out) in read {
                tell_left_out(&left_out);
                chains.push(chain);
            }
        } else {
            given.push(read_file(path)?);
        }
    }
    if !given.is_empty() {
        chains.insert(0, Chain { files: in_order_given(&given), partial: true });
    }
    if chains.iter().all(|c| c.files.is_empty()) {
        bail!("{}: nothing in it runs going up, so there is nothing to judge", paths.join(", "));
    }
    if let Some(dump) = chains.iter().flat_map(Chain::files).find(|f| n_ddl(f) > DDL_MAX) {
        bail!(
            "{}: {} statements that change the schema are a dump, not a change; give the \
             migrations, or split it",
            dump.path,
            n_ddl(dump)
        );
    }
    if chains.iter().flat_map(Chain::files).all(|f| f.statements.is_empty()) {
        bail!("{}: no SQL statement in it, so there is nothing to judge", paths.join(", "));
    }
    Ok(chains)
}

/// The chain of one folder's files, and which of them are left out and why.
fn chain(files: &[String]) -> anyhow::Result<(Chain, Vec<String>)> {
    let scripts: Vec<Script> = files.iter().map(|f| read_file(f)).collect::<Result<_, _>>()?;
    let framework = recognise(&scripts);
    let migrations = (framework.chain)(&scripts);
    let left_out = left_out(&migrations);
    let runs = with_strays(migrations).into_par_iter();
    let files = runs.map(|m| read(framework, m)).collect();
    Ok((Chain { files, partial: false }, left_out))
}

/// What the framework runs, in its order, and each script that it does not know where its name
/// would stand. What never goes up is left out.
fn with_strays(migrations: Vec<Migration>) -> Vec<Migration> {
    let known = migrations.into_iter().filter(|m| !matches!(m.role, Role::Outside(_)));
    let (strays, mut runs): (Vec<_>, Vec<_>) =
        known.partition(|m| matches!(m.role, Role::Stray(_)));
    for stray in strays {
        let own = key(&stray.path);
        let next = runs.iter().position(|m| key(&m.path) > own).unwrap_or(runs.len());
        runs.insert(next, stray);
    }
    runs
}

fn n_ddl(file: &ChangeFile) -> usize {
    file.statements.iter().filter(|s| s.kind == StatementKind::Ddl).count()
}

/// Names that are told; the rest is counted.
const LEFT_OUT_MAX: usize = 3;

/// Files that are not judged, and why.
fn left_out(migrations: &[Migration]) -> Vec<String> {
    let out = migrations.iter().filter_map(|m| match m.role {
        Role::Outside(why) => Some(format!("{} ({why})", m.path)),
        _ => None,
    });
    out.collect()
}

/// Says on standard error what is not judged.
fn tell_left_out(out: &[String]) {
    if !out.is_empty() {
        let n_more = out.len().saturating_sub(LEFT_OUT_MAX);
        let more = if n_more == 0 { String::new() } else { format!(" and {n_more} more") };
        let named = out.iter().take(LEFT_OUT_MAX).cloned().collect::<Vec<_>>().join(", ");
        crate::face::progress(&format!(
            "not judged, since they do not run going up: {named}{more}"
        ));
    }
}

/// Frameworks know files by their names; what is named otherwise is read as it is.
fn in_order_given(given: &[Script]) -> Vec<Read> {
    if given.iter().all(|s| is_sql(Path::new(&s.path))) {
        let framework = recognise(given);
        let chain = (framework.chain)(given).into_par_iter();
        return chain.map(|m| read(framework, m)).collect();
    }
    given.par_iter().map(|s| pgward_sql::read_actions(&s.path, &s.text)).collect()
}

fn read(framework: &Framework, migration: Migration) -> Read {
    let mut read = pgward_sql::read_actions(&migration.path, &migration.text);
    read.file.inside = Some(migration.inside(&read.file));
    read.file.framework = Some(framework.id.to_owned());
    read.file.refused = migration.refused.map(|why| format!("{}: {why}", framework.title));
    read
}

/// What a framework keeps beside its scripts; other files are not looked at.
const SIDE_FILES: &[&str] = &[
    "sqitch.plan",
    "_journal.json",
    "metadata.toml",
    "migration_lock.toml",
    "flyway.conf",
    "flyway.toml",
    "refinery.toml",
];

/// The SQL files below a directory, and what lies beside them, by the chain they belong to.
fn by_chain(dir: &str) -> anyhow::Result<BTreeMap<PathBuf, Vec<String>>> {
    let mut chains: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    let mut beside = Vec::new();
    let mut n_files = 0;
    let visible =
        |e: &walkdir::DirEntry| e.depth() == 0 || !e.file_name().to_string_lossy().starts_with('.');
    let walk = walkdir::WalkDir::new(dir).max_depth(DEPTH_MAX).follow_links(true);
    for entry in walk.into_iter().filter_entry(|e| visible(e) && !is_met_again(dir, e)) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if leads_nowhere(&error) => continue,
            Err(error) => return Err(error).with_context(|| format!("{dir}: cannot be read")),
        };
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy());
        if !entry.file_type().is_file() {
            continue;
        }
        if SIDE_FILES.contains(&name.as_ref()) || name.ends_with(".sql.conf") {
            beside.push(path.to_owned());
            continue;
        }
        if !is_sql(path) {
            continue;
        }
        n_files += 1;
        if n_files > FILES_MAX {
            bail!("{dir}: more than {FILES_MAX} SQL files below it; give a directory with fewer");
        }
        chains.entry(chain_of(path)).or_default().push(path.display().to_string());
    }
    if chains.is_empty() {
        bail!(
            "{dir}: no file ends in .sql, .psql or .pgsql here; give the files or another directory"
        );
    }
    for (root, files) in &mut chains {
        files.sort_by_cached_key(|f| (key(f), f.clone()));
        let near = beside.iter().filter(|b| b.parent() == Some(root) || chain_of(b) == *root);
        files.extend(near.map(|b| b.display().to_string()));
    }
    Ok(chains)
}

/// Is it a file of SQL by its name?
fn is_sql(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
    ["sql", "psql", "pgsql"].iter().any(|e| extension.eq_ignore_ascii_case(e))
}

/// A link to a folder of the same tree, or to one that holds it: what lies there is read where it
/// lies.
fn is_met_again(dir: &str, entry: &walkdir::DirEntry) -> bool {
    let is_link = entry.depth() > 0 && entry.path_is_symlink() && entry.file_type().is_dir();
    if !is_link {
        return false; // to resolve every file's path costs more than to read it
    }
    match (std::fs::canonicalize(dir), std::fs::canonicalize(entry.path())) {
        (Ok(top), Ok(to)) => to.starts_with(&top) || top.starts_with(&to),
        _ => false,
    }
}

/// A link that leads back above itself, or to nothing where its name promises no SQL.
fn leads_nowhere(error: &walkdir::Error) -> bool {
    let dangles = |path: &Path| {
        path.symlink_metadata().is_ok_and(|m| m.is_symlink())
            && std::fs::metadata(path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
    };
    error.loop_ancestor().is_some() || error.path().is_some_and(|p| dangles(p) && !is_sql(p))
}

/// Where each migration has a directory of its own, or each direction has one, the directory
/// above holds the chain.
fn chain_of(file: &Path) -> PathBuf {
    let parent = file.parent().unwrap_or(Path::new(""));
    let stem = file.file_stem().and_then(|s| s.to_str());
    let folder = parent.file_name().and_then(|s| s.to_str());
    let own = matches!(stem, Some("migration" | "up" | "down" | "metadata"))
        || matches!(folder, Some("deploy" | "revert" | "verify" | "meta"));
    let chain = if own { parent.parent().unwrap_or(parent) } else { parent };
    chain.to_path_buf()
}

/// Runs of digits by their value, everything else as it is written: `V2__b.sql` comes before
/// `V10__a.sql`.
fn key(text: &str) -> Vec<(Option<u128>, String)> {
    let runs = text.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let parted = |run| {
        let part = String::from_utf8_lossy(run);
        match part.parse() {
            Ok(number) => (Some(number), String::new()),
            Err(_) => (None, part.into_owned()),
        }
    };
    runs.map(parted).collect()
}

fn read_file(path: &str) -> anyhow::Result<Script> {
    let cannot = || format!("{path}: cannot be read");
    let mut file = std::fs::File::open(path).with_context(|| match Path::new(path).exists() {
        true => cannot(),
        false => format!("{path}: no such file"),
    })?;
    let n_bytes = file.metadata().with_context(cannot)?.len();
    if n_bytes > BYTES_MAX {
        bail!("{path}: {} is no change but a dump", human_bytes(n_bytes as f64));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(cannot)?;
    script(path, bytes)
}

fn script(path: &str, bytes: Vec<u8>) -> anyhow::Result<Script> {
    if bytes.contains(&0) {
        bail!("{path}: a binary file, not SQL");
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes().iter().take(at).filter(|b| **b == b'\n').count();
        anyhow::anyhow!("{path}:{line}: not UTF-8; save the file as UTF-8")
    })?;
    Ok(Script { path: path.to_owned(), text })
}

/// Writes the exact fixes of these findings into their files and says so on standard error;
/// false where there is none to write.
///
/// # Errors
/// A file that cannot be replaced; it stays as it was.
pub fn fix(findings: &[Finding]) -> anyhow::Result<bool> {
    let mut by_file: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_file.entry(&finding.file).or_default().push(finding);
    }
    let mut any = false;
    for (path, findings) in by_file {
        let Script { text, .. } = read_file(path)?;
        let Some(fixed) = pgward_lint::fixed(&text, &findings) else { continue };
        replace(path, &fixed.text).with_context(|| format!("{path}: cannot be written"))?;
        for (lint, line) in &fixed.lints {
            crate::face::progress(&format!("{path}:{line}: fixed {lint}"));
        }
        any = true;
    }
    Ok(any)
}

/// The whole new text or the whole old one, also when we are killed.
fn replace(path: &str, text: &str) -> anyhow::Result<()> {
    let path = std::fs::canonicalize(path)?; // a link stays one
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::fs::metadata(&path)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

/// Texts of the files by name, for the report.
pub fn sources<'a>(files: impl IntoIterator<Item = &'a ChangeFile>) -> BTreeMap<String, String> {
    files.into_iter().map(|f| (f.path.clone(), f.text.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_compared_as_numbers() {
        let mut names = ["V10__a.sql", "V2__b.sql", "V2.1__c.sql", "R__z.sql", "V02__a.sql"];
        names.sort_by_cached_key(|f| (key(f), *f));
        assert_eq!(names, ["R__z.sql", "V2.1__c.sql", "V02__a.sql", "V2__b.sql", "V10__a.sql"]);
    }

    #[test]
    fn a_stray_script_stands_where_its_name_would_and_what_goes_down_is_left_out() {
        let file = |path: &str| Script { path: path.to_owned(), text: "SELECT 1;\n".to_owned() };
        let folder = ["V1__a.sql", "V10__c.sql", "U1__a.sql", "V2_fix.sql"].map(file);
        let runs = with_strays((recognise(&folder).chain)(&folder));
        let paths: Vec<&str> = runs.iter().map(|m| m.path.as_str()).collect();
        assert_eq!(paths, ["V1__a.sql", "V2_fix.sql", "V10__c.sql"]);
    }

    #[test]
    fn a_migration_with_a_directory_of_its_own_belongs_to_the_one_above() {
        assert_eq!(chain_of(Path::new("m/2024_a/up.sql")), Path::new("m"));
        assert_eq!(chain_of(Path::new("m/2024_a.sql")), Path::new("m"));
    }
}
