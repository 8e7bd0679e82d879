//! Autovacuum, what hinders it, and the end of transaction ids.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

use crate::measure;

pub(super) static FAMILY: Family =
    Family { id: "vacuum", title: "Vacuum and wraparound", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "wraparound_stop",
        means: "the server takes no writes, lest transaction ids wrap around",
        weight: Weight::Harm,
        codes: &["54000"],
        says: &[
            "database is not accepting commands*to avoid wraparound data loss",
            "database is not accepting commands that",
        ],
        causes: &["vac_wraparound"],
        rank: 97,
        examples: &[
            "ERROR 54000 database is not accepting commands to avoid wraparound data loss in database \"shop\"",
            "ERROR 54000 database is not accepting commands that assign new transaction IDs to avoid wraparound data loss in database \"shop\"",
            "ERROR 54000 database is not accepting commands that generate new MultiXactIds to avoid wraparound data loss in database \"shop\"",
        ],
        ..CLASS
    },
    Class {
        id: "wraparound_near",
        means: "a database must be vacuumed before transaction ids wrap around",
        weight: Weight::Harm,
        codes: &["01000"],
        says: &[
            "database \"*\" must be vacuumed within",
            "database with OID * must be vacuumed within",
            "database \"*\" must be vacuumed before",
            "database with OID * must be vacuumed before",
            "oldest xmin is far in the past",
            "oldest multixact is far in the past",
            "cutoff for removing and freezing tuples is far in the past",
            "cutoff for freezing multixacts is far in the past",
        ],
        causes: &["vac_wraparound", "vac_xmin_held"],
        rank: 90,
        examples: &[
            "WARNING 01000 database \"shop\" must be vacuumed within 39985967 transactions",
            "WARNING 01000 database with OID 16384 must be vacuumed within 39985967 transactions",
            "WARNING 01000 oldest xmin is far in the past | HINT: Close open transactions soon to avoid wraparound problems.",
        ],
        ..CLASS
    },
    Class {
        id: "wraparound_failsafe",
        means: "vacuum leaves out all but freezing, since transaction ids are nearly used up",
        weight: Weight::Harm,
        codes: &["01000"],
        says: &["bypassing nonessential maintenance of table"],
        causes: &["vac_wraparound"],
        rank: 88,
        examples: &[
            "WARNING 01000 bypassing nonessential maintenance of table \"shop.public.orders\" as a failsafe after 0 index scans",
        ],
        ..CLASS
    },
    Class {
        id: "multixact_limit",
        means: "the store of multixact members is full",
        weight: Weight::Harm,
        codes: &["54000", "01000"],
        says: &["multixact \"members\" limit exceeded", "multixact members limit exceeded"],
        causes: &["lwlock_multixact", "vac_wraparound"],
        rank: 96,
        examples: &["ERROR 54000 multixact \"members\" limit exceeded"],
        ..CLASS
    },
    Class {
        id: "vacuum_wraparound",
        means: "autovacuum froze a table because its ids were old",
        weight: Weight::Notice,
        says: &[
            "automatic vacuum to prevent wraparound of table",
            "automatic aggressive vacuum to prevent wraparound of table",
        ],
        causes: &["vac_wraparound"],
        rank: 64,
        reads: Some(measure::vacuum),
        examples: &[
            "LOG 00000 automatic aggressive vacuum to prevent wraparound of table \"shop.public.orders\": index scans: 0\ntuples: 0 removed, 7 remain, 0 are dead but not yet removable\nsystem usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 0.01 s",
        ],
        ..CLASS
    },
    Class {
        id: "vacuum_rows_kept",
        means: "autovacuum leaves more dead rows than it removes, since some transaction may still see them",
        weight: Weight::Notice,
        says: &["automatic vacuum of table", "automatic aggressive vacuum of table"],
        causes: &["vac_xmin_held"],
        rank: 39,
        reads: Some(measure::vacuum_kept),
        examples: &[
            "LOG 00000 automatic vacuum of table \"shop.public.jobs\": index scans: 0\ntuples: 3 removed, 627 remain, 400 are dead but not yet removable\nremovable cutoff: 817, which was 4012 XIDs old when operation ended",
        ],
        ..CLASS
    },
    Class {
        id: "vacuum_done",
        means: "autovacuum cleaned a table",
        says: &["automatic vacuum of table", "automatic aggressive vacuum of table"],
        reads: Some(measure::vacuum),
        examples: &[
            "LOG 00000 automatic vacuum of table \"shop.public.orders\": index scans: 1\npages: 105 removed, 15 remain\ntuples: 4523 removed, 627 remain, 0 are dead but not yet removable\nsystem usage: CPU: user: 0.01 s, system: 0.00 s, elapsed: 0.03 s",
        ],
        ..CLASS
    },
    Class {
        id: "analyze_done",
        means: "autovacuum took new statistics of a table",
        says: &["automatic analyze of table"],
        reads: Some(measure::vacuum),
        examples: &[
            "LOG 00000 automatic analyze of table \"shop.public.orders\"\nsystem usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 0.02 s",
        ],
        ..CLASS
    },
    Class {
        id: "vacuum_worker_late",
        means: "autovacuum has no worker free, or its worker did not start",
        weight: Weight::Notice,
        codes: &["01000"],
        says: &[
            "autovacuum worker started without a worker entry",
            "autovacuum worker took too long to start",
            "worker took too long to start",
        ],
        causes: &["vac_bloat"],
        rank: 34,
        examples: &["WARNING 01000 autovacuum worker took too long to start; canceled"],
        ..CLASS
    },
    Class {
        id: "statistics_stale",
        means: "the statistics of activity do not come",
        weight: Weight::Notice,
        says: &[
            "using stale statistics instead of current ones",
            "pgstat wait timeout",
            "could not read statistics file",
            "corrupted statistics file",
        ],
        causes: &["io_read"],
        rank: 36,
        examples: &[
            "LOG 00000 using stale statistics instead of current ones because stats collector is not responding",
        ],
        ..CLASS
    },
];
