//! Good changes go to production and come back, and one that is interrupted leaves a journal
//! from which it is undone.
#![allow(clippy::unwrap_used)]

mod shop;

use pgward_change::{
    ApplyOptions, Error, GateOptions, Interrupt, Outcome, UndoOptions, apply, gate, guard,
    may_apply, must_have_rehearsed, undo,
};
use pgward_model::prelude::*;
use pgward_pg::clock;
use pgward_pg::prelude::*;
use shop::{Production, change, no_clone, production};
use std::time::Duration;

const EXACT: UndoOptions = UndoOptions { accept_loss: false };

/// Applies a change and takes it back: all is as before.
fn there_and_back(production: &Production, text: &str) -> pgward_change::ApplyReport {
    let before = production.state();
    let change = change(text);
    let report = guard(&change, &production.target(), &production.options(&[])).unwrap();
    assert_eq!(report.stopped_by(), None, "{:#?}", report.stopper());
    let applied = report.apply.unwrap();
    assert_eq!(applied.outcome, Outcome::Applied);
    assert_ne!(production.state(), before);
    let again = guard(
        &change,
        &production.target(),
        &production.options(&[Layer::Static, Layer::Catalog, Layer::Rehearsal]),
    );
    assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
    // Refused by its text this time, which does not make what is applied a refused change.
    let again = guard(&change, &production.target(), &production.options(&[Layer::Rehearsal]));
    assert!(again.is_err() || again.is_ok_and(|r| r.stopped_by().is_some()));
    let known = pgward_change::known_changes(&production.admin).unwrap();
    assert_eq!(known.first().unwrap().seen, ChangeSeen::Applied);
    let early = may_apply(&production.admin, &change).unwrap_err();
    assert!(early.to_string().contains("was applied at"), "{early}");
    let undone = undo(&change.id, &production.target(), EXACT).unwrap();
    assert_eq!(undone.left, Vec::<String>::new());
    assert_eq!(production.state(), before, "{undone:#?}");
    applied
}

#[test]
fn good_changes_are_applied_and_undone() {
    if no_clone() {
        return;
    }
    let production = production();
    let applied = there_and_back(
        &production,
        "SET lock_timeout = '2s';\n\
         ALTER TABLE accounts ADD COLUMN pepper text;\n\
         CREATE TABLE notes (id bigint PRIMARY KEY, body text NOT NULL);\n\
         CREATE VIEW loud AS SELECT upper(login) AS login FROM accounts;",
    );
    assert_eq!(applied.steps.len(), 4);
    there_and_back(
        &production,
        "CREATE INDEX CONCURRENTLY accounts_seen ON accounts (seen);\n\
         CREATE INDEX CONCURRENTLY orders_created ON orders (created);",
    );
    // Declared rows may be touched; they cannot be given back exactly.
    let change = change(
        "-- pgward: expect rows 1..1000\nUPDATE accounts SET seen = now() WHERE id <= 1000;",
    );
    let report = guard(&change, &production.target(), &production.options(&[])).unwrap();
    assert_eq!(report.stopped_by(), None, "{:#?}", report.stopper());
    let refused = undo(&change.id, &production.target(), EXACT).unwrap_err();
    assert!(matches!(refused, Error::Loses { .. }), "{refused}");
    let unknown = undo("no such id", &production.target(), EXACT).unwrap_err();
    assert!(matches!(unknown, Error::Unknown { .. }));
}

#[test]
fn who_interrupts_a_change_finds_nothing_of_it() {
    let production = production();
    let before = production.state();
    for text in [
        "CREATE TABLE notes (id int PRIMARY KEY);\nSELECT pg_sleep(60);",
        "BEGIN;\nCREATE TABLE notes (id int PRIMARY KEY);\nCOMMIT;\nSELECT pg_sleep(60);",
    ] {
        let change = change(text);
        let without = [Layer::Static, Layer::Catalog, Layer::Rehearsal, Layer::Expectation];
        let options = production.options(&without);
        let gate = gate(&change, &production.target(), &options).unwrap();
        let interrupt = Interrupt::default();
        let options = ApplyOptions { interrupt: interrupt.clone(), ..(&options).into() };
        let report = std::thread::scope(|scope| {
            scope.spawn(|| {
                let sleeps = "SELECT count(*) FROM pg_stat_activity \
                              WHERE query LIKE '%pg_sleep%' AND wait_event = 'PgSleep'";
                let seen = clock::poll(Duration::from_secs(30), Duration::from_millis(50), || {
                    let n: i64 = production.admin.query_one(sleeps, &[])?;
                    Ok::<_, pgward_pg::error::Error>((n > 0).then_some(()))
                });
                assert!(seen.unwrap().is_some() && interrupt.ask());
            });
            apply(&change, &gate, &production.target(), &options).unwrap()
        });
        assert_ne!(report.outcome, Outcome::Applied);
        assert!(report.findings.iter().any(|f| f.lint == "interrupted"), "{report:#?}");
        assert!(!interrupt.ask(), "nothing is left to be cancelled");
        assert_eq!(production.state(), before, "{report:#?}");
    }
}

#[test]
fn a_rehearsal_that_could_not_be_is_no_pass() {
    let production = production();
    let change = change("CREATE TABLE notes (id bigint PRIMARY KEY);");
    for (without, passes) in [(&[][..], false), (&[Layer::Rehearsal][..], true)] {
        let options = GateOptions { clone: None, ..production.options(without) };
        let report = gate(&change, &production.target(), &options).unwrap();
        assert_eq!(must_have_rehearsed(&report, &options.without).is_ok(), passes);
    }
}

#[test]
fn a_superuser_does_not_run_what_another_role_may_have_written() {
    let production = production();
    let change = change("CREATE TABLE notes (id bigint PRIMARY KEY);");
    let options = production.options(&[Layer::Rehearsal]);
    let report = guard(&change, &production.target(), &options).unwrap();
    assert_eq!(report.stopped_by(), None, "{:#?}", report.stopper());
    let writer = "CREATE ROLE writer LOGIN; GRANT USAGE ON SCHEMA pgward TO writer; \
                  GRANT SELECT, INSERT, UPDATE ON pgward.journal, pgward.changes TO writer";
    production.admin.simple(writer).unwrap();
    let forge = "UPDATE pgward.journal SET undo = '{\"kind\": \"exact\", \"statements\": \
                 [\"ALTER ROLE writer SUPERUSER\"]}'";
    let as_writer = production.server.target().with_role("writer");
    Session::connect(&as_writer, Purpose::Private).unwrap().simple(forge).unwrap();
    let refused = undo(&change.id, &production.target(), EXACT).unwrap_err().to_string();
    assert!(refused.contains("writer") && refused.contains("REVOKE"), "{refused}");
    let raised: bool = production
        .admin
        .query_one("SELECT rolsuper FROM pg_roles WHERE rolname = 'writer'", &[])
        .unwrap();
    assert!(!raised);
}

/// Everything before production is off: a step that fails later takes the earlier ones back.
#[test]
fn steps_outside_a_transaction_are_undone_when_a_later_one_fails() {
    if no_clone() {
        return;
    }
    let production = production();
    let before = production.state();
    let change = change(
        "CREATE INDEX CONCURRENTLY accounts_seen ON accounts (seen);\n\
         CREATE UNIQUE INDEX CONCURRENTLY orders_note ON orders (note);\n\
         CREATE INDEX CONCURRENTLY orders_created ON orders (created);",
    );
    let off = [Layer::Static, Layer::Catalog, Layer::Rehearsal];
    let report = guard(&change, &production.target(), &production.options(&off)).unwrap();
    assert_eq!(report.stopped_by(), Some(Layer::Envelope));
    let applied = report.apply.unwrap();
    assert_eq!(applied.outcome, Outcome::TakenBack, "{applied:#?}");
    assert_eq!(applied.notes.len(), 1, "the invalid index is named: {:?}", applied.notes);
    assert_eq!(production.state(), before);
}

#[test]
fn a_broken_application_is_seen_before_commit_and_what_worked_stays() {
    if no_clone() {
        return;
    }
    let production = production();
    let before = production.state();
    let off = [Layer::Static, Layer::Catalog, Layer::Rehearsal];
    for text in [
        "ALTER TABLE accounts RENAME COLUMN password_hash TO secret",
        "DROP INDEX orders_customer_created",
        "DROP VIEW open_orders",
    ] {
        let report = guard(&change(text), &production.target(), &production.options(&off)).unwrap();
        assert_eq!(report.stopped_by(), Some(Layer::Expectation), "{text}: {report:#?}");
        assert_eq!(production.state(), before);
    }
    // With a reason given, it goes.
    let text = "-- pgward: allow broken_statement the view is used by a retired report\n\
                DROP VIEW open_orders";
    let report = guard(&change(text), &production.target(), &production.options(&off)).unwrap();
    assert_eq!(report.stopped_by(), None, "{report:#?}");
}

const CHILD: &str = "PGWARD_TEST_APPLY_TO";

/// Not a test of its own: the process that is killed.
#[test]
#[allow(clippy::disallowed_methods)] // How the test below tells its child what to do.
fn child_that_is_killed() {
    let Ok(given) = std::env::var(CHILD) else { return };
    let (url, text) = given.split_once('|').unwrap();
    let target = Target::parse(url).unwrap();
    let off = [Layer::Static, Layer::Catalog, Layer::Rehearsal];
    let options = GateOptions { without: off.into_iter().collect(), ..GateOptions::default() };
    let change = change(text);
    let open = gate(&change, &target, &options).unwrap();
    let _ = apply(&change, &open, &target, &(&options).into());
}

/// Starts applying in another process, waits until `reached` is true, kills it.
fn killed_when(production: &Production, text: &str, reached: &str) {
    let target = production.target();
    let url = format!(
        "host={} port={} user={} dbname={}",
        target.host(),
        target.port(),
        target.role(),
        target.database()
    );
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_is_killed", "--nocapture"])
        .env(CHILD, format!("{url}|{text}"))
        .spawn()
        .unwrap();
    production.until(reached);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_apply_can_be_undone() {
    if no_clone() {
        return;
    }
    let production = production();
    let before = production.state();

    // In a transaction: nothing stays, the journal says what was meant.
    let text = "ALTER TABLE accounts ADD COLUMN pepper text;\nSELECT pg_sleep(2);";
    killed_when(
        &production,
        text,
        "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '/* pgward */ SELECT pg_sleep%' AND state = 'active'",
    );
    undo(&change(text).id, &production.target(), EXACT).unwrap();
    assert_eq!(production.state(), before);

    // Outside of one: the first index is built, the second waits for this transaction.
    let text = "CREATE INDEX CONCURRENTLY accounts_seen ON accounts (seen);\n\
                CREATE INDEX CONCURRENTLY orders_created ON orders (created);";
    let blocker = Session::connect(&production.target(), Purpose::Private).unwrap();
    blocker.simple("BEGIN; UPDATE orders SET note = note WHERE id = 1").unwrap();
    killed_when(
        &production,
        text,
        "SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%' AND lockers_total > 0 AND relid = 'orders'::regclass",
    );
    blocker.simple("ROLLBACK").unwrap();
    let undone = undo(&change(text).id, &production.target(), EXACT).unwrap();
    assert_eq!(undone.steps.len(), 2, "{undone:#?}");
    assert_eq!(production.state(), before);

    // And it may be applied after all.
    let off = [Layer::Rehearsal];
    let report = guard(&change(text), &production.target(), &production.options(&off)).unwrap();
    assert_eq!(report.stopped_by(), None, "{:#?}", report.stopper());
    assert_eq!(report.apply.unwrap().run, 2);
}

#[test]
fn an_interrupted_change_is_resumed() {
    if no_clone() {
        return;
    }
    let production = production();
    let text = "CREATE INDEX CONCURRENTLY accounts_seen ON accounts (seen);\n\
                CREATE INDEX CONCURRENTLY orders_created ON orders (created);";
    let blocker = Session::connect(&production.target(), Purpose::Private).unwrap();
    blocker.simple("BEGIN; UPDATE orders SET note = note WHERE id = 1").unwrap();
    killed_when(
        &production,
        text,
        "SELECT count(*) = 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%' AND lockers_total > 0 AND relid = 'orders'::regclass",
    );
    blocker.simple("ROLLBACK").unwrap();
    let off = [Layer::Static, Layer::Catalog, Layer::Rehearsal];
    let report = guard(&change(text), &production.target(), &production.options(&off)).unwrap();
    let applied = report.apply.unwrap();
    assert_eq!((applied.run, applied.outcome), (1, Outcome::Applied));
    assert_eq!(applied.steps.len(), 1, "only what was missing");
    let valid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(production.admin.query_one::<i64>(valid, &[]).unwrap(), 0);
}
