//! How the files of a chain stand to what a migration tool has carried out, and to git.

use crate::Options;
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Rows};
use pgward_sql::history::{self, Tool};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

/// What is known of all files of a chain together.
#[derive(Default)]
pub struct Standing<'a> {
    /// Every file, in the order of the chain.
    files: Vec<&'a ChangeFile>,
    /// What stands before them on a server.
    live: Option<&'a Catalog>,
    /// The tool whose table has some of these files, and what it has.
    kept: Option<(&'static Tool, &'a MigrationHistory)>,
    /// The version of each path, as that tool or any has it.
    versions: BTreeMap<&'a str, String>,
    /// The last file that its tool has carried out.
    last_applied: Option<&'a str>,
    /// The last version that is applied.
    newest: Option<&'a str>,
    /// The last version of the files that git had before; its path.
    newest_before: Option<&'a str>,
    /// See [`Standing::n_settings`]; counted when first asked for.
    n_settings: OnceLock<BTreeMap<Key, usize>>,
}

/// A table, and the columns that are set.
type Key = (String, Vec<String>);

fn key(rows: &Rows) -> Key {
    (rows.relation.to_string(), rows.columns.clone())
}

impl<'a> Standing<'a> {
    pub(crate) fn of(
        files: Vec<&'a ChangeFile>,
        catalog: Option<&'a Catalog>,
        options: &Options,
    ) -> Standing<'a> {
        let paths: Vec<&str> = files.iter().map(|f| f.path.as_str()).collect();
        let histories = catalog.and_then(|c| c.histories.as_deref()).unwrap_or_default();
        let known = histories.iter().filter_map(|h| Some((history::tool(&h.tool)?, h)));
        let counted = known.map(|(tool, h)| (n_known(tool, h, &paths), tool, h));
        let best = counted.filter(|(n, ..)| *n > 0).max_by_key(|(n, ..)| *n);
        let kept = best.map(|(_, tool, h)| (tool, h));
        let of_path = |path: &&'a str| match kept {
            Some((tool, _)) => tool.version(path),
            None => history::version(path),
        };
        let versions: BTreeMap<&str, String> = match kept.is_some() || options.git.is_some() {
            true => paths.iter().filter_map(|p| Some((*p, of_path(p)?))).collect(),
            false => BTreeMap::new(),
        };
        let done = kept.into_iter().flat_map(|(_, h)| &h.migrations).filter(|m| !m.failed);
        let newest = done.map(|m| m.version.as_str()).max_by_key(|v| history::place(v));
        let before = options.git.as_ref().and_then(|git| {
            let old = versions.iter().filter(|(path, _)| !git.added.contains(**path));
            old.max_by_key(|(_, v)| history::place(v)).map(|(path, _)| *path)
        });
        let mut standing = Standing {
            files,
            live: catalog,
            kept,
            versions,
            last_applied: None,
            newest,
            newest_before: before,
            n_settings: OnceLock::new(),
        };
        let is_applied = |f: &&&ChangeFile| standing.is_applied(&f.path) == Some(true);
        standing.last_applied =
            standing.files.iter().rev().find(is_applied).map(|f| f.path.as_str());
        standing
    }

    /// The tool whose table has files of this chain, and that table.
    pub(crate) fn tool(&self) -> Option<(&'static Tool, &'a Relation)> {
        self.kept.map(|(tool, h)| (tool, &h.table))
    }

    pub(crate) fn version(&self, path: &str) -> Option<&str> {
        self.versions.get(path).map(String::as_str)
    }

    /// What the tool has of the file.
    pub(crate) fn applied(&self, path: &str) -> Option<&'a AppliedMigration> {
        let (_, kept) = self.kept?;
        let version = self.version(path)?;
        kept.migrations.iter().find(|m| history::is_same(&m.version, version))
    }

    /// Has the tool carried the file out? `None` where no table says.
    pub(crate) fn is_applied(&self, path: &str) -> Option<bool> {
        let (tool, _) = self.kept?;
        let version = self.version(path)?;
        let by_last = tool.id == "golang_migrate" // keeps the last one alone
            && self.newest.is_some_and(|n| history::place(version) <= history::place(n));
        Some(by_last || self.applied(path).is_some_and(|m| !m.failed))
    }

    /// The server's catalog, and the last file that its tool has carried out.
    pub(crate) fn last_applied(&self) -> Option<(&'a Catalog, &'a str)> {
        Some((self.live?, self.last_applied?))
    }

    /// The files that are carried out, where each version that the tool has is one of them and
    /// none has failed.
    pub(crate) fn all_applied(&self) -> Option<Vec<&'a ChangeFile>> {
        let (_, kept) = self.kept?;
        let is_there = |m: &AppliedMigration| {
            !m.failed && self.versions.values().any(|v| history::is_same(&m.version, v))
        };
        let applied = |f: &&&ChangeFile| self.is_applied(&f.path) == Some(true);
        let files = || self.files.iter().filter(applied).copied().collect();
        kept.migrations.iter().all(is_there).then(files)
    }

    /// The last version that is applied, where it comes after this file.
    pub(crate) fn applied_after(&self, path: &str) -> Option<&'a str> {
        let version = self.version(path)?;
        self.newest.filter(|newest| history::place(newest) > history::place(version))
    }

    /// The last of the files that git had before, where it comes after this one.
    pub(crate) fn older_after(&self, path: &str) -> Option<&'a str> {
        let (version, last) = (self.version(path)?, self.newest_before?);
        let later = history::place(self.version(last)?) > history::place(version);
        later.then_some(last)
    }

    /// How many files of the chain set these columns of this table to constants that no file before
    /// them has set them to, in all rows.
    pub(crate) fn n_settings(&self, rows: &Rows) -> usize {
        let n_settings = self.n_settings.get_or_init(|| {
            let mut seen: BTreeSet<(Key, Vec<String>)> = BTreeSet::new();
            let mut n_settings = BTreeMap::new();
            for file in &self.files {
                let updates = file.statements.iter().filter(|s| s.kind == StatementKind::Update);
                let new: BTreeSet<Key> = updates
                    .flat_map(pgward_sql::actions)
                    .filter_map(|action| match action {
                        Action::Rows(rows) => rows.constants.clone().map(|to| (key(&rows), to)),
                        _ => None,
                    })
                    .filter(|setting| seen.insert(setting.clone()))
                    .map(|(key, _)| key)
                    .collect();
                for key in new {
                    *n_settings.entry(key).or_default() += 1;
                }
            }
            n_settings
        });
        n_settings.get(&key(rows)).copied().unwrap_or(0)
    }

    /// Is it the file to tell of a version at: its own, or the first of all where there is none?
    pub(crate) fn tells(&self, path: &str, tool: &Tool, version: &str) -> bool {
        let own =
            |f: &&&ChangeFile| tool.version(&f.path).is_some_and(|v| history::is_same(&v, version));
        let place = self.files.iter().find(own).or(self.files.first());
        place.is_some_and(|f| f.path == path)
    }
}

/// How many of the files the tool's table has.
fn n_known(tool: &Tool, kept: &MigrationHistory, paths: &[&str]) -> usize {
    let plain = |v: &str| history::place(v).0;
    let versions: BTreeSet<Vec<u128>> = kept.migrations.iter().map(|m| plain(&m.version)).collect();
    let known =
        paths.iter().filter_map(|p| tool.version(p)).filter(|v| versions.contains(&plain(v)));
    known.count()
}
