//! Drops a replication slot without consumer that keeps WAL or dead rows, and lets them go.

use super::{Action, Cx, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_incident::retained::{full_in_s, wal_bytes_max};
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static ACTION: Action = Action {
    id: "drop_slot",
    title: "Drop the inactive replication slot that keeps WAL or dead rows",
    price: "its consumer must be made anew. By itself only while the volume would be full within \
            ten minutes, which takes the server and the slot with it; else with approval",
    plan,
};

/// Ten minutes: a person who is asked has read and decided by then, or it is too late.
const ASK_S: f64 = 600.0;

const SLOTS: &str = "\
SELECT s.slot_name::text, s.slot_type, s.restart_lsn::text, s.confirmed_flush_lsn::text,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::float8
FROM pg_catalog.pg_replication_slots s
WHERE NOT s.active AND s.restart_lsn IS NOT NULL
ORDER BY 5 DESC
LIMIT 100";

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    for row in cx.session.query(SLOTS, &[])? {
        let name: String = get(&row, 0)?;
        if !likely.says.contains(&format!("slot {name} ")) {
            continue;
        }
        let lsn: Option<String> = get(&row, 3)?;
        let lsn = lsn.or(get(&row, 2)?).unwrap_or_default();
        return Ok(runbook_for(case, &name, &lsn, get(&row, 4)?));
    }
    Err(refuse(&ACTION, "the slot is in use again, or gone"))
}

fn runbook_for(case: &Case, name: &str, lsn: &str, kept: f64) -> Runbook {
    let literal = quote_literal(name);
    let mut drop = step(
        format!("drop slot {name}, whose consumer has read up to {lsn}"),
        Act::Sql {
            statements: vec![format!("SELECT pg_catalog.pg_drop_replication_slot({literal})")],
            transaction: false,
        },
        Limits::SHORT,
    );
    drop.expectations = vec![Expectation {
        claim: format!("slot {name} keeps nothing any more"),
        sql: format!(
            "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots \
             WHERE slot_name = {literal})"
        ),
        within_ms: 2_000,
    }];
    drop.undo = Undo::Impossible {
        why: format!("a new slot begins at the present; its consumer stands at {lsn}"),
    };
    let wal = case.window.samples.iter().rev().find_map(|s| s.wal.as_ref());
    if wal.is_some_and(|wal| kept <= wal_bytes_max(wal)) {
        return runbook(
            &ACTION,
            format!("Drop slot {name}, whose snapshot keeps dead rows"),
            "vacuum can remove nothing younger while it stands; autovacuum does once it is gone",
            for_its_owner(lsn),
            vec![drop],
        );
    }
    let mut checkpoint = step(
        "let go of the WAL that nobody needs",
        Act::Sql { statements: vec!["CHECKPOINT".to_owned()], transaction: false },
        Limits { statement_timeout_ms: 10 * 60 * 1000, ..Limits::SHORT },
    );
    checkpoint.expectations = vec![Expectation {
        claim: format!("pg_wal is smaller than the {} that the slot kept", human_bytes(kept)),
        sql: format!(
            "SELECT coalesce(pg_catalog.sum(size), 0) < {kept:.0} FROM pg_catalog.pg_ls_waldir()"
        ),
        within_ms: 10_000,
    }];
    let full_s = full_in_s(&case.window, name);
    let loss = match full_s.filter(|s| *s <= ASK_S) {
        Some(s) => Loss {
            n_rows: Some(0),
            explain: format!(
                "the volume is full in {}, which would stop the server; the rows are all here, \
                 the consumer behind the slot must be made anew",
                human_duration(s)
            ),
        },
        None => for_its_owner(lsn),
    };
    runbook(
        &ACTION,
        format!("Drop slot {name}, which keeps {} of WAL", human_bytes(kept)),
        "a larger volume only fills later; WAL files must never be deleted by hand",
        loss,
        vec![drop, checkpoint],
    )
}

fn for_its_owner(lsn: &str) -> Loss {
    Loss {
        n_rows: None,
        explain: format!("whether the consumer at {lsn} comes back is for its owner to say"),
    }
}
