//! Logical replication: publishers' decoding, subscribers' workers.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "logical", title: "Logical replication", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "logical_apply_failed",
        means: "a subscription's worker failed and will start again",
        weight: Weight::Harm,
        says: &[
            "background worker \"logical replication worker\" (PID *) exited with exit code 1",
            "background worker \"logical replication apply worker\" (PID *) exited with exit code 1",
            "subscription \"*\" has been disabled because of an error",
            "background worker \"logical replication tablesync worker\" (PID *) exited with exit code 1",
        ],
        causes: &["repl_logical_stuck"],
        rank: 76,
        examples: &[
            "LOG 00000 background worker \"logical replication worker\" (PID 22) exited with exit code 1",
            "LOG 00000 subscription \"orders\" has been disabled because of an error",
        ],
        ..CLASS
    },
    Class {
        id: "logical_source_lost",
        means: "a subscriber cannot reach its publisher",
        weight: Weight::Harm,
        codes: &["08006", "08001"],
        says: &[
            "could not connect to the publisher",
            "subscription \"*\" could not connect to the publisher",
            "could not receive data from the publisher",
        ],
        causes: &["repl_logical_stuck", "net_latency"],
        rank: 72,
        examples: &[
            "ERROR 08006 could not connect to the publisher: connection to server at \"10.0.0.1\", port 5432 failed: Connection refused",
        ],
        ..CLASS
    },
    Class {
        id: "logical_conflict",
        means: "a replicated row does not fit what the subscriber has",
        weight: Weight::Harm,
        says: &[
            "conflict detected on relation",
            "logical replication did not find row",
            "logical replication target relation",
        ],
        codes: &["55000"],
        causes: &["repl_logical_stuck"],
        rank: 74,
        examples: &[
            "ERROR 55000 logical replication target relation \"public.orders\" is missing replicated column: \"email\"",
        ],
        ..CLASS
    },
    Class {
        id: "logical_slot_full",
        means: "no replication slot or worker is free",
        weight: Weight::Harm,
        codes: &["53400"],
        says: &[
            "all replication slots are in use",
            "out of logical replication worker slots",
            "out of background worker slots",
            "could not find free replication state",
        ],
        causes: &["repl_logical_stuck"],
        rank: 74,
        examples: &[
            "ERROR 53400 all replication slots are in use",
            "WARNING 53400 out of logical replication worker slots",
        ],
        ..CLASS
    },
    Class {
        id: "logical_identity_missing",
        means: "rows of a published table cannot be changed, since nothing identifies them",
        weight: Weight::Harm,
        codes: &["55000"],
        says: &[
            "cannot update table \"*\" because it does not have a replica identity",
            "cannot delete from table \"*\" because it does not have a replica identity",
        ],
        causes: &["repl_logical_stuck"],
        rank: 74,
        examples: &[
            "ERROR 55000 cannot update table \"orders\" because it does not have a replica identity and publishes updates",
        ],
        ..CLASS
    },
    Class {
        id: "logical_decoding",
        means: "logical decoding goes its way",
        says: &[
            "starting logical decoding for slot",
            "logical decoding found consistent point",
            "logical decoding found initial starting point",
            "logical replication apply worker for subscription",
            "logical replication table synchronization worker for",
            "logical replication worker for subscription",
        ],
        examples: &[
            "LOG 00000 starting logical decoding for slot \"orders\"",
            "LOG 00000 logical replication apply worker for subscription \"orders\" has started",
        ],
        ..CLASS
    },
];
