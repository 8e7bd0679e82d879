//! How a change is cut into transactions and steps.

use crate::rows::{self, RowsRule};
use pgward_model::prelude::*;
use pgward_sql::action::Action;
use std::ops::RangeInclusive;

/// One statement of a change that is sent to the server; BEGIN and COMMIT are not, since each
/// unit gets a transaction of its own.
#[derive(Debug, Clone)]
pub(crate) struct Planned<'a> {
    /// 1, 2, 3, ... over all files.
    pub(crate) number: u32,
    pub(crate) file: &'a ChangeFile,
    pub(crate) statement: &'a Statement,
    /// `-- pgward: expect rows …`
    pub(crate) declared: Option<RangeInclusive<u64>>,
}

/// Statements that stand or fall together.
#[derive(Debug, Clone)]
pub(crate) struct Unit<'a> {
    pub(crate) together: bool,
    pub(crate) steps: Vec<Planned<'a>>,
}

/// A change cut into units.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan<'a> {
    pub(crate) units: Vec<Unit<'a>>,
    /// A BEGIN that nothing ends.
    pub(crate) left_open: Option<(&'a ChangeFile, Span)>,
    /// Statements between BEGIN and ROLLBACK: they would have left nothing, so they are not sent.
    pub(crate) taken_back: usize,
}

impl<'a> Plan<'a> {
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Planned<'a>> {
        self.units.iter().flat_map(|u| &u.steps)
    }

    pub(crate) fn n_steps(&self) -> usize {
        self.steps().count()
    }

    /// Does `apply` put every file into one transaction as a whole?
    pub(crate) fn one_transaction_a_file(&self) -> bool {
        let own = |file: &ChangeFile| pgward_sql::splits_transactions(file).own();
        self.units.iter().all(|u| u.together && u.steps.iter().all(|s| !own(s.file)))
    }
}

/// Cuts a change.
///
/// A file that begins no transaction itself and holds only statements that may run in one is
/// one unit. Where it holds others, those stand alone, and what stands between them together.
/// A file that begins transactions itself keeps them; what it runs outside stands alone.
pub(crate) fn plan(change: &Change) -> Plan<'_> {
    let mut plan = Plan::default();
    let mut number = 0;
    for file in &change.files {
        let transactions = pgward_sql::splits_transactions(file);
        let own = transactions.own();
        let mut open: Vec<Planned<'_>> = Vec::new();
        for (i, statement) in file.statements.iter().enumerate() {
            let inside = transactions.inside.get(i).copied().unwrap_or(false);
            match statement.kind {
                StatementKind::Begin => {}
                StatementKind::Commit => close(&mut plan, &mut open),
                StatementKind::Rollback => plan.taken_back += std::mem::take(&mut open).len(),
                _ => {
                    number += 1;
                    let declared = pgward_sql::expect::rows(file, statement);
                    let planned = Planned { number, file, statement, declared };
                    if statement.in_transaction && (inside || !own) {
                        open.push(planned);
                    } else {
                        close(&mut plan, &mut open);
                        let together = statement.in_transaction;
                        plan.units.push(Unit { together, steps: vec![planned] });
                    }
                }
            }
        }
        if let Some(span) = transactions.left_open {
            plan.left_open.get_or_insert((file, span));
        }
        close(&mut plan, &mut open);
    }
    plan
}

fn close<'a>(plan: &mut Plan<'a>, open: &mut Vec<Planned<'a>>) {
    if !open.is_empty() {
        plan.units.push(Unit { together: true, steps: std::mem::take(open) });
    }
}

/// What is known when limits are set.
pub(crate) struct Known<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) rehearsal: Option<&'a Rehearsal>,
    pub(crate) rows: RowsRule,
}

/// A statement as a step with its limits, expectation and undo.
pub(crate) fn step(planned: &Planned<'_>, together: bool, known: &Known<'_>) -> Step {
    let statement = planned.statement;
    let limit = rows::limit(known.rows, planned, known.catalog);
    let base = if together { Limits::SHORT } else { Limits::PATIENT };
    // Rows that go with their table are counted before, not by the command.
    let counted = rows::emptied(statement).next().is_none();
    let limits = Limits {
        statement_timeout_ms: statement_timeout_ms(base, planned, known.rehearsal),
        rows_max: limit.filter(|_| counted).map(|l| l.most),
        ..base
    };
    Step {
        number: planned.number,
        title: format!(
            "{}:{}: {}",
            planned.file.path,
            statement.span.line,
            pgward_pg::session::first_words(&statement.text)
        ),
        act: Act::Sql { statements: vec![statement.text.clone()], transaction: together },
        limits,
        // Within a transaction a later step may rename or drop it again.
        expectations: if together { Vec::new() } else { expectations(statement) },
        undo: pgward_sql::inverse(statement, Some(known.catalog)),
    }
}

/// What must be true right after a statement that stands alone.
fn expectations(statement: &Statement) -> Vec<Expectation> {
    let index = |name: &Relation, claim: &str, sql: &str| Expectation {
        claim: format!("index {name} {claim}"),
        sql: sql.replace(":index", &quote_literal(&name.quoted())),
        within_ms: 1_000, // the catalog shows it at once
    };
    let actions = pgward_sql::actions(statement);
    actions
        .iter()
        .flat_map(|action| match action {
            Action::CreateIndex(create) if !create.name.is_empty() => {
                let name = Relation::new(create.table.schema.clone(), create.name.clone());
                vec![index(&name, "is there and valid", INDEX_VALID)]
            }
            Action::Drop(drop) if drop.kind == "index" => {
                drop.names.iter().map(|name| index(name, "is gone", INDEX_GONE)).collect()
            }
            _ => Vec::new(),
        })
        .collect()
}

const INDEX_VALID: &str = "SELECT i.indisvalid FROM pg_catalog.pg_index i \
                           WHERE i.indexrelid = pg_catalog.to_regclass(:index)";
const INDEX_GONE: &str = "SELECT pg_catalog.to_regclass(:index) IS NULL";

/// Production may be busier than the clone: ten times what the rehearsal took, if that is more
/// than the usual limit.
fn statement_timeout_ms(base: Limits, planned: &Planned<'_>, rehearsal: Option<&Rehearsal>) -> u64 {
    if base.statement_timeout_ms == 0 {
        return 0;
    }
    let text = planned.statement.text.as_str();
    let rehearsed =
        rehearsal.and_then(|r| r.steps.iter().find(|s| s.text == text)).map_or(0.0, |s| s.ms);
    base.statement_timeout_ms.max((rehearsed * 10.0) as u64)
}

/// The runbook of a change that passed the gate.
pub(crate) fn runbook(change: &Change, plan: &Plan<'_>, known: &Known<'_>) -> Runbook {
    let steps: Vec<Step> = plan
        .units
        .iter()
        .flat_map(|u| u.steps.iter().map(|p| step(p, u.together, known)))
        .collect();
    let files: Vec<&str> = change.files.iter().map(|f| f.path.as_str()).collect();
    let losses: Vec<String> = steps.iter().filter_map(loss).collect();
    Runbook {
        action: "change".to_owned(),
        title: format!("apply change {}: {}", change.id, files.join(", ")),
        why: format!(
            "{} in {}; every layer that ran let it pass",
            counted(steps.len(), "step"),
            counted(plan.units.len(), "transaction")
        ),
        steps,
        loss: Loss {
            n_rows: losses.is_empty().then_some(0),
            explain: if losses.is_empty() {
                "every step can be taken back exactly".to_owned()
            } else {
                losses.join("; ")
            },
        },
    }
}

fn loss(step: &Step) -> Option<String> {
    match &step.undo {
        Undo::Nothing | Undo::Exact { .. } => None,
        Undo::Lossy { loses, .. } => Some(format!("step {}: {loses}", step.number)),
        Undo::Impossible { why } => Some(format!("step {}: {why}", step.number)),
    }
}

/// `1 step`, `3 steps`.
pub(crate) fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, want: &[(bool, usize)]) {
        let change = pgward_sql::change(vec![pgward_sql::read("f.sql", text)]);
        let plan = plan(&change);
        let got: Vec<_> = plan.units.iter().map(|u| (u.together, u.steps.len())).collect();
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn a_change_is_cut_where_its_transactions_are() {
        check("CREATE TABLE a (i int); DROP TABLE b; SELECT 1", &[(true, 3)]);
        check(
            "DROP INDEX CONCURRENTLY a; SET x.y = 1; SELECT 1; CREATE INDEX CONCURRENTLY b ON c (d)",
            &[(false, 1), (true, 2), (false, 1)],
        );
        check(
            "BEGIN; SELECT 1; SELECT 2; COMMIT; SELECT 3; SELECT 4",
            &[(true, 2), (true, 1), (true, 1)],
        );
        check("BEGIN; DELETE FROM a; ROLLBACK; SELECT 1", &[(true, 1)]);
    }

    #[test]
    fn a_transaction_left_open_is_seen() {
        let change = pgward_sql::change(vec![pgward_sql::read("f", "BEGIN; UPDATE a SET b = 1;")]);
        assert!(plan(&change).left_open.is_some());
    }
}
