//! Asks each layer in turn whether a change may go to production.

use crate::error::Error;
use crate::estimate;
use crate::plan::{self, Plan};
use crate::rehearse::{self, Stage};
use crate::rows::RowsRule;
use crate::workload;
use pgward_model::prelude::*;
use pgward_pg::journal::{self, ChangeState};
use pgward_pg::prelude::*;
use pgward_sandbox::backup::Vault;
use pgward_sandbox::clone::{self, CloneOptions};
use std::collections::{BTreeMap, BTreeSet};

/// What the gate may use.
#[derive(Debug, Clone, Default)]
pub struct GateOptions {
    /// Layers that are switched off.
    pub without: BTreeSet<Layer>,
    /// Values of the change's variables, as the deploy tool would be given them.
    pub vars: BTreeMap<String, String>,
    /// Where backups are kept; the clone is restored from the newest one.
    pub vault: Option<Vault>,
    /// How a clone is made; `None`: no PostgreSQL is installed here, nothing is rehearsed.
    pub clone: Option<CloneOptions>,
    pub rows: RowsRule,
}

/// The change as it would be sent: given variables replaced, unset ones as the tool that
/// replaces them would leave them. It keeps the id of what was written.
pub fn rendered(change: &Change, vars: &BTreeMap<String, String>) -> Change {
    let files = change
        .files
        .iter()
        .map(|f| pgward_sql::read(&f.path, &pgward_sql::template::render(&f.text, vars)))
        .collect();
    Change { id: change.id.clone(), ..pgward_sql::change(files) }
}

/// Layers in order; the first that finds an error stops the change.
///
/// Production is only read: the catalog, and EXPLAIN. What is refused is remembered in
/// `pgward.changes` where that is kept and may be written.
///
/// # Errors
/// When a layer cannot do its work at all; a layer that lacks what it needs is skipped and says so.
pub fn gate(
    change: &Change,
    production: &Target,
    options: &GateOptions,
) -> Result<GateReport, Error> {
    let sent = rendered(change, &options.vars);
    let plan = plan::plan(&sent);
    let mut gate = Gate {
        change,
        sent: &sent,
        plan: &plan,
        options,
        report: GateReport {
            change_id: change.id.clone(),
            stopped_by: None,
            layers: Vec::new(),
            findings: Vec::new(),
            silenced: Vec::new(),
            catalog: None,
            since: None,
            rehearsal: None,
            runbook: None,
        },
    };
    gate.layer(Layer::Static, |g| Ok(g.look_at_text()))?;
    if gate.report.stopped_by.is_none() {
        let session = Session::connect(production, Purpose::Inspect)?;
        let catalog = pgward_pg::catalog::read(&session)?;
        gate.layer(Layer::Catalog, |g| g.look_at_catalog(&session, &catalog))?;
        if gate.report.stopped_by.is_none() {
            gate.layer(Layer::Rehearsal, |g| g.rehearse(&session, &catalog))?;
        }
        gate.finish(&catalog);
    }
    if gate.report.stopped_by.is_some() {
        remember_refused(change, &gate.report, production);
    }
    Ok(gate.report)
}

/// Why a layer could not run.
type Skipped = Option<String>;

struct Gate<'a> {
    change: &'a Change,
    sent: &'a Change,
    plan: &'a Plan<'a>,
    options: &'a GateOptions,
    report: GateReport,
}

impl Gate<'_> {
    fn layer(
        &mut self,
        layer: Layer,
        run: impl FnOnce(&mut Self) -> Result<(Vec<Finding>, Skipped), Error>,
    ) -> Result<(), Error> {
        let began = clock::instant();
        let (found, skipped) = match self.options.without.contains(&layer) {
            true => (Vec::new(), Some("switched off".to_owned())),
            false => run(self)?,
        };
        let seconds = clock::instant().duration_since(began).as_secs_f64();
        self.report.layers.push(LayerRun { layer, seconds, skipped });
        let found: Vec<Finding> = found.into_iter().map(|f| self.weighed(f)).collect();
        if found.iter().any(|f| f.severity == Severity::Error) {
            self.report.stopped_by = Some(layer);
        }
        self.report.findings.extend(found);
        Ok(())
    }

    /// What the author knows of and gave a reason for does not stop the change.
    fn weighed(&self, finding: Finding) -> Finding {
        weighed(self.sent, finding)
    }

    fn look_at_text(&self) -> (Vec<Finding>, Skipped) {
        let findings = pgward_lint::check(self.change, None, &self.lint_options());
        (findings, None)
    }

    fn lint_options(&self) -> pgward_lint::Options {
        pgward_lint::Options {
            vars: self.options.vars.clone(),
            transaction_per_file: self.plan.one_transaction_a_file(),
        }
    }

    fn look_at_catalog(
        &self,
        session: &Session,
        catalog: &Catalog,
    ) -> Result<(Vec<Finding>, Skipped), Error> {
        let mut findings: Vec<Finding> =
            pgward_lint::check(self.sent, Some(catalog), &self.lint_options())
                .into_iter()
                .filter(|f| f.layer == Layer::Catalog)
                .collect();
        findings.extend(estimate::check(session, self.plan, catalog, self.options.rows)?);
        Ok((findings, None))
    }

    fn rehearse(
        &mut self,
        production: &Session,
        catalog: &Catalog,
    ) -> Result<(Vec<Finding>, Skipped), Error> {
        let Some(clone_options) = &self.options.clone else {
            let why = "no PostgreSQL server is installed here to run a clone";
            return Ok((Vec::new(), Some(why.to_owned())));
        };
        let vault = self.options.vault.as_ref();
        let clone = match clone::make(production.target(), vault, clone_options) {
            Ok(clone) => clone,
            Err(error) => {
                let hint = error.hint().map(|h| format!("; {h}")).unwrap_or_default();
                return Ok((Vec::new(), Some(format!("no clone: {error}{hint}"))));
            }
        };
        let statements = workload::of(production, catalog, &touched(self.sent, catalog))?;
        let stage = Stage {
            clone: &clone.target(),
            made_from: &clone.how,
            catalog,
            statements: &statements,
            rule: self.options.rows,
        };
        let (rehearsal, findings) = rehearse::rehearse(self.plan, &stage)?;
        self.report.rehearsal = Some(rehearsal);
        Ok((findings, None))
    }

    fn finish(&mut self, catalog: &Catalog) {
        if self.report.stopped_by.is_some() {
            return;
        }
        let known = plan::Known {
            catalog,
            rehearsal: self.report.rehearsal.as_ref(),
            rows: self.options.rows,
        };
        self.report.runbook = Some(plan::runbook(self.change, self.plan, &known));
    }
}

/// `-- pgward: allow LINT reason` before any statement of the change makes an error a warning.
///
/// A lint honours allowances by itself, statement by statement, and some it does not honour:
/// those that stand before rows.
pub(crate) fn weighed(change: &Change, mut finding: Finding) -> Finding {
    if pgward_lint::lints::LINTS.iter().any(|l| l.id == finding.lint) {
        return finding;
    }
    let allowed = change.files.iter().any(|file| {
        file.statements.iter().any(|s| {
            pgward_sql::expect::allowances(file, s)
                .iter()
                .any(|a| a.lint == finding.lint && !a.reason.is_empty())
        })
    });
    if allowed && finding.severity == Severity::Error {
        finding.severity = Severity::Warning;
    }
    finding
}

/// Is it known of every statement what it touches? Not of DO blocks, function calls, ...
pub(crate) fn all_understood(change: &Change) -> bool {
    change.files.iter().flat_map(|f| &f.statements).all(|s| {
        let plain = matches!(
            s.kind,
            StatementKind::Set
                | StatementKind::Begin
                | StatementKind::Commit
                | StatementKind::Rollback
        );
        plain || !s.effects.is_empty()
    })
}

/// Relations a change names, and the tables of indexes it names.
pub(crate) fn touched(change: &Change, catalog: &Catalog) -> Vec<Relation> {
    let mut touched: Vec<Relation> = change
        .files
        .iter()
        .flat_map(|f| &f.statements)
        .flat_map(|s| s.effects.iter().map(|e| e.relation.clone()))
        .collect();
    let tables_of_indexes: Vec<Relation> = touched
        .iter()
        .filter_map(|r| catalog.index(r).map(|(table, _)| table.relation.clone()))
        .collect();
    touched.extend(tables_of_indexes);
    touched.sort();
    touched.dedup();
    touched
}

/// Best effort: the gate's answer stands whether or not the database can remember it.
pub(crate) fn remember_refused(change: &Change, report: &GateReport, production: &Target) {
    let remembered = Session::connect(production, Purpose::Act).and_then(|session| {
        if pgward_pg::install::has_journal(&session)? {
            journal::remember(&session, change, report, ChangeState::Refused)?;
        }
        Ok(())
    });
    if let Err(error) = remembered {
        tracing::warn!(%error, change = %change.id, "Refused change not remembered.");
    }
}
