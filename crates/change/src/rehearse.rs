//! Runs a change on a clone as psql would run it, and looks at what the application makes of it.

use crate::estimate::{self, Basis};
use crate::functions;
use crate::plan::{self, Plan, Planned};
use crate::rows::{self, RowsLimit, RowsRule};
use crate::workload::{self, AppStatement, Inside};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a rehearsal is made of.
pub(crate) struct Stage<'a> {
    /// Superuser of the clone.
    pub(crate) clone: &'a Target,
    /// How the clone was made, for the report.
    pub(crate) made_from: &'a str,
    pub(crate) catalog: &'a Catalog,
    pub(crate) statements: &'a [AppStatement],
    pub(crate) rule: RowsRule,
}

/// Bounded, since a loop can say something per row.
const NOTICES_MAX: usize = 50;
/// On a clone nobody waits; a minute for some hundred plans is only a guard against a hang.
const MEASURE_WITHIN: Duration = Duration::from_secs(60);
/// Locks of a statement that commits by itself are gone when it is done: looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The rehearsal and what it found.
///
/// # Errors
/// When the clone cannot be reached or is lost; a statement that fails is a finding.
pub(crate) fn rehearse(
    plan: &Plan<'_>,
    stage: &Stage<'_>,
) -> Result<(Rehearsal, Vec<Finding>), Error> {
    let began = clock::instant();
    let session = Session::connect(stage.clone, Purpose::Private)?;
    let looker = Session::connect(stage.clone, Purpose::Private)?;
    analyze_where_needed(&session)?;
    let before = workload::measure(&session, stage.statements, Inside::Own, MEASURE_WITHIN)?;
    let functions = functions::validate(&session)?;
    let mut stand = Stand { session: &session, looker: &looker, stage, findings: Vec::new() };
    let steps = stand.run(plan)?;
    let mut findings = stand.findings;
    session.simple("ROLLBACK")?;
    let after = workload::measure(&session, stage.statements, Inside::Own, MEASURE_WITHIN)?;
    let mut worse = workload::compare(stage.statements, &before, &after);
    worse.broken.extend(functions::broken(&functions, &functions::validate(&session)?));
    let source = Source::new(SourceKind::Rehearsal, stage.made_from);
    let span = plan.steps().next().map_or(Span::default(), |p| p.statement.span);
    let file = plan.steps().next().map_or("", |p| p.file.path.as_str());
    for mut finding in workload::findings(&worse, Layer::Rehearsal, span, &source) {
        file.clone_into(&mut finding.file);
        findings.push(finding);
    }
    let rehearsal = Rehearsal {
        clone: stage.made_from.to_owned(),
        steps,
        broken_statements: worse.broken,
        slower_statements: worse.slower,
        seconds: clock::instant().duration_since(began).as_secs_f64(),
    };
    Ok((rehearsal, findings))
}

/// A clone made by dump and restore has no statistics, and no plan means anything without.
fn analyze_where_needed(session: &Session) -> Result<(), Error> {
    let needed: bool = session.query_one(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c \
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.relkind IN ('r', 'm') AND c.reltuples < 0 \
                AND n.nspname !~ '^(pg_|pgward$|information_schema$)')",
        &[],
    )?;
    if needed {
        session.simple("ANALYZE")?;
    }
    Ok(())
}

struct Stand<'a> {
    session: &'a Session,
    looker: &'a Session,
    stage: &'a Stage<'a>,
    findings: Vec<Finding>,
}

impl Stand<'_> {
    /// Stops at the first statement that fails, as a script with ON_ERROR_STOP does.
    fn run(&mut self, plan: &Plan<'_>) -> Result<Vec<RehearsedStep>, Error> {
        let mut steps = Vec::new();
        for unit in &plan.units {
            if unit.together {
                self.session.simple("BEGIN")?;
            }
            for planned in &unit.steps {
                let step = self.step(planned, unit.together)?;
                let failed = step.error.clone();
                steps.push(step);
                if let Some(error) = failed {
                    self.failed(plan, planned, &error);
                    return Ok(steps);
                }
            }
            if unit.together
                && let Err(error) = self.session.simple("COMMIT")
            {
                let Some(last) = unit.steps.last() else { continue };
                self.failed(plan, last, &error.message());
                return Ok(steps);
            }
        }
        if let Some((file, span)) = plan.left_open {
            let claim = "the session was idle in transaction when the script had ended";
            let source = Source::new(SourceKind::Rehearsal, self.stage.made_from);
            let mut finding = Finding::new(
                "transaction_left_open",
                Layer::Rehearsal,
                Severity::Error,
                span,
                "the script ends with its transaction open: every lock it took stays, and nothing \
                 is committed",
                Evidence::stated(claim, source),
            )
            .fix("end the transaction with COMMIT", None);
            finding.file.clone_from(&file.path);
            self.findings.push(finding);
        }
        Ok(steps)
    }

    fn step(&mut self, planned: &Planned<'_>, together: bool) -> Result<RehearsedStep, Error> {
        let statement = planned.statement;
        let limit = rows::limit(self.stage.rule, planned, self.stage.catalog);
        let destroyed = limit.as_ref().and_then(|l| self.destroyed(statement, l));
        self.session.simple("SET client_min_messages = debug1")?;
        self.session.take_notices();
        let began = clock::instant();
        let (outcome, mut locks) = match together {
            true => (self.session.execute(&statement.text, &[]), BTreeMap::new()),
            false => self.run_alone(&statement.text),
        };
        let ms = clock::instant().duration_since(began).as_secs_f64() * 1000.0;
        // LOG is what the clone's own logging says of our sending.
        let mut notices = self.session.take_notices();
        notices.retain(|n| n.severity != "LOG" && tells(n));
        notices.truncate(NOTICES_MAX);
        let error = match outcome {
            Ok(_) => None,
            Err(ref error) if error.is_connection_lost() => {
                return Err(outcome.expect_err("is one"));
            }
            Err(ref error) => {
                Some(format!("{} ({})", error.message(), error.sqlstate().unwrap_or("no SQLSTATE")))
            }
        };
        if error.is_none() {
            if together {
                locks = locks_of(self.looker, self.session.pid())?;
            }
            self.session.simple("RESET client_min_messages")?;
        }
        let rows = outcome.ok();
        if let (Some(limit), Some(n)) = (&limit, destroyed.or(rows)) {
            self.compare_rows(planned, limit, n);
        }
        Ok(RehearsedStep {
            text: statement.text.clone(),
            ms,
            rows,
            locks: locks.into_iter().map(|(r, m)| (r, m.to_string())).collect(),
            notices: notices.into_iter().map(|n| n.message).collect(),
            error,
        })
    }

    /// Rows that go with a table, counted before it goes, up to just above what is allowed.
    fn destroyed(&self, statement: &Statement, limit: &RowsLimit) -> Option<u64> {
        rows::emptied(statement).next()?;
        let savepoint = self.session.simple("SAVEPOINT pgward_count").is_ok();
        let n = rows::count_up_to(self.session, &limit.relation, limit.most);
        if savepoint {
            self.session.simple("ROLLBACK TO SAVEPOINT pgward_count").ok()?;
        }
        n
    }

    fn compare_rows(&mut self, planned: &Planned<'_>, limit: &RowsLimit, n: u64) {
        if n <= limit.most && n >= limit.least {
            return;
        }
        let destroyed = rows::emptied(planned.statement).next().is_some();
        let rows = match destroyed {
            true => (limit.at_least(n), Basis::Table),
            false => (n as f64, Basis::Run),
        };
        let (layer, severity) = (Layer::Rehearsal, Severity::Error);
        let mut finding = estimate::finding(layer, severity, planned.statement, limit, rows);
        finding.file.clone_from(&planned.file.path);
        self.findings.push(finding);
    }

    fn run_alone(&self, text: &str) -> (Result<u64, Error>, BTreeMap<String, LockMode>) {
        let over = AtomicBool::new(false);
        let seen = Mutex::new(BTreeMap::new());
        let outcome = std::thread::scope(|scope| {
            let looking = scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    let Ok(now) = locks_of(self.looker, self.session.pid()) else { return };
                    let mut seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    for (relation, mode) in now {
                        let strongest = seen.entry(relation).or_insert(mode);
                        *strongest = mode.max(*strongest);
                    }
                    drop(seen);
                    std::thread::park_timeout(LOOK_EVERY);
                }
            });
            let outcome = self.session.execute(text, &[]);
            over.store(true, Ordering::Release);
            looking.thread().unpark();
            outcome
        });
        (outcome, seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn failed(&mut self, plan: &Plan<'_>, planned: &Planned<'_>, error: &str) {
        let (number, n_steps) = (planned.number, plan.n_steps());
        let stays = match stays(plan, number) {
            0 => "nothing before it would stay".to_owned(),
            n => format!("{} before it would stay", plan::counted(n, "step")),
        };
        let message = format!("step {number} of {n_steps} fails: {error}; {stays}");
        let source = Source::new(SourceKind::Rehearsal, self.stage.made_from);
        let evidence = Evidence::measured(
            format!("step {number} of {n_steps} answered {error}"),
            f64::from(number),
            "step",
            source,
        );
        let span = planned.statement.span;
        let mut finding = Finding::new(
            "rehearsal_failed",
            Layer::Rehearsal,
            Severity::Error,
            span,
            message,
            evidence,
        )
        .fix("correct this statement; what fails on a clone fails in production", None);
        finding.file.clone_from(&planned.file.path);
        self.findings.push(finding);
    }
}

/// Steps that psql, statement by statement, would have committed before step `number`.
fn stays(plan: &Plan<'_>, number: u32) -> usize {
    let failing = plan.units.iter().find(|u| u.steps.iter().any(|s| s.number == number));
    let own = failing.and_then(|u| u.steps.first()).is_some_and(|first| {
        pgward_sql::splits_transactions(first.file).own()
            && failing.is_some_and(|u| u.steps.len() > 1)
    });
    let first = failing.and_then(|u| u.steps.first()).map_or(number, |s| s.number);
    let until = if own { first } else { number };
    plan.steps().filter(|s| s.number < until).count()
}

/// The strongest lock a session holds on each of the user's relations.
/// Is it said to people, or does it tell what a statement reads and writes? The rest of what
/// `debug1` brings is for those who write PostgreSQL.
fn tells(notice: &pgward_pg::session::Notice) -> bool {
    let work = ["rewriting table", "verifying table", "building index \""];
    !notice.severity.starts_with("DEBUG")
        || (work.iter().any(|w| notice.message.starts_with(w))
            && !notice.message.contains("\"pg_toast_"))
}

fn locks_of(looker: &Session, pid: Pid) -> Result<BTreeMap<String, LockMode>, Error> {
    let rows = looker.query(
        "SELECT n.nspname::text, c.relname::text, l.mode \
         FROM pg_catalog.pg_locks l \
         JOIN pg_catalog.pg_database d ON d.oid = l.database \
         JOIN pg_catalog.pg_class c ON c.oid = l.relation \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE l.pid = $1 AND l.granted AND l.locktype = 'relation' \
             AND d.datname = pg_catalog.current_database() \
             AND n.nspname !~ '^(pg_|pgward$|information_schema$)'",
        &[&pid],
    )?;
    let mut strongest = BTreeMap::new();
    for row in &rows {
        let relation = Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?);
        let Some(mode) = LockMode::from_pg_name(&get::<String>(row, 2)?) else { continue };
        let held = strongest.entry(relation.to_string()).or_insert(mode);
        *held = mode.max(*held);
    }
    Ok(strongest)
}
