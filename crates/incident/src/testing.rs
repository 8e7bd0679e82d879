//! Hand-made words for tests of detectors and causes.
#![cfg(test)]

use pgward_model::prelude::*;

/// 2026-11-21 00:00:00 UTC plus some seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_219_200 + seconds).unwrap()
}

pub(crate) fn session(pid: Pid, state: &str, blocked_by: &[Pid]) -> SessionSample {
    SessionSample {
        pid,
        role: "site".to_owned(),
        application: "shop".to_owned(),
        client: "10.0.0.1".to_owned(),
        database: "shop".to_owned(),
        backend_start: at(0),
        xact_start: Some(at(0)),
        query_start: Some(at(0)),
        state_change: Some(at(0)),
        state: state.to_owned(),
        wait_type: if blocked_by.is_empty() { String::new() } else { "Lock".to_owned() },
        wait_event: if blocked_by.is_empty() { String::new() } else { "transactionid".to_owned() },
        xid: None,
        query: "UPDATE accounts SET balance = balance + 1 WHERE id = 7".to_owned(),
        query_id: 1,
        blocked_by: blocked_by.to_vec(),
        waits_for: None,
        holds: Vec::new(),
    }
}

pub(crate) fn log(seconds: i64, severity: &str, sqlstate: &str, message: &str) -> LogEntry {
    LogEntry {
        at: at(seconds),
        pid: 99,
        role: "site".to_owned(),
        database: "shop".to_owned(),
        application: "shop".to_owned(),
        client: "10.0.0.1:4000".to_owned(),
        severity: severity.to_owned(),
        sqlstate: sqlstate.to_owned(),
        class: String::new(),
        message: message.to_owned(),
        detail: String::new(),
        context: String::new(),
        statement: String::new(),
    }
}

/// A replication slot that keeps a snapshot of that age, by nobody's account since when.
pub(crate) fn slot(age_xids: i64) -> XminHolder {
    XminHolder {
        kind: HolderKind::Slot,
        name: "copy".to_owned(),
        pid: 0,
        role: String::new(),
        age_xids,
        since: None,
        state: "inactive".to_owned(),
    }
}

/// A healthy minute: one sample a second, 100 transactions/s, one probe each.
pub(crate) fn healthy(seconds: i64) -> Vec<Sample> {
    (0..seconds).map(|s| sample(s, s * 100)).collect()
}

/// One sample with that many transactions so far.
pub(crate) fn sample(seconds: i64, xact_commit: i64) -> Sample {
    Sample {
        at: at(seconds),
        database: Some(DatabaseCounters {
            xact_commit,
            xact_rollback: 0,
            blks_read: 0,
            blks_hit: xact_commit * 4,
            tup_returned: xact_commit,
            tup_updated: 0,
            tup_deleted: 0,
            temp_bytes: 0,
            deadlocks: 0,
            checksum_failures: Some(0),
            n_backends: 10,
            max_connections: 100,
            open_connections: Some(97),
            blk_read_ms: Some(0.0),
        }),
        probe: Some(NetworkProbe {
            tried: 1,
            failed: 0,
            refused: 0,
            tcp_ms: Some(0.1),
            connect_ms: Some(3.0),
            round_trip_ms: Some(0.2),
            ..NetworkProbe::default()
        }),
        ..Sample::default()
    }
}

/// A case whose baseline ends at `healthy_s` seconds.
pub(crate) fn case(samples: Vec<Sample>, healthy_s: i64) -> Case {
    let window = Window { samples, baseline_until: at(healthy_s - 1), catalog: None };
    Case { checksums: Some(true), ..Case::new(window, at(healthy_s), "test") }
}

pub(crate) fn table(name: &str, n_live: i64) -> TableCounters {
    TableCounters { n_live, ..TableCounters::new(16_384, Relation::new("public", name)) }
}

pub(crate) fn ddl(seconds: i64, command: &str, kind: &str, name: &str) -> DdlEvent {
    DdlEvent {
        at: at(seconds),
        pid: 4711,
        role: "deploy".to_owned(),
        application: "psql".to_owned(),
        client: "10.0.0.9".to_owned(),
        command: command.to_owned(),
        object_kind: kind.to_owned(),
        identity: format!("public.{name}"),
        relation: Some(Relation::new("public", name)),
        dropped: command.starts_with("DROP"),
        old_definition: None,
        xid: Some(750),
        lsn: Some("0/3000028".to_owned()),
        statement: format!("{command} {name}"),
        seen_by: DdlWitness::EventTrigger,
    }
}

/// An int4 key at that value.
pub(crate) fn key(table: &str, last_value: i64) -> KeyLimit {
    KeyLimit {
        relation: Relation::new("public", table),
        column: "id".to_owned(),
        data_type: "integer".to_owned(),
        sequence: Relation::new("public", format!("{table}_id_seq")),
        last_value,
        limit: i64::from(i32::MAX),
        type_limit: i64::from(i32::MAX),
        refers_to: None,
        begins_anew: false,
    }
}

/// A standby that replays so many bytes behind.
pub(crate) fn standby(name: &str, replay_lag_bytes: f64) -> Standby {
    Standby {
        name: name.to_owned(),
        state: "streaming".to_owned(),
        sync_state: "async".to_owned(),
        sent_lag_bytes: 0.0,
        flush_lag_bytes: 0.0,
        replay_lag_bytes,
    }
}
