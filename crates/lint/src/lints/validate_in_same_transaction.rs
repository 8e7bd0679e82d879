//! NOT VALID and VALIDATE in one transaction.

use crate::context::{Context, Site};
use crate::tables::added;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter, NewConstraint, Transaction};

pub(super) static LINT: Lint = Lint {
    id: "validate_in_same_transaction",
    severity: Severity::Error,
    title: "a constraint is added NOT VALID and validated in the same transaction",
    harm: "the strong lock of ADD CONSTRAINT is kept while VALIDATE reads every row: others wait \
           as long as without NOT VALID",
    instead: "COMMIT between the two, or put VALIDATE CONSTRAINT into the next file",
    source: "ALTER TABLE, VALIDATE CONSTRAINT; Explicit Locking",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t \
                  VALIDATE CONSTRAINT c; COMMIT;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t VALIDATE \
                  CONSTRAINT c;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; COMMIT; BEGIN; \
                  ALTER TABLE t VALIDATE CONSTRAINT c; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID; ALTER TABLE t \
                  VALIDATE CONSTRAINT c; COMMIT;",
            catalog: "CREATE TABLE t (a int); ANALYZE t;",
            finds: &[Severity::Note],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        for action in &site.actions {
            let Action::Alter { relation, command: Alter::ValidateConstraint { name }, .. } =
                action
            else {
                continue;
            };
            let Some(key) = added_in_transaction(cx, site, relation, name) else { continue };
            if !cx.existed(site, relation) {
                continue;
            }
            let (lock, waits) = match key.kind {
                'f' => (LockMode::ShareRowExclusive, "writes"),
                _ => (LockMode::AccessExclusive, "reads and writes"),
            };
            let message = format!(
                "{lock} on {relation} from ADD CONSTRAINT {name} is kept while every row is \
                 read: {waits} wait"
            );
            let severity = cx.weigh(relation, Severity::Error);
            found.push(cx.sized(site.finding(&LINT, severity, message), relation));
        }
    }
}

/// The constraint, where the transaction that validates it has also added it.
fn added_in_transaction<'a>(
    cx: &'a Context,
    site: &'a Site,
    relation: &Relation,
    name: &str,
) -> Option<&'a NewConstraint> {
    let earlier = cx.sites.iter().take(site.index).rev();
    let together = earlier.take_while(|s| {
        site.in_transaction && s.in_transaction && s.file.path == site.file.path && !ends(s)
    });
    let here = std::iter::once(site).chain(together).flat_map(|s| &s.actions);
    let new = here.flat_map(added).filter(|(t, c)| t.same_as(relation) && c.not_valid);
    new.map(|(_, c)| c).find(|c| c.name == name)
}

fn ends(site: &Site) -> bool {
    site.actions
        .iter()
        .any(|a| matches!(a, Action::Transaction(t) if !matches!(t, Transaction::Savepoint)))
}
