//! Processes that died, and what the server does about it.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family = Family { id: "crashes", title: "Crashes", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "process_killed",
        means: "a server process was killed from outside, as the kernel does when memory runs out",
        weight: Weight::Harm,
        says: &["server process (PID *) was terminated by signal 9"],
        causes: &["mem_oom_kill"],
        rank: 96,
        examples: &[
            "LOG 00000 server process (PID 2214) was terminated by signal 9: Killed | DETAIL: Failed process was running: select 1",
        ],
        ..CLASS
    },
    Class {
        id: "process_crashed",
        means: "a server process crashed",
        weight: Weight::Harm,
        says: &[
            "server process (PID *) was terminated by signal",
            "server process (PID *) exited with exit code",
            "background worker \"*\" (PID *) was terminated by signal",
            "background writer process (PID *) was terminated by signal",
            "checkpointer process (PID *) was terminated by signal",
            "autovacuum launcher process (PID *) was terminated by signal",
            "startup process (PID *) was terminated by signal",
            "walwriter process (PID *) was terminated by signal",
        ],
        causes: &["crash_bug"],
        rank: 95,
        examples: &[
            "LOG 00000 server process (PID 2214) was terminated by signal 11: Segmentation fault",
            "LOG 00000 server process (PID 2214) was terminated by signal 6: Aborted",
        ],
        ..CLASS
    },
    Class {
        id: "startup_failed",
        means: "recovery could not be finished",
        weight: Weight::Harm,
        says: &[
            "startup process (PID *) exited with exit code",
            "aborting startup due to startup process failure",
            "shutting down due to startup process failure",
        ],
        causes: &["srv_starting", "int_corruption"],
        rank: 87,
        examples: &["LOG 00000 startup process (PID 22) exited with exit code 1"],
        ..CLASS
    },
    Class {
        id: "worker_exited",
        means: "a background worker ended",
        says: &["background worker \"*\" (PID *) exited with exit code"],
        examples: &[
            "LOG 00000 background worker \"logical replication launcher\" (PID 22) exited with exit code 1",
        ],
        ..CLASS
    },
    Class {
        id: "all_sessions_ended",
        means: "the server ends all sessions after one of its processes crashed",
        weight: Weight::Harm,
        says: &[
            "terminating any other active server processes",
            "all server processes terminated; reinitializing",
        ],
        causes: &["crash_bug", "mem_oom_kill"],
        rank: 60,
        examples: &[
            "LOG 00000 terminating any other active server processes",
            "LOG 00000 all server processes terminated; reinitializing",
        ],
        ..CLASS
    },
    Class {
        id: "session_lost_to_crash",
        means: "a session was ended because another process crashed",
        weight: Weight::Harm,
        codes: &["57P02"],
        causes: &["crash_bug", "mem_oom_kill"],
        rank: 58,
        says: &[
            "terminating connection because of crash of another server process",
            "terminating connection due to unexpected postmaster exit",
        ],
        examples: &[
            "WARNING 57P02 terminating connection because of crash of another server process",
        ],
        ..CLASS
    },
    Class {
        id: "unclean_start",
        means: "the server was not shut down properly and recovers from its WAL",
        weight: Weight::Harm,
        says: &["database system was not properly shut down; automatic recovery in progress"],
        causes: &["crash_bug", "mem_oom_kill"],
        rank: 56,
        examples: &[
            "LOG 00000 database system was not properly shut down; automatic recovery in progress",
        ],
        ..CLASS
    },
    Class {
        id: "was_interrupted",
        means: "the server was not stopped before: after a crash, and whenever a copy of it starts",
        weight: Weight::Notice,
        says: &["database system was interrupted"],
        examples: &[
            "LOG 00000 database system was interrupted; last known up at 2026-11-21 03:24:37 UTC",
        ],
        ..CLASS
    },
    Class {
        id: "data_directory_lost",
        means: "the server's own files are gone or belong to somebody else",
        weight: Weight::Harm,
        says: &[
            "performing immediate shutdown because data directory lock file is invalid",
            "could not open file \"postmaster.pid\"",
            "lock file \"*\" contains wrong PID",
        ],
        causes: &["io_hardware"],
        rank: 92,
        examples: &[
            "LOG 00000 performing immediate shutdown because data directory lock file is invalid",
        ],
        ..CLASS
    },
];
