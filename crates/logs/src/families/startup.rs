//! The server's own life: starting, recovering, shutting down.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "startup", title: "Start, recovery and shutdown", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "not_accepting",
        means: "a client came while the server starts, stops or recovers",
        weight: Weight::Harm,
        codes: &["57P03"],
        causes: &["srv_starting"],
        rank: 54,
        says: &[
            "the database system is starting up",
            "the database system is shutting down",
            "the database system is in recovery mode",
            "the database system is not yet accepting connections",
            "the database system is not accepting connections",
        ],
        examples: &[
            "FATAL 57P03 the database system is starting up",
            "FATAL 57P03 the database system is not yet accepting connections",
        ],
        ..CLASS
    },
    Class {
        id: "start_refused",
        means: "the server cannot start with what it is given",
        weight: Weight::Harm,
        says: &[
            "could not create any TCP/IP sockets",
            "could not bind IPv",
            "could not create lock file",
            "lock file \"postmaster.pid\" already exists",
            "could not map anonymous shared memory",
            "could not create shared memory segment",
            "data directory \"",
            "database files are incompatible with server",
            "could not bind Unix",
        ],
        codes: &["F0001", "53200", "42501", "55000", "22023", "XX000"],
        causes: &["cfg_change", "srv_starting"],
        rank: 87,
        examples: &[
            "FATAL F0001 lock file \"postmaster.pid\" already exists",
            "FATAL 53200 could not map anonymous shared memory: Cannot allocate memory",
            "FATAL 22023 database files are incompatible with server | DETAIL: The data directory was initialized by PostgreSQL version 14, which is not compatible with this version 15.18.",
            "LOG XX000 could not bind IPv4 address \"127.0.0.1\": Address already in use",
        ],
        ..CLASS
    },
    Class {
        id: "recovery_source_missing",
        means: "recovery lacks WAL, a checkpoint or its target",
        weight: Weight::Harm,
        codes: &["XX000", "F0000", "22023", "55000"],
        says: &[
            "could not locate a valid checkpoint record",
            "could not locate required checkpoint record",
            "recovery ended before configured recovery target was reached",
            "WAL ends before end of online backup",
            "WAL ends before consistent recovery point",
            "could not find redo location",
            "invalid checkpoint record",
            "invalid primary checkpoint record",
            "requested recovery stop point is before consistent recovery point",
            "could not find WAL file",
        ],
        causes: &["int_corruption", "srv_starting"],
        rank: 89,
        examples: &[
            "PANIC XX000 could not locate a valid checkpoint record",
            "FATAL F0000 recovery ended before configured recovery target was reached",
        ],
        ..CLASS
    },
    Class {
        id: "server_starting",
        means: "the server starts",
        says: &[
            "starting PostgreSQL",
            "database system was shut down",
            "database system was shut down in recovery",
        ],
        examples: &[
            "LOG 00000 starting PostgreSQL 15.18 on x86_64-pc-linux-gnu, compiled by gcc 12.2.0, 64-bit",
            "LOG 00000 database system was shut down at 2026-11-21 03:24:37 UTC",
        ],
        ..CLASS
    },
    Class {
        id: "server_listening",
        means: "the server opens an address",
        says: &["listening on"],
        examples: &["LOG 00000 listening on IPv4 address \"127.0.0.1\", port 5432"],
        ..CLASS
    },
    Class {
        id: "server_ready",
        means: "the server takes connections",
        says: &["database system is ready to accept"],
        examples: &[
            "LOG 00000 database system is ready to accept connections",
            "LOG 00000 database system is ready to accept read-only connections",
        ],
        ..CLASS
    },
    Class {
        id: "shutdown_requested",
        means: "the server is asked to stop",
        weight: Weight::Notice,
        says: &[
            "received fast shutdown request",
            "received smart shutdown request",
            "received immediate shutdown request",
        ],
        causes: &["srv_starting"],
        rank: 18,
        examples: &["LOG 00000 received fast shutdown request"],
        ..CLASS
    },
    Class {
        id: "shutdown",
        means: "the server stops",
        says: &[
            "shutting down",
            "database system is shut down",
            "aborting any active transactions",
        ],
        examples: &["LOG 00000 shutting down", "LOG 00000 database system is shut down"],
        ..CLASS
    },
    Class {
        id: "recovery",
        means: "the server replays WAL",
        says: &[
            "redo starts at",
            "redo done at",
            "redo in progress",
            "redo is not required",
            "consistent recovery state reached",
            "starting archive recovery",
            "starting point-in-time recovery",
            "starting backup recovery",
            "completed backup recovery",
            "last completed transaction was at",
            "recovery stopping",
            "pausing at the end of recovery",
            "syncing data directory",
            "invalid record length at",
            "invalid magic number",
            "record with incorrect prev-link",
            "unexpected pageaddr",
        ],
        examples: &[
            "LOG 00000 redo starts at 0/7000028",
            "LOG 00000 redo done at 0/7000100 system usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 0.00 s",
            "LOG 00000 invalid record length at 0/7000100: wanted 24, got 0",
        ],
        ..CLASS
    },
    Class {
        id: "recovery_slow",
        means: "starting takes long",
        weight: Weight::Notice,
        says: &["still starting up"],
        causes: &["srv_starting"],
        rank: 30,
        examples: &["LOG 00000 still starting up"],
        ..CLASS
    },
    Class {
        id: "logger",
        means: "the server tells where it logs",
        says: &[
            "redirecting log output to logging collector process",
            "ending log output to stderr",
        ],
        examples: &[
            "LOG 00000 redirecting log output to logging collector process | HINT: Future log output will appear in directory \"log\".",
        ],
        ..CLASS
    },
];
