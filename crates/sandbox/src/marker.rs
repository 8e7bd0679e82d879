//! The sandbox marker: how a drill proves that it may break what it is about to break.
//!
//! A database made for drills carries a random token in its settings. A fault acts only where
//! the token and the server's system identifier are those noted when the sandbox was made.

use crate::error::Error;
use pgward_model::name::{quote_ident, quote_literal};
use pgward_pg::prelude::*;
use rand::RngExt;

/// What proves that a database is a sandbox; kept in memory by the drill that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub token: String,
    /// `pg_control_system().system_identifier`: the same for every copy of one cluster.
    pub system_identifier: i64,
}

/// The setting that holds the token.
const SETTING: &str = "pgward.sandbox";

const SYSTEM_IDENTIFIER: &str = "\
SELECT system_identifier
FROM pg_catalog.pg_control_system()";

// The catalog, not current_setting(): a session may set anything for itself.
const TOKEN: &str = "\
SELECT c.config
FROM pg_catalog.pg_db_role_setting s
JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) AS c (config)
WHERE d.datname = pg_catalog.current_database()
  AND s.setrole = 0
  AND c.config LIKE 'pgward.sandbox=%'";

/// Marks a database that has just been made for drills. Needs its owner or a superuser.
///
/// # Errors
/// [`Error::Pg`].
pub fn mark(session: &Session) -> Result<Marker, Error> {
    let token = format!("{:032x}", rand::rng().random::<u128>());
    let sql = format!(
        "ALTER DATABASE {} SET {SETTING} = {}",
        quote_ident(session.target().database()),
        quote_literal(&token),
    );
    session.simple(&sql)?;
    let system_identifier = session.query_one(SYSTEM_IDENTIFIER, &[])?;
    Ok(Marker { token, system_identifier })
}

/// Is this the database that was marked?
///
/// # Errors
/// [`Error::NotSandbox`] naming the server and what is missing; [`Error::Pg`].
pub fn prove(session: &Session, marker: &Marker) -> Result<(), Error> {
    let refuse =
        |missing: String| Err(Error::NotSandbox { target: session.target().to_string(), missing });
    let rows = session.query(TOKEN, &[])?;
    let found: Option<String> =
        rows.first().map(|row| pgward_pg::session::get(row, 0)).transpose()?;
    match found.as_deref().and_then(|c| c.strip_prefix("pgward.sandbox=")) {
        None => return refuse(format!("the database has no setting {SETTING}")),
        Some(token) if token != marker.token => {
            return refuse(format!("its {SETTING} is of another drill"));
        }
        Some(_) => {}
    }
    let identifier: i64 = session.query_one(SYSTEM_IDENTIFIER, &[])?;
    if identifier != marker.system_identifier {
        return refuse(format!(
            "its system identifier is {identifier}, the sandbox's is {}",
            marker.system_identifier
        ));
    }
    Ok(())
}
