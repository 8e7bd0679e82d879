//! What DDL happened: from the DDL log where `pgward install` made one, else from the
//! differences of two catalogs.

use super::Sampler;
use crate::differences;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::{catalog, install};

pub(super) static SAMPLER: Sampler = Sampler {
    id: "ddl",
    period_s: 1.0,
    rights: "SELECT on pgward.ddl_log, or none for differences of the catalog",
    take,
};

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    if eyes.catalog.is_none() {
        let session = eyes.session()?;
        let first = catalog::schema(session)?;
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
        return Ok(());
    }
    if let Some(before) = &eyes.catalog {
        for event in events.iter_mut().filter(|e| e.dropped && e.old_definition.is_none()) {
            event.old_definition = old_definition(before, event);
        }
    }
    sample.ddl = events;
    // A lock on a view's table may be in the way; the next tick tries again.
    if let Ok(now) = catalog::schema(session) {
        eyes.catalog = Some(now);
    }
    Ok(())
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
    let now = catalog::schema(session)?;
    eyes.catalog_print = print;
    if let Some(before) = &eyes.catalog {
        sample.ddl = differences::between(before, &now, &sample.sessions);
    }
    eyes.catalog = Some(now);
    Ok(())
}
