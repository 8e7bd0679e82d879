//! Code and schema do not fit: an object is missing.

use super::Cause;
use crate::counted::{Fresh, fresh, role_and_message};
use crate::facts::{
    against_before, changes_near, complete, cut, ddl_source, is_statement_error, logged, mentions,
    verb,
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
    let before = |d: &&DdlEvent| d.at <= first.at && removes(d);
    let missing = missing_name(first);
    let named = |d: &&DdlEvent| {
        d.relation.as_ref().is_some_and(|r| names(first, r))
            || missing.is_some_and(|name| mentions(&d.statement, name))
    };
    let blamed: Vec<DdlEvent> = case.ddl.iter().filter(before).filter(named).cloned().collect();
    if blamed.is_empty()
        && let Some(proof) = elsewhere(case, first)
    {
        return Verdict::present_not_sufficient(proof);
    }
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

/// Can the command have taken a name away? A block or a function may have done anything.
fn removes(event: &DdlEvent) -> bool {
    let text = event.statement.to_ascii_uppercase();
    let hides = ["DO", "SELECT", "CALL", "WITH"].contains(&verb(&event.statement).as_str());
    event.dropped
        || event.command.starts_with("ALTER")
            && (hides || ["RENAME", "SET SCHEMA", "DROP"].iter().any(|word| text.contains(word)))
}

/// The relation that is said to be missing stands in some schema, and where names are looked for
/// was changed.
fn elsewhere(case: &Case, first: &LogEntry) -> Option<Evidence> {
    let name = missing_name(first).filter(|_| first.sqlstate == "42P01")?;
    let catalog = case.catalog.as_ref().or(case.window.catalog.as_ref())?;
    let relations = catalog.relations.iter().filter(|r| r.relation.name == name);
    let there: Vec<String> = relations.map(|r| r.relation.to_string()).collect();
    let path = changes_near(case, "setting").find(|c| c.name.contains("search_path"))?;
    (!there.is_empty()).then(|| {
        Evidence::measured(
            format!(
                "relations named {name} that were dropped or renamed: {} is there; {} was {}, now {}",
                there.join(", "),
                path.name,
                path.before,
                path.after
            ),
            0.0,
            "relations",
            Source::new(SourceKind::Catalog, "pg_class"),
        )
        .at(path.at)
    })
}

/// The name in the message (`relation "a.b"`, `column "b"`, `function a.b(integer)`), without its
/// schema.
fn missing_name(first: &LogEntry) -> Option<&str> {
    let quoted = first.message.split('"').nth(1);
    let function = || first.message.strip_prefix("function ")?.split('(').next();
    let name = quoted.or_else(function)?;
    Some(name.rsplit('.').next().unwrap_or(name))
}

fn names(entry: &LogEntry, relation: &Relation) -> bool {
    mentions(&entry.statement, &relation.name) || mentions(&entry.message, &relation.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, ddl, healthy, log};

    const MISSING: &str = "relation \"orders\" does not exist";

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_log(judge, "ERROR", "42P01", MISSING, 3);
    }

    #[test]
    fn an_index_that_is_built_makes_no_table_vanish_and_a_search_path_does() {
        let mut samples = healthy(35);
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "42P01", MISSING); 3];
        let mut case = case(samples, 30);
        case.ddl = vec![ddl(28, "CREATE INDEX", "index", "orders")];
        assert!(judge(&case).likely().unwrap().ddl.is_empty());
        case.ddl.push(ddl(29, "DROP TABLE", "table", "orders"));
        assert_eq!(judge(&case).likely().unwrap().ddl.len(), 1);
        case.ddl.pop();
        let mut renamed = ddl(29, "ALTER TABLE", "table", "purchases");
        renamed.statement = "ALTER TABLE orders RENAME TO purchases".into();
        case.ddl.push(renamed);
        assert_eq!(judge(&case).likely().unwrap().ddl.len(), 1);
        case.ddl.pop();
        let orders = RelationInfo::new(1, Relation::new("store", "orders"), 'r');
        let empty = Catalog::new(at(0), 150_018, "shop");
        case.catalog = Some(Catalog { relations: vec![orders], ..empty });
        assert!(judge(&case).likely().is_some());
        case.window.samples.last_mut().unwrap().changes = vec![ConfigChange {
            at: at(29),
            kind: "setting".into(),
            name: "role webshop: search_path".into(),
            before: "store, public".into(),
            after: "finance, public".into(),
        }];
        assert!(matches!(judge(&case), Verdict::RuledOut { present: true, .. }));
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
