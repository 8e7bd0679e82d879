//! SET NOT NULL reads the whole table.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, NewConstraint};

pub(super) static LINT: Lint = Lint {
    id: "set_not_null_scans",
    severity: Severity::Error,
    title: "SET NOT NULL reads the whole table",
    harm: "it reads every row under ACCESS EXCLUSIVE, and so does a PRIMARY KEY of columns that \
           may be NULL: nobody reads or writes meanwhile",
    instead: "ADD CONSTRAINT c CHECK (col IS NOT NULL) NOT VALID; VALIDATE CONSTRAINT c; then \
              SET NOT NULL takes no scan",
    source: "ALTER TABLE, SET NOT NULL",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ALTER COLUMN x SET NOT NULL;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT x_given NOT NULL x;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD CONSTRAINT x_given NOT NULL x NOT VALID;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE n (x int); ALTER TABLE n ALTER x SET NOT NULL;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD PRIMARY KEY USING INDEX i;",
            catalog: "CREATE TABLE t (a int); CREATE UNIQUE INDEX i ON t (a); ANALYZE t;",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD PRIMARY KEY USING INDEX i;",
            catalog: "CREATE TABLE t (a int NOT NULL); CREATE UNIQUE INDEX i ON t (a); ANALYZE t;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD PRIMARY KEY USING INDEX i;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (\"A\" IS NOT NULL AND b > 0) NOT VALID; \
                  ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t ALTER \"A\" SET NOT NULL;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL OR b IS NOT NULL) NOT VALID; \
                  ALTER TABLE t VALIDATE CONSTRAINT c; ALTER TABLE t ALTER a SET NOT NULL;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t SELECT \
                      g, g, repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t; ALTER \
                      TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let Some((what, column)) = asked(command) else { continue };
            if !cx.existed(site, relation) || !scans(site, relation) {
                continue;
            }
            // The text does not tell which columns an index has.
            let known = column.is_some() || cx.table(relation).is_some();
            let severity = if known { Severity::Error } else { Severity::Note };
            let message = format!("ACCESS EXCLUSIVE on {relation} while every row is read: {what}");
            let sql = column.and_then(|c| online(relation, c));
            let severity = cx.weigh(relation, severity);
            let sets = matches!(command, Alter::SetNotNull { .. });
            let finding = site
                .finding(&LINT, severity, message)
                .fix(LINT.instead, sql)
                .exact(sets && site.stands_alone());
            found.push(cx.sized(finding, relation));
        }
    }
}

/// What is asked of each row, and of which column if it is one.
fn asked(command: &Alter) -> Option<(String, Option<&str>)> {
    let of_column = |c: &String| format!("{c} IS NOT NULL?");
    match command {
        Alter::SetNotNull { column } => Some((of_column(column), Some(column))),
        // A constraint with a name of its own, since PostgreSQL 18.
        Alter::AddConstraint(NewConstraint { kind: 'n', columns, .. }) => {
            columns.first().map(|c| (of_column(c), Some(c.as_str())))
        }
        Alter::AddConstraint(NewConstraint { kind: 'p', using_index: Some(index), .. }) => {
            Some((format!("are the columns of {index} NOT NULL?"), None))
        }
        _ => None,
    }
}

fn scans(site: &Site, relation: &Relation) -> bool {
    site.effects.iter().any(|e| e.relation.same_as(relation) && e.scans)
}

fn online(relation: &Relation, column: &str) -> Option<String> {
    let (table, name) = (relation.quoted(), quote_ident(column));
    let check = quote_ident(&format!("{column}_not_null"));
    Some(format!(
        "ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID;\n\
         ALTER TABLE {table} VALIDATE CONSTRAINT {check};\n\
         ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;\n\
         ALTER TABLE {table} DROP CONSTRAINT {check};"
    ))
}
