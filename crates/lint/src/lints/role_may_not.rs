//! The role that would run the statement has not the right to.

use crate::context::{Context, Site};
use crate::tables::before;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "role_may_not",
    severity: Severity::Error,
    title: "the role may not run the statement",
    harm: "it fails (42501), and what of the change has run before it stays or is rolled back",
    instead: "run the change as the owner, or SET ROLE to it at the head of the file",
    source: "Privileges; ALTER TABLE: you must own the table",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE ROLE owner_1; CREATE TABLE t (a int); ALTER TABLE t OWNER TO owner_1; \
                      CREATE ROLE deploy_1; CREATE TABLE own (a int); ALTER TABLE own OWNER TO \
                      deploy_1; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET role = \
                      deploy_1', current_database()); END $$;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE TABLE app.n (a int);",
            catalog: "CREATE SCHEMA app; CREATE TABLE app.o (a int); CREATE ROLE deploy_2; CREATE TABLE own (a int); ALTER \
                      TABLE own OWNER TO deploy_2; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I \
                      SET role = deploy_2', current_database()); END $$;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "SET ROLE owner_3; ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE ROLE owner_3; CREATE TABLE t (a int); ALTER TABLE t OWNER TO owner_3; \
                      CREATE ROLE deploy_3; CREATE TABLE own (a int); ALTER TABLE own OWNER TO \
                      deploy_3; DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET role = \
                      deploy_3', current_database()); END $$;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int; CREATE TABLE n (a int);",
            catalog: "CREATE ROLE owner_4; CREATE TABLE t (a int); ALTER TABLE t OWNER TO owner_4; \
                      GRANT CREATE ON SCHEMA public TO owner_4; CREATE ROLE deploy_4 IN ROLE \
                      owner_4; CREATE TABLE own (a int); ALTER TABLE own OWNER TO deploy_4; DO $$ \
                      BEGIN EXECUTE format('ALTER DATABASE %I SET role = deploy_4', \
                      current_database()); END $$;",
            finds: &[],
        },
        Example {
            // Who owns nothing looks on.
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int); CREATE ROLE reader_5; DO $$ BEGIN EXECUTE \
                      format('ALTER DATABASE %I SET role = reader_5', current_database()); END $$;",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some((catalog, role)) = cx.catalog.and_then(|c| Some((c, c.role.as_ref()?))) else {
        return;
    };
    let owns = |r: &RelationInfo| r.owner == role.name;
    let deploys = cx.options.deploys || catalog.relations.iter().any(owns);
    if role.superuser || !deploys {
        return;
    }
    for site in &cx.sites {
        let becomes = |a: &Action| match a {
            Action::Set { name, .. } => ["role", "session_authorization"].contains(&name.as_str()),
            _ => false,
        };
        if before(cx, site).any(becomes) {
            continue;
        }
        let refused = site.actions.iter().find_map(|a| refusal(cx, site, catalog, role, a));
        if let Some((message, claim)) = refused {
            let from = "pg_class.relowner, pg_has_role, has_schema_privilege";
            let evidence = cx.measured(claim, 1.0, "roles", from);
            found.push(site.catalog_finding(&LINT, Severity::Error, message, evidence));
        }
    }
}

/// What is refused, and what was read of it.
fn refusal(
    cx: &Context,
    site: &Site,
    catalog: &Catalog,
    role: &ReadingRole,
    action: &Action,
) -> Option<(String, String)> {
    match action {
        Action::Alter { relation, .. }
        | Action::RenameColumn { relation, .. }
        | Action::RenameRelation { relation, .. }
        | Action::RenameConstraint { relation, .. } => not_owner(cx, site, role, relation),
        Action::CreateIndex(i) => not_owner(cx, site, role, &i.table),
        Action::CreateTable(t) if !t.temporary => {
            let path = catalog.search_path.first().map_or("public", String::as_str);
            let schema = match t.relation.schema.as_str() {
                "" => path,
                schema => schema,
            };
            let makes = |a: &Action| {
                matches!(a, Action::Create { kind, name, .. } if kind == "schema"
                    && name.trim_matches('"') == schema)
            };
            let is_there = catalog.relations.iter().any(|r| r.relation.schema == schema);
            let may = !is_there || role.creates_in.iter().any(|s| s == schema);
            let finds = t.if_not_exists && catalog.relation(&t.relation).is_some();
            if may || finds || before(cx, site).any(makes) {
                return None;
            }
            let message = format!("{} may not make {} in schema {schema}", role.name, t.relation);
            Some((message, format!("{} has no CREATE on schema {schema}", role.name)))
        }
        _ => None,
    }
}

fn not_owner(
    cx: &Context,
    site: &Site,
    role: &ReadingRole,
    relation: &Relation,
) -> Option<(String, String)> {
    let owner = cx.table(relation).map(|t| t.owner.as_str()).filter(|o| !o.is_empty())?;
    if role.acts_as.iter().any(|r| r == owner) || !cx.existed(site, relation) {
        return None;
    }
    let message = format!("{} does not own {relation}, {owner} does", role.name);
    Some((message, format!("{} is not a member of {owner}", role.name)))
}
