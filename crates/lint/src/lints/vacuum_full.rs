//! VACUUM FULL or CLUSTER copies the table.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "vacuum_full",
    severity: Severity::Error,
    title: "VACUUM FULL or CLUSTER copies the table",
    harm: "it writes the table and all its indexes anew under ACCESS EXCLUSIVE: nobody reads \
           or writes meanwhile, and the disk must hold both copies",
    instead: "plain VACUUM keeps the space usable; pg_repack gives it back online",
    source: "VACUUM; CLUSTER",
    guards_rows: false,
    examples: &[
        Example { sql: "VACUUM FULL orders;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "VACUUM (FULL) orders;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "CLUSTER orders USING i;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "VACUUM orders;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let relations: Vec<&Relation> = match action {
                Action::Vacuum { full: true, relations } => relations.iter().collect(),
                Action::Cluster { relation } => relation.iter().collect(),
                _ => continue,
            };
            if relations.is_empty() {
                let message = "ACCESS EXCLUSIVE on every table in turn while it is copied";
                found.push(site.finding(&LINT, Severity::Error, message));
            }
            for relation in relations.into_iter().filter(|r| cx.existed(site, r)) {
                let message = format!("ACCESS EXCLUSIVE on {relation} while it is copied");
                let severity = cx.weigh(relation, Severity::Error);
                found.push(cx.sized(site.finding(&LINT, severity, message), relation));
            }
        }
    }
}
