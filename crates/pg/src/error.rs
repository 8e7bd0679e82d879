//! What can go wrong at the door, each with the object it happened to.

use std::path::PathBuf;
use std::time::Duration;
use tokio_postgres::error::Severity;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}: not a connection URL or key=value list")]
    BadUrl {
        what: String,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("{what}: {why}")]
    Tls { what: String, why: String },
    #[error("{target}: cannot connect")]
    Connect {
        target: String,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("{target}: no connection can be begun")]
    Begin {
        target: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{target}: no answer within {} ms", within.as_millis())]
    ConnectTimeout { target: String, within: Duration },
    #[error("{target}: PostgreSQL {major} is not supported, pgward works with 14 to 18")]
    Major { target: String, major: u32 },
    #[error("{what}{}", sqlstate_suffix(.source))]
    Query {
        what: String,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("{what}: no answer within {} ms, the session is given up", within.as_millis())]
    QueryTimeout { what: String, within: Duration },
    #[error("{what}: column {column} is not what we asked for")]
    Column {
        what: String,
        column: String,
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("{what}: one row was expected, {n} came")]
    Rows { what: String, n: usize },
    #[error("the catalog cannot be read now, since {by}")]
    CatalogLocked {
        by: String,
        #[source]
        source: Box<Error>,
    },
    #[error("{path}: {what}")]
    File {
        path: PathBuf,
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{tool} failed with {status}: {stderr}")]
    Tool { tool: String, status: String, stderr: String },
    #[error("{tool}: not answered within {} s, ended", within.as_secs())]
    ToolTimeout { tool: String, within: Duration },
    #[error("no PostgreSQL server is installed here: {looked} has no bin/postgres")]
    NoServer { looked: String },
    #[error(
        "PostgreSQL {major} here has no extension {extension}: there is no {}", control.display()
    )]
    NoExtension { extension: String, major: u32, control: PathBuf },
    #[error("{what}")]
    Server { what: String },
    #[error("{step}: {why}")]
    Refused { step: String, why: String },
    /// It would be allowed at another moment: the session has moved on, or somebody else is there.
    #[error("{step}: {why}")]
    NotNow { step: String, why: String },
    #[error(
        "{step}: {waiters} sessions waited behind it (limit {waiters_max}), the longest \
         {longest_ms} ms (limit {budget_ms} ms); it was stopped and undone"
    )]
    WaitersBehind { step: String, waiters: u32, waiters_max: u32, longest_ms: u64, budget_ms: u64 },
    #[error("{step}: who waits behind it could not be seen ({why}); it was stopped and undone")]
    Unwatched { step: String, why: String },
    #[error("{step}: {rows} rows affected, at most {rows_max} allowed; rolled back")]
    RowsAboveLimit { step: String, rows: u64, rows_max: u64 },
    #[error("expected within {within_ms} ms: {claim}; the server answered {answer}")]
    Expected { claim: String, answer: String, within_ms: u64 },
}

fn sqlstate_suffix(source: &tokio_postgres::Error) -> String {
    match source.as_db_error() {
        Some(db) => format!(": {} ({})", db.message(), db.code().code()),
        None => String::new(),
    }
}

/// The server has ended the session with these words.
fn is_fatal(source: &tokio_postgres::Error) -> bool {
    let severity = source.as_db_error().and_then(|db| db.parsed_severity());
    matches!(severity, Some(Severity::Fatal | Severity::Panic))
}

/// An error and what it came from, each once: the client's "db error" is left out, and so is
/// a message of the server that the link before has told.
pub fn links(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut links = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        let bare = ["ERROR: ", "FATAL: "].iter().find_map(|s| text.strip_prefix(s));
        let told = links.iter().any(|l| l.contains(bare.unwrap_or(&text)));
        if !told && text != "db error" {
            links.push(text);
        }
        source = cause.source();
    }
    links
}

impl Error {
    /// SQLSTATE, where the server gave one.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Error::Connect { source, .. }
            | Error::Query { source, .. }
            | Error::Column { source, .. } => source.code().map(|c| c.code()),
            Error::CatalogLocked { source, .. } => source.sqlstate(),
            _ => None,
        }
    }

    /// The server's message, or ours.
    pub fn message(&self) -> String {
        match self {
            Error::Connect { source, .. } | Error::Query { source, .. } => source
                .as_db_error()
                .map_or_else(|| source.to_string(), |db| db.message().to_owned()),
            other => other.to_string(),
        }
    }

    /// Is the session lost, so that only a new one helps?
    pub fn is_connection_lost(&self) -> bool {
        match self {
            Error::Begin { .. }
            | Error::Connect { .. }
            | Error::ConnectTimeout { .. }
            | Error::QueryTimeout { .. } => true,
            Error::Query { source, .. } => {
                source.is_closed()
                    || source.code().is_none()
                    || is_fatal(source)
                    || source
                        .code()
                        .is_some_and(|c| c.code().starts_with("57P") || c.code().starts_with("08"))
            }
            _ => false,
        }
    }

    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::BadUrl { .. } => {
                Some("give --database postgres://user@host:port/dbname".to_owned())
            }
            Error::Connect { source, .. } => connect_hint(source),
            Error::Begin { .. } => Some(
                "let the process open more files: ulimit -n, LimitNOFILE= of its service"
                    .to_owned(),
            ),
            Error::ConnectTimeout { .. } => {
                Some("check host and port, and that no firewall drops the packets".to_owned())
            }
            Error::CatalogLocked { .. } => Some(
                "any change would wait there too: let it end, or end it, then try again".to_owned(),
            ),
            Error::WaitersBehind { .. } => {
                Some("try again when fewer transactions run, or take the change apart".to_owned())
            }
            Error::RowsAboveLimit { rows, .. } => Some(format!(
                "if {rows} rows are meant, say so before the statement: -- pgward: expect rows {rows}"
            )),
            Error::NoServer { .. } => Some(
                "apt-get install postgresql postgresql-contrib, or give --postgres DIR".to_owned(),
            ),
            Error::NoExtension { extension, major, .. } => Some(format!(
                "install it: apt-get install postgresql-contrib-{major} (Debian, Ubuntu), \
                 dnf install postgresql{major}-contrib (Red Hat), else build contrib/{extension}; \
                 or give another installation: --postgres DIR"
            )),
            Error::Major { .. } => Some(
                "upgrade the server; versions before 14 get no security fixes any more either"
                    .to_owned(),
            ),
            Error::Query { source, .. } if source.code().is_some_and(|c| c.code() == "42501") => {
                Some(denied_hint(&self.message()))
            }
            Error::Tool { stderr, .. } if stderr.contains("replication role") => {
                Some("give a role that may: ALTER ROLE name REPLICATION, or a superuser".to_owned())
            }
            _ => None,
        }
    }
}

/// SQLSTATE 42501 says what was denied, and so what helps.
fn denied_hint(message: &str) -> String {
    let hint = if message.contains("superuser") && message.contains("terminat") {
        "that session is a superuser's: let a superuser answer (--responder URL)"
    } else if message.contains("for database") {
        "give the URL of the database's owner or of a superuser"
    } else if message.contains("must be owner") {
        "give the URL of the role that owns it, or of a superuser"
    } else {
        "the role lacks a right; `pgward doctor --rights ROLE` prints the GRANTs it needs"
    };
    hint.to_owned()
}

fn connect_hint(source: &tokio_postgres::Error) -> Option<String> {
    if source.to_string() == "invalid configuration" {
        return Some("name host and password in the URL, or set PGPASSWORD".to_owned());
    }
    if source.to_string().contains("TLS") {
        let why = std::error::Error::source(source).map_or(String::new(), ToString::to_string);
        let hint = match why.contains("does not support") {
            true => {
                "the server has no TLS: set ssl = on there, with a certificate (ssl_cert_file, \
                 ssl_key_file); only sslmode=prefer does without"
            }
            false => {
                "sslrootcert=FILE names the authority that signed the server's certificate; \
                 sslmode=require believes any, as psql does"
            }
        };
        return Some(hint.to_owned());
    }
    let hint = match source.code().map(|c| c.code()) {
        Some("28P01" | "28000") => "check role and password, and pg_hba.conf on the server",
        Some("3D000") => "the server runs, but has no database of that name",
        Some("53300") => "all connection slots are taken; reserve one for pgward",
        Some("57P03") => "the server is starting or stopping; try again in a moment",
        Some(_) => return None,
        None => "check that the server runs and listens on that host and port",
    };
    Some(hint.to_owned())
}
