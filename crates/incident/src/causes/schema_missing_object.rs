//! Code and schema do not fit: an object is missing.

use super::Cause;
use crate::counted::{Fresh, fresh, role_and_message};
use crate::facts::{
    against_before, complete, cut, ddl_source, is_statement_error, logged, mentions,
};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "schema_missing_object",
    name: "Missing table, column or function",
    necessary: "statements fail with 42P01, 42703, 42883 or 42704 that did not before",
    explains: &["error_burst"],
    // Whether the schema or the application goes back is for a person to say.
    actions: &[],
    prevention: &[
        "Expand first, contract later: remove an object only when no statement names it any more",
        "Let a release check the schema it needs before it takes traffic",
    ],
    judge,
};

const STATES: [&str; 5] = ["42P01", "42703", "42883", "42704", "0A000"];

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    let missing = |e: &LogEntry| is_statement_error(e) && STATES.contains(&e.sqlstate.as_str());
    let Fresh { lines: mut errors, keys, n_old, all } =
        fresh(&case.window, missing, role_and_message);
    errors.sort_by_key(|e| e.at);
    let (Some(first), n) = (errors.first(), errors.len()) else {
        let claim = format!("statements that fail for a missing object; {n_old} did so before");
        let source = Source::new(SourceKind::Log, "SQLSTATE 42P01, 42703, 42883, 42704");
        let evidence = Evidence::measured(claim, all.0, "errors/s", source);
        return Verdict::ruled_out(against_before(evidence, case, |_| all.1).at(case.window.now()));
    };
    if n < 3 {
        return Verdict::unknown(format!("only {n} such errors: a typing mistake leaves as many"));
    }
    let blamed: Vec<DdlEvent> = case
        .ddl
        .iter()
        .filter(|d| d.at <= first.at && d.relation.as_ref().is_some_and(|r| names(first, r)))
        .cloned()
        .collect();
    let change = blamed.last().map_or("no change of the schema explains it".to_owned(), |d| {
        format!(
            "role {} ran {} at {}",
            d.role,
            cut(&d.statement, 120),
            d.at.strftime("%H:%M:%S UTC")
        )
    });
    let sum = |of: fn(&(f64, f64)) -> f64| keys.values().map(of).sum();
    let mut likely = Likely::new(
        if blamed.is_empty() { 0.5 } else { 0.75 },
        format!(
            "{}: role {} cannot run {}; {change}",
            first.message,
            first.role,
            cut(&first.statement, 120)
        ),
        against_before(
            Evidence::measured(
                format!("{n} statements failed in a new way"),
                sum(|r| r.0),
                "errors/s",
                logged(first),
            ),
            case,
            |_| sum(|r| r.1),
        )
        .at(first.at),
    )
    .act(CAUSE.actions);
    if let Some(event) = blamed.last() {
        likely = likely
            .and(Evidence::stated(change, ddl_source(event)).at(event.at))
            .on(event.relation.clone());
    }
    Verdict::Likely(likely.blaming(blamed))
}

fn names(entry: &LogEntry, relation: &Relation) -> bool {
    mentions(&entry.statement, &relation.name) || mentions(&entry.message, &relation.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    const MISSING: &str = "relation \"orders\" does not exist";

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_log(judge, "ERROR", "42P01", MISSING, 3);
    }

    #[test]
    fn what_was_missing_all_along_is_no_cause() {
        let mut samples = healthy(35);
        for (s, sample) in (0..).zip(&mut samples) {
            sample.log = vec![log(s, "ERROR", "42P01", MISSING)];
        }
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let other = log(34, "ERROR", "42P01", "relation \"carts\" does not exist");
        samples.last_mut().unwrap().log.extend(vec![other; 3]);
        assert!(judge(&case(samples, 30)).likely().unwrap().says.contains("carts"));
    }
}
