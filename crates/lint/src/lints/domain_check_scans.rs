//! A new rule of a domain is proven on every table that uses it.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "domain_check_scans",
    severity: Severity::Error,
    title: "a new rule of a domain reads every table that uses it",
    harm: "each table with a column of the domain is locked with SHARE and read: writes wait",
    instead: "ADD CONSTRAINT ... NOT VALID, and VALIDATE CONSTRAINT when few write; or a CHECK of \
              the table instead of the domain",
    source: "ALTER DOMAIN, Notes",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0);",
            catalog: "CREATE DOMAIN d AS int; CREATE TABLE t (a d, b text); INSERT INTO t SELECT \
                      g, repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example { sql: "CREATE DOMAIN d AS int CHECK (VALUE > 0);", catalog: "", finds: &[] },
        Example {
            sql: "ALTER DOMAIN d SET NOT NULL;",
            catalog: "CREATE DOMAIN d AS int; CREATE TABLE t (a d); ANALYZE t;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0);",
            catalog: "CREATE DOMAIN d AS int; CREATE TABLE t (a int);",
            finds: &[],
        },
        Example {
            sql: "ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0) NOT VALID;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE DOMAIN d AS int; ALTER DOMAIN d ADD CONSTRAINT c CHECK (VALUE > 0);",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::CheckDomain { domain } = action else { continue };
            let read: Vec<&Effect> =
                site.effects.iter().filter(|e| e.scans && e.existed_before).collect();
            for e in &read {
                let severity = cx.weigh(&e.relation, Severity::Error);
                let message = format!(
                    "{} on {} while every row is read for domain {domain}: writes wait",
                    e.lock, e.relation
                );
                found.push(cx.sized(site.finding(&LINT, severity, message), &e.relation));
            }
            if read.is_empty() && cx.catalog.is_none() && !is_new(cx, site, domain) {
                let message = format!("every table with a column of domain {domain} is read");
                found.push(site.finding(&LINT, Severity::Note, message));
            }
        }
    }
}

fn is_new(cx: &Context, site: &Site, domain: &Relation) -> bool {
    let mut here = cx.sites.iter().take(site.index + 1).flat_map(|s| &s.actions);
    here.any(|a| match a {
        Action::Create { kind, name, .. } => kind == "domain" && *name == domain.quoted(),
        _ => false,
    })
}
