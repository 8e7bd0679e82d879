//! ACCESS EXCLUSIVE on a table that is asked many times a second.

use crate::context::{Context, Site};
use crate::transaction::{milliseconds, setting_at};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "hot_table",
    severity: Severity::Warning,
    title: "ACCESS EXCLUSIVE on a table that is asked many times a second",
    harm: "while the statement waits or runs, every request for the table queues with its \
           connection, until none is left for anybody",
    instead: "SET lock_timeout so short that the queue stays small, try again with a pause when \
              it is cancelled, and choose a quiet hour",
    source: "Explicit Locking; pg_stat_statements",
    guards_rows: false,
    // It takes traffic: see `STAGED`.
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int);",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ADD COLUMN b int;", catalog: "", finds: &[] },
    ],
    check,
};

/// Users give up after about 10 s: what fills the connections by then is an outage.
const BEARABLE_S: f64 = 10.0;
/// The `lock_timeout` that is advised: one wait of it takes every connection.
const ADVISED_S: f64 = 2.0;
/// Part of the connections that a wait may take.
const SPARE: f64 = 0.1;
/// Shorter than this a lock is hardly ever given, longer than `ADVISED_S` is not needed.
const TIMEOUT_MS_MIN: f64 = 50.0;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(limits) = cx.conditions().and_then(|c| c.limits.as_ref()) else { return };
    let connections = limits.max_connections as f64;
    let mut traffic = None;
    let mut said = BTreeSet::new();
    for site in &cx.sites {
        for effect in site.effects.iter().filter(|e| e.lock == LockMode::AccessExclusive) {
            let Some(info) = cx.table(&effect.relation) else { continue };
            let is_old = cx.existed(site, &effect.relation);
            if !is_old || !said.insert(info.oid) {
                continue;
            }
            let traffic = traffic.get_or_insert_with(|| traffic_of(cx));
            let rate = calls_per_s(traffic, &info.relation);
            if rate <= 0.0 {
                continue;
            }
            let full_s = connections / rate;
            let budget_ms = (1000.0 * SPARE * full_s).clamp(TIMEOUT_MS_MIN, 1000.0 * ADVISED_S);
            let short = !(effect.rewrites || effect.scans || effect.builds_index);
            if full_s <= BEARABLE_S && !(short && gives_up_within(cx, site, budget_ms)) {
                let of = Rate { relation: &info.relation, rate, connections, budget_ms };
                found.push(finding(cx, site, &of));
            }
        }
    }
}

struct Rate<'a> {
    relation: &'a Relation,
    rate: f64,
    connections: f64,
    budget_ms: f64,
}

/// Calls a second of each statement, on average since they are counted, and what it names.
fn traffic_of(cx: &Context) -> Vec<(f64, BTreeSet<Relation>)> {
    let Some(catalog) = cx.catalog else { return Vec::new() };
    let of = |s: &StatementTraffic| {
        let seconds = catalog.taken_at.duration_since(s.since?).as_secs_f64();
        let relations = pgward_sql::uses(&s.text).relations.into_iter().collect();
        (seconds > 0.0).then(|| (s.calls as f64 / seconds, relations))
    };
    catalog.statements.iter().filter_map(of).collect()
}

/// 0 where it is not known.
fn calls_per_s(traffic: &[(f64, BTreeSet<Relation>)], relation: &Relation) -> f64 {
    let naming = traffic.iter().filter(|(_, names)| names.iter().any(|n| n.same_as(relation)));
    naming.map(|(rate, _)| rate).sum()
}

/// Has the change a lock_timeout that keeps the queue small?
fn gives_up_within(cx: &Context, site: &Site, budget_ms: f64) -> bool {
    let set = setting_at(cx, site, "lock_timeout").and_then(|v| milliseconds(&v));
    set.is_some_and(|ms| ms > 0.0 && ms <= budget_ms)
}

fn finding(cx: &Context, site: &Site, of: &Rate) -> Finding {
    let Rate { relation, rate, connections, budget_ms } = of;
    let full_s = connections / rate;
    let severity = if full_s <= ADVISED_S { Severity::Warning } else { Severity::Note };
    let message = format!(
        "{relation} is asked {} times a second: so many requests queue in each second that this \
         waits or runs, and all {} connections are taken after {}",
        human(*rate),
        human(*connections),
        human_duration(full_s)
    );
    let claim = format!("statements that name {relation} run {} times a second", human(*rate));
    let calls = cx.measured(claim, *rate, "calls/s", "pg_stat_statements");
    let claim = format!("max_connections is {}", human(*connections));
    let most = cx.measured(claim, *connections, "connections", "pg_settings");
    let sql = Some(format!("SET lock_timeout = '{budget_ms:.0}ms';"));
    site.catalog_finding(&LINT, severity, message, calls)
        .and(most)
        .fix(LINT.instead, sql)
        .placed(FixPlace::Before)
}
