//! A server made up for tests and measurements: what its samples say is known.
#![allow(dead_code, reason = "each user needs a part of it")]

use pgward_model::prelude::*;
use std::sync::Arc;

/// 2026-11-21 05:00:00 UTC plus some seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_237_200 + seconds).expect("a moment of this century")
}

pub(crate) const SERVER: &str = "postgres://watch@db.example:5432/shop";

pub(crate) fn session(pid: Pid, s: i64, state: &str, query: &str) -> SessionSample {
    SessionSample {
        pid,
        role: "site".to_owned(),
        application: "shop".to_owned(),
        client: "10.0.0.7".to_owned(),
        database: "shop".to_owned(),
        backend_start: at(-7200),
        xact_start: (state != "idle").then(|| at(s)),
        query_start: Some(at(s)),
        state_change: Some(at(s)),
        state: state.to_owned(),
        wait_type: String::new(),
        wait_event: String::new(),
        xid: None,
        query: query.to_owned(),
        query_id: 0,
        blocked_by: Vec::new(),
        waits_for: None,
        holds: Vec::new(),
    }
}

pub(crate) fn statement(
    query_id: i64,
    text: &str,
    calls: i64,
    ms_per_call: f64,
) -> StatementCounters {
    StatementCounters {
        query_id,
        role: "site".to_owned(),
        text: Arc::from(text),
        calls,
        total_ms: calls as f64 * ms_per_call,
        squares_ms2: calls as f64 * ms_per_call * ms_per_call,
        rows: calls,
        blks: 4 * calls,
        blks_read: 0,
    }
}

pub(crate) fn table(n_live: i64, inserted: i64) -> TableCounters {
    TableCounters {
        n_live,
        n_dead: 3,
        seq_scans: 1,
        seq_rows: 10,
        idx_scans: inserted,
        inserted,
        last_analyze: Some(at(-60)),
        ..TableCounters::new(16_384, Relation::new("public", "orders"))
    }
}

/// A second of a shop: 100 transactions, one session at work, one idle.
pub(crate) fn sample(s: i64) -> Sample {
    Sample {
        at: at(s),
        sessions: vec![
            session(11, s, "active", &format!("UPDATE orders SET n = {s} WHERE id = 7")),
            session(12, -600, "idle", "COMMIT"),
        ],
        database: Some(DatabaseCounters {
            xact_commit: 5000 + 100 * s,
            xact_rollback: s,
            blks_read: 0,
            blks_hit: 400 * s,
            blk_read_ms: None,
            tup_returned: 100 * s,
            tup_updated: 100 * s,
            tup_deleted: 0,
            temp_bytes: 0,
            deadlocks: 0,
            checksum_failures: Some(0),
            n_backends: 2,
            max_connections: 100,
            open_connections: Some(97),
        }),
        statements: (s % 2 == 0).then(|| {
            vec![
                statement(1, "UPDATE orders SET n = $1 WHERE id = $2", 100 * s, 0.25),
                statement(2, "COMMIT", 100 * s, 0.01),
            ]
        }),
        tables: (s % 2 == 0).then(|| vec![table(1000 + s, s)]),
        probe: Some(NetworkProbe {
            tried: 1,
            tcp_ms: Some(0.123_456),
            connect_ms: Some(3.0),
            round_trip_ms: Some(0.2),
            ..NetworkProbe::default()
        }),
        own_ms: 1.5,
        ..Sample::default()
    }
}
