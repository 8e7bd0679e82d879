//! A constraint that an earlier change has left NOT VALID.

use crate::context::{Context, Site};
use crate::tables::everywhere;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "constraint_not_validated",
    severity: Severity::Note,
    title: "a constraint is still NOT VALID",
    harm: "old rows may break it, the planner does not rely on it, and a dump may not load",
    instead: "mend the rows that break it, then VALIDATE CONSTRAINT",
    source: "ALTER TABLE, VALIDATE CONSTRAINT",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int); ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT \
                      VALID;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t VALIDATE CONSTRAINT c;",
            catalog: "CREATE TABLE t (a int); ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT \
                      VALID;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let mut said = BTreeSet::new();
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, .. } = action else { continue };
            let Some(table) = cx.table(relation) else { continue };
            let open = table.constraints.iter().filter(|c| {
                !c.validated && !c.definition.contains("NOT ENFORCED") && !is_settled(cx, table, c)
            });
            for constraint in open {
                if said.insert((table.oid, constraint.name.clone())) {
                    found.push(finding(cx, site, table, constraint));
                }
            }
        }
    }
}

/// Is it validated or dropped by this change?
fn is_settled(cx: &Context, table: &RelationInfo, constraint: &ConstraintInfo) -> bool {
    everywhere(cx).any(|a| match a {
        Action::Alter {
            relation,
            command: Alter::ValidateConstraint { name } | Alter::DropConstraint { name, .. },
            ..
        } => table.relation.same_as(relation) && *name == constraint.name,
        Action::Drop(d) => d.kind == "table" && d.names.iter().any(|n| table.relation.same_as(n)),
        _ => false,
    })
}

fn finding(cx: &Context, site: &Site, table: &RelationInfo, c: &ConstraintInfo) -> Finding {
    let relation = &table.relation;
    let evidence = cx.measured(
        format!("{relation}: {} {}", c.name, c.definition),
        1.0,
        "constraints",
        "pg_constraint.convalidated",
    );
    let message = format!("constraint {} of {relation} is NOT VALID and stays so", c.name);
    let (table, name) = (relation.quoted(), quote_ident(&c.name));
    let sql = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name};");
    site.catalog_finding(&LINT, Severity::Note, message, evidence)
        .fix(LINT.instead, Some(sql))
        .placed(FixPlace::After)
}
