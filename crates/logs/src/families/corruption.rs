//! Damage: pages, indexes, collations that order differently than before.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "corruption", title: "Damaged data", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "page_checksum",
        means: "a page's checksum is not that of its content",
        weight: Weight::Harm,
        codes: &["XX001", "01000"],
        says: &[
            "page verification failed, calculated checksum",
            "checksum verification failed in file",
        ],
        causes: &["int_corruption"],
        rank: 93,
        examples: &[
            "WARNING XX001 page verification failed, calculated checksum 26648 but expected 44163",
            "WARNING 01000 page verification failed, calculated checksum 1 but expected 2",
        ],
        ..CLASS
    },
    Class {
        id: "page_invalid",
        means: "a page of a table or index does not read",
        weight: Weight::Harm,
        codes: &["XX001"],
        says: &[
            "invalid page in block",
            "could not read block*in file*read only",
            "unexpected data beyond EOF in block",
            "uninitialized page in block",
        ],
        causes: &["int_corruption"],
        rank: 94,
        examples: &[
            "ERROR XX001 invalid page in block 2 of relation base/16384/23310",
            "ERROR XX001 could not read block 7 in file \"base/5/16384\": read only 0 of 8192 bytes",
        ],
        ..CLASS
    },
    Class {
        id: "rows_damaged",
        means: "rows or their large values are damaged",
        weight: Weight::Harm,
        codes: &["XX001"],
        says: &[
            "missing chunk number",
            "unexpected chunk number",
            "found xmin",
            "found multixact",
            "compressed pglz data is corrupt",
            "tuple to be locked was already moved",
        ],
        causes: &["int_corruption"],
        rank: 93,
        examples: &[
            "ERROR XX001 missing chunk number 0 for toast value 16402 in pg_toast_16399",
            "ERROR XX001 found xmin 5 from before relfrozenxid 9",
        ],
        ..CLASS
    },
    Class {
        id: "status_file_missing",
        means: "the commit status of a transaction cannot be read",
        weight: Weight::Harm,
        codes: &["58P01", "58030"],
        says: &["could not access status of transaction"],
        causes: &["int_corruption"],
        rank: 93,
        examples: &[
            "ERROR 58P01 could not access status of transaction 3881522 | DETAIL: Could not open file \"pg_xact/0003\": No such file or directory.",
        ],
        ..CLASS
    },
    Class {
        id: "data_corrupted",
        means: "the server found damaged data",
        weight: Weight::Harm,
        codes: &["XX001"],
        causes: &["int_corruption"],
        rank: 92,
        examples: &["ERROR XX001 data is damaged in a way nobody has described"],
        ..CLASS
    },
    Class {
        id: "index_corrupted",
        means: "an index contradicts its own rules or its table",
        weight: Weight::Harm,
        codes: &["XX002"],
        causes: &["int_index_corruption", "int_collation"],
        rank: 91,
        says: &[
            "index \"*\" contains",
            "wrong number of",
            "item order invariant violated for index",
            "high key invariant violated for index",
            "down-link lower bound invariant violated",
            "heap tuple*lacks matching index tuple",
            "could not find parent of block",
            "cross page item order invariant violated",
            "right sibling's left-link doesn't match",
            "posting list",
            "left link/right link pair",
            "circular link chain",
        ],
        examples: &[
            "ERROR XX002 wrong number of high key index tuple attributes in index \"orders_pkey\"",
            "ERROR XX002 item order invariant violated for index \"users_email\" | DETAIL: Lower index tid=(1,2) (points to heap tid=(0,1)).",
            "ERROR XX002 index \"orders_pkey\" contains unexpected zero page at block 0",
        ],
        ..CLASS
    },
    Class {
        id: "index_damaged",
        means: "an index is damaged",
        weight: Weight::Harm,
        codes: &["XX002"],
        causes: &["int_index_corruption"],
        rank: 90,
        examples: &["ERROR XX002 this index is damaged"],
        ..CLASS
    },
    Class {
        id: "collation_changed",
        means: "text sorts differently than when indexes were built",
        weight: Weight::Harm,
        codes: &["01000"],
        says: &[
            "collation \"*\" has version mismatch",
            "database \"*\" has a collation version mismatch",
            "template database \"*\" has a collation version mismatch",
            "database \"*\" has no actual collation version, but a version was",
        ],
        causes: &["int_collation"],
        rank: 81,
        examples: &[
            "WARNING 01000 collation \"de\" has version mismatch",
            "WARNING 01000 database \"shop\" has a collation version mismatch | DETAIL: The database was created using collation version 2.31, but the operating system provides version 2.36.",
        ],
        ..CLASS
    },
    Class {
        id: "relation_file_missing",
        means: "the file of a table or index is gone",
        weight: Weight::Harm,
        codes: &["58P01"],
        says: &[
            "could not open file \"base/",
            "could not open file \"pg_tblspc/",
            "could not open file \"global/",
        ],
        causes: &["int_corruption"],
        rank: 92,
        examples: &["ERROR 58P01 could not open file \"base/5/16384\": No such file or directory"],
        ..CLASS
    },
    Class {
        id: "internal_error",
        means: "the server contradicts itself: a bug, or damage that was not recognised",
        weight: Weight::Harm,
        codes: &["XX000", "XX"],
        causes: &["crash_bug", "int_corruption"],
        rank: 75,
        says: &[
            "cache lookup failed for",
            "could not open relation with OID",
            "unexpected chunk number",
            "attempted to delete invisible tuple",
            "tuple concurrently",
            "invalid memory alloc request size",
            "unrecognized node type",
        ],
        examples: &[
            "ERROR XX000 cache lookup failed for relation 16384",
            "ERROR XX000 tuple concurrently updated",
        ],
        ..CLASS
    },
    Class {
        id: "internal_error_otherwise",
        means: "an internal error of the server or an extension",
        weight: Weight::Harm,
        codes: &["XX000", "XX"],
        causes: &["crash_bug"],
        rank: 67,
        examples: &["ERROR XX000 something that should not happen"],
        ..CLASS
    },
];
