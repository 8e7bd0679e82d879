//! Extensions and the libraries they need.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "extensions", title: "Extensions", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "extension_not_available",
        means: "an extension is not installed on this server's machine",
        weight: Weight::Harm,
        codes: &["0A000", "58P01"],
        says: &["extension \"*\" is not available", "could not open extension control file"],
        causes: &["ext_mismatch"],
        rank: 81,
        examples: &[
            "ERROR 0A000 extension \"postgis\" is not available | DETAIL: Could not open extension control file \"/usr/share/postgresql/15/extension/postgis.control\": No such file or directory.",
            "ERROR 58P01 could not open extension control file \"/usr/share/postgresql/14/extension/x.control\": No such file or directory",
        ],
        ..CLASS
    },
    Class {
        id: "library_missing",
        means: "a library of an extension is missing or of another version",
        weight: Weight::Harm,
        codes: &["58P01", "42883", "XX000"],
        says: &[
            "could not access file \"",
            "could not load library \"",
            "could not find function \"*\" in file",
            "incompatible library \"",
        ],
        causes: &["ext_mismatch"],
        rank: 82,
        examples: &[
            "ERROR 58P01 could not access file \"$libdir/postgis-3\": No such file or directory",
            "FATAL 58P01 could not access file \"timescaledb\": No such file or directory",
            "ERROR 42883 could not find function \"f\" in file \"/usr/lib/postgresql/15/lib/x.so\"",
            "ERROR XX000 incompatible library \"/usr/lib/x.so\": version mismatch",
        ],
        ..CLASS
    },
    Class {
        id: "extension_no_update_path",
        means: "an extension cannot be brought to the version that is asked for",
        weight: Weight::Harm,
        codes: &["22023"],
        says: &[
            "extension \"*\" has no update path from version",
            "extension \"*\" has no installation script nor update path",
        ],
        causes: &["ext_mismatch"],
        rank: 79,
        examples: &[
            "ERROR 22023 extension \"amcheck\" has no update path from version \"1.3\" to version \"9.9\"",
        ],
        ..CLASS
    },
    Class {
        id: "extension_not_created",
        means: "an extension is used that CREATE EXTENSION has not made here, or not preloaded",
        weight: Weight::Harm,
        codes: &["42704", "55000"],
        says: &[
            "extension \"*\" does not exist",
            "pg_stat_statements must be loaded via",
            "pg_cron can only be loaded via",
            "required extension \"*\" is not installed",
        ],
        causes: &["ext_mismatch"],
        rank: 74,
        examples: &[
            "ERROR 42704 extension \"hstore\" does not exist",
            "ERROR 55000 pg_stat_statements must be loaded via shared_preload_libraries",
            "ERROR 42704 required extension \"cube\" is not installed",
        ],
        ..CLASS
    },
];
