//! Transactions that cannot go on.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "transactions", title: "Transactions", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "serialization_failure",
        means: "two transactions changed the same rows, and one must be tried again",
        weight: Weight::Harm,
        codes: &["40001"],
        says: &[
            "could not serialize access due to",
            "tuple to be updated was already modified",
            "restart transaction",
        ],
        rank: 67,
        examples: &[
            "ERROR 40001 could not serialize access due to concurrent update",
            "ERROR 40001 could not serialize access due to read/write dependencies among transactions",
        ],
        ..CLASS
    },
    Class {
        id: "transaction_rolled_back",
        means: "a transaction was rolled back and may be tried again",
        weight: Weight::Harm,
        codes: &["40001", "40000", "40"],
        rank: 60,
        examples: &["ERROR 40001 try again"],
        ..CLASS
    },
    Class {
        id: "transaction_aborted",
        means: "statements follow in a transaction that has failed already",
        weight: Weight::Notice,
        codes: &["25P02"],
        says: &["current transaction is aborted, commands ignored until end of transaction block"],
        rank: 47,
        examples: &[
            "ERROR 25P02 current transaction is aborted, commands ignored until end of transaction block",
        ],
        ..CLASS
    },
    Class {
        id: "transaction_state",
        means: "a statement does not fit the state of its transaction",
        weight: Weight::Notice,
        codes: &["25001", "25P01", "25"],
        says: &[
            "there is already a transaction in progress",
            "there is no transaction in progress",
            "VACUUM cannot run inside",
            "CREATE INDEX CONCURRENTLY cannot run inside",
            "CREATE DATABASE cannot run inside",
            "ALTER SYSTEM cannot run inside",
            "SET TRANSACTION",
        ],
        rank: 44,
        examples: &[
            "WARNING 25001 there is already a transaction in progress",
            "ERROR 25001 CREATE INDEX CONCURRENTLY cannot run inside a transaction block",
        ],
        ..CLASS
    },
    Class {
        id: "transaction_state_wrong",
        means: "a transaction is not in the state that a statement needs",
        weight: Weight::Notice,
        codes: &["25001", "25P01", "25"],
        rank: 43,
        examples: &["ERROR 25001 not in a transaction"],
        ..CLASS
    },
    Class {
        id: "prepared_xact_recovered",
        means: "a prepared transaction outlived a restart and keeps its locks",
        weight: Weight::Notice,
        says: &["recovering prepared transaction"],
        causes: &["lock_prepared_xact"],
        rank: 58,
        examples: &["LOG 00000 recovering prepared transaction 838 from shared memory"],
        ..CLASS
    },
    Class {
        id: "prepared_xact_wrong",
        means: "a two-phase commit does not find, or may not keep, its transaction",
        weight: Weight::Harm,
        codes: &["55000", "42704", "42710", "53200"],
        says: &[
            "prepared transactions are disabled",
            "prepared transaction with identifier \"*\" does not exist",
            "transaction identifier \"*\" is already in use",
            "maximum number of prepared transactions reached",
        ],
        causes: &["lock_prepared_xact"],
        rank: 69,
        examples: &[
            "ERROR 55000 prepared transactions are disabled",
            "ERROR 53200 maximum number of prepared transactions reached",
        ],
        ..CLASS
    },
];
