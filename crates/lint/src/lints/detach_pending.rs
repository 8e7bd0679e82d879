//! A partition whose DETACH CONCURRENTLY was begun and not ended.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "detach_pending",
    severity: Severity::Error,
    title: "a partition is half detached",
    harm: "another DETACH CONCURRENTLY of the same table is refused until it is finished; queries \
           leave the half detached partition out, constraints still count it",
    instead: "ALTER TABLE parent DETACH PARTITION p FINALIZE; first",
    source: "ALTER TABLE, DETACH PARTITION, FINALIZE",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t DETACH PARTITION q CONCURRENTLY;",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE p PARTITION OF t \
                      FOR VALUES IN (1); CREATE TABLE q PARTITION OF t FOR VALUES IN (2); UPDATE \
                      pg_inherits SET inhdetachpending = true WHERE inhrelid = 'p'::regclass;",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t DETACH PARTITION p FINALIZE; ALTER TABLE t DETACH PARTITION q \
                  CONCURRENTLY;",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE p PARTITION OF t \
                      FOR VALUES IN (1); CREATE TABLE q PARTITION OF t FOR VALUES IN (2); UPDATE \
                      pg_inherits SET inhdetachpending = true WHERE inhrelid = 'p'::regclass;",
            finds: &[],
        },
        Example {
            sql: "ALTER TABLE t DETACH PARTITION q CONCURRENTLY;",
            catalog: "CREATE TABLE t (a int) PARTITION BY LIST (a); CREATE TABLE q PARTITION OF t \
                      FOR VALUES IN (2);",
            finds: &[],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(catalog) = cx.catalog else { return };
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command, .. } = action else { continue };
            let Alter::DetachPartition { concurrently: true, .. } = command else { continue };
            let half = catalog.relations.iter().find(|r| {
                let place = r.partition.as_ref();
                place.is_some_and(|p| p.detach_pending && p.parent.same_as(relation))
            });
            let finalized = |r: &RelationInfo| {
                let name = &r.relation.name;
                cx.sites.iter().take(site.index).any(|s| {
                    let words = pgward_sql::words(&s.statement.text);
                    words.iter().any(|w| w == "finalize") && s.statement.text.contains(name)
                })
            };
            let Some(half) = half.filter(|r| !finalized(r)) else { continue };
            let partition = &half.relation;
            let claim = format!("{partition} of {relation} waits for FINALIZE");
            let evidence = cx.measured(claim, 1.0, "partitions", "pg_inherits.inhdetachpending");
            let message = format!("refused: {partition} is half detached from {relation}");
            let sql = format!(
                "ALTER TABLE {} DETACH PARTITION {} FINALIZE;",
                relation.quoted(),
                partition.quoted()
            );
            let finding = site.catalog_finding(&LINT, Severity::Error, message, evidence);
            found.push(finding.fix(LINT.instead, Some(sql)).placed(FixPlace::Before));
        }
    }
}
