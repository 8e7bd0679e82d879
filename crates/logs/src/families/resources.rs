//! What runs out: disk, memory, locks, files.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

use crate::measure;

pub(super) static FAMILY: Family =
    Family { id: "resources", title: "Disk, memory and files", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "disk_full_wal",
        means: "the disk of the WAL is full: the server stops",
        weight: Weight::Harm,
        codes: &["53100", "58030"],
        says: &[
            "could not write to file \"pg_wal/*No space left on device",
            "could not extend file \"pg_wal/",
            "could not create file \"pg_wal/*No space left on device",
            "could not write to log file*No space left on device",
        ],
        causes: &["disk_wal_full", "wal_retention"],
        rank: 98,
        examples: &[
            "PANIC 53100 could not write to file \"pg_wal/xlogtemp.22\": No space left on device",
            "FATAL 53100 could not write to file \"pg_wal/xlogtemp.22\": No space left on device",
        ],
        ..CLASS
    },
    Class {
        id: "disk_full",
        means: "a disk, a quota or a tablespace is full",
        weight: Weight::Harm,
        codes: &["53100"],
        causes: &["disk_data_full"],
        rank: 95,
        says: &[
            "could not extend file \"",
            "could not write to file \"*No space left on device",
            "could not write block*No space left on device",
            "could not create file \"*No space left on device",
            "could not create directory \"*No space left on device",
            "could not write file \"*No space left on device",
        ],
        examples: &[
            "ERROR 53100 could not extend file \"base/16384/23310\": No space left on device | HINT: Check free disk space.",
            "ERROR 53100 could not write to file \"base/pgsql_tmp/pgsql_tmp22.0\": No space left on device",
        ],
        ..CLASS
    },
    Class {
        id: "disk_full_otherwise",
        means: "no space is left on a disk",
        weight: Weight::Harm,
        codes: &["53100"],
        causes: &["disk_data_full"],
        rank: 94,
        examples: &["ERROR 53100 no space"],
        ..CLASS
    },
    Class {
        id: "lock_table_full",
        means: "the table of locks is full: one transaction touches too many tables",
        weight: Weight::Harm,
        codes: &["53200"],
        says: &["out of shared memory"],
        causes: &["mem_lock_table"],
        rank: 85,
        examples: &[
            "ERROR 53200 out of shared memory | HINT: You might need to increase max_locks_per_transaction.",
            "ERROR 53200 out of shared memory",
        ],
        ..CLASS
    },
    Class {
        id: "out_of_memory",
        means: "memory was asked for and not given",
        weight: Weight::Harm,
        codes: &["53200"],
        says: &["out of memory"],
        causes: &["mem_oom_kill"],
        rank: 86,
        examples: &[
            "ERROR 53200 out of memory | DETAIL: Failed on request of size 1048576 in memory context \"ExecutorState\".",
        ],
        ..CLASS
    },
    Class {
        id: "memory_refused",
        means: "memory is short",
        weight: Weight::Harm,
        codes: &["53200"],
        causes: &["mem_oom_kill", "mem_lock_table"],
        rank: 78,
        examples: &["ERROR 53200 no memory"],
        ..CLASS
    },
    Class {
        id: "fork_failed",
        means: "the machine gives no further process",
        weight: Weight::Harm,
        says: &[
            "could not fork new process for connection",
            "could not fork autovacuum worker process",
            "could not fork worker process",
        ],
        causes: &["mem_oom_kill", "conn_exhausted"],
        rank: 88,
        examples: &["LOG 00000 could not fork new process for connection: Cannot allocate memory"],
        ..CLASS
    },
    Class {
        id: "temp_file_limit",
        means: "a statement wrote more temporary files than temp_file_limit allows",
        weight: Weight::Harm,
        codes: &["53400"],
        says: &["temporary file size exceeds temp_file_limit"],
        causes: &["mem_temp_spill"],
        rank: 81,
        examples: &["ERROR 53400 temporary file size exceeds temp_file_limit (1024kB)"],
        ..CLASS
    },
    Class {
        id: "limit_exceeded",
        means: "a configured limit is exceeded",
        weight: Weight::Harm,
        codes: &["53400", "53000", "53"],
        rank: 65,
        examples: &["ERROR 53400 configuration limit exceeded"],
        ..CLASS
    },
    Class {
        id: "temp_file_of_backup",
        means: "a base backup keeps its manifest in a temporary file",
        says: &["temporary file: path"],
        beside: &["BASE_BACKUP"],
        reads: Some(measure::temp_file),
        examples: &[
            "LOG 00000 temporary file: path \"base/pgsql_tmp/pgsql_tmp22534.0\", size 183770 | STATEMENT: BASE_BACKUP ( LABEL 'pg_basebackup base backup', PROGRESS )",
        ],
        ..CLASS
    },
    Class {
        id: "temp_file",
        means: "a sort or hash did not fit into work_mem and went to disk",
        weight: Weight::Notice,
        says: &["temporary file: path"],
        causes: &["mem_temp_spill"],
        rank: 42,
        reads: Some(measure::temp_file),
        examples: &[
            "LOG 00000 temporary file: path \"base/pgsql_tmp/pgsql_tmp22262.0\", size 1441792 | STATEMENT: select * from big order by pad",
        ],
        ..CLASS
    },
    Class {
        id: "stack_depth",
        means: "calls are nested too deep, as when a trigger fires itself",
        weight: Weight::Harm,
        codes: &["54001"],
        says: &["stack depth limit exceeded"],
        causes: &["fn_trigger_loop"],
        rank: 84,
        examples: &[
            "ERROR 54001 stack depth limit exceeded | HINT: Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the platform's stack depth limit is adequate. | CONTEXT: SQL statement \"insert into a values (new.i + 1)\"",
        ],
        ..CLASS
    },
    Class {
        id: "statement_too_large",
        means: "a statement, a row or an index entry is larger than the server allows",
        weight: Weight::Harm,
        codes: &["54000", "54"],
        says: &[
            "index row size",
            "row is too big",
            "index row requires",
            "stack depth",
            "target lists can have at most",
            "string buffer exceeds maximum",
            "array size exceeds the maximum",
        ],
        rank: 60,
        examples: &[
            "ERROR 54000 index row size 2856 exceeds btree version 4 maximum 2704 for index \"users_bio\"",
        ],
        ..CLASS
    },
    Class {
        id: "program_limit",
        means: "a limit of the server is exceeded",
        weight: Weight::Harm,
        codes: &["54000", "54"],
        rank: 58,
        examples: &["ERROR 54000 too much"],
        ..CLASS
    },
    Class {
        id: "io_error",
        means: "reading or writing a file failed: the disk, or the way to it",
        weight: Weight::Harm,
        codes: &["58030"],
        causes: &["io_hardware", "int_corruption"],
        rank: 93,
        says: &[
            "could not read block",
            "could not write block",
            "could not read file",
            "could not write to file",
            "could not fsync file",
            "could not open file \"*Input/output error",
            "could not read from file",
            "could not stat file",
            "could not write file",
            "could not close file",
            "could not flush dirty data",
        ],
        examples: &[
            "ERROR 58030 could not read block 7 in file \"base/5/16384\": Input/output error",
            "PANIC 58030 could not fsync file \"base/5/16384\": Input/output error",
        ],
        ..CLASS
    },
    Class {
        id: "system_error",
        means: "the operating system refused something",
        weight: Weight::Harm,
        codes: &["58030", "58000", "58"],
        causes: &["io_hardware"],
        rank: 80,
        examples: &["ERROR 58030 it did not work: Input/output error"],
        ..CLASS
    },
    Class {
        id: "file_missing",
        means: "a file is not there",
        weight: Weight::Harm,
        codes: &["58P01"],
        says: &["could not open file \"", "could not stat", "could not open directory"],
        rank: 66,
        examples: &[
            "ERROR 58P01 could not open file \"/tmp/import.csv\" for reading: No such file or directory",
        ],
        ..CLASS
    },
    Class {
        id: "file_undefined",
        means: "a file that the server needs is not there",
        weight: Weight::Harm,
        codes: &["58P01", "58P02"],
        rank: 64,
        examples: &["ERROR 58P01 no file"],
        ..CLASS
    },
    Class {
        id: "too_many_files",
        means: "no further file can be opened",
        weight: Weight::Harm,
        codes: &["53000"],
        says: &[
            "out of file descriptors",
            "could not open file \"*Too many open files",
            "insufficient file descriptors available",
        ],
        causes: &["cfg_change"],
        rank: 82,
        examples: &["LOG 53000 out of file descriptors: Too many open files; release and retry"],
        ..CLASS
    },
];
