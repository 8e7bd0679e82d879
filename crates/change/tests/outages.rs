//! The changes behind four real outages against real servers: each is stopped by the first layer
//! that is switched on, and production is as before.
#![allow(clippy::unwrap_used)]

mod shop;

use pgward_change::{Outcome, guard};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use shop::{change, no_clone, production};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// With each layer that stops it switched off in turn, the next one must stop it.
fn stopped_by(text: &str, want: &[Layer]) {
    let production = production();
    let before = production.state();
    let change = change(text);
    let mut off = Vec::new();
    for layer in want {
        let options = production.options(&off);
        let report = guard(&change, &production.target(), &options).unwrap();
        assert_eq!(report.stopped_by(), Some(*layer), "off {off:?}: {report:#?}");
        assert!(report.stopper().is_some());
        if let Some(applied) = &report.apply {
            assert_eq!(applied.outcome, Outcome::NothingChanged, "{applied:#?}");
        }
        assert_eq!(production.state(), before, "after {}", layer.id());
        off.push(*layer);
    }
    let known = pgward_change::known_changes(&production.admin).unwrap();
    assert!(matches!(known.first().unwrap().seen, ChangeSeen::Refused(_)));
}

#[test]
fn rogue_update_script() {
    if no_clone() {
        return;
    }
    stopped_by(
        "BEGIN;\nUPDATE accounts SET seen = now();\nSELECT 1;\nCOMMIT;",
        &[Layer::Static, Layer::Catalog, Layer::Rehearsal, Layer::Envelope, Layer::Expectation],
    );
}

#[test]
fn an_update_of_more_than_was_meant() {
    if no_clone() {
        return;
    }
    stopped_by(
        "UPDATE accounts SET seen = now() WHERE id <= 1000;",
        &[Layer::Catalog, Layer::Rehearsal, Layer::Envelope, Layer::Expectation],
    );
}

#[test]
fn a_function_that_is_left_behind() {
    if no_clone() {
        return;
    }
    let production = production();
    let login = "CREATE FUNCTION login(text) RETURNS text LANGUAGE sql AS \
                 'SELECT password_hash FROM accounts WHERE login = $1'";
    production.admin.simple(login).unwrap();
    let change = change("ALTER TABLE accounts RENAME COLUMN password_hash TO secret;");
    let off = [Layer::Static, Layer::Catalog];
    let report = guard(&change, &production.target(), &production.options(&off)).unwrap();
    let rehearsal = report.gate.rehearsal.as_ref().unwrap();
    let broken: Vec<_> = rehearsal.broken_statements.iter().map(|b| b.text.as_str()).collect();
    assert!(broken.contains(&"function login(text)"), "{broken:?}");
    assert_eq!(report.stopped_by(), Some(Layer::Rehearsal));
}

#[test]
fn half_applied_migration() {
    if no_clone() {
        return;
    }
    stopped_by(
        "ALTER TABLE accounts RENAME COLUMN password_hash TO secret;\n\
         ALTER TABLE accounts ADD COLUMN pepper text;\n\
         UPDATE account SET pepper = 'x' WHERE id = 1;\n\
         ALTER TABLE accounts ADD COLUMN algorithm text;",
        &[Layer::Static, Layer::Catalog, Layer::Rehearsal, Layer::Envelope, Layer::Expectation],
    );
}

#[test]
fn index_replaced_by_worse() {
    if no_clone() {
        return;
    }
    stopped_by(
        "DROP INDEX CONCURRENTLY orders_customer_created;\n\
         CREATE INDEX CONCURRENTLY orders_created_customer ON orders (created, customer);",
        &[Layer::Catalog, Layer::Rehearsal, Layer::Expectation],
    );
}

#[test]
fn dropped_table() {
    if no_clone() {
        return;
    }
    stopped_by(
        "DROP TABLE IF EXISTS \"${PREFIX}orders\" CASCADE;",
        &[Layer::Static, Layer::Catalog, Layer::Rehearsal, Layer::Envelope, Layer::Expectation],
    );
}

#[test]
fn a_script_that_leaves_its_transaction_open() {
    if no_clone() {
        return;
    }
    let text = "BEGIN;\nUPDATE accounts SET seen = now() WHERE id = 7;";
    let production = production();
    let off = [Layer::Static, Layer::Catalog, Layer::Rehearsal];
    let report = guard(&change(text), &production.target(), &production.options(&off)).unwrap();
    assert_eq!(report.stopped_by(), Some(Layer::Envelope));
    let report =
        guard(&change(text), &production.target(), &production.options(&off[..2])).unwrap();
    assert_eq!(report.stopped_by(), Some(Layer::Rehearsal), "{report:#?}");
}

/// What a client of the application felt.
#[derive(Default)]
struct Felt {
    n: u64,
    failed: Vec<String>,
    longest: Duration,
}

fn client(target: &Target, over: &AtomicBool) -> Felt {
    let session = Session::connect(target, Purpose::Application("site")).unwrap();
    let mut felt = Felt::default();
    while !over.load(Ordering::Acquire) {
        let n = i32::try_from(felt.n % 5000).unwrap() + 1;
        let began = clock::instant();
        let hot = "SELECT id FROM orders WHERE customer = $1 ORDER BY created DESC LIMIT 10";
        let outcome = session
            .query("UPDATE accounts SET seen = now() WHERE id = $1", &[&n])
            .and_then(|_| session.query(hot, &[&n]));
        felt.longest = felt.longest.max(began.elapsed());
        felt.n += 1;
        felt.failed.extend(outcome.err().map(|e| e.to_string()));
    }
    felt
}

/// Nothing is known before: still nobody who uses the database is harmed.
#[test]
fn bystanders_are_not_harmed() {
    if no_clone() {
        return;
    }
    let production = production();
    let site = production.server.target().with_role("site").with_database("postgres");
    let over = AtomicBool::new(false);
    let early = [Layer::Static, Layer::Catalog, Layer::Rehearsal];
    let late = [Layer::Static, Layer::Catalog, Layer::Rehearsal, Layer::Envelope];
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| client(&site, &over))).collect();
        for off in [&early[..], &late[..]] {
            for text in [
                "BEGIN;\nUPDATE accounts SET seen = now();\nCOMMIT;",
                "DROP TABLE orders CASCADE;",
                "DROP INDEX CONCURRENTLY orders_customer_created;",
                "ALTER TABLE orders RENAME COLUMN customer TO buyer;\nSELECT 1 FROM no_table;",
            ] {
                let options = production.options(off);
                let report = guard(&change(text), &production.target(), &options).unwrap();
                assert!(report.stopped_by().is_some(), "{text}");
            }
        }
        over.store(true, Ordering::Release);
        for client in clients {
            let felt = client.join().unwrap();
            assert!(felt.n > 0);
            assert_eq!(felt.failed, Vec::<String>::new());
            // Ten times what the guarded door lets anybody wait: held up is one thing, a slow
            // machine another.
            assert!(felt.longest < Duration::from_secs(20), "{:?}", felt.longest);
        }
    });
}
