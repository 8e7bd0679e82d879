//! From PostgreSQL's own parse tree to the few actions that matter.

mod alter;
mod block;
mod objects;
mod rows;
mod sequence;

use crate::action::{Action, Transaction};
use crate::tree::{self, constant, mentions, relation, some_relation};
use pg_query::NodeEnum;
use pg_query::protobuf::{self, TransactionStmtKind, VariableSetKind};
use pgward_model::prelude::*;

/// A statement, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Understood {
    pub(crate) kind: StatementKind,
    pub(crate) actions: Vec<Action>,
}

/// What a parsed statement is and asks for.
pub(crate) fn understand(node: &NodeEnum, text: &str) -> Understood {
    let found = transaction_or_setting(node)
        .or_else(|| rows::understand(node))
        .or_else(|| block::define(node, text))
        .or_else(|| objects::create(node))
        .or_else(|| alter::understand(node))
        .or_else(|| objects::change(node))
        .or_else(|| maintenance(node))
        .or_else(|| block::understand(node, text));
    let (kind, actions) = found.unwrap_or_else(|| rest(node));
    Understood { kind, actions }
}

pub(crate) use block::{COMPUTED, body, placed_steps};
pub(crate) use rows::called;

pub(crate) type Found = Option<(StatementKind, Vec<Action>)>;

fn one(kind: StatementKind, action: Action) -> Found {
    Some((kind, vec![action]))
}

fn ddl(action: Action) -> Found {
    one(StatementKind::Ddl, action)
}

fn transaction_or_setting(node: &NodeEnum) -> Found {
    match node {
        NodeEnum::TransactionStmt(t) => {
            let (kind, action) = transaction(t);
            one(kind, Action::Transaction(action))
        }
        NodeEnum::VariableSetStmt(s) => one(StatementKind::Set, setting(s)),
        NodeEnum::AlterSystemStmt(s) => {
            let name = s.setstmt.as_ref().map(|v| v.name.clone()).unwrap_or_default();
            one(StatementKind::Other, Action::AlterSystem { name })
        }
        _ => None,
    }
}

fn transaction(t: &protobuf::TransactionStmt) -> (StatementKind, Transaction) {
    use TransactionStmtKind::*;
    match t.kind() {
        TransStmtBegin | TransStmtStart => (StatementKind::Begin, Transaction::Begin),
        TransStmtCommit => (StatementKind::Commit, Transaction::Commit),
        TransStmtRollback => (StatementKind::Rollback, Transaction::Rollback),
        TransStmtPrepare => (StatementKind::Commit, Transaction::Prepare),
        TransStmtCommitPrepared | TransStmtRollbackPrepared => {
            (StatementKind::Other, Transaction::Finish)
        }
        _ => (StatementKind::Other, Transaction::Savepoint),
    }
}

fn setting(s: &protobuf::VariableSetStmt) -> Action {
    let value = match s.kind() {
        VariableSetKind::VarSetValue | VariableSetKind::VarSetMulti => {
            Some(s.args.iter().filter_map(constant).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    };
    Action::Set { name: s.name.to_lowercase(), value, local: s.is_local }
}

fn maintenance(node: &NodeEnum) -> Found {
    let vacuumed = |v: &protobuf::VacuumStmt| -> Vec<Relation> {
        v.rels
            .iter()
            .filter_map(|n| match &n.node {
                Some(NodeEnum::VacuumRelation(r)) => r.relation.as_ref().map(relation),
                _ => None,
            })
            .collect()
    };
    let action = match node {
        NodeEnum::VacuumStmt(v) if v.is_vacuumcmd => {
            Action::Vacuum { relations: vacuumed(v), full: tree::option_is_on(&v.options, "full") }
        }
        NodeEnum::VacuumStmt(v) => Action::Analyze { relations: vacuumed(v) },
        NodeEnum::ClusterStmt(c) => Action::Cluster { relation: c.relation.as_ref().map(relation) },
        NodeEnum::ReindexStmt(r) => {
            use protobuf::ReindexObjectType::*;
            let kind = match r.kind() {
                ReindexObjectIndex => crate::action::ReindexKind::Index,
                ReindexObjectTable => crate::action::ReindexKind::Table,
                ReindexObjectSchema => crate::action::ReindexKind::Schema,
                ReindexObjectSystem => crate::action::ReindexKind::System,
                _ => crate::action::ReindexKind::Database,
            };
            let name = match &r.relation {
                Some(range) => relation(range),
                None => Relation::new("", r.name.clone()),
            };
            let concurrently = tree::option_is_on(&r.params, "concurrently");
            Action::Reindex { kind, name, concurrently }
        }
        NodeEnum::RefreshMatViewStmt(r) => Action::Refresh {
            relation: some_relation(r.relation.as_ref()),
            concurrently: r.concurrent,
        },
        _ => return None,
    };
    one(StatementKind::Maintenance, action)
}

/// What is left: known to PostgreSQL, without effect on relations, or opaque.
fn rest(node: &NodeEnum) -> (StatementKind, Vec<Action>) {
    let what = statement_name(node);
    let all = protobuf::DiscardMode::DiscardAll;
    let discards_all = matches!(node, NodeEnum::DiscardStmt(d) if d.target() == all);
    let in_transaction = !matches!(
        node,
        NodeEnum::CreatedbStmt(_)
            | NodeEnum::CreateTableSpaceStmt(_)
            | NodeEnum::DropTableSpaceStmt(_)
            | NodeEnum::CreateSubscriptionStmt(_)
            | NodeEnum::DropSubscriptionStmt(_)
    ) && !discards_all;
    let quiet = matches!(
        node,
        NodeEnum::VariableShowStmt(_)
            | NodeEnum::CheckPointStmt(_)
            | NodeEnum::DiscardStmt(_)
            | NodeEnum::NotifyStmt(_)
            | NodeEnum::ListenStmt(_)
            | NodeEnum::UnlistenStmt(_)
            | NodeEnum::ConstraintsSetStmt(_)
            | NodeEnum::DeallocateStmt(_)
            | NodeEnum::ClosePortalStmt(_)
            | NodeEnum::FetchStmt(_)
            | NodeEnum::LoadStmt(_)
    );
    if let NodeEnum::AlterDomainStmt(d) = node {
        let validates = match d.subtype.as_str() {
            "C" => !matches!(
                d.def.as_deref().and_then(|n| n.node.as_ref()),
                Some(NodeEnum::Constraint(c)) if c.skip_validation
            ),
            subtype => matches!(subtype, "V" | "O"),
        };
        if validates {
            let domain = tree::dotted(&tree::strings(&d.type_name));
            return (StatementKind::Ddl, vec![Action::CheckDomain { domain }]);
        }
    }
    if let NodeEnum::CallStmt(call) = node {
        let name = call.funccall.as_ref().map(|f| tree::dotted(&tree::strings(&f.funcname)));
        let calls = name.into_iter().map(|function| Action::Call { function, procedure: true });
        return (StatementKind::Other, calls.collect());
    }
    let unknown = match node {
        NodeEnum::ExecuteStmt(_) => Some("EXECUTE runs a statement prepared elsewhere"),
        _ => None,
    };
    if let Some(why) = unknown {
        return (StatementKind::Other, vec![Action::Unknown { why: why.to_owned() }]);
    }
    let kind = if quiet { StatementKind::Other } else { StatementKind::Ddl };
    let kind = if mentions(node).relations.is_empty() || quiet { kind } else { StatementKind::Ddl };
    (kind, vec![Action::Other { what, in_transaction }])
}

/// `CreateExtensionStmt` → `create extension`, for messages.
pub(crate) fn statement_name(node: &NodeEnum) -> String {
    let debug = format!("{node:?}");
    let variant = debug.split('(').next().unwrap_or("").trim_end_matches("Stmt");
    let mut name = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push(' ');
        }
        name.extend(c.to_lowercase());
    }
    name
}
