//! Functions written in SQL that a change breaks: their bodies are text, so nothing else notices.

use pgward_model::prelude::BrokenStatement;
use pgward_pg::prelude::*;
use pgward_pg::session::get;
use std::collections::BTreeMap;

/// Functions with a body of SQL text; those with a parsed body depend on what they use, and
/// those of extensions are not the user's. A thousand take about a second.
const FUNCTIONS: &str = "
    SELECT p.oid, p.oid::regprocedure::text, pg_catalog.pg_get_userbyid(p.proowner)::text
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    WHERE l.lanname = 'sql'
        AND p.prosqlbody IS NULL
        AND n.nspname !~ '^(pg_|pgward$|information_schema$)'
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_depend d
            WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid
                AND d.deptype = 'e')
    ORDER BY p.oid
    LIMIT 1000";

/// What the server says of each function: `None` where it is valid.
pub(crate) type Validated = BTreeMap<u32, (BrokenStatement, Option<String>)>;

/// Lets the server check every body as it would at CREATE FUNCTION; nothing is run.
pub(crate) fn validate(session: &Session) -> Result<Validated, Error> {
    let mut validated = BTreeMap::new();
    for row in session.query(FUNCTIONS, &[])? {
        let oid: u32 = get(&row, 0)?;
        let checked = session.query("SELECT pg_catalog.fmgr_sql_validator($1)", &[&oid]);
        let error = match checked {
            Ok(_) => None,
            Err(error) if error.is_connection_lost() => return Err(error),
            Err(error) => Some(error.message()),
        };
        let text = format!("function {}", get::<String>(&row, 1)?);
        let broken = BrokenStatement { text, role: get(&row, 2)?, error: String::new(), calls: 0 };
        validated.insert(oid, (broken, error));
    }
    Ok(validated)
}

/// Functions that were valid before and are not any more.
pub(crate) fn broken(before: &Validated, after: &Validated) -> Vec<BrokenStatement> {
    let was_valid = |oid: &u32| before.get(oid).is_some_and(|(_, error)| error.is_none());
    after
        .iter()
        .filter(|(oid, _)| was_valid(oid))
        .filter_map(|(_, (function, error))| {
            Some(BrokenStatement { error: error.clone()?, ..function.clone() })
        })
        .collect()
}
