//! Where a lint says that PostgreSQL refuses a statement, it does; where the lint is silent,
//! the statement runs.
#![allow(clippy::unwrap_used)]

mod common;

use pgward_lint::lints::LINTS;
use pgward_model::prelude::*;

/// Lints whose errors are refusals.
const REFUSALS: &[&str] = &[
    "alter_type_refused",
    "attach_partition_refused",
    "column_twice_in_key",
    "concurrently_on_partitioned",
    "detach_partition_blocks",
    "drop_key",
    "foreign_key_types_differ",
    "index_method_refuses",
    "refresh_concurrently_refused",
];

#[test]
fn what_is_said_to_be_refused_is_refused() {
    let server = common::server();
    let mut wrong = Vec::new();
    let mut n_databases = 0;
    for lint in LINTS.iter().filter(|l| REFUSALS.contains(&l.id)) {
        for example in lint.examples.iter().filter(|e| !e.catalog.is_empty()) {
            n_databases += 1;
            let name = format!("refused_{n_databases}");
            let session = common::database(&server, &name, example.catalog);
            let statements = pgward_sql::read("example.sql", example.sql).statements;
            // One by one, since CONCURRENTLY runs alone.
            let refused = statements.iter().find_map(|s| session.simple(&s.text).err());
            let said = example.finds.contains(&Severity::Error);
            if refused.is_some() != said {
                let error = refused.map(|e| e.message().to_owned());
                wrong.push(format!("{}: {}\n    the server: {error:?}", lint.id, example.sql));
            }
        }
    }
    assert!(n_databases > 0);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
