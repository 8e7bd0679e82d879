//! Checkpoints: when dirty pages go to disk.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

use crate::measure;

pub(super) static FAMILY: Family =
    Family { id: "checkpoints", title: "Checkpoints", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "checkpoints_frequent",
        means: "WAL fills max_wal_size faster than checkpoint_timeout: all pages are written again and again",
        weight: Weight::Notice,
        says: &["checkpoints are occurring too frequently"],
        causes: &["io_checkpoint", "batch_bulk"],
        rank: 40,
        n_min: 3, // one or two come with any bulk load
        examples: &[
            "LOG 00000 checkpoints are occurring too frequently (1 second apart) | HINT: Consider increasing the configuration parameter \"max_wal_size\".",
        ],
        ..CLASS
    },
    Class {
        id: "checkpoint_begun",
        means: "a checkpoint begins",
        says: &["checkpoint starting:"],
        reads: Some(measure::checkpoint_begun),
        examples: &[
            "LOG 00000 checkpoint starting: wal",
            "LOG 00000 checkpoint starting: shutdown immediate",
        ],
        ..CLASS
    },
    Class {
        id: "checkpoint_done",
        means: "a checkpoint is complete",
        says: &["checkpoint complete:"],
        reads: Some(measure::checkpoint),
        examples: &[
            "LOG 00000 checkpoint complete: wrote 466 buffers (22.8%); 0 WAL file(s) added, 1 removed, 0 recycled; write=0.694 s, sync=0.001 s, total=0.737 s; sync files=0, longest=0.000 s, average=0.000 s; distance=16655 kB, estimate=27958 kB",
        ],
        ..CLASS
    },
    Class {
        id: "restartpoint_begun",
        means: "a standby begins a checkpoint of its own",
        says: &["restartpoint starting:"],
        reads: Some(measure::checkpoint_begun),
        examples: &["LOG 00000 restartpoint starting: time"],
        ..CLASS
    },
    Class {
        id: "restartpoint_done",
        means: "a standby's checkpoint is complete",
        says: &["restartpoint complete:", "recovery restart point at"],
        examples: &[
            "LOG 00000 recovery restart point at 0/3000060 | DETAIL: Last completed transaction was at log time 2026-11-21 03:25:50 UTC.",
        ],
        ..CLASS
    },
    Class {
        id: "fsync_request_queue_full",
        means: "backends had to write and sync pages themselves",
        weight: Weight::Notice,
        says: &["could not forward fsync request because request queue is full"],
        causes: &["io_checkpoint"],
        rank: 55,
        examples: &["LOG 00000 could not forward fsync request because request queue is full"],
        ..CLASS
    },
];
