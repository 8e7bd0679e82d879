//! What DDL happened: from the DDL log where `pgward install` made one, else from the
//! differences of two catalogs.

use super::Sampler;
use crate::differences;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_pg::{catalog, install};
use std::time::Duration;

pub(super) static SAMPLER: Sampler = Sampler {
    id: "ddl",
    period_s: 1.0,
    rights: "SELECT on pgward.ddl_log, or none for differences of the catalog",
    take,
};

/// As for the watching session when it comes back.
const CONNECT: Duration = Duration::from_secs(1);

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    if eyes.catalog.is_none() {
        let first = schema(eyes)?;
        let session = eyes.session()?;
        let print = catalog::fingerprint(session)?;
        let cursor = match install::has_ddl_log(session) {
            Ok(true) => install::DdlCursor::at_end(session).ok(),
            _ => None,
        };
        (eyes.catalog, eyes.catalog_print, eyes.ddl_cursor) = (Some(first), print, cursor);
        return Ok(());
    }
    if eyes.ddl_cursor.is_some() { from_log(eyes, sample) } else { from_differences(eyes, sample) }
}

fn from_log(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    eyes.session()?;
    let (Some(session), Some(cursor)) = (&eyes.session, &mut eyes.ddl_cursor) else {
        return Ok(());
    };
    let mut events = cursor.next(session)?;
    if events.is_empty() {
        return if eyes.catalog_is_old { refresh(eyes) } else { Ok(()) };
    }
    if let Some(before) = &eyes.catalog {
        for event in events.iter_mut().filter(|e| e.dropped && e.old_definition.is_none()) {
            event.old_definition = old_definition(before, event);
        }
    }
    sample.ddl = events;
    eyes.catalog_is_old = true;
    refresh(eyes)
}

/// Reads the catalog again after DDL. Until that succeeds, which a lock on a view's table may
/// prevent, every tick says that the catalog is older than the schema.
fn refresh(eyes: &mut Eyes) -> Result<(), Error> {
    let now = schema(eyes)?;
    eyes.catalog = Some(now);
    eyes.catalog_is_old = false;
    Ok(())
}

/// The catalog, over a session of its own that ends with it: a large one takes longer than
/// the 2 s that the watching session may, which must stay free for its lock queue besides.
fn schema(eyes: &Eyes) -> Result<Catalog, Error> {
    let session = Session::connect_within(&eyes.target, Purpose::Inspect, CONNECT)?;
    Ok(catalog::schema(&session)?)
}

fn old_definition(catalog: &Catalog, event: &DdlEvent) -> Option<String> {
    let name = event.identity.rsplit('.').next()?.trim_matches('"');
    let schema = event.relation.as_ref().map_or(String::new(), |r| r.schema.clone());
    catalog.index(&Relation::new(schema, name)).map(|(_, index)| index.definition.clone())
}

fn from_differences(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let known = eyes.catalog_print;
    let session = eyes.session()?;
    let print = catalog::fingerprint(session)?;
    if print == known {
        return Ok(());
    }
    let now = schema(eyes)?;
    eyes.catalog_print = print;
    super::sessions::ensure(eyes, sample);
    if let Some(before) = &eyes.catalog {
        sample.ddl = differences::between(before, &now, &sample.sessions);
    }
    eyes.catalog = Some(now);
    Ok(())
}
