//! Locks and work of ALTER TABLE and its relatives, command by command.
//!
//! Source: PostgreSQL manual, ALTER TABLE; `AlterTableGetLockLevel` in the server's source.

use super::effect;
use crate::action::{Alter, NewColumn, NewConstraint};
use pgward_model::prelude::*;

pub(super) fn of_alter(relation: &Relation, kind: &str, command: &Alter) -> Vec<Effect> {
    use LockMode::*;
    let plain = |lock| vec![effect(relation, lock)];
    let work = |e: Effect| vec![e];
    match command {
        _ if kind == "sequence"
            && matches!(command, Alter::Other { .. } | Alter::Restart { .. }) =>
        {
            plain(ShareRowExclusive)
        }
        Alter::AddColumn { column, .. } => of_add_column(relation, column),
        Alter::DropColumn { name, .. } => work(Effect {
            destroys: Destroys::Column(name.clone()),
            ..effect(relation, AccessExclusive)
        }),
        // The text does not tell a virtual column (since 18), which is not written anew: stored
        // is assumed until the catalog says otherwise.
        Alter::SetType { .. } | Alter::SetExpression { .. } => {
            work(Effect { rewrites: true, builds_index: true, ..effect(relation, AccessExclusive) })
        }
        Alter::SetNotNull { .. } => {
            work(Effect { scans: true, ..effect(relation, AccessExclusive) })
        }
        Alter::AddConstraint(constraint) => of_constraint(relation, constraint),
        Alter::ValidateConstraint { .. } => {
            work(Effect { scans: true, ..effect(relation, ShareUpdateExclusive) })
        }
        Alter::DropConstraint { name, .. } => work(Effect {
            destroys: Destroys::Constraint(name.clone()),
            ..effect(relation, AccessExclusive)
        }),
        Alter::Trigger { .. } => plain(ShareRowExclusive),
        Alter::AttachPartition { partition, .. } => vec![
            effect(relation, if kind == "index" { AccessExclusive } else { ShareUpdateExclusive }),
            Effect { scans: kind != "index", ..effect(partition, AccessExclusive) },
        ],
        Alter::DetachPartition { partition, concurrently } => vec![
            effect(relation, if *concurrently { ShareUpdateExclusive } else { AccessExclusive }),
            effect(partition, AccessExclusive),
        ],
        Alter::SetLogged { .. } | Alter::SetAccessMethod { .. } => {
            work(Effect { rewrites: true, builds_index: true, ..effect(relation, AccessExclusive) })
        }
        Alter::SetTablespace { .. } => {
            work(Effect { rewrites: true, ..effect(relation, AccessExclusive) })
        }
        Alter::SetOptions { names } => plain(of_options(names)),
        Alter::Tuning { .. } => plain(ShareUpdateExclusive),
        Alter::Inherit { parent, adds } => vec![
            effect(relation, AccessExclusive),
            effect(parent, if *adds { ShareUpdateExclusive } else { AccessShare }),
        ],
        Alter::SetDefault { .. }
        | Alter::DropNotNull { .. }
        | Alter::AlterConstraint { .. }
        | Alter::RowSecurity { .. }
        | Alter::SetOwner { .. }
        | Alter::Restart { .. }
        | Alter::Other { .. } => plain(AccessExclusive),
    }
}

/// Storage parameters whose change takes ACCESS EXCLUSIVE (`reloptions.c`); all others take
/// SHARE UPDATE EXCLUSIVE.
const STRONG_OPTIONS: &[&str] = &[
    "user_catalog_table",
    "fastupdate",
    "gin_pending_list_limit",
    "autosummarize",
    "pages_per_range",
    "buffering",
    "security_barrier",
    "security_invoker",
    "check_option",
];

fn of_options(names: &[String]) -> LockMode {
    if names.iter().any(|n| STRONG_OPTIONS.contains(&n.as_str())) {
        LockMode::AccessExclusive
    } else {
        LockMode::ShareUpdateExclusive
    }
}

fn of_add_column(relation: &Relation, column: &NewColumn) -> Vec<Effect> {
    let inline = |kinds: &[char]| column.constraints.iter().any(|c| kinds.contains(&c.kind));
    let unset_not_null = column.not_null && !column.has_value();
    // Source: transformAlterTableStmt, AT_AddColumn: validation is skipped without a default.
    let proves_key = inline(&['f']) && column.says_default;
    let mut found = vec![Effect {
        rewrites: column.default.rewrites(),
        // A row that is written anew is checked on the way, but for its keys.
        scans: proves_key || (!column.default.rewrites() && (inline(&['c']) || unset_not_null)),
        // A heap that is written anew needs its indexes anew.
        builds_index: inline(&['p', 'u', 'x']) || column.default.rewrites(),
        ..effect(relation, LockMode::AccessExclusive)
    }];
    let parents = column.constraints.iter().filter_map(|c| c.references.as_ref());
    found
        .extend(parents.filter(|p| *p != relation).map(|p| effect(p, LockMode::ShareRowExclusive)));
    found
}

fn of_constraint(relation: &Relation, c: &NewConstraint) -> Vec<Effect> {
    use LockMode::*;
    match c.kind {
        'f' => {
            let own = Effect { scans: !c.not_valid, ..effect(relation, ShareRowExclusive) };
            let parent = c.references.iter().filter(|p| *p != relation);
            std::iter::once(own).chain(parent.map(|p| effect(p, ShareRowExclusive))).collect()
        }
        'p' | 'u' | 'x' => vec![Effect {
            builds_index: c.using_index.is_none(),
            scans: c.kind == 'p',
            ..effect(relation, AccessExclusive)
        }],
        _ => vec![Effect { scans: !c.not_valid, ..effect(relation, AccessExclusive) }],
    }
}
