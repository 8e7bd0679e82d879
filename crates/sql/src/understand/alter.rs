//! ALTER TABLE and its relatives, command by command, and the columns and constraints
//! that CREATE TABLE and ADD COLUMN define.

use super::Found;
use crate::action::{Action, Alter, NewColumn, NewConstraint, NewDefault};
use crate::tree::{expression_text, mentions, relation, role, some_relation, strings, type_text};
use pg_query::protobuf::{self, AlterTableType, ConstrType, SortByDir, SortByNulls};
use pg_query::{Node, NodeEnum};
use pgward_model::prelude::*;

pub(super) fn understand(node: &NodeEnum) -> Found {
    let NodeEnum::AlterTableStmt(a) = node else { return None };
    let relation = some_relation(a.relation.as_ref());
    let kind = super::objects::kind_word(a.objtype());
    let actions = a
        .cmds
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::AlterTableCmd(cmd)) => Some(command(cmd)),
            _ => None,
        })
        .map(|command| Action::Alter {
            relation: relation.clone(),
            kind: kind.clone(),
            if_exists: a.missing_ok,
            only: a.relation.as_ref().is_some_and(|r| !r.inh),
            command,
        })
        .collect();
    Some((StatementKind::Ddl, actions))
}

fn command(cmd: &protobuf::AlterTableCmd) -> Alter {
    use AlterTableType::*;
    let name = cmd.name.clone();
    let def = cmd.def.as_deref();
    let if_exists = cmd.missing_ok;
    let cascade = cmd.behavior() == protobuf::DropBehavior::DropCascade;
    match cmd.subtype() {
        AtAddColumn => match def.and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::ColumnDef(c)) => {
                Alter::AddColumn { column: column(c), if_not_exists: cmd.missing_ok }
            }
            _ => Alter::Other { what: "add column".to_owned() },
        },
        AtDropColumn => Alter::DropColumn { name, if_exists, cascade },
        AtAlterColumnType => set_type(name, def),
        AtColumnDefault => Alter::SetDefault { column: name, default: def.map(expression_text) },
        AtSetNotNull => Alter::SetNotNull { column: name },
        AtSetExpression => Alter::SetExpression { column: name },
        AtDropNotNull => Alter::DropNotNull { column: name },
        AtAddConstraint => match def.and_then(|n| n.node.as_ref()) {
            Some(NodeEnum::Constraint(c)) => Alter::AddConstraint(constraint(c)),
            _ => Alter::Other { what: "add constraint".to_owned() },
        },
        AtValidateConstraint => Alter::ValidateConstraint { name },
        AtDropConstraint => Alter::DropConstraint { name, if_exists, cascade },
        AtAlterConstraint => Alter::AlterConstraint { name },
        AtEnableTrig | AtEnableAlwaysTrig | AtEnableReplicaTrig => {
            Alter::Trigger { name: Some(name), enable: true }
        }
        AtDisableTrig => Alter::Trigger { name: Some(name), enable: false },
        AtEnableTrigAll | AtEnableTrigUser => Alter::Trigger { name: None, enable: true },
        AtDisableTrigAll | AtDisableTrigUser => Alter::Trigger { name: None, enable: false },
        _ => storage_command(cmd),
    }
}

fn storage_command(cmd: &protobuf::AlterTableCmd) -> Alter {
    use AlterTableType::*;
    let name = cmd.name.clone();
    let def = cmd.def.as_deref().and_then(|n| n.node.as_ref());
    let what = || cmd.subtype().as_str_name().trim_start_matches("AT_").to_owned();
    match (cmd.subtype(), def) {
        (AtAttachPartition, Some(NodeEnum::PartitionCmd(p))) => Alter::AttachPartition {
            partition: some_relation(p.name.as_ref()),
            is_default: p.bound.as_ref().is_some_and(|b| b.is_default),
            bounds: p.bound.as_ref().map(bounds).unwrap_or_default(),
        },
        (AtDetachPartition, Some(NodeEnum::PartitionCmd(p))) => Alter::DetachPartition {
            partition: some_relation(p.name.as_ref()),
            concurrently: p.concurrent,
        },
        (AtAddInherit, Some(NodeEnum::RangeVar(r))) => {
            Alter::Inherit { parent: relation(r), adds: true }
        }
        (AtDropInherit, Some(NodeEnum::RangeVar(r))) => {
            Alter::Inherit { parent: relation(r), adds: false }
        }
        (AtSetLogged, _) => Alter::SetLogged { logged: true },
        (AtSetUnLogged, _) => Alter::SetLogged { logged: false },
        (AtSetAccessMethod, _) => Alter::SetAccessMethod { method: name },
        (AtSetTableSpace, _) => Alter::SetTablespace { tablespace: name },
        (AtSetRelOptions | AtResetRelOptions, Some(NodeEnum::List(list))) => Alter::SetOptions {
            names: list
                .items
                .iter()
                .filter_map(|n| match &n.node {
                    Some(NodeEnum::DefElem(e)) => Some(e.defname.clone()),
                    _ => None,
                })
                .collect(),
        },
        (
            AtSetStatistics
            | AtSetOptions
            | AtResetOptions
            | AtClusterOn
            | AtDropCluster
            | AtDetachPartitionFinalize,
            _,
        ) => Alter::Tuning { what: what() },
        (AtChangeOwner, _) => Alter::SetOwner { role: role(cmd.newowner.as_ref()) },
        (
            AtEnableRowSecurity | AtDisableRowSecurity | AtForceRowSecurity | AtNoForceRowSecurity,
            _,
        ) => Alter::RowSecurity { what: what() },
        (AtSetIdentity, Some(NodeEnum::List(list))) => {
            super::sequence::restart(&list.items, Some(name))
                .unwrap_or_else(|| Alter::Other { what: what() })
        }
        _ => Alter::Other { what: what() },
    }
}

/// Every value that FOR VALUES names; those without an end have none.
fn bounds(bound: &protobuf::PartitionBoundSpec) -> Vec<String> {
    let all = bound.listdatums.iter().chain(&bound.lowerdatums).chain(&bound.upperdatums);
    let is_end = |n: &&Node| {
        !matches!(&n.node, Some(NodeEnum::ColumnRef(_) | NodeEnum::PartitionRangeDatum(_)))
    };
    all.filter(is_end).map(expression_text).collect()
}

fn set_type(column: String, def: Option<&Node>) -> Alter {
    let Some(NodeEnum::ColumnDef(c)) = def.and_then(|n| n.node.as_ref()) else {
        return Alter::Other { what: "set type".to_owned() };
    };
    Alter::SetType {
        column,
        data_type: c.type_name.as_ref().map(type_text).unwrap_or_default(),
        using: c.raw_default.as_deref().map(expression_text),
    }
}

/// A column definition.
pub(super) fn column(c: &protobuf::ColumnDef) -> NewColumn {
    let data_type = c.type_name.as_ref().map(type_text).unwrap_or_default();
    let serial = ["serial", "bigserial", "smallserial", "serial4", "serial8", "serial2"];
    let is_serial = serial.contains(&data_type.trim_start_matches("pg_catalog.").trim());
    let mut made = NewColumn {
        name: c.colname.clone(),
        data_type,
        not_null: c.is_not_null || is_serial,
        default: if is_serial { NewDefault::Sequence } else { NewDefault::None },
        says_default: is_serial,
        collation: c.coll_clause.as_ref().and_then(|k| strings(&k.collname).pop()),
        constraints: Vec::new(),
    };
    for node in &c.constraints {
        let Some(NodeEnum::Constraint(k)) = &node.node else { continue };
        match k.contype() {
            ConstrType::ConstrNotnull => made.not_null = true,
            ConstrType::ConstrDefault => {
                made.default = default_of(k.raw_expr.as_deref());
                made.says_default = true;
            }
            ConstrType::ConstrIdentity => {
                made.default = NewDefault::Sequence;
                made.not_null = true;
            }
            ConstrType::ConstrGenerated => {
                let is_virtual = k.generated_kind == "v";
                made.default = if is_virtual { NewDefault::Virtual } else { NewDefault::Stored };
            }
            ConstrType::ConstrCheck
            | ConstrType::ConstrPrimary
            | ConstrType::ConstrUnique
            | ConstrType::ConstrExclusion
            | ConstrType::ConstrForeign => {
                let mut inline = constraint(k);
                if inline.columns.is_empty() {
                    inline.columns.push(c.colname.clone());
                }
                made.not_null |= inline.kind == 'p';
                made.constraints.push(inline);
            }
            // Said of the constraint before it, as a clause of its own.
            ConstrType::ConstrAttrDeferrable | ConstrType::ConstrAttrDeferred => {
                made.constraints.last_mut().into_iter().for_each(|k| k.deferrable = true);
            }
            _ => {}
        }
    }
    made
}

/// Functions of `pg_catalog` that a default often calls and that are not volatile
/// (`pg_proc.provolatile` is `i` or `s`). Any other function is taken for volatile, as
/// CREATE FUNCTION does when nothing is said.
const NOT_VOLATILE: &[&str] = &[
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "lower",
    "upper",
    "initcap",
    "length",
    "md5",
    "sha256",
    "encode",
    "decode",
    "concat",
    "concat_ws",
    "format",
    "left",
    "right",
    "lpad",
    "rpad",
    "btrim",
    "ltrim",
    "rtrim",
    "replace",
    "substring",
    "substr",
    "split_part",
    "to_char",
    "to_date",
    "to_timestamp",
    "to_number",
    "date_trunc",
    "date_part",
    "extract",
    "age",
    "make_date",
    "make_interval",
    "make_timestamp",
    "make_timestamptz",
    "timezone",
    "date",
    "to_json",
    "to_jsonb",
    "json_build_object",
    "jsonb_build_object",
    "json_build_array",
    "jsonb_build_array",
    "array_to_json",
    "row_to_json",
    "json_object",
    "jsonb_object",
    "string_to_array",
    "array_fill",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "abs",
    "round",
    "floor",
    "ceil",
    "ceiling",
    "trunc",
    "power",
    "sqrt",
    "mod",
    "greatest",
    "least",
    "current_setting",
    "current_schema",
    "current_database",
    "current_user",
    "pg_backend_pid",
    "version",
    "inet_client_addr",
    "to_tsvector",
    "to_tsquery",
    "set_masklen",
    "point",
    "box",
    "cidr",
    "inet",
    "text",
    "int4",
    "int8",
    "numeric",
    "uuid_nil",
];

fn default_of(expression: Option<&Node>) -> NewDefault {
    let Some(node) = expression else { return NewDefault::None };
    let text = expression_text(node);
    let is_null = matches!(&node.node, Some(NodeEnum::AConst(c)) if c.isnull);
    if is_null {
        return NewDefault::None;
    }
    let volatile = mentions(&Some(Box::new(node.clone()))).functions.into_iter().find(|f| {
        let name = f.strip_prefix("pg_catalog.").unwrap_or(f);
        !NOT_VOLATILE.contains(&name)
    });
    match volatile {
        Some(function) => NewDefault::Volatile { expression: text, function },
        None => NewDefault::Constant(text),
    }
}

/// A constraint of a table or a column.
pub(super) fn constraint(c: &protobuf::Constraint) -> NewConstraint {
    let (kind, columns) = match c.contype() {
        ConstrType::ConstrForeign => ('f', strings(&c.fk_attrs)),
        ConstrType::ConstrPrimary => ('p', strings(&c.keys)),
        ConstrType::ConstrUnique => ('u', strings(&c.keys)),
        ConstrType::ConstrExclusion => ('x', Vec::new()),
        ConstrType::ConstrNotnull => ('n', strings(&c.keys)),
        _ => ('c', Vec::new()),
    };
    NewConstraint {
        name: c.conname.clone(),
        kind,
        columns,
        not_valid: c.skip_validation,
        references: c.pktable.as_ref().map(relation),
        referenced: strings(&c.pk_attrs),
        using_index: Some(c.indexname.clone()).filter(|n| !n.is_empty()),
        condition: c.raw_expr.as_deref().map(expression_text).unwrap_or_default(),
        on_delete: c.fk_del_action.chars().next().unwrap_or('a'),
        deferrable: c.deferrable,
        enforced: c.is_enforced || !c.skip_validation || !matches!(kind, 'c' | 'f'),
    }
}

/// The key columns of an index, in order.
pub(super) fn key_columns(params: &[Node]) -> Vec<String> {
    params
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::IndexElem(e)) if !e.name.is_empty() => Some(e.name.clone()),
            Some(NodeEnum::IndexElem(e)) => {
                Some(format!("({})", expression_text(e.expr.as_deref()?)))
            }
            _ => None,
        })
        .collect()
}

/// Does a key say more than its column?
pub(super) fn has_special_keys(params: &[Node]) -> bool {
    params.iter().any(|n| match &n.node {
        Some(NodeEnum::IndexElem(e)) => {
            let order = e.ordering() != SortByDir::SortbyDefault
                || e.nulls_ordering() != SortByNulls::SortbyNullsDefault;
            order || !e.opclass.is_empty() || !e.collation.is_empty()
        }
        _ => false,
    })
}
