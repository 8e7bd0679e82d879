//! What a lint sees: every statement understood once, with its place in the change and,
//! where there is one, the live catalog.

use crate::standing::Standing;
use crate::{Lint, Options};
use pgward_model::prelude::*;
use pgward_sql::action::Action;
use pgward_sql::expect::{self, Allowance};
use pgward_sql::template::{self, Placeholder};
use pgward_sql::{Chain, Refusal};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// A change, ready for all lints.
pub struct Context<'a> {
    pub files: &'a [ChangeFile],
    pub catalog: Option<&'a Catalog>,
    pub options: &'a Options,
    /// What is known of all files of the chain together.
    pub standing: &'a Standing<'a>,
    /// Every statement of every file, in order.
    pub sites: Vec<Site<'a>>,
}

/// One statement and what is known of it.
pub struct Site<'a> {
    pub file: &'a ChangeFile,
    /// As it would be sent: variables replaced. Its span is the one in the file.
    pub statement: Cow<'a, Statement>,
    pub actions: Vec<Action>,
    /// Functions called whose text the files before it hold.
    known_functions: Vec<Relation>,
    /// Exact by the catalog where there is one.
    pub effects: Vec<Effect>,
    /// Why the server would refuse it as the files before it leave things.
    pub refusal: Option<Refusal>,
    pub placeholders: Vec<Placeholder>,
    /// Within a transaction the file has begun, or one that the caller makes.
    pub in_transaction: bool,
    pub allowances: Vec<Allowance>,
    pub expected_rows: Option<RangeInclusive<u64>>,
    /// Position among all sites.
    pub index: usize,
    /// Position of the ROLLBACK that takes it back, so that nothing of it stays.
    pub taken_back: Option<usize>,
}

/// A table up to this size is read or written in about 100 ms (at 100 MB/s, a slow disk),
/// the wait that bystanders do not notice.
pub(crate) const SMALL_BYTES: f64 = 10.0 * 1024.0 * 1024.0;

impl<'a> Context<'a> {
    /// `catalog` is how things stand before the files; `chain` stands there too and is taken
    /// through them.
    ///
    /// `read` holds the actions of each statement of each file, where they are known already.
    pub(crate) fn new(
        files: &'a [ChangeFile],
        read: &[Vec<Vec<Action>>],
        catalog: Option<&'a Catalog>,
        chain: &mut Chain,
        options: &'a Options,
        standing: &'a Standing<'a>,
    ) -> Self {
        let mut sites = Vec::new();
        for (n_file, file) in files.iter().enumerate() {
            let first = sites.len();
            let inside = inside(file, options);
            let taken_back = pgward_sql::taken_back(file, &inside);
            // Read only for who has a variable to fill.
            let mut vars = None;
            let mut before = Vec::new();
            for (i, (written, inside)) in file.statements.iter().zip(inside).enumerate() {
                // The one that ends first is on top.
                let begins = taken_back.iter().rev().filter(|range| range.start == i);
                before.extend(begins.map(|range| (range.end, chain.clone())));
                let placeholders = template::placeholders(&written.text);
                let statement = match placeholders.as_slice() {
                    [] => Cow::Borrowed(written),
                    _ => {
                        let vars = vars.get_or_insert_with(|| {
                            let mut vars = template::definitions(&file.text);
                            vars.extend(options.vars_of(&file.path));
                            vars
                        });
                        Cow::Owned(as_sent(written, vars))
                    }
                };
                let known = read.get(n_file).and_then(|f| f.get(i));
                let actions = match known.filter(|_| placeholders.is_empty()) {
                    Some(actions) => actions.clone(),
                    None => pgward_sql::actions(&statement),
                };
                let met = meet(chain, &statement, actions);
                while let Some((_, state)) = before.pop_if(|(end, _)| *end == i) {
                    chain.take_back(state);
                }
                let of = taken_back.iter().filter(|range| range.contains(&i)).map(|r| r.end).min();
                sites.push(Site {
                    file,
                    actions: met.actions,
                    known_functions: met.known_functions,
                    effects: met.effects,
                    refusal: met.refusal,
                    placeholders,
                    in_transaction: inside,
                    allowances: expect::allowances(file, written),
                    expected_rows: expect::rows(file, written),
                    index: first + i,
                    taken_back: of.map(|end| first + end),
                    statement,
                });
            }
        }
        Self { files, catalog, options, standing, sites }
    }

    /// The table of that name in the live catalog.
    pub fn table(&self, relation: &Relation) -> Option<&'a RelationInfo> {
        self.catalog?.relation(relation)
    }

    /// What surrounds the change, where the catalog came with it.
    pub fn conditions(&self) -> Option<&'a Conditions> {
        self.catalog?.conditions.as_ref()
    }

    /// Could others use the relation before this statement runs? The catalog knows what
    /// `IF NOT EXISTS` finds; without it the text decides.
    pub fn existed(&self, site: &Site, relation: &Relation) -> bool {
        let made_here = site
            .effects
            .iter()
            .chain(&site.statement.effects)
            .find_map(|e| e.relation.same_as(relation).then_some(e.existed_before));
        made_here.unwrap_or(true) || self.table(relation).is_some()
    }

    /// `severity`, lowered where the catalog shows that the lock is short: a note for an
    /// empty table, a warning for one below [`SMALL_BYTES`].
    pub fn weigh(&self, relation: &Relation, severity: Severity) -> Severity {
        match self.table(relation) {
            Some(info) if info.n_rows == Some(0.0) => Severity::Note,
            Some(info) if info.n_rows.is_some() && info.table_bytes < SMALL_BYTES => {
                severity.min(Severity::Warning)
            }
            _ => severity,
        }
    }

    /// The finding with the table's size, where the catalog has it.
    pub fn sized(&self, finding: Finding, relation: &Relation) -> Finding {
        match self.table(relation) {
            Some(info) => self.size(info).into_iter().fold(finding, Finding::and),
            None => finding,
        }
    }

    /// Rows and bytes of a table, as the statistics have them.
    pub fn size(&self, info: &RelationInfo) -> Vec<Evidence> {
        let name = &info.relation;
        let mut found = Vec::new();
        if let Some(n) = info.n_rows {
            let claim = format!("{name} has {} rows", human(n));
            found.push(self.measured(claim, n, "rows", "pg_class.reltuples"));
            let bytes = info.table_bytes;
            let claim = format!("{name} takes {}", human_bytes(bytes));
            found.push(self.measured(claim, bytes, "bytes", "pg_class.relpages"));
        }
        found
    }

    /// Scans of a table since its counters began.
    pub fn traffic(&self, info: &RelationInfo) -> Evidence {
        let scans = (info.seq_scans + info.idx_scans) as f64;
        self.measured(
            format!("{} was read by {} scans", info.relation, human(scans)),
            scans,
            "scans",
            "pg_stat_user_tables",
        )
    }

    /// A number of the catalog.
    pub fn measured(&self, claim: String, value: f64, unit: &str, from: &str) -> Evidence {
        let evidence =
            Evidence::measured(claim, value, unit, Source::new(SourceKind::Catalog, from));
        match self.catalog {
            Some(catalog) => evidence.at(catalog.taken_at),
            None => evidence,
        }
    }
}

/// For each statement, is it in a transaction: one of the file, or one that is made around it?
fn inside(file: &ChangeFile, options: &Options) -> Vec<bool> {
    // Who wraps files himself, or says how they are wrapped, knows better than the framework.
    let is_said = options.transaction_per_file || options.transaction_of(&file.path).is_some();
    match &file.inside {
        Some(inside) if !is_said => inside.clone(),
        _ => {
            let transactions = pgward_sql::splits_transactions(file);
            let wrapped = options.wraps(&file.path) && !transactions.own();
            transactions.inside.iter().map(|inside| *inside || wrapped).collect()
        }
    }
}

/// A statement as it meets what those before it have left.
struct Met {
    actions: Vec<Action>,
    known_functions: Vec<Relation>,
    effects: Vec<Effect>,
    refusal: Option<Refusal>,
}

/// Takes the chain through a statement.
fn meet(chain: &mut Chain, statement: &Statement, mut actions: Vec<Action>) -> Met {
    chain.resolve(&mut actions);
    let in_block = is_block(statement);
    let refusal = chain.refusal(&actions).filter(|_| !in_block);
    // What a function does that the script calls, the script does.
    let n_written = actions.len();
    let mut actions = chain.expanded(actions);
    let calls = actions.len() > n_written;
    if calls {
        chain.resolve(&mut actions);
    }
    if in_block || calls {
        chain.doubt(&actions);
    }
    let known_functions = known_functions(&actions, chain);
    let effects = match statement.kind {
        StatementKind::Unparsed => {
            chain.run_unread(&statement.text);
            Vec::new()
        }
        _ => chain.run(&actions),
    };
    Met { actions, known_functions, effects, refusal }
}

/// What a `DO` block says it may do or not: it has conditions and handlers.
pub(crate) fn is_block(statement: &Statement) -> bool {
    statement.text.get(..2).is_some_and(|w| w.eq_ignore_ascii_case("do")) // nothing else begins so
}

fn known_functions(actions: &[Action], chain: &Chain) -> Vec<Relation> {
    let called = actions.iter().filter_map(|a| match a {
        Action::Call { function, .. } => Some(function),
        _ => None,
    });
    called.filter(|f| chain.knows_function(f)).cloned().collect()
}

/// The statement as the server would get it, at the place where it is written.
fn as_sent(written: &Statement, vars: &std::collections::BTreeMap<String, String>) -> Statement {
    let sent = template::render(&written.text, vars);
    let read = pgward_sql::read("", &sent).statements.into_iter().next();
    let known_before = |relation: &Relation| {
        written.effects.iter().find(|e| e.relation == *relation).map(|e| e.existed_before)
    };
    match read {
        Some(mut statement) if statement.kind != StatementKind::Unparsed => {
            statement.span = written.span;
            for e in &mut statement.effects {
                e.existed_before = known_before(&e.relation).unwrap_or(e.existed_before);
            }
            statement
        }
        _ => written.clone(),
    }
}

impl Site<'_> {
    /// A finding of `lint` by the text alone; its first evidence is what the manual says.
    pub fn finding(&self, lint: &Lint, severity: Severity, message: impl Into<String>) -> Finding {
        let source = Source::new(SourceKind::Manual, lint.source);
        self.with(lint, Layer::Static, severity, message, Evidence::stated(lint.harm, source))
    }

    /// A finding that only the catalog could give.
    pub fn catalog_finding(
        &self,
        lint: &Lint,
        severity: Severity,
        message: impl Into<String>,
        evidence: Evidence,
    ) -> Finding {
        self.with(lint, Layer::Catalog, severity, message, evidence)
    }

    fn with(
        &self,
        lint: &Lint,
        layer: Layer,
        severity: Severity,
        message: impl Into<String>,
        evidence: Evidence,
    ) -> Finding {
        let mut finding =
            Finding::new(lint.id, layer, severity, self.statement.span, message, evidence)
                .fix(lint.instead, None);
        finding.file = self.file.path.clone();
        finding
    }

    /// May other statements take its place, some of which run outside of any transaction? It is
    /// one command, written as it is sent, and no transaction is around it.
    pub fn stands_alone(&self) -> bool {
        !self.in_transaction
            && self.placeholders.is_empty()
            && self.actions.len() == 1
            && !is_block(&self.statement)
    }

    /// Is the text of the function that it calls known?
    pub fn knows(&self, function: &Relation) -> bool {
        self.known_functions.contains(function)
    }

    /// Why the author accepts this lint here, where he does and says why.
    pub fn allowance(&self, lint: &str) -> Option<&str> {
        let said = self.allowances.iter().find(|a| a.lint == lint && !a.reason.is_empty());
        said.map(|a| a.reason.as_str())
    }

    /// Has the author declared this many rows? Statistics may be a tenth behind
    /// (`autovacuum_analyze_scale_factor` = 0.1).
    pub fn declares_rows(&self, n_rows: f64) -> bool {
        self.expected_rows.as_ref().is_some_and(|r| n_rows <= *r.end() as f64 * 1.1)
    }
}
