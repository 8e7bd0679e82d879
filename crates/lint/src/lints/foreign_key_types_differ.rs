//! A foreign key between columns of different types.

use crate::context::{Context, Site};
use crate::tables::{added, column_type, primary_key};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::NewConstraint;

pub(super) static LINT: Lint = Lint {
    id: "foreign_key_types_differ",
    severity: Severity::Error,
    title: "a foreign key between columns of different types",
    harm: "types that cannot be compared are refused; those that can are converted at each check, \
           and the narrower one ends first",
    instead: "give both columns the same type",
    source: "CREATE TABLE, REFERENCES",
    guards_rows: false,
    examples: &[
        Example {
            sql: "CREATE TABLE n (a text REFERENCES p (id));",
            catalog: "CREATE TABLE p (id int PRIMARY KEY);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE n (a int REFERENCES p);",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "CREATE TABLE n (a bigint REFERENCES p (id));",
            catalog: "CREATE TABLE p (id bigserial PRIMARY KEY);",
            finds: &[],
        },
        Example {
            sql: "CREATE TABLE n (a varchar(10) REFERENCES p (id));",
            catalog: "CREATE TABLE p (id text PRIMARY KEY);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for (table, key) in site.actions.iter().flat_map(added).filter(|(_, c)| c.kind == 'f') {
            found.extend(of_key(cx, site, table, key));
        }
    }
}

fn of_key(cx: &Context, site: &Site, table: &Relation, key: &NewConstraint) -> Vec<Finding> {
    let Some(parent) = &key.references else { return Vec::new() };
    let primary = primary_key(cx, site, parent);
    let there = if key.referenced.is_empty() { &primary } else { &key.referenced };
    let pairs = key.columns.iter().zip(there);
    pairs
        .filter_map(|(own, their)| {
            let own_type = plain(&column_type(cx, site, table, own)?);
            let their_type = plain(&column_type(cx, site, parent, their)?);
            let (mine, theirs) = (family(&own_type)?, family(&their_type)?);
            if own_type == their_type || (mine == theirs && mine == Family::Text) {
                return None;
            }
            let pair = format!("{table}.{own} is {own_type}, {parent}.{their} is {their_type}");
            Some(if mine == theirs {
                site.finding(&LINT, Severity::Note, pair)
            } else {
                let message = format!("{pair}: the key is refused");
                site.finding(&LINT, Severity::Error, message)
            })
        })
        .collect()
}

/// Types that PostgreSQL compares with each other.
#[derive(PartialEq, Eq)]
enum Family {
    Number,
    Text,
    Uuid,
    Time,
}

/// `None` for types whose company is not known, such as those of users.
fn family(data_type: &str) -> Option<Family> {
    match data_type {
        "int2" | "int4" | "int8" | "numeric" => Some(Family::Number),
        "text" | "varchar" => Some(Family::Text),
        "uuid" => Some(Family::Uuid),
        "date" | "timestamp" | "timestamptz" => Some(Family::Time),
        _ => None,
    }
}

fn plain(data_type: &str) -> String {
    match pgward_sql::base_type(data_type).as_str() {
        "serial" | "serial4" => "int4".to_owned(),
        "bigserial" | "serial8" => "int8".to_owned(),
        "smallserial" | "serial2" => "int2".to_owned(),
        other => other.to_owned(),
    }
}
