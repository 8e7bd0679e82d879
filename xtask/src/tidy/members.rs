//! Members of a kind: well named, and known to the house.

use crate::finding::Finding;
use crate::kinds::{Kind, Registration, is_id};
use crate::tree::File;

/// What is out of order with the members of `kind`. A folder that is not there yet is fine.
pub(crate) fn check(kind: &Kind, files: &[File]) -> Vec<Finding> {
    let module = [format!("{}.rs", kind.dir), format!("{}/mod.rs", kind.dir)]
        .iter()
        .find_map(|path| files.iter().find(|f| f.path == *path));
    let mut findings = Vec::new();
    for file in files.iter().filter(|f| is_member(kind, f)) {
        if !is_id(file.stem()) {
            findings.push(Finding::error(
                &file.path,
                format!("'{}' is no id of a {}", file.stem(), kind.name),
                "rename the file in lower-case words joined by _",
            ));
            continue;
        }
        findings.extend(match kind.registration {
            Registration::Slice { member } => Vec::from_iter(in_module(kind, file, module, member)),
            Registration::Call => Vec::from_iter(in_module(kind, file, module, "")),
            Registration::Included { by } => included(kind, file, files, by),
        });
    }
    findings
}

fn is_member(kind: &Kind, file: &File) -> bool {
    file.is_in(kind.dir)
        && file.path.ends_with(&format!(".{}", kind.extension()))
        && file.stem() != "mod"
}

fn in_module(kind: &Kind, file: &File, module: Option<&File>, member: &str) -> Option<Finding> {
    let id = file.stem();
    let lines = || module.iter().flat_map(|m| m.text.lines()).map(str::trim);
    let declared = lines().any(|line| {
        line.strip_suffix(';')
            .and_then(|l| l.strip_suffix(id))
            .is_some_and(|l| l == "mod " || (l.starts_with("pub") && l.ends_with(" mod ")))
    });
    let used = lines().filter(|line| !line.starts_with("//")).any(|line| names(line, id, member));
    (!declared || !used).then(|| {
        Finding::error(
            &file.path,
            format!("nobody knows this {}", kind.name),
            format!("write {}", kind.registration(id)),
        )
    })
}

/// Does the line say `id::member`, and not as the end of a longer name?
fn names(line: &str, id: &str, member: &str) -> bool {
    line.match_indices(&format!("{id}::{member}")).any(|(at, _)| {
        let before = line.get(..at).and_then(|l| l.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

fn included(kind: &Kind, file: &File, files: &[File], by: &str) -> Vec<Finding> {
    let id = file.stem();
    let mut findings = Vec::new();
    let include = format!("scenarios/{id}.md\"");
    if !files.iter().any(|f| f.path.starts_with(by) && f.text.contains(&include)) {
        findings.push(Finding::error(
            &file.path,
            format!("nobody knows this {}", kind.name),
            format!("write {}", kind.registration(id)),
        ));
    }
    if file.text.lines().next() != Some(format!("# {id}").as_str()) {
        findings.push(Finding::error(
            format!("{}:1", file.path),
            "its heading is not its file's name",
            format!("make its first line: # {id}"),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINT: Kind = Kind {
        name: "lint",
        dir: "crates/lint/src/lints",
        registration: Registration::Slice { member: "LINT" },
        template: None,
    };
    const SCENARIO: Kind = Kind {
        name: "scenario",
        dir: "crates/drill/scenarios",
        registration: Registration::Included { by: "crates/drill/src/scenario.rs" },
        template: None,
    };

    #[track_caller]
    fn findings(kind: &Kind, files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        let said: Vec<String> = check(kind, &files).iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn a_folder_may_be_missing() {
        findings(&LINT, &[("crates/lint/src/lib.rs", "//! x\n")], &[]);
    }

    #[test]
    fn a_member_is_declared_and_named_in_the_slice() {
        let file = ("crates/lint/src/lints/drop_table.rs", "//! x\n");
        let module = "crates/lint/src/lints.rs";
        let good = "mod drop_table;\nstatic LINTS: &[&Lint] = &[\n    &drop_table::LINT,\n];\n";
        findings(&LINT, &[file, (module, good)], &[]);
        findings(&LINT, &[file, ("crates/lint/src/lints/mod.rs", good)], &[]);
        let unknown = "drop_table.rs: nobody knows this lint\n  way out: write `mod drop_table;` \
                       and the slice's entry `&drop_table::LINT,` in crates/lint/src/lints.rs";
        findings(&LINT, &[file], &[unknown]);
        findings(&LINT, &[file, (module, "mod drop_table;\n")], &[unknown]);
        let other = good.replace("&drop", "&big_drop");
        findings(&LINT, &[file, (module, &other)], &[unknown]);
        let commented = good.replace("    &drop", "    // &drop");
        findings(&LINT, &[file, (module, &commented)], &[unknown]);
    }

    #[test]
    fn a_member_has_the_name_of_an_id() {
        let file = ("crates/lint/src/lints/DropTable.rs", "//! x\n");
        findings(&LINT, &[file], &["'DropTable' is no id of a lint"]);
    }

    #[test]
    fn a_scenario_is_included_and_titled() {
        let source = ("crates/drill/src/scenario.rs", "include_str!(\"../scenarios/a_b.md\")");
        findings(&SCENARIO, &[("crates/drill/scenarios/a_b.md", "# a_b\n"), source], &[]);
        findings(
            &SCENARIO,
            &[("crates/drill/scenarios/a_c.md", "# A C\n"), source],
            &["nobody knows this scenario", "a_c.md:1: its heading is not"],
        );
    }
}
