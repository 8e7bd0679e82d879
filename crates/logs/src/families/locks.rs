//! Waits for locks, and what becomes of them.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

use crate::measure;

pub(super) static FAMILY: Family = Family { id: "locks", title: "Locks", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "lock_wait_prepared",
        means: "a session waits for a prepared transaction that nobody finishes",
        weight: Weight::Harm,
        says: &["process * still waiting for"],
        // A prepared transaction has no process: the server writes 0.
        beside: &["holding the lock: 0.", "holding the lock: 0,", ", 0. Wait", ", 0,"],
        causes: &["lock_prepared_xact"],
        rank: 75,
        reads: Some(measure::lock_wait),
        examples: &[
            "LOG 00000 process 22 still waiting for ShareLock on transaction 838 after 300.201 ms | DETAIL: Process holding the lock: 0. Wait queue: 22.",
        ],
        ..CLASS
    },
    Class {
        id: "lock_wait_advisory",
        means: "a session waits for an advisory lock",
        weight: Weight::Notice,
        says: &["process * still waiting for *Lock on advisory lock"],
        causes: &["lock_advisory"],
        rank: 54,
        reads: Some(measure::lock_wait),
        examples: &[
            "LOG 00000 process 22 still waiting for ExclusiveLock on advisory lock [16384,0,7,1] after 1000.1 ms | DETAIL: Process holding the lock: 21. Wait queue: 22.",
        ],
        ..CLASS
    },
    Class {
        id: "lock_wait_ddl",
        means: "a statement waits for a lock on a table that keeps everybody else out, and they queue behind it",
        weight: Weight::Harm,
        says: &[
            "process * still waiting for AccessExclusiveLock on relation",
            "process * still waiting for ExclusiveLock on relation",
            "process * still waiting for ShareRowExclusiveLock on relation",
            "process * still waiting for ShareLock on relation",
            "process * still waiting for ShareUpdateExclusiveLock on relation",
        ],
        causes: &["lock_ddl_queue", "lock_idle_tx"],
        rank: 55,
        reads: Some(measure::lock_wait),
        examples: &[
            "LOG 00000 process 22 still waiting for AccessExclusiveLock on relation 16471 of database 16384 after 300.1 ms | DETAIL: Process holding the lock: 21. Wait queue: 22. | STATEMENT: alter table t add column x int",
        ],
        ..CLASS
    },
    Class {
        id: "lock_wait_relation",
        means: "a session waits for a table that a stronger lock keeps closed",
        weight: Weight::Harm,
        says: &["process * still waiting for *Lock on relation"],
        causes: &["lock_ddl_held", "lock_ddl_queue"],
        rank: 53,
        reads: Some(measure::lock_wait),
        examples: &[
            "LOG 00000 process 22 still waiting for AccessShareLock on relation 16471 of database 16384 after 300.0 ms | DETAIL: Process holding the lock: 21. Wait queue: 20, 22.",
            "LOG 00000 process 22 still waiting for RowExclusiveLock on relation 16471 of database 16384 after 1000.0 ms",
        ],
        ..CLASS
    },
    Class {
        id: "lock_wait_row",
        means: "a session waits for a row that another transaction has changed",
        weight: Weight::Notice,
        says: &[
            "process * still waiting for *Lock on transaction",
            "process * still waiting for *Lock on tuple",
            "process * still waiting for *Lock on virtual transaction",
            "process * still waiting for *Lock on speculative token",
        ],
        causes: &["lock_hot_row", "lock_idle_tx", "batch_bulk"],
        rank: 52,
        reads: Some(measure::lock_wait),
        examples: &[
            "LOG 00000 process 22 still waiting for ShareLock on transaction 796 after 300.1 ms | DETAIL: Process holding the lock: 21. Wait queue: 22.",
            "LOG 00000 process 23 still waiting for ExclusiveLock on tuple (0,1) of relation 16471 of database 16384 after 300.1 ms",
        ],
        ..CLASS
    },
    Class {
        id: "lock_wait_extend",
        means: "sessions wait for each other to make a table longer",
        weight: Weight::Notice,
        says: &[
            "process * still waiting for *Lock on extension of relation",
            "process * still waiting for *Lock on page",
        ],
        causes: &["lwlock_buffer_wal"],
        rank: 51,
        reads: Some(measure::lock_wait),
        examples: &[
            "LOG 00000 process 22 still waiting for ExclusiveLock on extension of relation 16471 of database 16384 after 1000.1 ms",
        ],
        ..CLASS
    },
    Class {
        id: "lock_wait",
        means: "a session waits for a lock",
        weight: Weight::Notice,
        says: &["process * still waiting for"],
        rank: 49,
        reads: Some(measure::lock_wait),
        examples: &[
            "LOG 00000 process 22 still waiting for ShareLock on object 1 of class 2 of database 3 after 1000.1 ms",
        ],
        ..CLASS
    },
    Class {
        id: "lock_acquired",
        means: "a session got a lock after a long wait",
        says: &["process * acquired"],
        reads: Some(measure::lock_wait),
        examples: &[
            "LOG 00000 process 22 acquired AccessExclusiveLock on relation 16471 of database 16384 after 1817.413 ms",
        ],
        ..CLASS
    },
    Class {
        id: "lock_not_acquired",
        means: "a session gave up waiting for a lock",
        weight: Weight::Notice,
        says: &["process * failed to acquire", "process * could not obtain"],
        rank: 48,
        examples: &[
            "LOG 00000 process 22 failed to acquire ShareLock on transaction 7 after 1000.1 ms",
        ],
        ..CLASS
    },
    Class {
        id: "deadlock_found",
        means: "the server found a deadlock, and may have solved it by changing a queue",
        weight: Weight::Harm,
        says: &["process * detected deadlock while waiting for", "process * avoided deadlock for"],
        causes: &["lock_deadlock"],
        rank: 73,
        examples: &[
            "LOG 00000 process 22 detected deadlock while waiting for ShareLock on transaction 7 after 300.1 ms | DETAIL: Process holding the lock: 21. Wait queue: .",
        ],
        ..CLASS
    },
    Class {
        id: "deadlock",
        means: "two transactions waited for each other, and one was cancelled",
        weight: Weight::Harm,
        codes: &["40P01"],
        says: &["deadlock detected"],
        causes: &["lock_deadlock"],
        rank: 74,
        examples: &[
            "ERROR 40P01 deadlock detected | DETAIL: Process 22 waits for ShareLock on transaction 7; blocked by process 21.",
        ],
        ..CLASS
    },
    Class {
        id: "lock_timeout",
        means: "a statement waited for a lock longer than lock_timeout",
        weight: Weight::Harm,
        codes: &["55P03"],
        says: &["canceling statement due to lock timeout"],
        causes: &["lock_ddl_queue", "lock_hot_row", "lock_idle_tx"],
        rank: 63,
        examples: &[
            "ERROR 55P03 canceling statement due to lock timeout | STATEMENT: alter table t add column x int",
        ],
        ..CLASS
    },
    Class {
        id: "lock_nowait",
        means: "a statement that would not wait found its lock taken",
        weight: Weight::Notice,
        codes: &["55P03"],
        says: &[
            "could not obtain lock on row in relation",
            "could not obtain lock on relation",
            "could not obtain lock on",
        ],
        causes: &["lock_hot_row"],
        rank: 61,
        examples: &[
            "ERROR 55P03 could not obtain lock on row in relation \"orders\"",
            "ERROR 55P03 could not obtain lock on relation \"orders\"",
        ],
        ..CLASS
    },
    Class {
        id: "vacuum_skipped_locked",
        means: "autovacuum left a table out because it was locked",
        weight: Weight::Notice,
        codes: &["55P03"],
        says: &[
            "skipping vacuum of \"*\" --- lock not available",
            "skipping analyze of \"*\" --- lock not available",
        ],
        causes: &["vac_bloat"],
        rank: 15,
        examples: &["LOG 55P03 skipping vacuum of \"orders\" --- lock not available"],
        ..CLASS
    },
    Class {
        id: "lock_not_available",
        means: "a lock was not to be had",
        weight: Weight::Harm,
        codes: &["55P03"],
        causes: &["lock_hot_row"],
        rank: 59,
        examples: &["ERROR 55P03 not available"],
        ..CLASS
    },
    Class {
        id: "object_in_use",
        means: "something cannot be changed while others use it",
        weight: Weight::Notice,
        codes: &["55006"],
        says: &[
            "database \"*\" is being accessed by other users",
            "cannot ALTER TABLE",
            "cannot DROP TABLE",
            "replication slot \"*\" is active for PID",
        ],
        rank: 46,
        examples: &[
            "ERROR 55006 database \"shop\" is being accessed by other users | DETAIL: There are 3 other sessions using the database.",
            "ERROR 55006 replication slot \"s\" is active for PID 7",
        ],
        ..CLASS
    },
];
