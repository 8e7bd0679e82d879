//! A transaction that has been open for long stands in the way.

use crate::context::{Context, Site};
use crate::transaction::is_concurrent;
use crate::users::first_words;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "old_transaction_in_the_way",
    severity: Severity::Error,
    title: "a transaction that has been open for long stands in the way",
    harm: "the statement waits until it ends, and whoever comes to the table later waits behind \
           the statement",
    instead: "let it end, or end it with its owner's consent, and SET lock_timeout to a few \
              seconds, so that a wait gives up before it becomes a queue",
    source: "Explicit Locking; pg_locks; pg_prepared_xacts",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int); -- another session: BEGIN; INSERT INTO t VALUES \
                      (1); PREPARE TRANSACTION 'left behind';",
            finds: &[Severity::Error],
        },
        Example {
            sql: "UPDATE t SET a = 2 WHERE a = 3;",
            catalog: "CREATE TABLE t (a int); -- another session: BEGIN; LOCK TABLE t IN SHARE \
                      MODE; PREPARE TRANSACTION 'left behind too';",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE u ADD COLUMN b int; UPDATE t SET a = 2 WHERE a = 3;",
            catalog: "CREATE TABLE t (a int); CREATE TABLE u (a int); -- another session: BEGIN; \
                      INSERT INTO t VALUES (1); PREPARE TRANSACTION 'elsewhere';",
            finds: &[],
        },
        Example { sql: "ALTER TABLE a ADD COLUMN b int;", catalog: "", finds: &[] },
    ],
    check,
};

/// Two tries with the lock_timeout of 2 s that is advised take less.
const OLD_S: f64 = 5.0;
/// CONCURRENTLY lets others work while it waits: only what outlasts a usual build counts.
const OLD_FOR_CONCURRENTLY_S: f64 = 60.0;
/// Blockers that are named; one is enough to wait.
const NAMED_MAX: usize = 3;

/// Somebody the statement waits for.
struct Blocker<'a> {
    /// `pid 4711 (app, psql, idle in transaction)`.
    who: String,
    /// What ends it.
    way_out: String,
    age_s: f64,
    /// What it runs or ran last, without constants; empty where nobody knows.
    statement: String,
    /// The lock it holds; `None`: its snapshot alone is waited for.
    lock: Option<&'a TableLock>,
    prepared: bool,
}

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(conditions) = cx.conditions() else { return };
    let mut said = BTreeSet::new();
    for site in &cx.sites {
        let concurrently = site.actions.iter().any(is_concurrent);
        let mut blockers = blockers(cx, site, conditions, concurrently);
        // Within one change it is enough to say it where the wait begins.
        blockers.retain(|b| said.insert((b.who.clone(), b.lock.map(|l| l.relation.clone()))));
        blockers.sort_by(|a, b| b.age_s.total_cmp(&a.age_s));
        if let Some(oldest) = blockers.first() {
            found.push(finding(cx, site, oldest, &blockers, concurrently));
        }
    }
}

fn blockers<'a>(
    cx: &Context,
    site: &Site,
    conditions: &'a Conditions,
    concurrently: bool,
) -> Vec<Blocker<'a>> {
    let waited_for = |lock: &&TableLock| {
        site.effects.iter().any(|e| {
            // The build waits for all who may still write the table, whatever it locks itself.
            let mode = if concurrently { e.lock.max(LockMode::Share) } else { e.lock };
            e.relation.same_as(&lock.relation)
                && mode.conflicts_with(lock.mode)
                && cx.existed(site, &e.relation)
        })
    };
    let least_s = if concurrently { OLD_FOR_CONCURRENTLY_S } else { OLD_S };
    let of = |t: &'a OpenTransaction| {
        let lock = t.locks.iter().filter(waited_for).max_by_key(|l| l.mode);
        let waits = lock.is_some() || (concurrently && t.has_snapshot);
        (waits && t.age_s >= least_s).then(|| Blocker {
            who: named(t),
            way_out: format!("SELECT pg_terminate_backend({});", t.pid),
            age_s: t.age_s,
            statement: first_words(&pgward_sql::shape(&t.statement)),
            lock,
            prepared: false,
        })
    };
    let of_prepared = |t: &'a PreparedTransaction| {
        let lock = t.locks.iter().filter(waited_for).max_by_key(|l| l.mode)?;
        let gid = quote_literal(&t.gid);
        Some(Blocker {
            who: format!("prepared transaction {gid} of {}", t.role),
            way_out: format!("COMMIT PREPARED {gid}; or ROLLBACK PREPARED {gid};"),
            age_s: t.age_s,
            statement: String::new(),
            lock: Some(lock),
            prepared: true,
        })
    };
    let open = conditions.transactions.iter().flatten().filter_map(of);
    open.chain(conditions.prepared.iter().flatten().filter_map(of_prepared)).collect()
}

fn named(t: &OpenTransaction) -> String {
    let parts = [t.role.as_str(), t.application.as_str(), t.state.as_str()];
    let known: Vec<&str> = parts.into_iter().filter(|p| !p.is_empty()).collect();
    format!("pid {} ({})", t.pid, known.join(", "))
}

fn finding(
    cx: &Context,
    site: &Site,
    oldest: &Blocker,
    all: &[Blocker],
    concurrently: bool,
) -> Finding {
    let stops_others = oldest.lock.is_some_and(|lock| {
        let mut here = site.effects.iter().filter(|e| e.relation.same_as(&lock.relation));
        here.any(|e| e.lock.blocks_writes())
    });
    let severity = match (stops_others, all.iter().any(|b| b.prepared)) {
        // It has no session that could end: without somebody's help the wait has no end.
        (true, true) => Severity::Error,
        (false, true) | (true, false) => Severity::Warning,
        (false, false) => Severity::Note,
    };
    let (who, age) = (&oldest.who, human_duration(oldest.age_s));
    let holds = match oldest.lock {
        Some(lock) => format!("holds {} on {}", lock.mode, lock.relation),
        None => "keeps a snapshot".to_owned(),
    };
    let then = match (stops_others, concurrently) {
        (true, _) => ", and everybody who comes later waits behind it",
        (false, true) => ", while others go on",
        (false, false) => "",
    };
    let message = format!("this waits for {who}, {age} old, which {holds}{then}");
    let told = all.iter().take(NAMED_MAX).map(|b| {
        let last = if b.statement.is_empty() { "" } else { ", its statement: " };
        let age = human_duration(b.age_s);
        let claim = format!("{} has been open for {age}{last}{}", b.who, b.statement);
        let from = if b.prepared { "pg_prepared_xacts" } else { "pg_stat_activity, pg_locks" };
        cx.measured(claim, b.age_s, "s", from)
    });
    let mut told: Vec<Evidence> = told.collect();
    if all.len() > NAMED_MAX {
        let n = all.len() as f64;
        told.push(cx.measured(
            format!("{n} transactions are waited for"),
            n,
            "sessions",
            "pg_locks",
        ));
    }
    let mut told = told.into_iter();
    let first = told.next().unwrap_or_else(|| {
        cx.measured(format!("{who} is open"), oldest.age_s, "s", "pg_stat_activity")
    });
    let finding = site.catalog_finding(&LINT, severity, message, first);
    let advice = format!("{}: {}", LINT.instead, oldest.way_out);
    told.fold(finding, Finding::and).fix(advice, None)
}
