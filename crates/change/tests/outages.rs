//! The changes behind four real outages against real servers: each is stopped by the first layer
//! that is switched on, and production is as before.
#![allow(clippy::unwrap_used)]

mod shop;

use pgward_change::{Outcome, guard};
use pgward_model::prelude::*;
use shop::{change, production};

/// With each layer that stops it switched off in turn, the next one must stop it.
fn stopped_by(text: &str, want: &[Layer]) {
    let production = production();
    let before = production.state();
    let change = change(text);
    let mut off = Vec::new();
    for layer in want {
        let options = production.options(&off);
        let report = guard(&change, &production.target(), &options).unwrap();
        let why = report.stopper().map(|f| f.message.clone());
        assert_eq!(report.stopped_by(), Some(*layer), "off {off:?}: {report:#?}");
        println!("{}: {}", layer.id(), why.unwrap());
        if let Some(applied) = &report.apply {
            println!("   {} {:?}", applied.says, applied.notes);
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
    stopped_by(
        "BEGIN;\nUPDATE accounts SET seen = now();\nSELECT 1;\nCOMMIT;",
        &[Layer::Static, Layer::Catalog, Layer::Rehearsal, Layer::Envelope, Layer::Expectation],
    );
}

#[test]
fn half_applied_migration() {
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
    stopped_by(
        "DROP INDEX CONCURRENTLY orders_customer_created;\n\
         CREATE INDEX CONCURRENTLY orders_created_customer ON orders (created, customer);",
        &[Layer::Catalog, Layer::Rehearsal, Layer::Expectation],
    );
}

#[test]
fn dropped_table() {
    stopped_by(
        "DROP TABLE IF EXISTS \"${PREFIX}orders\" CASCADE;",
        &[Layer::Static, Layer::Catalog, Layer::Rehearsal, Layer::Envelope, Layer::Expectation],
    );
}

#[test]
fn a_script_that_leaves_its_transaction_open() {
    let text = "BEGIN;\nUPDATE accounts SET seen = now() WHERE id = 7;";
    let production = production();
    let off = [Layer::Static, Layer::Catalog, Layer::Rehearsal];
    let report = guard(&change(text), &production.target(), &production.options(&off)).unwrap();
    assert_eq!(report.stopped_by(), Some(Layer::Envelope));
    let report =
        guard(&change(text), &production.target(), &production.options(&off[..2])).unwrap();
    assert_eq!(report.stopped_by(), Some(Layer::Rehearsal), "{report:#?}");
}
