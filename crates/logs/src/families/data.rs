//! Rows and values that the database refuses.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "data", title: "Refused rows and values", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "unique_violated",
        means: "a row would be there twice",
        weight: Weight::Harm,
        codes: &["23505"],
        says: &["duplicate key value violates unique constraint"],
        rank: 61,
        examples: &[
            "ERROR 23505 duplicate key value violates unique constraint \"orders_pkey\" | DETAIL: Key (id)=(7) already exists.",
        ],
        ..CLASS
    },
    Class {
        id: "unique_index_impossible",
        means: "a unique index cannot be built: rows are there twice",
        weight: Weight::Harm,
        codes: &["23505"],
        says: &["could not create unique index"],
        causes: &["plan_invalid_index", "schema_half_migration"],
        rank: 74,
        examples: &[
            "ERROR 23505 could not create unique index \"users_email\" | DETAIL: Key (email)=(a) is duplicated.",
        ],
        ..CLASS
    },
    Class {
        id: "key_twice",
        means: "a unique constraint refuses a row",
        weight: Weight::Harm,
        codes: &["23505"],
        rank: 60,
        examples: &["ERROR 23505 there already"],
        ..CLASS
    },
    Class {
        id: "foreign_key_violated",
        means: "a row refers to one that is not there, or is still referred to",
        weight: Weight::Harm,
        codes: &["23503", "23001"],
        says: &[
            "insert or update on table \"*\" violates foreign key constraint",
            "update or delete on table \"*\" violates",
        ],
        rank: 61,
        examples: &[
            "ERROR 23503 insert or update on table \"child\" violates foreign key constraint \"child_parent_fkey\"",
            "ERROR 23503 update or delete on table \"parent\" violates foreign key constraint \"f\" on table \"child\"",
        ],
        ..CLASS
    },
    Class {
        id: "not_null_violated",
        means: "a value is missing",
        weight: Weight::Harm,
        codes: &["23502"],
        says: &[
            "null value in column \"",
            "column \"*\" contains null values",
            "column \"*\" of relation \"*\" contains null values",
        ],
        rank: 61,
        examples: &[
            "ERROR 23502 null value in column \"n\" of relation \"t\" violates not-null constraint | DETAIL: Failing row contains (1, null).",
        ],
        ..CLASS
    },
    Class {
        id: "check_violated",
        means: "a row breaks a check constraint",
        weight: Weight::Harm,
        codes: &["23514"],
        says: &[
            "new row for relation \"*\" violates check constraint",
            "check constraint \"*\" of relation \"*\" is violated",
            "no partition of relation \"*\" found for row",
            "value for domain",
        ],
        rank: 61,
        examples: &[
            "ERROR 23514 new row for relation \"t\" violates check constraint \"t_n_check\"",
            "ERROR 23514 no partition of relation \"events\" found for row",
        ],
        ..CLASS
    },
    Class {
        id: "exclusion_violated",
        means: "a row overlaps another that an exclusion constraint keeps apart",
        weight: Weight::Harm,
        codes: &["23P01"],
        says: &["conflicting key value violates exclusion constraint"],
        rank: 61,
        examples: &["ERROR 23P01 conflicting key value violates exclusion constraint \"booking\""],
        ..CLASS
    },
    Class {
        id: "constraint_violated",
        means: "a constraint refuses a row",
        weight: Weight::Harm,
        codes: &["23000", "23"],
        rank: 59,
        examples: &["ERROR 23000 refused"],
        ..CLASS
    },
    Class {
        id: "sequence_exhausted",
        means: "a sequence has no further number",
        weight: Weight::Harm,
        codes: &["2200H"],
        says: &["nextval: reached m"],
        causes: &["seq_overflow"],
        rank: 86,
        examples: &[
            "ERROR 2200H nextval: reached maximum value of sequence \"orders_id_seq\" (2147483647)",
        ],
        ..CLASS
    },
    Class {
        id: "integer_overflow",
        means: "a number does not fit into its column",
        weight: Weight::Harm,
        codes: &["22003"],
        says: &[
            "integer out of range",
            "smallint out of range",
            "bigint out of range",
            "value \"*\" is out of range for type",
        ],
        causes: &["seq_overflow"],
        rank: 80,
        examples: &[
            "ERROR 22003 integer out of range",
            "ERROR 22003 value \"3000000000\" is out of range for type integer",
        ],
        ..CLASS
    },
    Class {
        id: "number_out_of_range",
        means: "a number is out of range",
        weight: Weight::Harm,
        codes: &["22003"],
        causes: &["seq_overflow"],
        rank: 62,
        examples: &["ERROR 22003 numeric field overflow"],
        ..CLASS
    },
    Class {
        id: "value_too_long",
        means: "a text is longer than its column",
        weight: Weight::Harm,
        codes: &["22001"],
        says: &["value too long for type"],
        rank: 60,
        examples: &["ERROR 22001 value too long for type character varying(20)"],
        ..CLASS
    },
    Class {
        id: "division_by_zero",
        means: "a statement divides by zero",
        weight: Weight::Harm,
        codes: &["22012"],
        says: &["division by zero"],
        rank: 58,
        examples: &["ERROR 22012 division by zero"],
        ..CLASS
    },
    Class {
        id: "value_not_readable",
        means: "a text is not of the type it is given for",
        weight: Weight::Harm,
        codes: &["22P02", "22007", "22008", "22P03"],
        says: &[
            "invalid input syntax for",
            "invalid input value for enum",
            "date/time field value out of range",
            "malformed ",
        ],
        rank: 58,
        examples: &[
            "ERROR 22P02 invalid input syntax for type integer: \"x\"",
            "ERROR 22P02 invalid input value for enum state: \"paid\"",
            "ERROR 22007 invalid input syntax for type date: \"x\"",
        ],
        ..CLASS
    },
    Class {
        id: "encoding_wrong",
        means: "bytes are no text in the database's encoding",
        weight: Weight::Harm,
        codes: &["22021", "22P05"],
        says: &["invalid byte sequence for encoding", "character with byte sequence"],
        rank: 60,
        examples: &["ERROR 22021 invalid byte sequence for encoding \"UTF8\": 0x00"],
        ..CLASS
    },
    Class {
        id: "value_refused",
        means: "a value cannot be used so",
        weight: Weight::Harm,
        codes: &["22023", "22"],
        rank: 52,
        examples: &["ERROR 22023 invalid parameter value"],
        ..CLASS
    },
    Class {
        id: "more_than_one_row",
        means: "a subquery or a function gives more rows than one",
        weight: Weight::Harm,
        codes: &["21000", "P0003", "P0002"],
        says: &[
            "more than one row returned by a subquery",
            "query returned more than one row",
            "query returned no rows",
            "ON CONFLICT DO UPDATE command cannot affect row a second time",
        ],
        rank: 55,
        examples: &["ERROR 21000 more than one row returned by a subquery used as an expression"],
        ..CLASS
    },
    Class {
        id: "raised_by_code",
        means: "a function raised an error of its own",
        weight: Weight::Notice,
        codes: &["P0001", "P0004", "P0"],
        rank: 50,
        examples: &[
            "ERROR P0001 balance too low | CONTEXT: PL/pgSQL function pay(integer) line 7 at RAISE",
        ],
        ..CLASS
    },
];
