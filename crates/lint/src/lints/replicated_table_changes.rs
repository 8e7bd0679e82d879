//! One side of a logical replication changes before the other.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, NewDefault};

pub(super) static LINT: Lint = Lint {
    id: "replicated_table_changes",
    severity: Severity::Warning,
    title: "one side of a logical replication changes before the other",
    harm: "DDL is not replicated: with the next row that the subscriber has no place for its \
           apply worker fails and tries again for ever, and the publisher keeps all WAL for it",
    instead: "columns and tables are added on the subscriber first and dropped there last; for a \
              new name stop the subscription, change both sides, and start it again",
    source: "Logical Replication, Restrictions and Conflicts",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int;",
            catalog: "CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION sends_t FOR TABLE \
                      t; -- another session: SELECT \
                      pg_create_logical_replication_slot('reads_t', 'pgoutput');",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t RENAME COLUMN a TO b; CREATE TABLE n (a int);",
            catalog: "CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION sends_all FOR ALL \
                      TABLES; -- another session: SELECT \
                      pg_create_logical_replication_slot('reads_all', 'pgoutput');",
            finds: &[Severity::Warning, Severity::Warning],
        },
        Example {
            sql: "ALTER TABLE t ADD COLUMN b int; ALTER TABLE u DROP COLUMN b;",
            catalog: "CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE u (a int PRIMARY KEY, b \
                      int); CREATE PUBLICATION sends_u FOR TABLE u; -- another session: SELECT \
                      pg_create_logical_replication_slot('reads_u', 'pgoutput');",
            finds: &[],
        },
        Example { sql: "ALTER TABLE t ADD COLUMN b int;", catalog: "", finds: &[] },
    ],
    check,
};

/// What a statement does to a replicated table, and on which side that stops the replication.
struct Skew<'a> {
    relation: &'a Relation,
    what: String,
    on_publisher: bool,
    on_subscriber: bool,
    /// A list of columns keeps it away from the subscriber.
    adds_column: bool,
}

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(conditions) = cx.conditions() else { return };
    for site in &cx.sites {
        for skew in site.actions.iter().filter_map(skew) {
            if skew.on_publisher {
                found.extend(of_publisher(cx, site, conditions, &skew));
            }
            if skew.on_subscriber {
                found.extend(of_subscriber(cx, site, conditions, &skew));
            }
        }
    }
}

fn skew(action: &Action) -> Option<Skew<'_>> {
    let both = |relation, what: String| Skew {
        relation,
        what,
        on_publisher: true,
        on_subscriber: true,
        adds_column: false,
    };
    match action {
        Action::Alter { relation, command: Alter::AddColumn { column, .. }, .. } => {
            let must_be_given = column.not_null && column.default == NewDefault::None;
            let what = format!("column {} is added", column.name);
            let skew = both(relation, what);
            Some(Skew { on_subscriber: must_be_given, adds_column: true, ..skew })
        }
        Action::Alter { relation, command: Alter::DropColumn { name, .. }, .. } => {
            let skew = both(relation, format!("column {name} is dropped"));
            Some(Skew { on_publisher: false, ..skew })
        }
        Action::RenameColumn { relation, from, to, .. } => {
            Some(both(relation, format!("column {from} becomes {to}")))
        }
        Action::RenameRelation { relation, kind, to } if kind == "table" => {
            Some(both(relation, format!("it becomes {to}")))
        }
        Action::SetSchema { kind, relation, schema } if kind == "table" => {
            Some(both(relation, format!("it moves to schema {schema}")))
        }
        Action::CreateTable(t) if !t.temporary && t.partition_of.is_none() => {
            let skew = both(&t.relation, "it is made".to_owned());
            Some(Skew { on_subscriber: false, ..skew })
        }
        _ => None,
    }
}

/// Somebody reads a publication that sends the table.
fn of_publisher(
    cx: &Context,
    site: &Site,
    conditions: &Conditions,
    skew: &Skew,
) -> Option<Finding> {
    let readers = conditions.slots.iter().flatten().filter(|s| s.kind == "logical");
    let readers: Vec<&str> = readers.map(|s| s.name.as_str()).collect();
    let family = with_parents(cx, skew.relation);
    let sends = |p: &&Publication| {
        let listed = skew.adds_column && p.listed.iter().any(|l| family.contains(l));
        family.iter().any(|r| p.sends(r)) && !listed
    };
    let publication = conditions.publications.as_ref()?.iter().find(sends)?;
    let (relation, name) = (skew.relation, &publication.name);
    let first = readers.first()?;
    let message = format!(
        "{relation} is sent by publication {name}, and {}: a subscriber that is not changed \
         before stops",
        skew.what
    );
    let n = readers.len() as f64;
    let claim = format!("{} logical slots are read from, {first} among them", human(n));
    let evidence = cx.measured(claim, n, "slots", "pg_publication_rel, pg_replication_slots");
    Some(site.catalog_finding(&LINT, Severity::Warning, message, evidence))
}

/// The rows of the table come from elsewhere.
fn of_subscriber(
    cx: &Context,
    site: &Site,
    conditions: &Conditions,
    skew: &Skew,
) -> Option<Finding> {
    let all = conditions.subscribed.as_ref()?;
    let mine = all.iter().filter(|s| s.relation.same_as(skew.relation));
    let mine: Vec<&SubscribedTable> = mine.collect();
    let subscription = &mine.first()?.subscription;
    let (relation, what) = (skew.relation, &skew.what);
    let message = format!(
        "the rows of {relation} come by subscription {subscription}, and {what}: its worker stops \
         if the publisher still sends them as before"
    );
    let n = mine.len() as f64;
    let claim = format!("{relation} belongs to subscription {subscription}");
    let evidence = cx.measured(claim, n, "subscriptions", "pg_subscription_rel");
    Some(site.catalog_finding(&LINT, Severity::Warning, message, evidence))
}

/// The table with its schema, and the tables it is a partition of: with them it is published.
fn with_parents(cx: &Context, relation: &Relation) -> Vec<Relation> {
    let placed = |r: &Relation| match r.schema.as_str() {
        "" => Relation::new("public", r.name.clone()),
        _ => r.clone(),
    };
    let known = |r: &Relation| cx.table(r).map_or_else(|| placed(r), |i| i.relation.clone());
    let mut all = vec![known(relation)];
    while let Some(parent) = all.last().and_then(|r| cx.table(r)?.partition.as_ref()) {
        if all.contains(&parent.parent) {
            break;
        }
        all.push(parent.parent.clone());
    }
    all
}
