//! Statements that create, rename, move, grant and drop objects.

use super::alter::{column, constraint, has_special_keys, key_columns};
use super::{Found, ddl, one};
use crate::action::{
    Action, Alter, CreateIndex, CreateTable, Drop, Grant, NewColumn, NewConstraint,
};
use crate::tree::{
    dotted, expression_text, mentions, named, ranges, relation, role, roles, some_relation,
    strings, written,
};
use pg_query::protobuf::{self, DropBehavior, GrantTargetType, ObjectType};
use pg_query::{Node, NodeEnum};
use pgward_model::prelude::*;

/// The kind as SQL writes it, in lower case: `table`, `materialized view`.
pub(super) fn kind_word(kind: ObjectType) -> String {
    match kind {
        ObjectType::ObjectMatview => "materialized view".to_owned(),
        ObjectType::ObjectForeignTable => "foreign table".to_owned(),
        ObjectType::ObjectForeignServer => "server".to_owned(),
        ObjectType::ObjectFdw => "foreign data wrapper".to_owned(),
        ObjectType::ObjectEventTrigger => "event trigger".to_owned(),
        ObjectType::ObjectStatisticExt => "statistics".to_owned(),
        ObjectType::ObjectTabconstraint => "constraint".to_owned(),
        other => other.as_str_name().trim_start_matches("OBJECT_").to_lowercase().replace('_', " "),
    }
}

pub(super) fn create(node: &NodeEnum) -> Found {
    match node {
        NodeEnum::CreateStmt(c) => ddl(Action::CreateTable(table(c))),
        NodeEnum::CreateForeignTableStmt(f) => {
            ddl(Action::CreateTable(table(f.base_stmt.as_ref()?)))
        }
        NodeEnum::CreateTableAsStmt(c) => {
            let made = some_relation(c.into.as_ref().and_then(|i| i.rel.as_ref()));
            ddl(Action::CreateTableAs {
                relation: made,
                materialized: c.objtype() == ObjectType::ObjectMatview,
                if_not_exists: c.if_not_exists,
                reads: mentions(&c.query).relations,
            })
        }
        NodeEnum::ViewStmt(v) => ddl(Action::CreateView {
            relation: some_relation(v.view.as_ref()),
            replace: v.replace,
            reads: mentions(&v.query).relations,
        }),
        NodeEnum::IndexStmt(i) => ddl(Action::CreateIndex(CreateIndex {
            table: some_relation(i.relation.as_ref()),
            name: i.idxname.clone(),
            columns: key_columns(&i.index_params),
            special_keys: has_special_keys(&i.index_params),
            included: key_columns(&i.index_including_params),
            method: i.access_method.clone(),
            predicate: i.where_clause.as_deref().map(expression_text),
            unique: i.unique,
            concurrently: i.concurrent,
            if_not_exists: i.if_not_exists,
            only: i.relation.as_ref().is_some_and(|r| !r.inh),
        })),
        NodeEnum::CreateSchemaStmt(s) => {
            let mut actions = vec![created("schema", quote_ident(&s.schemaname), s.if_not_exists)];
            for element in s.schema_elts.iter().filter_map(|n| n.node.as_ref()) {
                actions.extend(create(element).into_iter().flat_map(|(_, inner)| inner));
            }
            actions.iter_mut().for_each(|a| place(a, &s.schemaname));
            Some((StatementKind::Ddl, actions))
        }
        NodeEnum::CreateDomainStmt(d) => {
            let domain = dotted(&strings(&d.domainname));
            let mut actions = vec![created("domain", domain.quoted(), false)];
            if d.constraints.iter().any(is_rule) {
                actions.push(Action::CheckDomain { domain });
            }
            Some((StatementKind::Ddl, actions))
        }
        other => create_small(other),
    }
}

/// CHECK or NOT NULL of a domain.
fn is_rule(constraint: &Node) -> bool {
    use protobuf::ConstrType::{ConstrCheck, ConstrNotnull};
    matches!(&constraint.node, Some(NodeEnum::Constraint(c))
        if matches!(c.contype(), ConstrCheck | ConstrNotnull))
}

/// What CREATE SCHEMA makes without naming a schema lies in that schema.
fn place(action: &mut Action, schema: &str) {
    let relation = match action {
        Action::CreateTable(t) => &mut t.relation,
        Action::CreateView { relation, .. } => relation,
        Action::CreateIndex(i) => &mut i.table,
        _ => return,
    };
    if relation.schema.is_empty() {
        schema.clone_into(&mut relation.schema);
    }
}

fn created(kind: &str, name: String, if_not_exists: bool) -> Action {
    Action::Create {
        kind: kind.to_owned(),
        name,
        tables: Vec::new(),
        replace: false,
        if_not_exists,
    }
}

fn create_small(node: &NodeEnum) -> Found {
    let on_table = |kind: &str, name: &str, range: Option<&protobuf::RangeVar>, replace: bool| {
        Action::Create {
            kind: kind.to_owned(),
            name: quote_ident(name),
            tables: range.map(relation).into_iter().collect(),
            replace,
            if_not_exists: false,
        }
    };
    let list_name = |parts: &[Node]| dotted(&strings(parts)).quoted();
    ddl(match node {
        NodeEnum::CreateSeqStmt(s) => {
            created("sequence", some_relation(s.sequence.as_ref()).quoted(), s.if_not_exists)
        }
        NodeEnum::CreateTrigStmt(t) => {
            on_table("trigger", &t.trigname, t.relation.as_ref(), t.replace)
        }
        NodeEnum::CreatePolicyStmt(p) => {
            on_table("policy", &p.policy_name, p.table.as_ref(), false)
        }
        NodeEnum::RuleStmt(r) => on_table("rule", &r.rulename, r.relation.as_ref(), r.replace),
        NodeEnum::CreateStatsStmt(s) => Action::Create {
            kind: "statistics".to_owned(),
            name: list_name(&s.defnames),
            tables: ranges(&s.relations),
            replace: false,
            if_not_exists: s.if_not_exists,
        },
        NodeEnum::CreateFunctionStmt(f) => Action::Create {
            kind: if f.is_procedure { "procedure" } else { "function" }.to_owned(),
            name: format!("{}({})", list_name(&f.funcname), argument_types(&f.parameters)),
            tables: Vec::new(),
            replace: f.replace,
            if_not_exists: false,
        },
        NodeEnum::CreateEnumStmt(t) => created("type", list_name(&t.type_name), false),
        NodeEnum::CreateRangeStmt(t) => created("type", list_name(&t.type_name), false),
        NodeEnum::CompositeTypeStmt(t) => {
            created("type", some_relation(t.typevar.as_ref()).quoted(), false)
        }
        NodeEnum::CreateExtensionStmt(e) => {
            created("extension", quote_ident(&e.extname), e.if_not_exists)
        }
        NodeEnum::CreateRoleStmt(r) => created("role", quote_ident(&r.role), false),
        NodeEnum::CreatePublicationStmt(p) => Action::Create {
            kind: "publication".to_owned(),
            name: quote_ident(&p.pubname),
            tables: mentions(&p.pubobjects).relations,
            replace: false,
            if_not_exists: false,
        },
        NodeEnum::CreateEventTrigStmt(t) => {
            created("event trigger", quote_ident(&t.trigname), false)
        }
        _ => return None,
    })
}

fn argument_types(parameters: &[Node]) -> String {
    use protobuf::FunctionParameterMode::*;
    parameters
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::FunctionParameter(p))
                if !matches!(p.mode(), FuncParamOut | FuncParamTable) =>
            {
                p.arg_type.as_ref().map(crate::tree::type_text)
            }
            _ => None,
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn table(c: &protobuf::CreateStmt) -> CreateTable {
    let columns: Vec<NewColumn> = c
        .table_elts
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::ColumnDef(d)) => Some(column(d)),
            _ => None,
        })
        .collect();
    let constraints: Vec<NewConstraint> = c
        .table_elts
        .iter()
        .chain(&c.constraints)
        .filter_map(|n| match &n.node {
            Some(NodeEnum::Constraint(k)) => Some(constraint(k)),
            _ => None,
        })
        .collect();
    let own = constraints.iter().filter_map(|k| k.references.clone());
    let inline = columns.iter().flat_map(|c| &c.constraints).filter_map(|k| k.references.clone());
    let like = c.table_elts.iter().filter_map(|n| match &n.node {
        Some(NodeEnum::TableLikeClause(l)) => l.relation.as_ref().map(relation),
        _ => None,
    });
    let parents = ranges(&c.inh_relations);
    let (partition_of, inherits) = match &c.partbound {
        Some(_) => (parents.into_iter().next(), Vec::new()),
        None => (None, parents),
    };
    CreateTable {
        relation: some_relation(c.relation.as_ref()),
        temporary: c.relation.as_ref().is_some_and(|r| r.relpersistence == "t"),
        if_not_exists: c.if_not_exists,
        references: own.chain(inline).collect(),
        like: like.collect(),
        partitioned: c.partspec.is_some(),
        is_default: c.partbound.as_ref().is_some_and(|b| b.is_default),
        columns,
        constraints,
        partition_of,
        inherits,
    }
}

pub(super) fn change(node: &NodeEnum) -> Found {
    match node {
        NodeEnum::RenameStmt(r) => ddl(rename(r)),
        NodeEnum::AlterEnumStmt(e) => ddl(Action::AlterEnum {
            name: dotted(&strings(&e.type_name)),
            value: e.new_val.clone(),
            renamed: Some(e.old_val.clone()).filter(|old| !old.is_empty()),
            placed: !e.new_val_neighbor.is_empty(),
        }),
        NodeEnum::AlterObjectSchemaStmt(s) => {
            let of_object = s.object.as_deref().map(named).unwrap_or_default();
            ddl(Action::SetSchema {
                kind: kind_word(s.object_type()),
                relation: s.relation.as_ref().map_or(of_object, relation),
                schema: s.newschema.clone(),
            })
        }
        NodeEnum::DropStmt(d) => ddl(Action::Drop(dropped(d))),
        NodeEnum::DropRoleStmt(r) => ddl(drop_of("role", &roles(&r.roles), r.missing_ok)),
        NodeEnum::DropOwnedStmt(d) => ddl(Action::DropOwned { roles: roles(&d.roles) }),
        NodeEnum::DropdbStmt(d) => ddl(Action::DropDatabase { name: d.dbname.clone() }),
        NodeEnum::GrantStmt(g) => ddl(Action::Grant(grant(g, false))),
        NodeEnum::AlterDefaultPrivilegesStmt(a) => {
            ddl(Action::Grant(grant(a.action.as_ref()?, true)))
        }
        NodeEnum::CommentStmt(c) => {
            ddl(Action::Comment { kind: kind_word(c.objtype()), relation: commented(c) })
        }
        NodeEnum::AlterPolicyStmt(p) => ddl(Action::Alter {
            relation: some_relation(p.table.as_ref()),
            kind: "policy".to_owned(),
            if_exists: false,
            only: false,
            command: crate::action::Alter::RowSecurity { what: "ALTER POLICY".to_owned() },
        }),
        NodeEnum::AlterSeqStmt(s) => ddl(Action::Alter {
            relation: some_relation(s.sequence.as_ref()),
            kind: "sequence".to_owned(),
            if_exists: s.missing_ok,
            only: false,
            command: super::sequence::restart(&s.options, None)
                .unwrap_or_else(|| Alter::Other { what: "ALTER SEQUENCE".to_owned() }),
        }),
        NodeEnum::AlterOwnerStmt(o) => one(
            StatementKind::Ddl,
            Action::Other {
                what: format!(
                    "{} owner to {}",
                    kind_word(o.object_type()),
                    role(o.newowner.as_ref())
                ),
                in_transaction: true,
            },
        ),
        _ => None,
    }
}

fn drop_of(kind: &str, names: &[String], if_exists: bool) -> Action {
    Action::Drop(Drop {
        kind: kind.to_owned(),
        names: names.iter().map(|n| Relation::new("", n.trim_matches('"'))).collect(),
        written: names.to_vec(),
        table: None,
        cascade: false,
        concurrently: false,
        if_exists,
    })
}

/// The relation whose lock COMMENT takes: the table itself, or the table of its part.
fn commented(c: &protobuf::CommentStmt) -> Option<Relation> {
    let object = c.object.as_deref()?;
    let parts = match &object.node {
        Some(NodeEnum::List(list)) => strings(&list.items),
        _ => return None,
    };
    match c.objtype() {
        ObjectType::ObjectTable
        | ObjectType::ObjectView
        | ObjectType::ObjectMatview
        | ObjectType::ObjectIndex
        | ObjectType::ObjectSequence
        | ObjectType::ObjectForeignTable => Some(dotted(&parts)),
        ObjectType::ObjectColumn | ObjectType::ObjectTabconstraint | ObjectType::ObjectTrigger => {
            let (_, table) = parts.split_last()?;
            Some(dotted(table))
        }
        _ => None,
    }
}

fn rename(r: &protobuf::RenameStmt) -> Action {
    let to = r.newname.clone();
    let owner = some_relation(r.relation.as_ref());
    match r.rename_type() {
        ObjectType::ObjectColumn => Action::RenameColumn {
            relation: owner,
            kind: kind_word(r.relation_type()),
            from: r.subname.clone(),
            to,
        },
        ObjectType::ObjectTabconstraint => {
            Action::RenameConstraint { relation: owner, from: r.subname.clone(), to }
        }
        kind @ (ObjectType::ObjectTable
        | ObjectType::ObjectView
        | ObjectType::ObjectMatview
        | ObjectType::ObjectIndex
        | ObjectType::ObjectSequence
        | ObjectType::ObjectForeignTable) => {
            Action::RenameRelation { relation: owner, kind: kind_word(kind), to }
        }
        kind => Action::RenameOther {
            kind: kind_word(kind),
            name: match r.object.as_deref() {
                Some(object) => written(object),
                None => quote_ident(&r.subname),
            },
            table: r.relation.as_ref().map(relation),
            to,
        },
    }
}

fn dropped(d: &protobuf::DropStmt) -> Drop {
    let on_table = matches!(
        d.remove_type(),
        ObjectType::ObjectTrigger | ObjectType::ObjectPolicy | ObjectType::ObjectRule
    );
    let mut table = None;
    let mut names = Vec::new();
    let mut texts = Vec::new();
    for object in &d.objects {
        if let (true, Some(NodeEnum::List(list))) = (on_table, &object.node) {
            let parts = strings(&list.items);
            if let Some((name, of)) = parts.split_last() {
                table = Some(dotted(of));
                names.push(Relation::new("", name.clone()));
                texts.push(quote_ident(name));
            }
            continue;
        }
        names.push(named(object));
        texts.push(written(object));
    }
    Drop {
        kind: kind_word(d.remove_type()),
        names,
        written: texts,
        table,
        cascade: d.behavior() == DropBehavior::DropCascade,
        concurrently: d.concurrent,
        if_exists: d.missing_ok,
    }
}

fn grant(g: &protobuf::GrantStmt, defaults: bool) -> Grant {
    let privileges = g
        .privileges
        .iter()
        .filter_map(|n| match &n.node {
            Some(NodeEnum::AccessPriv(p)) if p.cols.is_empty() => Some(p.priv_name.to_uppercase()),
            Some(NodeEnum::AccessPriv(p)) => {
                let columns: Vec<_> = strings(&p.cols).iter().map(|c| quote_ident(c)).collect();
                Some(format!("{} ({})", p.priv_name.to_uppercase(), columns.join(", ")))
            }
            _ => None,
        })
        .collect();
    let grantees = roles(&g.grantees);
    Grant {
        grants: g.is_grant,
        privileges,
        kind: kind_word(g.objtype()),
        objects: g.objects.iter().map(written).collect(),
        to_public: grantees.iter().any(|r| r == "PUBLIC"),
        grantees,
        whole_schema: g.targtype() == GrantTargetType::AclTargetAllInSchema,
        defaults,
    }
}
