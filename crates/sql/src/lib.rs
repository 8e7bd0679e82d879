//! Reads SQL and says what each statement locks, rewrites, scans, destroys, and how to undo it.

pub mod action;
mod effects;
pub mod expect;
mod lex;
mod predicate;
mod split;
pub mod template;
mod tree;
mod understand;
mod undo;

use action::{Action, Transaction};
use effects::Created;
use pgward_model::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use understand::Understood;

pub use effects::{effects_with, existed};
pub use undo::inverse;

/// The statements of a file, each with its exact place, its effects and its fingerprint.
///
/// Never fails: what PostgreSQL's grammar does not know becomes
/// [`StatementKind::Unparsed`], the others are read all the same.
pub fn read(path: &str, text: &str) -> ChangeFile {
    read_after(path, text, &mut Created::default())
}

fn read_after(path: &str, text: &str, created: &mut Created) -> ChangeFile {
    let statements =
        split::pieces(text).into_iter().map(|piece| statement(text, &piece, created)).collect();
    ChangeFile { path: path.to_owned(), text: text.to_owned(), statements }
}

/// Files that go to production together. Relations that an earlier file creates are not
/// counted as existing before in a later one.
///
/// The id is the first 12 hex digits of the SHA-256 of each path and text, in order.
pub fn change(files: Vec<ChangeFile>) -> Change {
    let mut hash = Sha256::new();
    let mut created = Created::default();
    let files = files
        .into_iter()
        .map(|file| {
            hash.update(file.path.as_bytes());
            hash.update([0]);
            hash.update(file.text.as_bytes());
            hash.update([0]);
            read_after(&file.path, &file.text, &mut created)
        })
        .collect();
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Change { id: hex.chars().take(12).collect(), files }
}

fn statement(text: &str, piece: &split::Piece, created: &mut Created) -> Statement {
    let written = text.get(piece.span.start..piece.span.end).unwrap_or("");
    let read = match piece.kind {
        split::PieceKind::Sql => understood(written),
        split::PieceKind::Opaque => None,
    };
    let Some(Understood { kind, actions }) = read else {
        return Statement {
            text: written.to_owned(),
            span: piece.span,
            kind: StatementKind::Unparsed,
            effects: Vec::new(),
            in_transaction: true,
            fingerprint: String::new(),
        };
    };
    let effects = effects::effects(&actions, created);
    created.learn(&actions);
    Statement {
        text: written.to_owned(),
        span: piece.span,
        kind,
        effects,
        in_transaction: actions.iter().all(effects::may_run_in_transaction)
            && !commits_inside(kind, &actions),
        fingerprint: fingerprint(written),
    }
}

/// A block that commits by itself fails inside a transaction.
fn commits_inside(kind: StatementKind, actions: &[Action]) -> bool {
    !matches!(kind, StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback)
        && actions.iter().any(|a| matches!(a, Action::Transaction(Transaction::Commit)))
}

fn understood(text: &str) -> Option<Understood> {
    let as_written = tree::parse_one(text);
    let node = match as_written {
        Some(node) => node,
        None => tree::parse_one(&template::parseable(text))?,
    };
    Some(understand::understand(&node, text))
}

/// What a statement asks for, in few words; empty where it is not understood.
pub fn actions(statement: &Statement) -> Vec<Action> {
    understood(&statement.text).map(|u| u.actions).unwrap_or_default()
}

/// Every relation a statement touches, by name, without CTEs; empty where it does not parse.
pub fn relations(sql: &str) -> Vec<Relation> {
    let Some(nodes) = tree::parse_all(sql) else { return Vec::new() };
    let mut found = BTreeSet::new();
    for node in &nodes {
        found.extend(tree::mentions(node).relations);
        let actions = understand::understand(node, sql).actions;
        let touched = effects::effects(&actions, &Created::default());
        found.extend(touched.into_iter().map(|e| e.relation));
    }
    found.into_iter().collect()
}

/// What a statement mentions: used to see whether a query still works after a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uses {
    pub relations: Vec<Relation>,
    /// The last part of each column name; `*` where it takes all.
    pub columns: BTreeSet<String>,
    /// `[schema.]name` of each function called.
    pub functions: BTreeSet<String>,
    /// Did PostgreSQL's grammar know the text?
    pub parsed: bool,
}

/// Relations, columns and functions that a query names.
pub fn uses(sql: &str) -> Uses {
    let Some(nodes) = tree::parse_all(sql) else { return Uses::default() };
    let found = tree::mentions(&nodes);
    let star = nodes.iter().any(tree::takes_all_columns);
    let mut columns = found.columns;
    if star {
        columns.insert("*".to_owned());
    }
    columns.remove("");
    Uses { relations: found.relations, columns, functions: found.functions, parsed: true }
}

/// Stable under other constants, parameter names, white space and case; empty where the
/// text does not parse.
pub fn fingerprint(sql: &str) -> String {
    use pg_query::{FingerprintOptions, ParserOptions};
    // Tables whose names differ in digits only are different tables to us.
    let options = FingerprintOptions::FULL_RELNAME | FingerprintOptions::RANGEVAR_PG17_COMPAT;
    pg_query::fingerprint(sql, ParserOptions::default(), options).map(|f| f.hex).unwrap_or_default()
}

/// The statement with its constants replaced by `$1`, `$2`, ..., as `pg_stat_statements`
/// keeps it; the text itself where it does not parse.
pub fn normalize(sql: &str) -> String {
    pg_query::normalize(sql).unwrap_or_else(|_| sql.to_owned())
}

/// How a file deals with transactions itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transactions {
    /// Statements that begin one.
    pub begins: Vec<Span>,
    /// Statements that commit or roll back one.
    pub ends: Vec<Span>,
    /// The BEGIN whose transaction is still open at the end of the file.
    pub left_open: Option<Span>,
    /// For each statement of the file, is it inside a transaction the file has begun?
    pub inside: Vec<bool>,
}

impl Transactions {
    /// Does the file say itself where transactions begin or end?
    pub fn own(&self) -> bool {
        !self.begins.is_empty() || !self.ends.is_empty()
    }
}

/// Where the file begins and ends transactions.
pub fn splits_transactions(file: &ChangeFile) -> Transactions {
    let mut found = Transactions::default();
    for s in &file.statements {
        let was_open = found.left_open.is_some();
        found.inside.push(was_open && s.kind != StatementKind::Begin);
        match s.kind {
            StatementKind::Begin => {
                found.begins.push(s.span);
                found.left_open.get_or_insert(s.span);
            }
            StatementKind::Commit | StatementKind::Rollback => {
                found.ends.push(s.span);
                let chained = s.text.to_lowercase().split_whitespace().any(|w| w == "chain")
                    && !s.text.to_lowercase().contains("no chain");
                found.left_open = chained.then_some(s.span);
            }
            _ => {}
        }
    }
    found
}
