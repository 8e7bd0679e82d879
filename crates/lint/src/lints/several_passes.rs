//! A table read or written as a whole more than once.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::Action;

pub(super) static LINT: Lint = Lint {
    id: "several_passes",
    severity: Severity::Note,
    title: "several ALTER TABLE read or write the whole table, each for itself",
    harm: "each takes its lock and goes through every row again",
    instead: "put the commands into one ALTER TABLE, which goes through the rows once",
    source: "ALTER TABLE, Notes",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL; ALTER TABLE t ALTER COLUMN b SET NOT \
                  NULL;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL, ALTER COLUMN b SET NOT NULL;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN a int; ALTER TABLE t ADD COLUMN b int;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t VALIDATE CONSTRAINT d;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for (at, site) in cx.sites.iter().enumerate() {
        let Some(table) = passes(site) else { continue };
        let again = |s: &&crate::context::Site| {
            s.file.path == site.file.path && passes(s).is_some_and(|t| t.same_as(table))
        };
        let earlier = cx.sites.iter().take(at).filter(again).count();
        let later = cx.sites.iter().skip(at + 1).filter(again).count();
        // Said once, where it can still be put together.
        if earlier == 0 && later > 0 && cx.existed(site, table) {
            let message = format!("{} ALTER TABLE go through every row of {table}", later + 1);
            let finding = site.finding(&LINT, Severity::Note, message);
            found.push(cx.sized(finding, table));
        }
    }
}

/// The table that an ALTER TABLE goes through under a lock that others wait for.
fn passes<'a>(site: &'a crate::context::Site) -> Option<&'a Relation> {
    let Some(Action::Alter { relation, .. }) = site.actions.first() else { return None };
    let works = |e: &&Effect| e.lock.blocks_writes() && (e.rewrites || e.scans);
    let effect = site.effects.iter().filter(works).find(|e| e.relation.same_as(relation));
    effect.map(|e| &e.relation)
}
