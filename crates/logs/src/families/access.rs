//! Who may come in, and who may touch what.

use super::Family;
use crate::classes::{CLASS, Class, Weight};

pub(super) static FAMILY: Family =
    Family { id: "access", title: "Logins and privileges", classes: CLASSES };

static CLASSES: &[Class] = &[
    Class {
        id: "login_role_missing",
        means: "a login names a role that does not exist",
        weight: Weight::Harm,
        codes: &["28P01", "28000"],
        says: &["password authentication failed for user", "role \"*\" does not exist"],
        beside: &["Role \"", "does not exist"],
        causes: &["auth_credentials", "auth_brute_force"],
        rank: 68,
        examples: &[
            "FATAL 28P01 password authentication failed for user \"ghost\" | DETAIL: Role \"ghost\" does not exist.",
        ],
        ..CLASS
    },
    Class {
        id: "login_password_expired",
        means: "a role's password is past its VALID UNTIL",
        weight: Weight::Harm,
        codes: &["28P01"],
        says: &["password authentication failed for user"],
        beside: &["has an expired password"],
        causes: &["auth_credentials"],
        rank: 72,
        examples: &[
            "FATAL 28P01 password authentication failed for user \"app\" | DETAIL: User \"app\" has an expired password.",
        ],
        ..CLASS
    },
    Class {
        id: "login_wrong_password",
        means: "a login gives a password that is not the role's",
        weight: Weight::Harm,
        codes: &["28P01"],
        causes: &["auth_credentials", "auth_brute_force"],
        rank: 70,
        says: &["password authentication failed for user"],
        examples: &[
            "FATAL 28P01 password authentication failed for user \"app\" | DETAIL: Connection matched pg_hba.conf line 9: \"host all app 10.0.0.0/8 scram-sha-256\"",
            "FATAL 28P01 password authentication failed for user \"shop\"",
        ],
        ..CLASS
    },
    Class {
        id: "login_failed",
        means: "a login fails by a way other than a password",
        weight: Weight::Harm,
        codes: &["28P01"],
        causes: &["auth_credentials"],
        rank: 66,
        examples: &["FATAL 28P01 LDAP says no"],
        ..CLASS
    },
    Class {
        id: "hba_no_entry",
        means: "no line of pg_hba.conf lets this client, role and database in",
        weight: Weight::Harm,
        codes: &["28000"],
        says: &["no pg_hba.conf entry for"],
        causes: &["auth_hba_tls"],
        rank: 71,
        examples: &[
            "FATAL 28000 no pg_hba.conf entry for host \"10.0.0.1\", user \"app\", database \"shop\", no encryption",
            "FATAL 28000 no pg_hba.conf entry for replication connection from host \"10.0.0.2\", user \"repl\", SSL encryption",
        ],
        ..CLASS
    },
    Class {
        id: "hba_rejects",
        means: "a line of pg_hba.conf turns this client away on purpose",
        weight: Weight::Harm,
        codes: &["28000"],
        says: &["pg_hba.conf rejects"],
        causes: &["auth_hba_tls"],
        rank: 72,
        examples: &[
            "FATAL 28000 pg_hba.conf rejects connection for host \"10.0.0.1\", user \"app\", database \"shop\", no encryption",
        ],
        ..CLASS
    },
    Class {
        id: "login_certificate",
        means: "a login fails for its certificate, or for want of one",
        weight: Weight::Harm,
        codes: &["28000"],
        says: &[
            "connection requires a valid client certificate",
            "certificate authentication failed for user",
        ],
        causes: &["auth_hba_tls"],
        rank: 72,
        examples: &[
            "FATAL 28000 connection requires a valid client certificate",
            "FATAL 28000 certificate authentication failed for user \"app\"",
        ],
        ..CLASS
    },
    Class {
        id: "role_unknown",
        means: "a role that logs in does not exist",
        weight: Weight::Harm,
        codes: &["28000"],
        says: &["role \"*\" does not exist"],
        causes: &["auth_credentials"],
        rank: 69,
        examples: &["FATAL 28000 role \"ghost\" does not exist"],
        ..CLASS
    },
    Class {
        id: "role_no_login",
        means: "a role that logs in is not permitted to",
        weight: Weight::Harm,
        codes: &["28000"],
        says: &["role \"*\" is not permitted to log in"],
        causes: &["auth_credentials"],
        rank: 69,
        examples: &["FATAL 28000 role \"owner\" is not permitted to log in"],
        ..CLASS
    },
    Class {
        id: "login_refused",
        means: "a login is refused by the server's rules of access",
        weight: Weight::Harm,
        codes: &["28000", "28"],
        says: &[
            "Peer authentication failed for user",
            "Ident authentication failed for user",
            "LDAP authentication failed for user",
            "PAM authentication failed for user",
            "GSSAPI authentication failed for user",
            "GSS authentication failed for user",
            "RADIUS authentication failed for user",
            "authentication failed for user",
        ],
        causes: &["auth_hba_tls"],
        rank: 66,
        examples: &["FATAL 28000 Peer authentication failed for user \"postgres\""],
        ..CLASS
    },
    Class {
        id: "login_refused_otherwise",
        means: "a login is refused by the server's rules of access, for a reason of its own",
        weight: Weight::Harm,
        codes: &["28000", "28"],
        causes: &["auth_hba_tls"],
        rank: 65,
        examples: &["FATAL 28000 must not log in today"],
        ..CLASS
    },
    Class {
        id: "tls_failed",
        means: "a TLS handshake with a client fails",
        weight: Weight::Harm,
        codes: &["08P01"],
        says: &["could not accept SSL connection", "SSL error:"],
        causes: &["auth_hba_tls"],
        rank: 64,
        examples: &[
            "LOG 08P01 could not accept SSL connection: tlsv1 alert unknown ca",
            "LOG 08P01 could not accept SSL connection: EOF detected",
        ],
        ..CLASS
    },
    Class {
        id: "tls_server_certificate",
        means: "the server cannot load its certificate or key",
        weight: Weight::Harm,
        codes: &["F0000"],
        says: &[
            "could not load server certificate file",
            "could not load private key file",
            "private key file \"*\" has group or world access",
            "could not access private key file",
        ],
        causes: &["auth_hba_tls"],
        rank: 84,
        examples: &[
            "LOG F0000 could not load server certificate file \"server.crt\": No such file or directory",
            "FATAL F0000 private key file \"server.key\" has group or world access",
        ],
        ..CLASS
    },
    Class {
        id: "row_security",
        means: "a row level security policy refuses a row",
        weight: Weight::Harm,
        codes: &["42501"],
        says: &[
            "new row violates row-level security policy",
            "query would be affected by row-level security",
        ],
        causes: &["auth_privilege"],
        rank: 71,
        examples: &["ERROR 42501 new row violates row-level security policy for table \"orders\""],
        ..CLASS
    },
    Class {
        id: "permission_denied",
        means: "a role lacks a privilege on what it uses",
        weight: Weight::Harm,
        codes: &["42501"],
        says: &[
            "permission denied for",
            "must be owner of",
            "must be superuser",
            "permission denied to",
        ],
        causes: &["auth_privilege"],
        rank: 72,
        examples: &[
            "ERROR 42501 permission denied for table orders",
            "ERROR 42501 permission denied for schema public",
            "ERROR 42501 must be owner of table orders",
        ],
        ..CLASS
    },
    Class {
        id: "privilege_missing",
        means: "a role lacks a privilege for what it asks",
        weight: Weight::Harm,
        codes: &["42501"],
        causes: &["auth_privilege"],
        rank: 70,
        examples: &[
            "ERROR 42501 only roles with privileges of the \"pg_maintain\" role may do this",
        ],
        ..CLASS
    },
];
