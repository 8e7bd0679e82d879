//! WAL on its way to the archive, and back from it.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "archiving", title: "WAL archiving", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "archive_failed",
        means: "the archive command failed: WAL piles up, and backups end here",
        weight: Weight::Harm,
        says: &[
            "archive command failed with exit code",
            "archive command was terminated by",
            "archive command exited with unrecognized status",
        ],
        causes: &["wal_retention"],
        rank: 82,
        examples: &[
            "LOG 00000 archive command failed with exit code 1 | DETAIL: The failed archive command was: /bin/false",
        ],
        ..CLASS
    },
    Class {
        id: "archive_given_up",
        means: "archiving a WAL file failed several times in a row",
        weight: Weight::Harm,
        codes: &["01000"],
        says: &["archiving write-ahead log file \"*\" failed too many times"],
        causes: &["wal_retention"],
        rank: 84,
        examples: &[
            "WARNING 01000 archiving write-ahead log file \"000000010000000000000007\" failed too many times, will try again later",
        ],
        ..CLASS
    },
    Class {
        id: "archive_restored",
        means: "a WAL file came back from the archive",
        says: &["restored log file \"*\" from archive"],
        examples: &["LOG 00000 restored log file \"000000010000000000000007\" from archive"],
        ..CLASS
    },
    Class {
        id: "archive_not_enabled",
        means: "archiving is asked for although it is off or has no command",
        weight: Weight::Notice,
        codes: &["55000", "01000"],
        says: &[
            "archive_mode enabled, yet archiving is not configured",
            "archive_mode enabled, yet archive_command is not set",
        ],
        causes: &["wal_retention"],
        rank: 76,
        examples: &[
            "WARNING 01000 archive_mode enabled, yet archiving is not configured | DETAIL: \"archive_command\" is not set.",
        ],
        ..CLASS
    },
];
