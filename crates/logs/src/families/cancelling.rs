//! Statements and sessions that were ended from outside: by a limit, a person, a shutdown.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "cancelling", title: "Cancelled and ended", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "autovacuum_cancelled",
        means: "autovacuum gave way to a statement that needed its table",
        weight: Weight::Notice,
        codes: &["57014"],
        says: &["canceling autovacuum task"],
        causes: &["vac_bloat"],
        rank: 73,
        examples: &[
            "ERROR 57014 canceling autovacuum task | CONTEXT: automatic vacuum of table \"shop.public.orders\"",
        ],
        ..CLASS
    },
    Class {
        id: "statement_timeout",
        means: "a statement ran into statement_timeout",
        weight: Weight::Harm,
        codes: &["57014"],
        says: &["canceling statement due to statement timeout"],
        causes: &["cfg_timeout"],
        rank: 62,
        examples: &["ERROR 57014 canceling statement due to statement timeout"],
        ..CLASS
    },
    Class {
        id: "user_cancel",
        means: "a client or a person cancelled a statement",
        weight: Weight::Notice,
        codes: &["57014"],
        says: &["canceling statement due to user request"],
        rank: 45,
        examples: &["ERROR 57014 canceling statement due to user request"],
        ..CLASS
    },
    Class {
        id: "login_timeout",
        means: "a client took longer than authentication_timeout to log in",
        weight: Weight::Notice,
        codes: &["57014"],
        says: &["canceling authentication due to timeout"],
        causes: &["net_latency"],
        rank: 50,
        examples: &["FATAL 57014 canceling authentication due to timeout"],
        ..CLASS
    },
    Class {
        id: "statement_cancelled",
        means: "a statement was cancelled",
        weight: Weight::Notice,
        codes: &["57014"],
        rank: 44,
        examples: &["ERROR 57014 canceling wait for synchronous replication"],
        ..CLASS
    },
    Class {
        id: "worker_ended",
        means: "a background worker ended because its leader, or the server, did",
        codes: &["57P01"],
        says: &[
            "terminating background worker",
            "terminating logical replication worker",
            "terminating autovacuum process",
            "terminating walreceiver process",
            "terminating walsender process",
        ],
        examples: &[
            "FATAL 57P01 terminating background worker \"parallel worker\" due to administrator command",
        ],
        ..CLASS
    },
    Class {
        id: "session_terminated",
        means: "an administrator, or a shutdown, ended a session",
        weight: Weight::Harm,
        codes: &["57P01"],
        says: &["terminating connection due to administrator command"],
        rank: 58,
        examples: &["FATAL 57P01 terminating connection due to administrator command"],
        ..CLASS
    },
    Class {
        id: "session_ended_by_admin",
        means: "the server ended a session on request",
        weight: Weight::Harm,
        codes: &["57P01"],
        rank: 57,
        examples: &["FATAL 57P01 terminated by the administrator"],
        ..CLASS
    },
    Class {
        id: "database_dropped_under_session",
        means: "a session's database was dropped",
        weight: Weight::Harm,
        codes: &["57P04"],
        causes: &["schema_data_loss"],
        rank: 70,
        examples: &["FATAL 57P04 terminating connection because the database was dropped"],
        ..CLASS
    },
    Class {
        id: "idle_in_transaction_timeout",
        means: "a session idle in a transaction ran into its timeout; its work is lost",
        weight: Weight::Harm,
        codes: &["25P03"],
        says: &["terminating connection due to idle-in-transaction timeout"],
        causes: &["lock_idle_tx"],
        rank: 66,
        examples: &["FATAL 25P03 terminating connection due to idle-in-transaction timeout"],
        ..CLASS
    },
    Class {
        id: "transaction_timeout",
        means: "a transaction ran into transaction_timeout",
        weight: Weight::Harm,
        codes: &["25P04"],
        says: &[
            "terminating connection due to transaction timeout",
            "canceling statement due to transaction timeout",
        ],
        causes: &["cfg_timeout", "lock_idle_tx"],
        rank: 64,
        examples: &["FATAL 25P04 terminating connection due to transaction timeout"],
        ..CLASS
    },
    Class {
        id: "idle_session_timeout",
        means: "an idle session ran into idle_session_timeout",
        weight: Weight::Notice,
        codes: &["57P05"],
        says: &["terminating connection due to idle-session timeout"],
        causes: &["cfg_timeout"],
        rank: 56,
        examples: &["FATAL 57P05 terminating connection due to idle-session timeout"],
        ..CLASS
    },
];
