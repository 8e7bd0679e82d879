//! Connections: how they come, how they go, and who finds no place.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

use crate::measure;

pub(super) static FAMILY: Family =
    Family { id: "connections", title: "Connections", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "connection_received",
        means: "a client knocks",
        says: &["connection received:"],
        reads: Some(measure::received),
        examples: &["LOG 00000 connection received: host=127.0.0.1 port=41184"],
        ..CLASS
    },
    Class {
        id: "connection_authorized",
        means: "a client is let in",
        says: &["connection authorized:"],
        reads: Some(measure::authorized),
        examples: &[
            "LOG 00000 connection authorized: user=app database=shop application_name=site SSL enabled (protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, bits=256)",
        ],
        ..CLASS
    },
    Class {
        id: "connection_authenticated",
        means: "a client proved who it is",
        says: &["connection authenticated:", "connection ready:"],
        examples: &[
            "LOG 00000 connection authenticated: identity=\"app\" method=scram-sha-256 (pg_hba.conf:98)",
        ],
        ..CLASS
    },
    Class {
        id: "disconnection",
        means: "a session is over",
        says: &["disconnection:"],
        reads: Some(measure::ended),
        examples: &[
            "LOG 00000 disconnection: session time: 0:00:10.937 user=app database=shop host=127.0.0.1 port=50922",
        ],
        ..CLASS
    },
    Class {
        id: "connection_slots_full",
        means: "every connection slot is taken",
        weight: Weight::Harm,
        codes: &["53300"],
        says: &["sorry, too many clients already", "remaining connection slots are reserved for"],
        causes: &["conn_exhausted"],
        rank: 78,
        examples: &[
            "FATAL 53300 sorry, too many clients already",
            "FATAL 53300 remaining connection slots are reserved for non-replication superuser connections",
            "FATAL 53300 remaining connection slots are reserved for roles with the SUPERUSER attribute",
        ],
        ..CLASS
    },
    Class {
        id: "connection_limit_of_role",
        means: "a role, or a database, has as many sessions as its CONNECTION LIMIT allows",
        weight: Weight::Harm,
        codes: &["53300"],
        says: &["too many connections for role", "too many connections for database"],
        causes: &["conn_exhausted"],
        rank: 79,
        examples: &[
            "FATAL 53300 too many connections for role \"app\"",
            "FATAL 53300 too many connections for database \"shop\"",
        ],
        ..CLASS
    },
    Class {
        id: "wal_senders_full",
        means: "every WAL sender is taken: a standby or a backup is turned away",
        weight: Weight::Harm,
        codes: &["53300"],
        says: &[
            "number of requested standby connections exceeds max_wal_senders",
            "number of requested standby connections exceeds",
        ],
        causes: &["conn_exhausted"],
        rank: 78,
        examples: &[
            "FATAL 53300 number of requested standby connections exceeds max_wal_senders (currently 10)",
        ],
        ..CLASS
    },
    Class {
        id: "connections_exceeded",
        means: "one more connection than the server takes",
        weight: Weight::Harm,
        codes: &["53300"],
        causes: &["conn_exhausted"],
        rank: 76,
        examples: &["FATAL 53300 all connections are in use"],
        ..CLASS
    },
    Class {
        id: "database_missing",
        means: "a login names a database that does not exist",
        weight: Weight::Harm,
        codes: &["3D000"],
        says: &["database \"*\" does not exist"],
        causes: &["schema_missing_object"],
        rank: 72,
        examples: &["FATAL 3D000 database \"shop\" does not exist"],
        ..CLASS
    },
    Class {
        id: "database_refuses",
        means: "a database takes no connections",
        weight: Weight::Harm,
        codes: &["55000"],
        says: &[
            "database \"*\" is not currently accepting connections",
            "cannot connect to invalid database",
        ],
        causes: &["cfg_change"],
        rank: 70,
        examples: &["FATAL 55000 database \"shop\" is not currently accepting connections"],
        ..CLASS
    },
    Class {
        id: "client_gone_in_transaction",
        means: "a client vanished in the middle of a transaction",
        weight: Weight::Harm,
        codes: &["08006"],
        says: &["unexpected EOF on client connection with an open transaction"],
        causes: &["net_latency"],
        rank: 48,
        examples: &["LOG 08006 unexpected EOF on client connection with an open transaction"],
        ..CLASS
    },
    Class {
        id: "client_reset",
        means: "the connection of a client broke",
        weight: Weight::Notice,
        codes: &["08006"],
        says: &[
            "could not receive data from client",
            "could not send data to client",
            "connection to client lost",
        ],
        causes: &["net_latency"],
        rank: 42,
        examples: &[
            "LOG 08006 could not receive data from client: Connection reset by peer",
            "LOG 08006 could not send data to client: Broken pipe",
            "FATAL 08006 connection to client lost",
        ],
        ..CLASS
    },
    Class {
        id: "client_gone",
        means: "a client vanished",
        weight: Weight::Notice,
        codes: &["08P01"],
        says: &[
            "unexpected EOF on client connection",
            "unexpected EOF within message length word",
            "incomplete message from client",
        ],
        causes: &["net_latency"],
        rank: 40,
        examples: &["LOG 08P01 unexpected EOF on client connection"],
        ..CLASS
    },
    Class {
        id: "connection_broken",
        means: "a connection broke",
        weight: Weight::Notice,
        codes: &["08006", "08003", "08000"],
        causes: &["net_latency"],
        rank: 38,
        examples: &["LOG 08006 the other side is gone"],
        ..CLASS
    },
    Class {
        id: "startup_packet_garbage",
        means: "something that does not speak PostgreSQL knocks: a scanner, or a health check",
        weight: Weight::Notice,
        codes: &["08P01", "0A000"],
        says: &[
            "invalid length of startup packet",
            "unsupported frontend protocol",
            "incomplete startup packet",
            "invalid startup packet layout",
            "no PostgreSQL user name specified in startup packet",
            "received direct SSL connection request",
        ],
        causes: &["auth_brute_force"],
        rank: 47,
        examples: &[
            "LOG 08P01 invalid length of startup packet",
            "FATAL 0A000 unsupported frontend protocol 65363.19778: server supports 3.0 to 3.0",
            "LOG 08P01 incomplete startup packet",
        ],
        ..CLASS
    },
    Class {
        id: "protocol_violated",
        means: "client and server disagree about the protocol",
        weight: Weight::Harm,
        codes: &["08P01"],
        rank: 46,
        examples: &["FATAL 08P01 invalid frontend message type 71"],
        ..CLASS
    },
    Class {
        id: "name_lookup_failed",
        means: "the server could not turn a name into an address, or an address into a name",
        weight: Weight::Harm,
        says: &["could not translate host name", "could not resolve \"", "could not look up"],
        causes: &["net_dns"],
        rank: 66,
        examples: &[
            "LOG 00000 could not translate host name \"db.internal\", service \"5432\" to address: Temporary failure in name resolution",
        ],
        ..CLASS
    },
];
