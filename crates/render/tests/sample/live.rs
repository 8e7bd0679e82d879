//! The same trouble as it is told while it lasts: status and alert.

use super::at;
use pgward_model::prelude::*;

fn blocker() -> Blocker {
    Blocker {
        pid: 4711,
        role: "reporting".to_owned(),
        application: "psql".to_owned(),
        client: "10.0.0.9".to_owned(),
        state: "idle in transaction".to_owned(),
        since: Some(at(-1080.0)),
        statement: "SELECT count(*)\n  FROM orders".to_owned(),
        n_waiters: 37,
        longest_wait_s: 39.4,
        waits_for: vec![
            "ACCESS EXCLUSIVE on orders".to_owned(),
            "ACCESS SHARE on orders".to_owned(),
        ],
        queue_head: Some(QueueHead {
            pid: 4802,
            role: "deploy".to_owned(),
            application: "migrate".to_owned(),
            statement: "ALTER TABLE orders ADD COLUMN paid_at timestamptz".to_owned(),
            n_resume: 36,
        }),
    }
}

fn told(seconds: f64, actor: &str, what: &str) -> Event {
    Event {
        at: at(seconds),
        server: "shop".to_owned(),
        kind: EventKind::Change,
        subject: String::new(),
        actor: actor.to_owned(),
        what: what.to_owned(),
        source: Source::new(SourceKind::Ledger, "told to pgward"),
    }
}

/// A server in trouble that could be seen, and one that could not.
pub(crate) fn statuses() -> Vec<ServerStatus> {
    let limit = |name: &str, used: f64, most: Option<f64>, unit: &str, of: &str| Limit {
        name: name.to_owned(),
        used,
        most,
        unit: unit.to_owned(),
        of: of.to_owned(),
    };
    let incident = IncidentLine {
        id: "20261121T050000Z-1".to_owned(),
        opened: at(2.0),
        closed: None,
        title: "37 sessions wait behind pid 4711 on orders".to_owned(),
        cause: Some(("lock_ddl_queue".to_owned(), "pid 4802 waits for pid 4711".to_owned())),
        proposed: Some("Cancel pid 4802".to_owned()),
    };
    let seen = ServerStatus {
        server: "shop".to_owned(),
        at: at(41.0),
        identity: Some(ServerIdentity {
            version: "15.18 (Debian 15.18-0+deb12u1)".to_owned(),
            started: at(-360_000.0),
            configured: at(-360_000.0),
            is_standby: false,
            system_identifier: 7,
            wal_bytes: 1e9,
        }),
        activity: Some(Activity {
            n_sessions: 60,
            n_active: 3,
            n_waiting: 37,
            n_idle_in_transaction: 1,
            oldest_transaction: Some((at(-1080.0), 4711)),
        }),
        blockers: vec![blocker()],
        limits: vec![
            limit("connections", 97.0, Some(97.0), "sessions", "all roles without reserved slots"),
            limit("transaction ids", 1.2e9, Some(2_144_483_647.0), "transactions", "shop"),
            limit("replication slots", 1.0, Some(10.0), "slots", "all databases"),
            limit("WAL kept for a slot", 3e10, None, "bytes", "old_standby (not in use)"),
        ],
        changes: (0..7).map(|i| told(f64::from(i), "ci", &format!("deploy {i}"))).collect(),
        incidents: vec![incident.clone()],
        missing: Vec::new(),
    };
    let why = "every slot that role pgward may use is taken".to_owned();
    let unseen = ServerStatus {
        server: "books".to_owned(),
        identity: None,
        activity: None,
        blockers: Vec::new(),
        limits: Vec::new(),
        changes: Vec::new(),
        incidents: vec![IncidentLine { closed: Some(at(20.0)), proposed: None, ..incident }],
        missing: vec![Gap { sampler: "connection".to_owned(), why }],
        ..seen.clone()
    };
    vec![seen, unseen]
}

pub(crate) fn alert() -> Alert {
    Alert {
        incident: "20261121T050000Z-1".to_owned(),
        server: "shop".to_owned(),
        news: AlertNews::Opened,
        at: at(41.0),
        since: at(0.0),
        title: "37 sessions wait behind pid 4711 on orders".to_owned(),
        objects: vec!["orders".to_owned()],
        cause: Some("lock_ddl_queue".to_owned()),
        says: "pid 4802 of role deploy waits for ACCESS EXCLUSIVE on orders".to_owned(),
        blocker: Some(blocker()),
        change: Some("deploy 4711 by ci: 2 s before the trouble, and touches orders".to_owned()),
        impact: "37 of 60 sessions (62%) wait for a lock".to_owned(),
        next: "cancel pid 4802 (SELECT pg_cancel_backend(4802)): 36 sessions go on at once"
            .to_owned(),
    }
}
