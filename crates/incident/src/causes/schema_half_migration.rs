//! A migration stopped half-way and left the schema between two versions.

use super::Cause;
use crate::facts::{
    complete, cut, ddl_source, is_ddl, is_statement_error, logged, mentions, words,
};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static CAUSE: Cause = Cause {
    id: "schema_half_migration",
    name: "Half-applied migration",
    necessary: "one session changed the schema, then failed at a later statement",
    explains: &["error_burst"],
    actions: &["undo_migration"],
    prevention: &[
        "Run migrations through `pgward apply`: one transaction where possible, a resume point where not",
        "Rehearse the migration on a clone of production's data",
        "Replay the application's statements against the new schema before traffic meets it",
    ],
    judge,
};

/// A migration that failed: its session, the DDL it had done, and where it stopped.
struct Stopped<'a> {
    done: Vec<&'a DdlEvent>,
    failure: &'a LogEntry,
}

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    let stopped = case
        .window
        .samples
        .iter()
        .flat_map(|s| &s.log)
        .filter(|e| e.severity == "ERROR" && (is_ddl(&e.statement) || changed_schema(case, e)))
        .filter_map(|failure| {
            let done = done_before(case, failure);
            (!done.is_empty()).then_some(Stopped { done, failure })
        })
        .rfind(|stopped| known_file(case, stopped).is_some() || is_one_run(case, stopped));
    let Some(stopped) = stopped else {
        if case.ddl.iter().any(|d| d.pid == 0 && seconds_between(d.at, case.onset).abs() < RUN_S) {
            return Verdict::unknown(
                "who changed the schema before the onset: no event trigger tells of it (`pgward \
                 install` makes one; TRUNCATE fires none)",
            );
        }
        return Verdict::ruled_out(
            Evidence::measured(
                "sessions that changed the schema and failed at a later statement",
                0.0,
                "sessions",
                Source::new(SourceKind::Log, "ERROR after DDL of the same session"),
            )
            .against(0.0)
            .at(case.window.now()),
        );
    };
    likely(case, &stopped)
}

/// A run of a migration has no pauses: without the file to compare with, a failure counts
/// only when it follows the session's last DDL within this time.
const RUN_S: f64 = 30.0;

/// A step of data may take its time, and an application that makes tables fails too: such a failure
/// counts where others fail since for what was changed.
fn is_one_run(case: &Case, stopped: &Stopped<'_>) -> bool {
    let last = stopped.done.last().map(|d| seconds_between(d.at, stopped.failure.at));
    match is_ddl(&stopped.failure.statement) {
        true => last.is_some_and(|s| s < RUN_S),
        false => harmed(case, stopped).is_some(),
    }
}

/// A statement of others that fails since for what was changed, and that did not before.
fn harmed<'a>(case: &'a Case, stopped: &Stopped<'_>) -> Option<&'a LogEntry> {
    let first = stopped.done.first()?;
    let names: BTreeSet<&str> = stopped
        .done
        .iter()
        .filter_map(|d| d.relation.as_ref())
        .filter(|r| !r.schema.starts_with("pg_temp"))
        .map(|r| r.name.as_str())
        .collect();
    let is_it = |e: &LogEntry| {
        is_statement_error(e)
            && e.pid != stopped.failure.pid
            && SCHEMA_ERRORS.iter().any(|state| e.sqlstate.starts_with(state))
            && names.iter().any(|n| mentions(&e.statement, n) || mentions(&e.message, n))
    };
    let log = |samples: &'a [Sample]| samples.iter().flat_map(|s| &s.log);
    let before: BTreeSet<&str> =
        log(case.window.baseline()).filter(|e| is_it(e)).map(|e| e.sqlstate.as_str()).collect();
    log(case.window.recent())
        .filter(|e| is_it(e) && e.at >= first.at)
        .find(|e| !before.contains(e.sqlstate.as_str()))
}

/// What a schema between two versions brings: names, types and rights that are not there, rows that
/// a constraint refuses, raised errors, plans of before.
const SCHEMA_ERRORS: &[&str] = &["42", "23502", "23503", "23514", "0A000", "P0001", "22"];

fn changed_schema(case: &Case, entry: &LogEntry) -> bool {
    case.ddl.iter().any(|d| d.pid == entry.pid && d.at <= entry.at)
}

/// DDL of the failing session that stayed, one per statement. What the failing transaction
/// rolled back never reached the DDL log.
fn done_before<'a>(case: &'a Case, failure: &LogEntry) -> Vec<&'a DdlEvent> {
    let mut done: Vec<&DdlEvent> = Vec::new();
    for event in case.ddl.iter().filter(|d| d.pid == failure.pid && d.at <= failure.at) {
        if seconds_between(event.at, failure.at) < 3600.0
            && done.last().is_none_or(|last| last.statement != event.statement)
        {
            done.push(event);
        }
    }
    done
}

fn likely(case: &Case, stopped: &Stopped<'_>) -> Verdict {
    let failure = stopped.failure;
    let n_done = stopped.done.len();
    let known = known_file(case, stopped);
    let steps = match &known {
        Some((path, n_total)) => format!("{n_done} of {n_total} steps applied of {path}"),
        None => format!(
            "{n_done} {} applied, the last of them {}; how many were to follow is not known",
            if n_done == 1 { "step" } else { "steps" },
            stopped.done.last().map_or(String::new(), |d| format!("`{}`", cut(&d.statement, 120)))
        ),
    };
    let who = format!(
        "role {}{}",
        failure.role,
        if failure.application.is_empty() {
            String::new()
        } else {
            format!(" ({})", failure.application)
        }
    );
    let broken =
        harmed(case, stopped).or_else(|| named_nowhere(case, failure)).map_or(String::new(), |e| {
            format!(
                " Since then role {} fails: {} in {}",
                e.role,
                e.message,
                cut(&e.statement, 120)
            )
        });
    let says = format!(
        "{steps}: {who} stopped at `{}` with: {} ({}).{broken}",
        cut(&failure.statement, 120),
        failure.message,
        failure.sqlstate
    );
    let is_known = known.is_some();
    let mut evidence =
        Evidence::measured(steps, n_done as f64, "steps", logged(failure)).at(failure.at);
    if let Some((_, n_total)) = known {
        evidence = evidence.against(n_total as f64);
    }
    // A file that is known proves what was meant; without it a person should look first.
    let score = if is_known { 0.95 } else { 0.85 };
    let mut likely = Likely::new(score, says, evidence).act(CAUSE.actions).by([failure.pid]);
    // What others fail by, and nobody has come to use, was not meant to stay so.
    let only_harms = harmed(case, stopped).is_some() && !is_used(case, stopped);
    likely.perhaps_meant = !is_known && !only_harms;
    for event in &stopped.done {
        likely = likely.and(
            Evidence::stated(format!("applied: {}", cut(&event.statement, 100)), ddl_source(event))
                .at(event.at),
        );
    }
    let relations: BTreeSet<Relation> =
        stopped.done.iter().filter_map(|d| d.relation.clone()).collect();
    Verdict::Likely(likely.on(relations).blaming(stopped.done.iter().map(|d| (*d).clone())))
}

/// Has anybody else run a statement since that names what the migration has made: a column together
/// with its table, a table, a new name?
fn is_used(case: &Case, stopped: &Stopped<'_>) -> bool {
    let Some(first) = stopped.done.first() else { return false };
    let names: BTreeSet<(&str, &str)> = stopped.done.iter().flat_map(|d| made(d)).collect();
    let Some(since) = case.window.samples.iter().rev().find_map(|s| s.statements.as_ref()) else {
        return true; // nobody has counted what is run
    };
    // The application may go by the same role: then what is new and no step of the migration.
    let steps: BTreeSet<String> = stopped.done.iter().map(|d| flat(&d.statement)).collect();
    let by_others = |s: &&StatementCounters| {
        s.role != stopped.failure.role || !(is_ddl(&s.text) || steps.contains(&flat(&s.text)))
    };
    let counted = since.iter().filter(|s| s.calls > 0).filter(by_others).map(|s| &*s.text);
    let at_work = case.window.recent().iter().filter(|s| s.at >= first.at);
    let at_work = at_work.flat_map(|s| &s.sessions).filter(|s| s.pid != stopped.failure.pid);
    let names_it = |text: &str| names.iter().any(|(a, b)| mentions(text, a) && mentions(text, b));
    counted.chain(at_work.map(|s| s.query.as_str())).any(names_it)
}

/// What a statement has made: each name and that of its table, or the same twice.
fn made(event: &DdlEvent) -> Vec<(&str, &str)> {
    let all: Vec<&str> = words(&event.statement).collect();
    let is = |word: &str, of: &str| word.eq_ignore_ascii_case(of);
    let table = event.relation.as_ref().map_or("", |r| r.name.as_str());
    if all.first().is_some_and(|w| is(w, "CREATE")) {
        return vec![(table, table)];
    }
    let noise = ["COLUMN", "IF", "NOT", "EXISTS"];
    let behind = |at: usize| {
        let mut rest = all.get(at + 1..)?.iter().copied();
        rest.find(|w| !noise.iter().any(|n| is(w, n)))
    };
    let renamed = all.iter().any(|w| is(w, "RENAME"));
    let makes = |(at, word): (usize, &&str)| {
        (is(word, "ADD") || (renamed && is(word, "TO"))).then(|| behind(at)).flatten()
    };
    // `RENAME a TO b` is of a column, `RENAME TO b` of the table.
    let of_table = all.iter().zip(all.iter().skip(1)).any(|(a, b)| is(a, "RENAME") && is(b, "TO"));
    let names = all.iter().enumerate().filter_map(makes);
    names.map(|name| if of_table { (name, name) } else { (table, name) }).collect()
}

/// What fails for a name that is not there, whoever's it is.
fn named_nowhere<'a>(case: &'a Case, failure: &LogEntry) -> Option<&'a LogEntry> {
    let mut log = case.window.recent().iter().flat_map(|s| &s.log);
    log.find(|e| e.severity == "ERROR" && e.pid != failure.pid && e.sqlstate.starts_with("42"))
}

/// The file whose statements these are, and how many steps it has.
fn known_file(case: &Case, stopped: &Stopped<'_>) -> Option<(String, usize)> {
    let wanted: Vec<String> = stopped.done.iter().map(|d| flat(&d.statement)).collect();
    let failed = flat(&stopped.failure.statement);
    case.known_changes.iter().flat_map(|k| &k.change.files).find_map(|file| {
        let steps: Vec<&Statement> = file
            .statements
            .iter()
            .filter(|s| {
                !matches!(
                    s.kind,
                    StatementKind::Begin
                        | StatementKind::Commit
                        | StatementKind::Rollback
                        | StatementKind::Set
                )
            })
            .collect();
        let texts: Vec<String> = steps.iter().map(|s| flat(&s.text)).collect();
        let all = wanted.iter().all(|w| texts.contains(w));
        (all && (texts.contains(&failed) || failed.is_empty()))
            .then(|| (file.path.clone(), steps.len()))
    })
}

/// White space, case of nothing, and the closing semicolon do not tell statements apart.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(';').trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, ddl, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(40);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let mut failure = log(33, "ERROR", "23505", "could not create unique index");
        failure.pid = 4711;
        failure.statement = "CREATE UNIQUE INDEX u ON users (a)".into();
        samples.get_mut(33).unwrap().log = vec![failure];
        let mut stopped = case(samples.clone(), 32);
        stopped.ddl = vec![ddl(31, "ALTER TABLE", "table column", "users")];
        let verdict = judge(&stopped);
        assert!(verdict.likely().unwrap().says.contains("1 step applied"), "{verdict:?}");
        assert!(verdict.likely().unwrap().perhaps_meant);
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "log".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn what_only_harms_was_not_meant_and_what_others_use_by_now_may_have_been() {
        let meant = |other: &str| {
            let mut samples = healthy(40);
            let mut failure = log(33, "ERROR", "42703", "column \"pepper\" does not exist");
            (failure.pid, failure.statement) = (4711, "CREATE FUNCTION f() ...".into());
            let mut login = log(34, "ERROR", "42703", "column \"pin\" does not exist");
            (login.pid, login.statement) = (1, "SELECT pin FROM users".into());
            let last = samples.get_mut(34).unwrap();
            last.log = vec![failure, login];
            last.statements = (!other.is_empty()).then(Vec::new);
            let mut session = crate::testing::session(2, "active", &[]);
            session.query = other.to_owned();
            last.sessions = vec![session];
            let mut stopped = case(samples, 32);
            let mut rename = ddl(31, "ALTER TABLE", "table column", "users");
            rename.statement = "ALTER TABLE users RENAME COLUMN pin TO digest".to_owned();
            stopped.ddl = vec![rename];
            judge(&stopped).likely().unwrap().perhaps_meant
        };
        assert!(!meant("SELECT pin FROM users"));
        assert!(!meant("SELECT digest FROM files"), "a column of another table");
        assert!(meant("SELECT digest FROM users"));
        assert!(meant(""), "nobody has counted what is run");
    }

    #[test]
    fn a_step_of_data_that_fails_counts_where_others_fail_for_what_was_changed() {
        for (message, is_it) in
            [("new row for relation \"users\" violates check constraint \"c\"", true), ("x", false)]
        {
            let mut samples = healthy(40);
            let mut failure = log(33, "ERROR", "57014", "canceling statement due to timeout");
            (failure.pid, failure.statement) = (4711, "UPDATE users SET code = f(a)".into());
            let mut other = log(34, "ERROR", "23514", message);
            (other.pid, other.statement) = (1, "EXECUTE feed(1)".into());
            samples.get_mut(34).unwrap().log = vec![failure, other];
            let mut stopped = case(samples, 32);
            stopped.ddl = vec![ddl(31, "ALTER TABLE", "table column", "users")];
            let verdict = judge(&stopped);
            assert_eq!(verdict.likely().is_some(), is_it, "{message}: {verdict:?}");
        }
    }
}
