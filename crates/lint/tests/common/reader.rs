//! All that `pgward check` does with a text before anybody sees a word of it, and what must hold
//! whatever the text is. Shared by the tests, the runs of millions of edits and the fuzz target.

use pgward_lint::{Judged, Options, fixed, judge_chain};
use pgward_model::prelude::*;
use pgward_render::outputs::{OUTPUTS, Report};
use pgward_render::{format, view};
use pgward_sql::frameworks::{Role, Script, recognise};
use pgward_sql::{Chain, Read};
use std::collections::BTreeMap;

/// Cuts a text into statements and understands them.
///
/// # Panics
/// Where a statement is not what stands at its place, or not behind the one before it.
pub(crate) fn read(text: &str) -> Read {
    let read = pgward_sql::read_actions("edit.sql", text);
    holds(text, &read.file);
    read
}

/// As [`read`], then all that follows: the migration tool of `path` is recognised and its chain
/// is judged behind `before`, alone and as a change of a live database; ways back are looked for,
/// fixes are written, everything is printed.
///
/// # Panics
/// As [`read`], and where a fix cannot be read back.
pub(crate) fn judge(path: &str, before: &str, text: &str) {
    let given =
        Read { file: ChangeFile { path: path.to_owned(), ..read(text).file }, ..read(text) };
    let catalog = left_by(before);
    let script = |path: &str, text: &str| Script { path: path.to_owned(), text: text.to_owned() };
    let scripts = [script(&path.replacen('2', "1", 1), before), script(path, text)];
    let runs = (recognise(&scripts).chain)(&scripts).into_iter();
    let chain: Vec<Read> = runs
        .filter(|m| !matches!(m.role, Role::Outside(_)))
        .map(|migration| {
            let mut read = pgward_sql::read_actions(&migration.path, &migration.text);
            holds(&migration.text, &read.file);
            read.file.inside = Some(migration.inside(&read.file));
            read
        })
        .collect();
    print(&chain, judge_chain(&chain, None, &Options::default()));
    let alone = std::slice::from_ref(&given);
    let judged = judge_chain(alone, Some(&catalog), &Options::default());
    for statement in &given.file.statements {
        pgward_sql::inverse(statement, Some(&catalog));
        pgward_sql::fingerprint(&statement.text);
    }
    if let Some(fixed) = fixed(text, &judged.findings.iter().collect::<Vec<_>>()) {
        read(&fixed.text);
    }
    print(alone, judged);
}

/// Statements stand where they say, in order.
fn holds(text: &str, file: &ChangeFile) {
    let mut end = 0;
    for Statement { span, text: written, .. } in &file.statements {
        assert!(end <= span.start && span.start < span.end, "{span:?} behind {end}");
        assert_eq!(text.get(span.start..span.end), Some(written.as_str()), "{span:?}");
        end = span.end;
    }
}

/// A catalog as a migration leaves it.
fn left_by(before: &str) -> Catalog {
    let mut chain = Chain::new(None);
    chain.begin_file();
    for actions in pgward_sql::read_actions("before.sql", before).actions {
        chain.run(&chain.expanded(actions));
    }
    chain.catalog().clone()
}

fn print(chain: &[Read], judged: Judged) {
    let gate = GateReport {
        change_id: pgward_sql::change_id(chain.iter().map(|r| &r.file)),
        stopped_by: None,
        layers: Vec::new(),
        coverage: Some(Coverage::of(&judged.statements)),
        findings: judged.findings,
        silenced: judged.silenced,
        catalog: None,
        conditions: None,
        since: None,
        rehearsal: None,
        runbook: None,
    };
    let files = chain.iter().map(|r| (r.file.path.clone(), r.file.text.clone()));
    let sources: BTreeMap<String, String> = files.collect();
    let report = Report { gate: &gate, sources: &sources, rules: &[], version: "0" };
    for output in OUTPUTS {
        assert!((output.print)(&report).ends_with('\n'), "{}", output.id);
    }
    format::terminal(&view::gate(&gate, &sources), 80);
}
