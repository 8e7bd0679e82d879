//! Streaming replication: standbys, slots, the WAL they need, and who may write.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "replication", title: "Replication", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "recovery_conflict",
        means: "a query on a standby was cancelled because replay needed what it used",
        weight: Weight::Harm,
        codes: &["40001", "40P01", "57P04"],
        says: &[
            "canceling statement due to conflict with recovery",
            "terminating connection due to conflict with recovery",
        ],
        causes: &["repl_conflict"],
        rank: 82,
        examples: &[
            "ERROR 40001 canceling statement due to conflict with recovery | DETAIL: User query might have needed to see row versions that must be removed.",
            "FATAL 40001 terminating connection due to conflict with recovery | DETAIL: User was holding a relation lock for too long.",
        ],
        ..CLASS
    },
    Class {
        id: "recovery_waits",
        means: "replay on a standby waits for a query",
        weight: Weight::Notice,
        says: &["recovery still waiting after", "recovery finished waiting after"],
        causes: &["repl_conflict"],
        rank: 70,
        examples: &[
            "LOG 00000 recovery still waiting after 1013.9 ms: recovery conflict on snapshot | DETAIL: Conflicting process: 22.",
            "LOG 00000 recovery finished waiting after 2010.1 ms: recovery conflict on lock",
        ],
        ..CLASS
    },
    Class {
        id: "read_only",
        means: "a write reached a server, or a session, that takes none",
        weight: Weight::Harm,
        codes: &["25006"],
        causes: &["ha_wrong_role"],
        rank: 80,
        says: &[
            "cannot execute * in a read-only transaction",
            "cannot set transaction read-write mode",
            "transaction read-write mode must be set",
            "cannot execute * during recovery",
        ],
        examples: &["ERROR 25006 cannot execute INSERT in a read-only transaction"],
        ..CLASS
    },
    Class {
        id: "recovery_in_progress",
        means: "something was asked of a standby that only a primary can do",
        weight: Weight::Harm,
        codes: &["55000"],
        says: &[
            "recovery is in progress",
            "cannot assign TransactionIds during recovery",
            "cannot acquire lock mode",
        ],
        causes: &["ha_wrong_role"],
        rank: 76,
        examples: &[
            "ERROR 55000 recovery is in progress | HINT: WAL control functions cannot be executed during recovery.",
        ],
        ..CLASS
    },
    Class {
        id: "slot_invalidated",
        means: "a replication slot lost the WAL it needs: its consumer must be built anew",
        weight: Weight::Harm,
        says: &[
            "invalidating slot \"",
            "invalidating obsolete replication slot \"",
            "terminating process * to release replication slot",
            "terminating process * because replication slot",
        ],
        causes: &["wal_retention"],
        rank: 85,
        examples: &[
            "LOG 00000 invalidating slot \"standby1\" because its restart_lsn 0/7A00000 exceeds max_slot_wal_keep_size",
            "LOG 00000 invalidating obsolete replication slot \"standby1\"",
        ],
        ..CLASS
    },
    Class {
        id: "slot_lost",
        means: "a consumer asks for a slot whose WAL is gone",
        weight: Weight::Harm,
        codes: &["55000"],
        says: &[
            "can no longer get changes from replication slot",
            "cannot read from logical replication slot",
            "can no longer access replication slot",
            "replication slot \"*\" has been invalidated",
        ],
        causes: &["wal_retention"],
        rank: 84,
        examples: &["ERROR 55000 can no longer get changes from replication slot \"orders\""],
        ..CLASS
    },
    Class {
        id: "wal_segment_removed",
        means: "a standby asks for WAL that the primary no longer has",
        weight: Weight::Harm,
        codes: &["58P01", "08P01"],
        says: &[
            "requested WAL segment * has already been removed",
            "could not receive data from WAL stream: * requested WAL segment",
        ],
        causes: &["wal_retention", "repl_lag"],
        rank: 83,
        examples: &[
            "ERROR 58P01 requested WAL segment 000000010000000000000007 has already been removed",
            "FATAL 08P01 could not receive data from WAL stream: ERROR:  requested WAL segment 000000010000000000000007 has already been removed",
        ],
        ..CLASS
    },
    Class {
        id: "standby_lost",
        means: "the connection between a standby and its primary broke",
        weight: Weight::Harm,
        codes: &["08P01", "08006"],
        says: &[
            "unexpected EOF on standby connection",
            "could not receive data from WAL stream",
            "could not connect to the primary server",
            "streaming replication receiver \"*\" could not connect",
            "could not send data to WAL stream",
            "could not send end-of-streaming message to primary",
        ],
        causes: &["repl_lag", "net_latency"],
        rank: 67,
        examples: &[
            "LOG 08P01 unexpected EOF on standby connection",
            "FATAL 08006 could not connect to the primary server: connection to server at \"10.0.0.1\", port 5432 failed: Connection refused",
        ],
        ..CLASS
    },
    Class {
        id: "replication_timeout",
        means: "the other side of a replication connection was silent for too long",
        weight: Weight::Harm,
        says: &[
            "terminating walsender process due to replication timeout",
            "terminating walreceiver due to timeout",
        ],
        causes: &["repl_lag", "net_latency"],
        rank: 71,
        examples: &[
            "LOG 00000 terminating walsender process due to replication timeout",
            "FATAL 00000 terminating walreceiver due to timeout",
        ],
        ..CLASS
    },
    Class {
        id: "timeline_unreachable",
        means: "a standby cannot follow: its history has left that of the primary",
        weight: Weight::Harm,
        codes: &["55000", "XX000", "22023"],
        says: &[
            "requested timeline * is not a child of this server's history",
            "highest timeline * of the primary is behind recovery timeline",
            "database system identifier differs between",
            "new timeline * forked off current database system timeline",
            "requested starting point",
        ],
        causes: &["ha_wrong_role"],
        rank: 83,
        examples: &[
            "FATAL 22023 requested timeline 2 is not a child of this server's history",
            "FATAL 55000 highest timeline 1 of the primary is behind recovery timeline 2",
        ],
        ..CLASS
    },
    Class {
        id: "promoted",
        means: "a standby became a primary",
        weight: Weight::Notice,
        says: &[
            "received promote request",
            "selected new timeline ID",
            "archive recovery complete",
        ],
        causes: &["ha_wrong_role"],
        rank: 35,
        examples: &["LOG 00000 received promote request", "LOG 00000 selected new timeline ID: 2"],
        ..CLASS
    },
    Class {
        id: "sync_cancelled",
        means: "a commit no longer waited for its synchronous standby: it is safe on this server only",
        weight: Weight::Harm,
        codes: &["01000", "57P01"],
        says: &[
            "canceling wait for synchronous replication due to",
            "canceling the wait for synchronous replication",
        ],
        causes: &["repl_sync_stall"],
        rank: 79,
        examples: &[
            "WARNING 01000 canceling wait for synchronous replication due to user request | DETAIL: The transaction has already committed locally, but might not have been replicated to the standby.",
        ],
        ..CLASS
    },
    Class {
        id: "replication_command",
        means: "a standby, a backup or a consumer asks for WAL",
        says: &["received replication command:", "replication connection authorized:"],
        examples: &[
            "LOG 00000 received replication command: IDENTIFY_SYSTEM",
            "LOG 00000 replication connection authorized: user=repl application_name=walreceiver",
        ],
        ..CLASS
    },
    Class {
        id: "standby_streams",
        means: "a standby follows its primary",
        says: &[
            "started streaming WAL from primary",
            "entering standby mode",
            "fetching timeline history file",
            "waiting for WAL to become available",
            "restarted WAL streaming",
            "standby \"*\" is now a",
            "standby \"*\" now has synchronous standby priority",
        ],
        examples: &[
            "LOG 00000 started streaming WAL from primary at 0/7000000 on timeline 1",
            "LOG 00000 entering standby mode",
        ],
        ..CLASS
    },
];
