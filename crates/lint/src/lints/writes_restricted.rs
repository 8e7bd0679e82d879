//! A new constraint that writes of running clients must pass from now on.

use crate::context::Context;
use crate::tables::primary_key;
use crate::users::{assigns, has_word, users_of_parent, users_of_writes};
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
                      sql AS 'INSERT INTO t (a, b) VALUES (1, 0)';",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'UPDATE t SET b = b - 1'; CREATE FUNCTION g() RETURNS void LANGUAGE \
                      sql AS 'UPDATE t SET a = 1';",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'MERGE INTO t USING (SELECT 1 AS n) s ON t.a = s.n WHEN NOT MATCHED \
                      THEN INSERT (a, b) VALUES (1, 0)';",
            finds: &[Severity::Note],
        },
        // The parent too: what is pointed to can no longer go.
        Example {
            sql: "ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p NOT VALID;",
            catalog: "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int); CREATE FUNCTION \
                      f() RETURNS void LANGUAGE sql AS 'DELETE FROM p WHERE id = 1';",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p ON DELETE CASCADE NOT VALID;",
            catalog: "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int); CREATE FUNCTION \
                      f() RETURNS void LANGUAGE sql AS 'DELETE FROM p WHERE id = 1';",
            finds: &[],
        },
        // What leaves the column NULL keeps passing, and so does a reader.
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (b > 0) NOT VALID;",
            catalog: "CREATE TABLE t (a int, b int); CREATE FUNCTION f() RETURNS void LANGUAGE \
                      sql AS 'UPDATE t SET a = 1'; CREATE FUNCTION g() RETURNS bigint LANGUAGE \
                      sql AS 'SELECT count(*) FROM t'; CREATE FUNCTION h() RETURNS void LANGUAGE \
                      sql AS 'INSERT INTO t (a) VALUES (1)';",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ADD CHECK (b > 0) NOT VALID;", catalog: "", finds: &[] },
    ],
    check,
};

/// Words of conditions that are false, not unknown, for a NULL.
const NULL_FAILS: [&str; 4] = ["null", "coalesce", "distinct", " is "];

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::AddConstraint(new), .. } = action else {
                continue;
            };
            // An index that is there already refuses the same keys.
            if !new.enforced || new.using_index.is_some() || !cx.existed(site, relation) {
                continue;
            }
            let what = match new.kind {
                'c' => "check",
                'f' => "foreign key",
                'p' | 'u' => "unique key",
                'x' => "exclusion constraint",
                _ => continue,
            };
            let columns = match new.columns.as_slice() {
                [] => columns_in(cx, relation, &new.condition),
                columns => columns.to_vec(),
            };
            // A NULL passes most conditions, and no primary key.
            let null_may_fail = new.kind == 'p'
                || NULL_FAILS.iter().any(|w| new.condition.to_lowercase().contains(w))
                || columns.iter().any(|c| has_default(cx, relation, c));
            let users = users_of_writes(cx, relation, |rows| {
                assigns(rows, &columns) || (null_may_fail && rows.verb == StatementKind::Insert)
            });
            let message = format!("writes to {relation} must pass the new {what} from now on");
            found.extend(users.finding(cx, site, &LINT, &message));
            let Some(parent) = &new.references else { continue };
            let key = match new.referenced.as_slice() {
                [] => primary_key(cx, site, parent),
                key => key.to_vec(),
            };
            let users = users_of_parent(cx, parent, &key, new);
            let message = format!("what {relation} points to in {parent} must stay from now on");
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

fn has_default(cx: &Context, relation: &Relation, column: &str) -> bool {
    let of = |t: &RelationInfo| t.columns.iter().any(|c| c.name == column && c.default.is_some());
    cx.table(relation).is_some_and(of)
}
