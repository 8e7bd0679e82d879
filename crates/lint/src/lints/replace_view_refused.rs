//! A view is replaced by one with other columns.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "replace_view_refused",
    severity: Severity::Error,
    title: "a view is replaced by one with other columns",
    harm: "CREATE OR REPLACE VIEW may only add columns at the end: the server refuses it (42P16)",
    instead: "DROP VIEW and CREATE VIEW in one transaction, what depends on it first",
    source: "CREATE VIEW",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE OR REPLACE VIEW v AS SELECT b FROM t;",
            catalog: "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT a, b FROM t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE OR REPLACE VIEW v AS SELECT a, b, 1 AS c FROM t;",
            catalog: "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT a, b FROM t;",
            finds: &[],
        },
        Example {
            sql: "DROP VIEW v; CREATE OR REPLACE VIEW v AS SELECT b FROM t;",
            catalog: "CREATE TABLE t (a int, b int); CREATE VIEW v AS SELECT a, b FROM t;",
            finds: &[],
        },
        Example { sql: "CREATE OR REPLACE VIEW v AS SELECT b FROM t;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(catalog) = cx.catalog else { return };
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CreateView { relation, replace: true, .. } = action else { continue };
            let spelled = match relation.schema.as_str() {
                "" => format!("public.{}", relation.quoted()),
                _ => relation.quoted(),
            };
            let is_it = |o: &&ObjectInfo| o.kind == "view" && o.identity == spelled;
            let Some(view) = catalog.objects.iter().find(is_it) else { continue };
            if gone_before(cx, site, relation) {
                continue;
            }
            let definition = view.definition.trim_end_matches(';');
            let old = pgward_sql::view_columns(definition);
            let new = pgward_sql::view_columns(&site.statement.text);
            let Some((old, new)) = old.zip(new) else { continue };
            let Some(at) = (0..old.len()).find(|i| old.get(*i) != new.get(*i)) else { continue };
            let was = old.get(at).map_or("", String::as_str);
            let message = match new.get(at) {
                Some(now) => format!("column {was} of {relation} would become {now}"),
                None => format!("column {was} of {relation} would go"),
            };
            let claim = format!("{} has the columns {}", view.identity, old.join(", "));
            let evidence = cx.measured(claim, old.len() as f64, "columns", "pg_get_viewdef");
            found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
        }
    }
}

/// Has the change dropped or renamed it, or something that takes it along?
fn gone_before(cx: &Context, site: &Site, view: &Relation) -> bool {
    cx.sites.iter().take(site.index).flat_map(|s| &s.actions).any(|a| match a {
        Action::Drop(d) => d.cascade || d.names.iter().any(|n| n.same_as(view)),
        Action::RenameRelation { relation, .. } | Action::RenameColumn { relation, .. } => {
            relation.same_as(view)
        }
        Action::CreateView { relation, .. } => relation.same_as(view),
        _ => false,
    })
}
