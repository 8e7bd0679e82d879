//! What each package of the workspace depends on, as `cargo metadata` says.

use crate::finding::Finding;
use crate::tree::File;
use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::BTreeSet;
use std::path::Path;

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manifest {
    /// `lint` of `pgward-lint`; other packages keep their name.
    pub(crate) room: String,
    /// From the root: `crates/lint/Cargo.toml`.
    pub(crate) path: String,
    /// Rooms it is built with.
    pub(crate) imports: BTreeSet<String>,
    /// Rooms its tests alone are built with.
    pub(crate) test_imports: BTreeSet<String>,
    /// Packages from elsewhere, for whatever purpose.
    pub(crate) foreign: BTreeSet<String>,
}

/// All packages of the workspace at `root`, by room.
///
/// # Errors
/// When cargo cannot read the manifests.
pub(crate) fn read(root: &Path) -> Result<Vec<Manifest>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata failed")?;
    let mut manifests: Vec<Manifest> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| {
            let path = package.manifest_path.as_std_path();
            let mut manifest = Manifest {
                room: room(&package.name).unwrap_or(&package.name).to_owned(),
                path: path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned(),
                ..Manifest::default()
            };
            for dependency in &package.dependencies {
                match (room(&dependency.name), dependency.kind) {
                    (None, _) => manifest.foreign.insert(dependency.name.clone()),
                    (Some(room), DependencyKind::Development) => {
                        manifest.test_imports.insert(room.to_owned())
                    }
                    (Some(room), _) => manifest.imports.insert(room.to_owned()),
                };
            }
            manifest
        })
        .collect();
    manifests.sort_by(|a, b| a.room.cmp(&b.room));
    Ok(manifests)
}

fn room(package: &str) -> Option<&str> {
    package.strip_prefix("pgward-")
}

/// Imports that no source file of the package names: a door that nobody walks through.
pub(crate) fn idle_imports(manifests: &[Manifest], files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in manifests {
        let dir = manifest.path.trim_end_matches("Cargo.toml");
        let sources: Vec<&File> =
            files.iter().filter(|f| f.path.starts_with(dir) && f.path.ends_with(".rs")).collect();
        let named = |room: &&String| {
            let name = format!("pgward_{room}");
            sources.iter().any(|f| f.text.contains(&name))
        };
        let imports = manifest.imports.union(&manifest.test_imports);
        let idle: Vec<String> = imports.filter(|r| !named(r)).map(|r| format!("`{r}`")).collect();
        if !idle.is_empty() {
            findings.push(Finding::warning(
                &manifest.path,
                format!("no source file names what it imports: {}", idle.join(", ")),
                "remove the dependency here and from the room's row in ARCHITECTURE.md",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;

    #[test]
    fn the_manifests_of_this_workspace_are_read() {
        let manifests = read(&tree::root()).unwrap();
        let pg = manifests.iter().find(|m| m.room == "pg").unwrap();
        assert_eq!(pg.path, "crates/pg/Cargo.toml");
        assert!(pg.imports.contains("model"));
        assert!(pg.foreign.contains("tokio-postgres"));
    }

    #[test]
    fn an_import_nobody_names_is_a_warning() {
        let manifest = Manifest {
            room: "lint".to_owned(),
            path: "crates/lint/Cargo.toml".to_owned(),
            imports: ["model".to_owned(), "sql".to_owned()].into(),
            ..Manifest::default()
        };
        let file = File {
            path: "crates/lint/src/lib.rs".to_owned(),
            text: "//! x\nuse pgward_model::Finding;\n".to_owned(),
        };
        let findings = idle_imports(&[manifest], &[file]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.ends_with("imports: `sql`"), "{findings:?}");
    }
}
