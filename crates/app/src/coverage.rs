//! Pages of `docs/` made from the members of each kind: the product's promise (symptom × cause ×
//! action × drill, checked across rooms), and what each lint finds.
#![cfg(test)]

use pgward_drill::scenario::{self, Scenario};
use pgward_incident::causes::{CAUSES, Cause};
use pgward_incident::detectors::DETECTORS;
use pgward_lint::Lint;
use pgward_lint::lints::LINTS;
use pgward_model::finding::Severity;
use pgward_recover::actions::ACTIONS;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn scenarios() -> Vec<Scenario> {
    scenario::ids().into_iter().map(|id| scenario::built_in(id).unwrap()).collect()
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// The file must be what the code says; where it is not, it is written anew and the test
/// fails once, so that it is committed with the change.
fn must_be(name: &str, expected: &str) {
    let path = docs(name);
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    if found != expected {
        std::fs::write(&path, expected).unwrap();
        panic!("docs/{name} was not what the code says; it is now: commit it");
    }
}

fn list<'a>(ids: impl IntoIterator<Item = &'a str>) -> String {
    let ids: Vec<String> = ids.into_iter().map(|id| format!("`{id}`")).collect();
    if ids.is_empty() { "–".to_owned() } else { ids.join(", ") }
}

fn drills_of(cause: &Cause, all: &[Scenario]) -> String {
    list(all.iter().filter(|s| s.expect.cause == cause.id).map(|s| s.id.as_str()))
}

#[test]
fn every_cause_that_a_log_speaks_for_exists() {
    for class in pgward_logs::classes() {
        for id in class.causes {
            let known = CAUSES.iter().any(|c| c.id == *id);
            assert!(known, "{}: {id}", class.id);
        }
    }
}

#[test]
fn every_id_named_exists() {
    for cause in CAUSES {
        for id in cause.explains {
            assert!(DETECTORS.iter().any(|d| d.id == *id), "{}: {id}", cause.id);
        }
        for id in cause.actions {
            assert!(ACTIONS.iter().any(|a| a.id == *id), "{}: {id}", cause.id);
        }
    }
    for s in scenarios() {
        let symptom = s.expect.symptom.clone().unwrap();
        assert!(DETECTORS.iter().any(|d| d.id == symptom), "{}: {symptom}", s.id);
        let cause = pgward_incident::causes::cause(&s.expect.cause).unwrap();
        for action in &s.expect.action {
            let named = CAUSES.iter().any(|c| c.actions.contains(&action.as_str()));
            assert!(named, "{}: {action} belongs to no cause", s.id);
        }
        let mended = s.expect.action.is_empty() || !cause.actions.is_empty();
        assert!(mended, "{}: its cause has no action", s.id);
    }
}

#[test]
fn the_coverage_page_is_what_the_code_says() {
    let all = scenarios();
    let mut page = String::from(
        "# Coverage\n\nWhat pgward sees, explains, mends and drills. Made by a test from the \
         registered members of each kind; what has no drill yet is open.\n\n\
         | cause | explains | actions | drilled by |\n| --- | --- | --- | --- |\n",
    );
    for cause in CAUSES {
        writeln!(
            page,
            "| `{}` {} | {} | {} | {} |",
            cause.id,
            cause.name,
            list(cause.explains.iter().copied()),
            list(cause.actions.iter().copied()),
            drills_of(cause, &all)
        )
        .unwrap();
    }
    let drilled = |c: &&&Cause| all.iter().any(|s| s.expect.cause == c.id);
    let undrilled = CAUSES.iter().filter(|c| !drilled(c)).map(|c| c.id);
    let used = |id: &str| all.iter().any(|s| s.expect.action.iter().any(|a| a == id));
    let unused = ACTIONS.iter().map(|a| a.id).filter(|id| !used(id));
    writeln!(page, "\n## Open\n\n- causes without a drill: {}", list(undrilled)).unwrap();
    writeln!(page, "- actions that no drill uses: {}", list(unused)).unwrap();
    must_be("coverage.md", &page);
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// What a lint's file says of it, with its examples.
fn section(lint: &Lint) -> String {
    let mut text = format!("\n## {}\n\n{}.\n\n", lint.id, sentence(lint.title));
    for (name, said) in [("harm", lint.harm), ("instead", lint.instead), ("source", lint.source)] {
        writeln!(text, "- {name}: {said}").unwrap();
    }
    writeln!(text, "- weighs at most: {}", word(lint.severity)).unwrap();
    if lint.guards_rows {
        text.push_str("- rows at stake are allowed by `-- pgward: expect rows N` only\n");
    }
    for found in [true, false] {
        let examples: Vec<&str> =
            lint.examples.iter().filter(|e| e.finds.is_empty() != found).map(|e| e.sql).collect();
        if examples.is_empty() {
            text.push_str(
                "- shown by: `crates/lint/tests/conditions.rs`, on a server in that state\n",
            );
            continue;
        }
        let caption = if found { "Found:" } else { "Fine:" };
        write!(text, "\n{caption}\n\n```sql\n{}\n```\n", examples.join("\n\n")).unwrap();
    }
    text
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[test]
fn the_page_of_lints_is_what_their_files_say() {
    let mut page = String::from(
        "# Lints\n\nWhat `pgward check` finds. Made by a test from `crates/lint/src/lints`; the \
         examples are run against real servers. Some speak only with a catalog, and a large \
         table weighs more than a small one.\n\n| lint | at most | what is wrong |\n\
         | --- | --- | --- |\n",
    );
    for lint in LINTS {
        let title = lint.title.replace('|', "\\|");
        let (id, severity) = (lint.id, word(lint.severity));
        writeln!(page, "| [{id}](#{id}) | {severity} | {title} |").unwrap();
    }
    page.extend(LINTS.iter().map(|lint| section(lint)));
    must_be("lints.md", &page);
}

/// `docs/scoreboard.jsonl` is the output of `pgward drill` with `--format json`, of scenarios that
/// take both roads.
#[test]
fn the_scoreboard_of_the_readme_is_what_the_terminal_shows() {
    let runs = std::fs::read_to_string(docs("scoreboard.jsonl")).unwrap();
    let scores: Vec<pgward_model::score::Score> =
        runs.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for score in &scores {
        assert!(scenario::ids().contains(&score.scenario.as_str()), "{}", score.scenario);
    }
    must_be("scoreboard.svg", &pgward_render::format::scoreboard_svg(&scores));
}
