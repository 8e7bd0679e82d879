//! Code and schema do not fit: an object is missing.

use super::Cause;
use crate::facts::{complete, cut, ddl_source, errors_by_state, logged, mentions};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "schema_missing_object",
    name: "Missing table, column or function",
    necessary: "statements fail with 42P01, 42703, 42883 or 42704",
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
    let mut errors: Vec<&LogEntry> = errors_by_state(case.window.recent())
        .into_iter()
        .filter(|(state, _)| STATES.contains(&state.as_str()))
        .flat_map(|(_, entries)| entries)
        .collect();
    errors.sort_by_key(|e| e.at);
    let (Some(first), n) = (errors.first(), errors.len()) else {
        return Verdict::ruled_out(
            Evidence::measured(
                "statements that failed because an object is missing",
                0.0,
                "errors",
                Source::new(SourceKind::Log, "SQLSTATE 42P01, 42703, 42883, 42704"),
            )
            .against(0.0)
            .at(case.window.now()),
        );
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
    let mut likely = Likely::new(
        if blamed.is_empty() { 0.5 } else { 0.75 },
        format!(
            "{}: role {} cannot run {}; {change}",
            first.message,
            first.role,
            cut(&first.statement, 120)
        ),
        Evidence::measured("statements that failed", n as f64, "errors", logged(first))
            .against(0.0)
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
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "relation \"orders\" does not exist";
        crate::counted::tests::check_log(super::judge, "ERROR", "42P01", message, 3);
    }
}
