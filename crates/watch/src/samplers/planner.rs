//! What the planner lacks: statistics of tables, and indexes and versions it cannot trust.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::{Session, get};

pub(super) static SAMPLER: Sampler = Sampler {
    id: "planner",
    period_s: 3.0, // three of them fit into the 10 s in which trouble must be seen
    rights: "SELECT on the tables, as pg_read_all_data gives it",
    take,
};

/// The first major that keeps the version of a database's own collation.
const DATABASE_COLLATION_SINCE: i32 = 150_000;

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let mut planner = PlannerSample::default();
    for row in &session.query(include_str!("../../queries/bare_tables.sql"), &[])? {
        planner.n_tables = get(row, 0)?;
        if get(row, 3)? {
            let name = Relation::new(get::<String>(row, 1)?, get::<String>(row, 2)?);
            planner.without_statistics.push(name);
        }
    }
    for row in &session.query(include_str!("../../queries/hidden_tables.sql"), &[])? {
        let name = Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?);
        planner.hidden.push(name);
    }
    for row in &session.query(include_str!("../../queries/invalid_indexes.sql"), &[])? {
        planner.invalid_indexes.push(InvalidIndex {
            index: Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?),
            table: Relation::new(get::<String>(row, 2)?, get::<String>(row, 3)?),
            definition: get(row, 4)?,
            unique: get(row, 5)?,
            ready: get(row, 6)?,
            building: get(row, 7)?,
        });
    }
    let is_fresh = |at: Timestamp| (0.0..VERSIONS_S).contains(&seconds_between(at, sample.at));
    let (at, known) = match eyes.versions.take() {
        Some((at, known)) if is_fresh(at) => (at, known),
        _ => (sample.at, versions(eyes.session()?)?),
    };
    planner.collations_changed.clone_from(&known.collations_changed);
    planner.extensions_behind.clone_from(&known.extensions_behind);
    planner.collation_unversioned = known.collation_unversioned;
    eyes.versions = Some((at, known));
    sample.planner = Some(planner);
    Ok(())
}

/// Versions change with packages. To read them the server opens a file an extension, and looks
/// through the columns of all indexes.
const VERSIONS_S: f64 = 30.0;

/// What was built for another version than the one that is there.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    collations_changed: Vec<String>,
    extensions_behind: Vec<String>,
    collation_unversioned: bool,
}

fn versions(session: &Session) -> Result<Versions, Error> {
    let mut versions = Versions::default();
    for row in &session.query(include_str!("../../queries/versions.sql"), &[])? {
        let what = get(row, 1)?;
        match get::<String>(row, 0)?.as_str() {
            "collation" => versions.collations_changed.push(what),
            _ => versions.extensions_behind.push(what),
        }
    }
    let number: String =
        session.query_one("SELECT pg_catalog.current_setting('server_version_num')", &[])?;
    versions.collation_unversioned = number.parse::<i32>().unwrap_or(0) < DATABASE_COLLATION_SINCE;
    if !versions.collation_unversioned {
        for row in &session.query(include_str!("../../queries/database_collation.sql"), &[])? {
            versions.collations_changed.push(format!("of database {}", get::<String>(row, 0)?));
        }
    }
    Ok(versions)
}
