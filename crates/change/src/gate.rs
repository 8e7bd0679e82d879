//! Asks each layer in turn whether a change may go to production.

use crate::error::Error;
use crate::estimate;
use crate::plan::{self, Plan};
use crate::rehearse::{self, Stage};
use crate::rows::RowsRule;
use crate::workload;
use pgward_lint::{FileOptions, Options, Policy};
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
    /// What `pgward.toml` says of single files, by their path.
    pub files: BTreeMap<String, FileOptions>,
    /// Paths of the files to be judged; the others only make what these meet. `None`: all.
    pub only: Option<BTreeSet<String>>,
    /// What the team asks of its schema.
    pub policy: Policy,
    /// The role of the target will run the change.
    pub deploys: bool,
}

/// The change as it would be sent: given variables replaced, unset ones as the tool that
/// replaces them would leave them. It keeps the id of what was written.
///
/// `files` may have values of their own.
pub fn rendered(
    change: &Change,
    vars: &BTreeMap<String, String>,
    files: &BTreeMap<String, FileOptions>,
) -> Change {
    let options = Options { vars: vars.clone(), files: files.clone(), ..Options::default() };
    let sent = |f: &ChangeFile| {
        let text = pgward_sql::template::render(&f.text, &options.vars_of(&f.path));
        pgward_sql::read(&f.path, &text)
    };
    let files = change.files.iter().map(sent).collect();
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
    let mut lint = Options {
        vars: options.vars.clone(),
        files: options.files.clone(),
        only: options.only.clone(),
        policy: options.policy.clone(),
        deploys: options.deploys,
        ..Options::default()
    };
    let sent = rendered(change, &options.vars, &options.files);
    let plan = plan::plan(&sent);
    lint.transaction_per_file = plan.one_transaction_a_file();
    let mut gate = Gate {
        change,
        sent: &sent,
        plan: &plan,
        options,
        lint: &lint,
        report: GateReport {
            coverage: None,
            change_id: change.id.clone(),
            stopped_by: None,
            layers: Vec::new(),
            findings: Vec::new(),
            silenced: Vec::new(),
            catalog: None,
            conditions: None,
            since: None,
            rehearsal: None,
            runbook: None,
        },
    };
    gate.layer(Layer::Static, |g| Ok(g.look_at_text()))?;
    if gate.report.stopped_by.is_none() {
        let session = Session::connect(production, Purpose::Inspect)?;
        let catalog = pgward_pg::catalog::read(&session)?;
        gate.report.conditions = catalog.conditions.as_ref().map(ConditionsRead::of);
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

/// A rehearsal that was asked for and could not be is no pass.
///
/// # Errors
/// [`Error::NotRehearsed`].
pub fn must_have_rehearsed(report: &GateReport, without: &BTreeSet<Layer>) -> Result<(), Error> {
    if report.stopped_by.is_some() {
        return Ok(()); // that is said already
    }
    let rehearsal = report.layers.iter().find(|run| run.layer == Layer::Rehearsal);
    match rehearsal.and_then(|run| run.skipped.as_ref()) {
        Some(why) if !without.contains(&Layer::Rehearsal) => {
            Err(Error::NotRehearsed { change_id: report.change_id.clone(), why: why.clone() })
        }
        _ => Ok(()),
    }
}

/// Why a layer could not run.
type Skipped = Option<String>;

struct Gate<'a> {
    change: &'a Change,
    sent: &'a Change,
    plan: &'a Plan<'a>,
    options: &'a GateOptions,
    lint: &'a Options,
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
        let judged = found.into_iter().filter(|f| f.file.is_empty() || self.lint.judges(&f.file));
        let judged: Vec<Finding> = judged.collect();
        let found: Vec<Finding> = judged.into_iter().map(|f| self.weighed(f)).collect();
        if found.iter().any(|f| f.severity == Severity::Error) {
            self.report.stopped_by = Some(layer);
        }
        self.report.findings.extend(found);
        Ok(())
    }

    /// What the author knows of and gave a reason for does not stop the change.
    fn weighed(&mut self, finding: Finding) -> Finding {
        let was = finding.severity;
        let finding = weighed(self.sent, finding);
        if finding.severity < was {
            self.report.silenced.push(Silenced {
                lint: finding.lint.clone(),
                layer: finding.layer,
                file: finding.file.clone(),
                span: finding.span,
                was,
                now: Some(finding.severity),
                reason: reason(self.sent, &finding.lint).unwrap_or_default(),
                by: SilencedBy::Comment,
            });
        }
        finding
    }

    fn look_at_text(&mut self) -> (Vec<Finding>, Skipped) {
        let judged = pgward_lint::judge(self.change, None, self.lint);
        self.report.silenced.extend(judged.silenced);
        (judged.findings, None)
    }

    fn look_at_catalog(
        &mut self,
        session: &Session,
        catalog: &Catalog,
    ) -> Result<(Vec<Finding>, Skipped), Error> {
        let judged = pgward_lint::judge(self.sent, Some(catalog), self.lint);
        let silenced = judged.silenced.into_iter().filter(|s| s.layer == Layer::Catalog);
        self.report.silenced.extend(silenced);
        let mut findings = judged.findings;
        findings.retain(|f| f.layer == Layer::Catalog);
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
    if finding.severity == Severity::Error && reason(change, &finding.lint).is_some() {
        finding.severity = Severity::Warning;
    }
    finding
}

/// Why the author of a change accepts what a test finds, at whichever statement it is said.
fn reason(change: &Change, test: &str) -> Option<String> {
    let of_file = |file: &ChangeFile| {
        let all = file.statements.iter().flat_map(|s| pgward_sql::expect::allowances(file, s));
        all.filter(|a| a.lint == test && !a.reason.is_empty()).map(|a| a.reason).next()
    };
    change.files.iter().find_map(of_file)
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
