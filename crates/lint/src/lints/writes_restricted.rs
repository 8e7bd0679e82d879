//! A new constraint that writes of running clients must pass from now on.

use crate::context::Context;
use crate::users::{has_word, users_of_writes};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "writes_restricted",
    severity: Severity::Note,
    title: "writes that run must pass a new constraint from now on",
    harm: "NOT VALID or not, it holds for new rows at once: a client that still writes what it \
           forbids fails (23514, 23503, 23505, 23P01)",
    instead: "look first for what it would refuse: count it on a clone under the real writes, or \
              let a trigger log it for a day",
    source: "ALTER TABLE, ADD table_constraint, NOT VALID; pg_stat_statements",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'INSERT INTO t (a) VALUES (1)';",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'UPDATE t SET b = b - 1'; CREATE FUNCTION g() RETURNS void LANGUAGE \
                      sql AS 'UPDATE t SET a = 1';",
            finds: &[Severity::Note],
        },
        // What never assigns the column keeps passing, and so does a reader.
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'UPDATE t SET a = 1'; CREATE FUNCTION g() RETURNS bigint LANGUAGE \
                      sql AS 'SELECT count(*) FROM t';",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ADD CHECK (b > 0) NOT VALID;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::AddConstraint(new), .. } = action else {
                continue;
            };
            let what = match new.kind {
                'c' => "check",
                'f' => "foreign key",
                'p' | 'u' => "unique key",
                'x' => "exclusion constraint",
                _ => continue,
            };
            // An index that is there already has refused the same rows before.
            if new.using_index.is_some() || !cx.existed(site, relation) {
                continue;
            }
            let columns = match new.columns.as_slice() {
                [] => columns_in(cx, relation, &new.condition),
                columns => columns.to_vec(),
            };
            let message = format!("writes to {relation} must pass the new {what} from now on");
            let users = users_of_writes(cx, relation, &columns);
            found.extend(users.finding(cx, site, &LINT, &message));
        }
    }
}

/// Columns of the table that the condition of a CHECK names.
fn columns_in(cx: &Context, relation: &Relation, condition: &str) -> Vec<String> {
    let all = cx.table(relation).map_or(&[] as &[_], |t| &t.columns);
    let names = all.iter().map(|c| &c.name);
    names.filter(|name| has_word(condition, name)).cloned().collect()
}
