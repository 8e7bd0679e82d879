//! What the application runs: its statements as the server counted them, and how they are planned.

use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_pg::{clock::Deadline, session::get};
use std::collections::BTreeMap;
use std::time::Duration;

/// A statement of the application with the search path its role has.
#[derive(Debug, Clone)]
pub(crate) struct AppStatement {
    pub(crate) text: String,
    pub(crate) role: String,
    pub(crate) calls: i64,
    search_path: String,
    n_params: usize,
    /// Names what the change touches, itself or through a view or function.
    pub(crate) concerned: bool,
}

/// How a statement is planned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Planned {
    Cost {
        cost: f64,
        plan: String,
    },
    /// It prepares, but its plan cannot be seen (a right is missing).
    Unseen,
    Broken {
        error: String,
    },
}

/// How the application's statements are planned at one moment; `None`: time was over before.
pub(crate) type Measured = Vec<Option<Planned>>;

/// How many statements are looked at: with total time falling as steeply as it does in
/// `pg_stat_statements`, the first 200 carry practically all of it.
const STATEMENTS_MAX: usize = 200;
/// A plan this many times as expensive is worse: the planner's own estimates are off by less
/// than that between two runs of ANALYZE.
const COST_RATIO: f64 = 2.0;
/// Cost of 100 sequential pages, 0.8 MB: below it a plan answers in about a millisecond.
const COST_FLOOR: f64 = 100.0;
/// A statement matters when the extra work is at least a hundredth of all work of the application.
const WORK_SHARE: f64 = 0.01;

/// The application's statements, those that touch `touched` first.
pub(crate) fn of(
    production: &Session,
    catalog: &Catalog,
    touched: &[Relation],
) -> Result<Vec<AppStatement>, Error> {
    let paths = search_paths(production)?;
    let mut statements: Vec<AppStatement> = catalog
        .statements
        .iter()
        .filter(|s| is_plannable(&s.text) && is_one(&s.text))
        .map(|s| {
            let path = paths.roles.get(&s.role).unwrap_or(&paths.default);
            AppStatement {
                text: s.text.clone(),
                role: s.role.clone(),
                calls: s.calls,
                search_path: path.replace("\"$user\"", &quote_ident(&s.role)),
                n_params: n_params(&s.text),
                concerned: concerns(&s.text, catalog, touched),
            }
        })
        .collect();
    // Stable: within each half the most total time stays first.
    statements.sort_by_key(|s| !s.concerned);
    statements.truncate(STATEMENTS_MAX);
    Ok(statements)
}

struct SearchPaths {
    default: String,
    roles: BTreeMap<String, String>,
}

fn search_paths(session: &Session) -> Result<SearchPaths, Error> {
    let default = session.query_one(
        "SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'search_path'",
        &[],
    )?;
    let rows = session.query(
        "SELECT r.rolname::text, pg_catalog.substr(c.setting, 13) \
         FROM pg_catalog.pg_db_role_setting s \
         JOIN pg_catalog.pg_roles r ON r.oid = s.setrole \
         LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
         CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (setting) \
         WHERE c.setting LIKE 'search\\_path=%' \
             AND (s.setdatabase = 0 OR d.datname = pg_catalog.current_database()) \
         ORDER BY s.setdatabase <> 0",
        &[],
    )?;
    let roles = rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?)));
    Ok(SearchPaths { default, roles: roles.collect::<Result<_, Error>>()? })
}

/// PREPARE takes these alone.
fn is_plannable(text: &str) -> bool {
    let word = text.trim_start_matches(['(', ' ', '\n', '\t']);
    let word = word.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("");
    let plannable = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE"];
    plannable.contains(&word.to_ascii_uppercase().as_str())
}

/// The text is sent as part of a larger one: it must be exactly one statement.
fn is_one(text: &str) -> bool {
    let file = pgward_sql::read("statement", text);
    matches!(file.statements.as_slice(), [only] if only.kind != StatementKind::Unparsed)
}

/// The highest `$n`; constants are gone from the texts of `pg_stat_statements`.
fn n_params(text: &str) -> usize {
    text.split('$')
        .skip(1)
        .filter_map(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse::<usize>().ok()
        })
        .max()
        .unwrap_or(0)
}

/// Does the statement touch one of these relations, itself or through a view or function?
fn concerns(text: &str, catalog: &Catalog, touched: &[Relation]) -> bool {
    let is_touched = |r: &Relation| touched.iter().any(|t| t.same_as(r));
    let named = pgward_sql::relations(text);
    named.iter().any(is_touched)
        || catalog.objects.iter().filter(|o| o.uses.iter().any(is_touched)).any(|o| {
            let bare = o.identity.split('(').next().unwrap_or("");
            let bare = bare.rsplit('.').next().unwrap_or(bare).trim_matches('"');
            !bare.is_empty() && text.contains(bare)
        })
}

/// Is a transaction open already?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    /// No: one is begun and rolled back, read only.
    Own,
    /// Yes: each statement is tried behind a savepoint of it.
    Open,
}

/// Plans each statement as it would be planned now, until `within` is over.
///
/// Nothing is run and nothing stays: PREPARE and EXPLAIN behind a savepoint. The plan is the
/// generic one, since the application's values are not known.
pub(crate) fn measure(
    session: &Session,
    statements: &[AppStatement],
    inside: Inside,
    within: Duration,
) -> Result<Measured, Error> {
    let deadline = Deadline::after(within);
    if inside == Inside::Own {
        session.simple("BEGIN READ ONLY")?;
    }
    let measured = statements
        .iter()
        .map(|s| if deadline.passed() { Ok(None) } else { measure_one(session, s).map(Some) })
        .collect();
    if inside == Inside::Own {
        session.simple("ROLLBACK")?;
    }
    measured
}

fn measure_one(session: &Session, statement: &AppStatement) -> Result<Planned, Error> {
    // Few round trips, since locks may be held meanwhile; but a text that does not parse takes
    // everything sent with it along, so the savepoint goes first.
    session.simple("SAVEPOINT pgward_workload")?;
    let prepared = session.simple(&format!(
        "SET LOCAL plan_cache_mode = force_generic_plan; \
         /* pgward */ SELECT pg_catalog.set_config('search_path', {}, true); \
         PREPARE pgward_w AS {}",
        quote_literal(&statement.search_path),
        statement.text
    ));
    let planned = match &prepared {
        Err(error) if error.is_connection_lost() => return prepared.map(|_| Planned::Unseen),
        Err(error) => Planned::Broken { error: error.message() },
        Ok(_) => explain(session, statement.n_params)?,
    };
    let deallocate = if prepared.is_ok() { "DEALLOCATE pgward_w" } else { "" };
    session.simple(&format!(
        "ROLLBACK TO SAVEPOINT pgward_workload; RELEASE SAVEPOINT pgward_workload; {deallocate}"
    ))?;
    Ok(planned)
}

fn explain(session: &Session, n_params: usize) -> Result<Planned, Error> {
    let nulls = vec!["NULL"; n_params].join(", ");
    let arguments = if n_params == 0 { String::new() } else { format!("({nulls})") };
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE pgward_w{arguments}");
    let outcomes = match session.simple(&explain) {
        Ok(outcomes) => outcomes,
        Err(error) if error.is_connection_lost() => return Err(error),
        Err(_) => return Ok(Planned::Unseen),
    };
    let text = outcomes.first().and_then(|o| o.values.first()).and_then(|row| row.first());
    let Some(Some(text)) = text else { return Ok(Planned::Unseen) };
    let explained: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let Some(plan) = explained.pointer("/0/Plan") else { return Ok(Planned::Unseen) };
    let cost = plan.get("Total Cost").and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let mut text = String::new();
    plan_lines(plan, 0, &mut text);
    Ok(Planned::Cost { cost, plan: text.trim_end().to_owned() })
}

/// `Index Scan using i on t (cost 8.31, 1 rows)`, one line a node, inputs indented.
fn plan_lines(plan: &serde_json::Value, depth: usize, lines: &mut String) {
    let word = |key: &str| plan.get(key).and_then(|v| v.as_str());
    let number = |key: &str| plan.get(key).and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    lines.push_str(&"  ".repeat(depth));
    lines.push_str(word("Node Type").unwrap_or("?"));
    if let Some(index) = word("Index Name") {
        lines.push_str(&format!(" using {index}"));
    }
    if let Some(relation) = word("Relation Name") {
        lines.push_str(&format!(" on {relation}"));
    }
    lines.push_str(&format!(
        " (cost {}, {} rows)\n",
        human(number("Total Cost")),
        human(number("Plan Rows"))
    ));
    for input in plan.get("Plans").and_then(|p| p.as_array()).into_iter().flatten() {
        plan_lines(input, depth + 1, lines);
    }
}

/// What became worse between two measurements of the same statements.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Worse {
    pub(crate) broken: Vec<BrokenStatement>,
    pub(crate) slower: Vec<SlowerStatement>,
    /// Statements that could be compared.
    pub(crate) n_compared: usize,
}

/// Compares; the worst first.
pub(crate) fn compare(statements: &[AppStatement], before: &Measured, after: &Measured) -> Worse {
    let work: f64 = statements.iter().zip(before).filter_map(|(s, m)| s.work(m)).sum();
    let mut worse = Worse::default();
    for ((s, before), after) in statements.iter().zip(before).zip(after) {
        match (before, after) {
            (Some(Planned::Cost { .. } | Planned::Unseen), Some(Planned::Broken { error })) => {
                worse.n_compared += 1;
                worse.broken.push(BrokenStatement {
                    text: s.text.clone(),
                    role: s.role.clone(),
                    error: error.clone(),
                    calls: s.calls,
                });
            }
            (
                Some(Planned::Cost { cost: cost_before, plan: plan_before }),
                Some(Planned::Cost { cost: cost_after, plan: plan_after }),
            ) => {
                worse.n_compared += 1;
                let more = cost_after - cost_before;
                if *cost_after > COST_RATIO * cost_before
                    && more >= COST_FLOOR
                    && more * s.calls as f64 >= WORK_SHARE * work
                {
                    worse.slower.push(SlowerStatement {
                        text: s.text.clone(),
                        role: s.role.clone(),
                        calls: s.calls,
                        cost_before: *cost_before,
                        cost_after: *cost_after,
                        plan_before: plan_before.clone(),
                        plan_after: plan_after.clone(),
                    });
                }
            }
            (Some(_), Some(_)) => worse.n_compared += 1,
            _ => {}
        }
    }
    worse.broken.sort_by_key(|b| std::cmp::Reverse(b.calls));
    let extra = |s: &SlowerStatement| (s.cost_after - s.cost_before) * s.calls as f64;
    worse.slower.sort_by(|a, b| extra(b).total_cmp(&extra(a)));
    worse
}

impl AppStatement {
    fn work(&self, measured: &Option<Planned>) -> Option<f64> {
        match measured {
            Some(Planned::Cost { cost, .. }) => Some(cost * self.calls as f64),
            _ => None,
        }
    }
}

/// Lints of this file; named in `-- pgward: allow …` where the application is known to change.
pub(crate) const BROKEN: &str = "broken_statement";
pub(crate) const SLOWER: &str = "slower_plan";

/// One finding for the statements that break, one for those that slow down.
pub(crate) fn findings(worse: &Worse, layer: Layer, span: Span, source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(first) = worse.broken.first() {
        let n = worse.broken.len();
        let message = format!(
            "{n} statements or functions of the application would fail: {}; first: {} ({})",
            first.error,
            pgward_pg::session::first_words(&first.text),
            first.role
        );
        let claim = match first.calls {
            0 => format!("{} is no longer valid", first.text),
            calls => format!("{} ran {calls} times and no longer prepares", first.text),
        };
        let evidence =
            Evidence::measured(claim, n as f64, "statements", source.clone()).against(0.0);
        findings.push(Finding::new(BROKEN, layer, Severity::Error, span, message, evidence).fix(
            "change the application first, or keep the old name beside the new one until it has \
             changed",
            None,
        ));
    }
    if let Some(first) = worse.slower.first() {
        let ratio = first.cost_after / first.cost_before.max(f64::MIN_POSITIVE);
        let message = format!(
            "{} statements get a worse plan; {} ({} calls): cost {} instead of {}, {} times as \
             much",
            worse.slower.len(),
            pgward_pg::session::first_words(&first.text),
            human(first.calls as f64),
            human(first.cost_after),
            human(first.cost_before),
            human(ratio)
        );
        let claim =
            format!("plan before:\n{}\nplan after:\n{}", first.plan_before, first.plan_after);
        let evidence = Evidence::measured(claim, first.cost_after, "planner cost", source.clone())
            .against(first.cost_before);
        findings.push(
            Finding::new(SLOWER, layer, Severity::Error, span, message, evidence).fix(
                "build an index that serves this statement before the old one is dropped",
                None,
            ),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_and_commands_left_out() {
        assert_eq!(n_params("SELECT a FROM b WHERE c = $1 AND d = $12"), 12);
        assert_eq!(n_params("SELECT 1"), 0);
        assert!(is_plannable("(SELECT 1)") && is_plannable("with a as (select 1) select 2"));
        assert!(!is_plannable("CALL p()") && !is_plannable("FETCH 1 FROM c"));
    }

    #[test]
    fn only_what_matters_is_called_slower() {
        let statement = |calls| AppStatement {
            text: "SELECT 1".into(),
            role: "site".into(),
            calls,
            search_path: "public".into(),
            n_params: 0,
            concerned: true,
        };
        let cost = |cost| Some(Planned::Cost { cost, plan: String::new() });
        let statements = [statement(1000), statement(1), statement(1000), statement(1000)];
        let before = vec![cost(8.0), cost(8.0), cost(8.0), cost(8.0)];
        let after = vec![cost(2000.0), cost(120.0), cost(15.0), None];
        let worse = compare(&statements, &before, &after);
        assert_eq!(worse.slower.len(), 1, "{worse:?}");
        assert_eq!(worse.n_compared, 3);
    }
}
