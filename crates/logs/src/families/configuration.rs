//! Settings: read again, changed, or wrong.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "configuration", title: "Configuration", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "config_file_refused",
        means: "a configuration file has errors: the server keeps its old settings, or does not start",
        weight: Weight::Harm,
        codes: &["F0000"],
        says: &[
            "configuration file \"*\" contains errors",
            "could not load pg_hba.conf",
            "pg_hba.conf was not reloaded",
            "could not load \"*pg_hba.conf\"",
            "could not load */pg_hba.conf",
        ],
        causes: &["cfg_change"],
        rank: 83,
        examples: &[
            "LOG F0000 configuration file \"/etc/postgresql/15/main/postgresql.conf\" contains errors; no changes were applied",
            "LOG F0000 pg_hba.conf was not reloaded",
            "FATAL F0000 configuration file \"postgresql.conf\" contains errors",
        ],
        ..CLASS
    },
    Class {
        id: "config_line_wrong",
        means: "a line of a configuration file is not understood",
        weight: Weight::Harm,
        codes: &["F0000", "42601"],
        says: &[
            "syntax error in file \"*\" line",
            "invalid connection type \"",
            "invalid authentication method \"",
            "end-of-line before",
            "invalid IP address \"",
            "invalid CIDR mask in address \"",
            "could not open configuration file",
            "could not parse*pg_hba",
        ],
        causes: &["cfg_change", "auth_hba_tls"],
        rank: 82,
        examples: &[
            "LOG 42601 syntax error in file \"/var/lib/postgresql.conf\" line 12, near token \"=\"",
            "LOG F0000 invalid authentication method \"scram\" | CONTEXT: line 9 of configuration file \"pg_hba.conf\"",
        ],
        ..CLASS
    },
    Class {
        id: "config_file_trouble",
        means: "the server finds fault with one of its configuration files",
        weight: Weight::Harm,
        codes: &["F0000", "F0"],
        causes: &["cfg_change"],
        rank: 80,
        examples: &[
            "LOG F0000 too many errors found, stopping processing file \"postgresql.conf\"",
        ],
        ..CLASS
    },
    Class {
        id: "setting_unknown",
        means: "a setting of that name does not exist",
        weight: Weight::Harm,
        codes: &["42704"],
        says: &["unrecognized configuration parameter \""],
        causes: &["cfg_change"],
        rank: 78,
        examples: &[
            "LOG 42704 unrecognized configuration parameter \"work_memm\" in file \"postgresql.conf\" line 7",
        ],
        ..CLASS
    },
    Class {
        id: "setting_wrong",
        means: "a setting was given a value that it cannot have",
        weight: Weight::Harm,
        codes: &["22023"],
        says: &["invalid value for parameter \"", "parameter \"*\" requires a"],
        causes: &["cfg_change"],
        rank: 77,
        examples: &["LOG 22023 invalid value for parameter \"work_mem\": \"lots\""],
        ..CLASS
    },
    Class {
        id: "setting_needs_restart",
        means: "a setting was changed and waits for a restart",
        weight: Weight::Notice,
        codes: &["55P02"],
        says: &[
            "parameter \"*\" cannot be changed without restarting the server",
            "parameter \"*\" cannot be changed now",
        ],
        causes: &["cfg_change"],
        rank: 60,
        examples: &[
            "LOG 55P02 parameter \"shared_buffers\" cannot be changed without restarting the server",
        ],
        ..CLASS
    },
    Class {
        id: "setting_changed",
        means: "a setting has a new value since the last reload",
        weight: Weight::Notice,
        says: &["parameter \"*\" changed to", "parameter \"*\" removed from configuration file"],
        causes: &["cfg_change"],
        rank: 20,
        examples: &[
            "LOG 00000 parameter \"archive_command\" changed to \"/bin/true\"",
            "LOG 00000 parameter \"work_mem\" removed from configuration file, reset to default",
        ],
        ..CLASS
    },
    Class {
        id: "config_reloaded",
        means: "the server read its configuration again",
        says: &["received SIGHUP, reloading configuration files"],
        examples: &["LOG 00000 received SIGHUP, reloading configuration files"],
        ..CLASS
    },
];
