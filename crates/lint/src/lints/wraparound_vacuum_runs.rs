//! An autovacuum that must prevent wraparound is at work on the table.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "wraparound_vacuum_runs",
    severity: Severity::Warning,
    title: "an autovacuum that must prevent wraparound is at work on the table",
    harm: "any other autovacuum gives way to a statement that waits for its table; this one does \
           not, and all who come later wait behind the statement",
    instead: "wait until it is through, and raise vacuum_cost_limit meanwhile; whoever ends it \
              gets it back within autovacuum_naptime",
    source: "Routine Vacuuming, Preventing Transaction ID Wraparound Failures",
    guards_rows: false,
    // It takes a server that is short of transaction ids: see `STAGED`.
    examples: &[Example {
        sql: "ALTER TABLE t ADD COLUMN b int;",
        catalog: "CREATE TABLE t (a int);",
        finds: &[],
    }],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(vacuums) = cx.conditions().and_then(|c| c.vacuums.as_ref()) else { return };
    for vacuum in vacuums.iter().filter(|v| v.to_prevent_wraparound) {
        let waits = |e: &&Effect| {
            e.relation.same_as(&vacuum.relation)
                && e.lock.conflicts_with(LockMode::ShareUpdateExclusive)
        };
        let first = cx.sites.iter().find_map(|s| {
            let effect = s.effects.iter().find(waits)?;
            cx.existed(s, &effect.relation).then_some((s, effect))
        });
        let Some((site, effect)) = first else { continue };
        let (name, pid) = (&vacuum.relation, vacuum.pid);
        let behind = effect.lock.blocks_writes();
        let severity = if behind { Severity::Warning } else { Severity::Note };
        let then = if behind { ", and everybody behind it" } else { "" };
        let message = format!(
            "this waits for the autovacuum of {name} (pid {pid}), which gives way to nobody{then}"
        );
        let ran = human_duration(vacuum.age_s);
        let claim = match vacuum.progress {
            Some(part) => format!("it has read {}% of {name} in {ran}", human(100.0 * part)),
            None => format!("it has been at work on {name} for {ran}"),
        };
        let evidence = cx.measured(claim, vacuum.age_s, "s", "pg_stat_progress_vacuum");
        found.push(site.catalog_finding(&LINT, severity, message, evidence));
    }
}
