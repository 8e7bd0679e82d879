//! What breaks when sessions are shared, or a schema changes under a prepared statement.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "pooling", title: "Prepared statements and pooling", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "prepared_missing",
        means: "a prepared statement is not there: another session of the pool has it, or it was discarded",
        weight: Weight::Harm,
        codes: &["26000"],
        causes: &["conn_prepared_pooling"],
        rank: 77,
        says: &[
            "prepared statement \"*\" does not exist",
            "unnamed prepared statement does not exist",
        ],
        examples: &["ERROR 26000 prepared statement \"S_1\" does not exist"],
        ..CLASS
    },
    Class {
        id: "prepared_twice",
        means: "a prepared statement of that name is there already: sessions of a pool share it",
        weight: Weight::Harm,
        codes: &["42P05"],
        causes: &["conn_prepared_pooling"],
        rank: 77,
        says: &["prepared statement \"*\" already exists"],
        examples: &["ERROR 42P05 prepared statement \"S_1\" already exists"],
        ..CLASS
    },
    Class {
        id: "cached_plan_changed",
        means: "a table changed under a prepared statement, whose columns are now others",
        weight: Weight::Harm,
        codes: &["0A000"],
        says: &["cached plan must not change result type"],
        causes: &["conn_prepared_pooling"],
        rank: 77,
        examples: &["ERROR 0A000 cached plan must not change result type"],
        ..CLASS
    },
    Class {
        id: "prepared_mismatch",
        means: "a call of a prepared statement does not fit it: it may be another's",
        weight: Weight::Harm,
        codes: &["08P01"],
        says: &["bind message supplies * parameters, but prepared statement"],
        causes: &["conn_prepared_pooling"],
        rank: 74,
        examples: &[
            "ERROR 08P01 bind message supplies 2 parameters, but prepared statement \"S_1\" requires 1",
        ],
        ..CLASS
    },
    Class {
        id: "cursor_missing",
        means: "a cursor is not there: its transaction, or its session, was another",
        weight: Weight::Harm,
        codes: &["34000"],
        says: &["cursor \"*\" does not exist", "portal \"*\" does not exist"],
        causes: &["conn_prepared_pooling"],
        rank: 68,
        examples: &["ERROR 34000 cursor \"c1\" does not exist"],
        ..CLASS
    },
    Class {
        id: "feature_not_supported",
        means: "something that this server does not do",
        weight: Weight::Harm,
        codes: &["0A000", "0A"],
        rank: 51,
        examples: &["ERROR 0A000 cross-database references are not implemented: \"a.b.c\""],
        ..CLASS
    },
];
