//! More WAL at once than a replica or a slot can take.

use crate::context::{Context, Site};
use crate::weight::{self, BYTES_PER_S};
use crate::{Example, Lint};
use pgward_model::prelude::*;

pub(super) static LINT: Lint = Lint {
    id: "wal_outruns_replica",
    severity: Severity::Error,
    title: "more WAL at once than a replica or a slot can take",
    harm: "what is written anew goes through the WAL: replicas fall behind, commits wait for \
           those that are synchronous, and a slot that passes max_slot_wal_keep_size is lost with \
           its replica",
    instead: "write in batches and watch pg_stat_replication between them, or build the new \
              beside the old; drop a slot that nobody reads",
    source: "Replication, max_slot_wal_keep_size; Log-Shipping Standby Servers",
    guards_rows: false,
    examples: &[
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int); UPDATE pg_class SET relpages = 2000000, reltuples \
                      = 1000000000 WHERE relname = 't'; -- another session: SELECT \
                      pg_create_physical_replication_slot('nobody', true);",
            finds: &[Severity::Error],
        },
        Example {
            sql: "ALTER TABLE t ALTER COLUMN a TYPE bigint;",
            catalog: "CREATE TABLE t (a int); UPDATE pg_class SET relpages = 2000, reltuples = \
                      100000 WHERE relname = 't';",
            finds: &[],
        },
        Example { sql: "VACUUM FULL t;", catalog: "", finds: &[] },
    ],
    check,
};

/// A minute: readers of a replica notice when they see the past of a minute ago.
const SURGE_BYTES: f64 = 60.0 * BYTES_PER_S;

/// Who cannot take it, and how bad that is.
struct Trouble {
    severity: Severity,
    message: String,
    evidence: Evidence,
}

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let Some(conditions) = cx.conditions() else { return };
    let Some(limits) = conditions.limits.as_ref().filter(|l| l.wal_level != "minimal") else {
        return;
    };
    for site in &cx.sites {
        let written = weight::written(cx, site);
        let Some(most) = written.first() else { continue };
        let wal: f64 = written.iter().map(|w| w.bytes).sum();
        let slots = conditions.slots.iter().flatten();
        let of_slots = slots.filter_map(|s| of_slot(cx, s, limits.slot_wal_bytes_max?, wal));
        let standbys = conditions.standbys.iter().flatten();
        let of_standbys = standbys.filter_map(|s| of_standby(cx, s, wal));
        let worst = of_slots.chain(of_standbys).max_by_key(|t| t.severity);
        let Some(Trouble { severity, message, evidence }) = worst else { continue };
        found.push(sized(cx, site, most, wal, (severity, message, evidence)));
    }
}

fn sized(
    cx: &Context,
    site: &Site,
    most: &weight::Written,
    wal: f64,
    (severity, message, evidence): (Severity, String, Evidence),
) -> Finding {
    let claim = format!("{} is written anew: {} or more", most.relation, human_bytes(wal));
    let size = cx.measured(claim, wal, "bytes", "pg_class.relpages");
    site.catalog_finding(&LINT, severity, message, evidence).and(size)
}

/// A slot whose WAL the server would take away.
fn of_slot(cx: &Context, slot: &SlotSample, most: f64, wal: f64) -> Option<Trouble> {
    if slot.restart_lsn.is_none() || slot.retained_bytes + wal <= most {
        return None;
    }
    let name = &slot.name;
    let (severity, how) = match slot.active {
        true => (Severity::Warning, "unless its consumer keeps pace"),
        false => (Severity::Error, "since nobody reads it"),
    };
    let message = format!(
        "slot {name} is lost when this writes {} of WAL, {how}: max_slot_wal_keep_size is {}",
        human_bytes(wal),
        human_bytes(most)
    );
    let claim = format!("slot {name} keeps {} already", human_bytes(slot.retained_bytes));
    let evidence =
        cx.measured(claim, slot.retained_bytes, "bytes", "pg_replication_slots").against(most);
    Some(Trouble { severity, message, evidence })
}

/// A standby that would be a minute or more behind.
fn of_standby(cx: &Context, standby: &Standby, wal: f64) -> Option<Trouble> {
    if wal < SURGE_BYTES {
        return None;
    }
    let Standby { name, sync_state, replay_lag_bytes: lag, .. } = standby;
    let waited_for = matches!(sync_state.as_str(), "sync" | "quorum");
    let (severity, then) = match waited_for {
        true => (Severity::Warning, "every commit waits for it meanwhile"),
        false => (Severity::Note, "its readers see the past"),
    };
    let behind = human_duration((wal + lag) / BYTES_PER_S);
    let message = format!(
        "standby {name} falls behind by {} of WAL, {behind} at 100 MB/s: {then}",
        human_bytes(wal)
    );
    let claim = format!("standby {name} ({sync_state}) is {} behind now", human_bytes(*lag));
    let evidence = cx.measured(claim, *lag, "bytes", "pg_stat_replication");
    Some(Trouble { severity, message, evidence })
}
