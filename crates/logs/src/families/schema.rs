//! Names that do not fit the schema: code ahead of it, or behind.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "schema", title: "Missing and double objects", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "missing_relation",
        means: "a statement names a table or view that does not exist",
        weight: Weight::Harm,
        codes: &["42P01"],
        causes: &["schema_missing_object"],
        rank: 73,
        says: &[
            "relation \"*\" does not exist",
            "missing FROM-clause entry for table",
            "invalid reference to FROM-clause entry",
            "table \"*\" does not exist",
        ],
        examples: &["ERROR 42P01 relation \"orders_new\" does not exist"],
        ..CLASS
    },
    Class {
        id: "missing_column",
        means: "a statement names a column that does not exist",
        weight: Weight::Harm,
        codes: &["42703"],
        causes: &["schema_missing_object", "schema_half_migration"],
        rank: 73,
        says: &[
            "column \"*\" does not exist",
            "column \"*\" of relation \"*\" does not exist",
            "column *.* does not exist",
            "record \"*\" has no field",
        ],
        examples: &[
            "ERROR 42703 column \"email_verified\" does not exist",
            "ERROR 42703 column \"email_verified\" of relation \"users\" does not exist",
            "ERROR 42703 column u.email does not exist",
        ],
        ..CLASS
    },
    Class {
        id: "missing_function",
        means: "a function or operator is called that does not exist for these types",
        weight: Weight::Harm,
        codes: &["42883"],
        causes: &["schema_missing_object"],
        rank: 72,
        says: &[
            "function *does not exist",
            "operator does not exist:",
            "procedure *does not exist",
            "aggregate *does not exist",
            "could not identify an",
        ],
        examples: &[
            "ERROR 42883 function compute_price(integer) does not exist | HINT: No function matches the given name and argument types.",
            "ERROR 42883 operator does not exist: text = integer",
        ],
        ..CLASS
    },
    Class {
        id: "missing_schema",
        means: "a schema does not exist",
        weight: Weight::Harm,
        codes: &["3F000"],
        causes: &["schema_missing_object"],
        rank: 72,
        says: &["schema \"*\" does not exist", "no schema has been selected to create in"],
        examples: &["ERROR 3F000 schema \"billing\" does not exist"],
        ..CLASS
    },
    Class {
        id: "missing_object",
        means: "a type, index, role or other object does not exist",
        weight: Weight::Harm,
        codes: &["42704"],
        causes: &["schema_missing_object"],
        rank: 70,
        says: &[
            "type \"*\" does not exist",
            "index \"*\" does not exist",
            "constraint \"*\" of relation",
            "collation \"*\" for encoding",
            "trigger \"*\" for table",
            "role \"*\" does not exist",
            "tablespace \"*\" does not exist",
            "language \"*\" does not exist",
            "replication slot \"*\" does not exist",
            "publication \"*\" does not exist",
        ],
        examples: &[
            "ERROR 42704 type \"order_state\" does not exist",
            "ERROR 42704 constraint \"a\" of relation \"b\" does not exist",
        ],
        ..CLASS
    },
    Class {
        id: "undefined_object",
        means: "something that is named does not exist",
        weight: Weight::Harm,
        codes: &["42704", "42P02"],
        causes: &["schema_missing_object"],
        rank: 66,
        examples: &["ERROR 42704 not there"],
        ..CLASS
    },
    Class {
        id: "double_object",
        means: "an object of that name is there already: a migration ran twice, or half",
        weight: Weight::Harm,
        codes: &["42P07", "42701", "42710", "42P06", "42723", "42P04"],
        says: &[
            "relation \"*\" already exists",
            "column \"*\" of relation \"*\" already exists",
            "constraint \"*\" for relation \"*\" already exists",
            "type \"*\" already exists",
            "schema \"*\" already exists",
            "function \"*\" already exists",
            "role \"*\" already exists",
            "extension \"*\" already exists",
            "trigger \"*\" for relation \"*\" already exists",
            "database \"*\" already exists",
            "publication \"*\" already exists",
            "replication slot \"*\" already exists",
        ],
        causes: &["schema_half_migration"],
        rank: 68,
        examples: &[
            "ERROR 42P07 relation \"orders\" already exists",
            "ERROR 42701 column \"email\" of relation \"users\" already exists",
            "ERROR 42710 constraint \"c\" for relation \"users\" already exists",
        ],
        ..CLASS
    },
    Class {
        id: "dependents_left",
        means: "an object cannot be dropped because others depend on it",
        weight: Weight::Harm,
        codes: &["2BP01", "2B"],
        says: &["cannot drop * because other objects depend on it"],
        causes: &["schema_half_migration"],
        rank: 62,
        examples: &["ERROR 2BP01 cannot drop table users because other objects depend on it"],
        ..CLASS
    },
    Class {
        id: "types_differ",
        means: "a column, a value or a result has another type than the statement takes it for",
        weight: Weight::Harm,
        codes: &["42804", "42846", "42P18"],
        says: &[
            "column \"*\" is of type * but expression is of type",
            "cannot cast type",
            "argument of * must be type",
            "could not determine data type of parameter",
            "structure of query does not match function result type",
            "UNION types * and * cannot be matched",
            "foreign key constraint \"*\" cannot be implemented",
        ],
        causes: &["schema_missing_object"],
        rank: 64,
        examples: &["ERROR 42804 column \"n\" is of type integer but expression is of type text"],
        ..CLASS
    },
    Class {
        id: "syntax_error",
        means: "a statement is no SQL that this server knows",
        weight: Weight::Harm,
        codes: &["42601"],
        says: &[
            "syntax error at",
            "unterminated quoted string",
            "unterminated dollar-quoted",
            "cannot insert multiple commands into a prepared statement",
            "INSERT has more",
            "zero-length delimited identifier",
        ],
        rank: 60,
        examples: &["ERROR 42601 syntax error at or near \"SELEC\""],
        ..CLASS
    },
    Class {
        id: "statement_wrong",
        means: "a statement breaks a rule of SQL",
        weight: Weight::Harm,
        codes: &["42"],
        rank: 57,
        examples: &[
            "ERROR 42803 column \"a.b\" must appear in the GROUP BY clause or be used in an aggregate function",
        ],
        ..CLASS
    },
    Class {
        id: "syntax_error_otherwise",
        means: "a statement is not understood",
        weight: Weight::Harm,
        codes: &["42601"],
        rank: 59,
        examples: &["ERROR 42601 not understood"],
        ..CLASS
    },
    Class {
        id: "state_wrong",
        means: "an object is not in the state that a statement needs",
        weight: Weight::Harm,
        codes: &["55000", "55"],
        rank: 58,
        says: &[
            "currval of sequence",
            "lastval is not yet defined",
            "materialized view \"*\" has not been populated",
            "cannot refresh materialized view",
            "unlogged table",
            "cannot insert into view",
            "cannot update view",
            "cannot delete from view",
        ],
        examples: &[
            "ERROR 55000 currval of sequence \"a_id_seq\" is not yet defined in this session",
        ],
        ..CLASS
    },
    Class {
        id: "state_wrong_otherwise",
        means: "something is not in the state that is needed",
        weight: Weight::Harm,
        codes: &["55000", "55"],
        rank: 56,
        examples: &["ERROR 55000 not now"],
        ..CLASS
    },
];
