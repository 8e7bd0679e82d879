//! The five outages on a real server under live load, both roads.
#![allow(clippy::unwrap_used)] // helpers of tests

#[path = "../../pg/tests/common/installation.rs"]
mod installation;

use pgward_drill::run::{self, Options, Outcome};
use pgward_drill::scenario;
use pgward_model::prelude::*;
use pgward_recover::respond::Policy;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Programs of PostgreSQL a drill runs; not every server package has them.
const PROGRAMS: &[&str] = &[
    "pg_basebackup",
    "pg_dump",
    "pg_dumpall",
    "pg_restore",
    "pg_verifybackup",
    "pg_waldump",
    "psql",
];

fn play(text_or_id: &str, roads: &[Road], without: &[Layer]) -> Vec<Outcome> {
    let scenario = match text_or_id.strip_prefix('#') {
        Some(_) => scenario::read("my.md", text_or_id).unwrap(),
        None => scenario::built_in(text_or_id).unwrap(),
    };
    let options = Options {
        installation: installation::installation(),
        roads: roads.to_vec(),
        without: without.iter().copied().collect::<BTreeSet<_>>(),
        policy: Policy::Auto,
        approve: Arc::new(|_| true),
        seed: 11,
        run: 1,
        scale: 1,
        interrupted: Arc::new(AtomicBool::new(false)),
    };
    let mut outcomes = Vec::new();
    run::run(&scenario, &options, &mut |_| {}, &mut |outcome| outcomes.push(outcome)).unwrap();
    outcomes
}

/// Stopped on the guarded road; explained, repaired and nothing lost on the other.
fn check(id: &str) {
    let outcomes = play(id, &[Road::Guarded, Road::Bypassed], &[]);
    let guarded = &outcomes.first().unwrap().score;
    assert!(guarded.stopped_by.is_some(), "{guarded:#?}");
    assert_eq!(guarded.rows_lost, 0);
    assert_eq!(guarded.broken_truths, Vec::<String>::new(), "{guarded:#?}");
    let bypassed = &outcomes.get(1).unwrap().score;
    assert!(bypassed.cause_right, "{bypassed:#?}");
    assert_eq!(bypassed.rows_lost, 0, "{bypassed:#?}");
    assert!(bypassed.rows_acknowledged > 0);
    assert_eq!(bypassed.symptom_seen, Some(true), "{bypassed:#?}");
    assert_eq!(bypassed.false_alarms, Vec::<String>::new(), "{bypassed:#?}");
    // How many a second is the machine's to say; that there was load is the drill's.
    assert!(bypassed.tps_baseline > 0.0, "{bypassed:#?}");
    assert_eq!(bypassed.broken_truths, Vec::<String>::new(), "{bypassed:#?}");
    assert_eq!(bypassed.wrong_actions, Vec::<String>::new(), "{bypassed:#?}");
    assert_eq!(bypassed.missed_exclusions, Vec::<String>::new(), "{bypassed:#?}");
    assert_eq!(bypassed.wrong_exclusions, Vec::<String>::new());
    assert!(bypassed.recover_s.is_some(), "{bypassed:#?}");
    assert!(outcomes.get(1).unwrap().record.is_some());
}

#[test]
fn rogue_update_script() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    check("rogue_update_script");
}

#[test]
fn half_applied_migration() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    check("half_applied_migration");
}

#[test]
fn damaged_page() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    check("damaged_page");
}

#[test]
fn index_replaced_by_worse() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    check("index_replaced_by_worse");
}

#[test]
fn dropped_table() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    check("dropped_table");
}

/// With the layer off that stops it, another one does; without any, the envelope.
#[test]
fn another_layer_stops_it() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let all = [Layer::Static, Layer::Catalog, Layer::Rehearsal];
    for n in 1..=all.len() {
        let off = all.get(..n).unwrap();
        let outcomes = play("dropped_table", &[Road::Guarded], off);
        let score = &outcomes.first().unwrap().score;
        let stopped_by = score.stopped_by.as_deref().and_then(Layer::from_id);
        assert!(stopped_by.is_some_and(|l| !off.contains(&l)), "{off:?}: {score:#?}");
        assert_eq!(score.rows_lost, 0);
    }
}

/// A user's own scenario, in the form that the manual shows.
#[test]
fn a_scenario_of_ones_own() {
    if installation::lacks(PROGRAMS) {
        return;
    }
    let text = "# alter_behind_long_reader\n\
        A forgotten transaction holds a row lock; a migration queues behind it; the site behind \
        the migration.\n\n\
        ```toml\npostgres = \"14..\"\nbudget = { detect_s = 5, diagnose_s = 10, recover_s = 30 }\n```\n\
        ```sql setup\nCREATE TABLE orders (id bigint PRIMARY KEY, note text);\n\
        INSERT INTO orders SELECT g, '' FROM generate_series(1, 100000) g;\n```\n\
        ```sql session=forgotten role=deploy\nBEGIN; UPDATE orders SET note = 'x' WHERE id = 1;\n```\n\
        ```sql session=migration role=deploy after=2s guilty\n\
        ALTER TABLE orders ADD COLUMN paid_at timestamptz;\n```\n\
        ```sql session=site every=20ms clients=6\n\
        SELECT note FROM orders WHERE id = :random(1, 100000)\n```\n\
        ```expect\nsymptom lock_queue\ncause lock_ddl_queue\n\
        ruled_out net_latency, load_spike, auth_brute_force\naction cancel_waiter\nrows_lost 0\n```\n";
    let outcomes = play(text, &[Road::Bypassed], &[]);
    let score = &outcomes.first().unwrap().score;
    assert!(score.cause_right, "{score:#?}");
    assert!(score.actions.iter().any(|a| a == "cancel_waiter"), "{score:#?}");
    assert_eq!(score.missed_exclusions, Vec::<String>::new(), "{score:#?}");
    assert_eq!(score.wrong_actions, Vec::<String>::new(), "{score:#?}");
}
