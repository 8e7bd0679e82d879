//! A foreign key whose own columns have no index.

use crate::context::Context;
use crate::tables::{added, definition, index_keys};
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "foreign_key_without_index",
    severity: Severity::Note,
    title: "no index begins with the columns of a foreign key",
    harm: "each DELETE, and each UPDATE of the key, on the table it points to reads the whole \
           table that points",
    instead: "CREATE INDEX CONCURRENTLY on the columns of the key",
    source: "Constraints, Foreign Keys",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (id int PRIMARY KEY, a int REFERENCES p (id));",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) NOT VALID;",
            catalog: "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (a int);",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) NOT VALID;",
            catalog: "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (a int, b int); CREATE \
                      INDEX i ON t (a, b);",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE n (a int REFERENCES p (id)); CREATE INDEX i ON n (a);",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE n (a int REFERENCES p (id), b int, PRIMARY KEY (a, b));",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT k FOREIGN KEY (a) REFERENCES p (id) NOT VALID;",
            catalog: "",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for (table, key) in site.actions.iter().flat_map(added).filter(|(_, c)| c.kind == 'f') {
            // Of a table that neither the catalog nor the change shows, nothing is known.
            let known = cx.table(table).is_some() || definition(cx, site, table).is_some();
            let Some(parent) = key.references.as_ref().filter(|_| known) else { continue };
            let n = key.columns.len();
            let leads = |keys: &Vec<String>| {
                keys.len() >= n && keys.iter().take(n).all(|c| key.columns.contains(c))
            };
            if n == 0 || index_keys(cx, table).iter().any(leads) {
                continue;
            }
            let columns: Vec<String> = key.columns.iter().map(|c| quote_ident(c)).collect();
            let columns = columns.join(", ");
            let message = format!(
                "no index on {table} ({columns}): a DELETE on {parent} reads all of {table}"
            );
            let sql = format!("CREATE INDEX CONCURRENTLY ON {} ({columns});", table.quoted());
            let finding = site
                .finding(&LINT, Severity::Note, message)
                .fix(LINT.instead, Some(sql))
                .placed(FixPlace::After);
            found.push(cx.sized(finding, table));
        }
    }
}
