//! A new column, or a new expression of a generated one, rewrites the whole table.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, NewDefault};

pub(super) static LINT: Lint = Lint {
    id: "add_column_rewrites",
    severity: Severity::Error,
    title: "a new column rewrites the whole table",
    harm: "ADD COLUMN with a value of its own for each row, and SET EXPRESSION of a stored \
           column (since 17), write the table and all its indexes anew under ACCESS EXCLUSIVE: nobody reads or writes meanwhile",
    instead: "add the column without default, SET DEFAULT for new rows, fill old rows in batches",
    source: "ALTER TABLE, Notes",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE a ADD COLUMN u uuid DEFAULT gen_random_uuid();",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN n bigserial;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN g int GENERATED ALWAYS AS (x + 1) STORED;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ALTER COLUMN g SET EXPRESSION AS (x + 2);",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN g int GENERATED ALWAYS AS (x + 1) VIRTUAL;",
            catalog: "",
            finds: &[],
        },
        Example { sql: "ALTER TABLE a ADD COLUMN x int DEFAULT -1;", catalog: "", finds: &[] },
        Example {
            sql: "CREATE DOMAIN d AS int CHECK (VALUE > 0); ALTER TABLE t ADD COLUMN x d DEFAULT \
                  1;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, b text); INSERT INTO t SELECT g, \
                      repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE DOMAIN d AS int; ALTER TABLE t ADD COLUMN x d DEFAULT 1;",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, b text); INSERT INTO t SELECT g, \
                      repeat('x', 1000) FROM generate_series(1, 12000) g; ANALYZE t;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN at timestamptz DEFAULT now();",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN u uuid DEFAULT gen_random_uuid();",
            catalog: "CREATE TABLE t (id int PRIMARY KEY, a int, b text); ANALYZE t;",
            finds: &[Severity::Note],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let why = match command {
                Alter::AddColumn { column, .. } => match (column.default.rewrites(), works(site)) {
                    (_, false) => continue,
                    (true, _) => why(&column.default),
                    // No other command of the statement can be what rewrites.
                    (false, _) if site.actions.len() == 1 => {
                        format!("{} is a domain whose rule is proven", column.data_type)
                    }
                    _ => continue,
                },
                Alter::SetExpression { column } => match rewrites(site, relation, cx, column) {
                    Some(why) => why,
                    None => continue,
                },
                _ => continue,
            };
            if !cx.existed(site, relation) {
                continue;
            }
            let severity = cx.weigh(relation, Severity::Error);
            let message =
                format!("ACCESS EXCLUSIVE on {relation} while every row is written anew: {why}");
            let finding = site.finding(&LINT, severity, message).fix(LINT.instead, None);
            found.push(cx.sized(finding, relation));
        }
    }
}

/// Is a table written anew that others use? What is done to a partitioned one is done to its
/// partitions.
fn works(site: &Site) -> bool {
    site.effects.iter().any(|e| e.rewrites && e.existed_before)
}

/// Why SET EXPRESSION writes the table anew, if it does: a virtual column has nothing there.
fn rewrites(site: &Site, relation: &Relation, cx: &Context, column: &str) -> Option<String> {
    let writes = |e: &Effect| e.relation.same_as(relation) && e.rewrites;
    if !site.effects.iter().any(writes) {
        return None;
    }
    Some(match cx.table(relation) {
        Some(_) => format!("{column} is generated again"),
        None => format!(
            "{column} is generated again, if it is stored, as is assumed without a catalog; a \
             virtual one (since 18) is not written"
        ),
    })
}

fn why(default: &NewDefault) -> String {
    match default {
        NewDefault::Volatile { function, .. } => {
            format!("{function}() may give each row its own value")
        }
        NewDefault::Stored => "the generated value is stored".to_owned(),
        _ => "each row takes a number from the sequence".to_owned(),
    }
}
