//! Statements that were logged: for their duration, their kind, their plan.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

use crate::measure;

pub(super) static FAMILY: Family =
    Family { id: "statements", title: "Statements", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "slow_plan_scans",
        means: "a slow statement reads a whole table and throws most of it away",
        weight: Weight::Notice,
        says: &["duration: * ms  plan:"],
        causes: &["plan_missing_index", "plan_stats_flip"],
        rank: 43,
        reads: Some(measure::plan_scans),
        examples: &[
            "LOG 00000 duration: 1062.871 ms  plan:\n{ \"Query Text\": \"select count(*) from big where id = 7\",\n \"Plan\": { \"Node Type\": \"Seq Scan\", \"Total Cost\": 4101.00, \"Plan Rows\": 1, \"Filter\": \"(id = 7)\" } }",
        ],
        ..CLASS
    },
    Class {
        id: "slow_plan",
        means: "auto_explain tells the plan of a slow statement",
        weight: Weight::Notice,
        says: &["duration: * ms  plan:"],
        rank: 26,
        reads: Some(measure::plan),
        examples: &[
            "LOG 00000 duration: 1002.1 ms  plan:\n{ \"Query Text\": \"update t set n = n + 1 where id = 1\",\n  \"Plan\": { \"Node Type\": \"ModifyTable\" } }",
        ],
        ..CLASS
    },
    Class {
        id: "statement_finished",
        means: "a statement, with the time it took",
        says: &["duration: "],
        reads: Some(measure::statement),
        examples: &[
            "LOG 00000 duration: 1203.037 ms  statement: select * from t where id = 1",
            "LOG 00000 duration: 12.5 ms  execute S_1: select 1",
            "LOG 00000 duration: 12.5 ms",
        ],
        ..CLASS
    },
    Class {
        id: "statement_logged",
        means: "a statement, without the time it took",
        says: &["statement: ", "execute "],
        reads: Some(measure::begun),
        examples: &[
            "LOG 00000 statement: create table a (i int)",
            "LOG 00000 execute S_1: select 1",
        ],
        ..CLASS
    },
    Class {
        id: "parameters_logged",
        means: "the parameters of a statement, or its parts",
        says: &["bind ", "parse ", "fastpath function call:", "audit: ", "AUDIT: "],
        examples: &[
            "LOG 00000 bind S_1: select 1",
            "LOG 00000 AUDIT: SESSION,1,1,READ,SELECT,,,select 1,<none>",
        ],
        ..CLASS
    },
    Class {
        id: "warning_given",
        means: "a warning to a client",
        weight: Weight::Notice,
        codes: &["01000", "01"],
        examples: &["WARNING 01000 something to think about"],
        ..CLASS
    },
];
