//! DDL told from two catalogs, for servers where no event trigger may be installed.

use pgward_model::prelude::*;

/// What came and went between two catalogs. Role and statement are taken from a session
/// that names the object, where one is seen; the time is the later catalog's.
pub(crate) fn between(
    before: &Catalog,
    after: &Catalog,
    sessions: &[SessionSample],
) -> Vec<DdlEvent> {
    let mut events = Vec::new();
    for old in &before.relations {
        match after.relations.iter().find(|r| r.oid == old.oid) {
            None => events.push(event(
                after,
                sessions,
                "DROP TABLE",
                "table",
                old,
                &old.relation.name,
                true,
                None,
            )),
            Some(new) => changed(&mut events, old, new, after, sessions),
        }
    }
    for new in after.relations.iter().filter(|n| !before.relations.iter().any(|o| o.oid == n.oid)) {
        events.push(event(
            after,
            sessions,
            "CREATE TABLE",
            "table",
            new,
            &new.relation.name,
            false,
            None,
        ));
    }
    events
}

/// A TRUNCATE told from a table's new file and lost rows.
pub(crate) fn truncated(
    at: Timestamp,
    table: &TableCounters,
    sessions: &[SessionSample],
) -> DdlEvent {
    let by = author(sessions, "TRUNCATE", &table.relation.name);
    DdlEvent {
        at,
        pid: by.map_or(0, |s| s.pid),
        role: by.map_or(String::new(), |s| s.role.clone()),
        application: by.map_or(String::new(), |s| s.application.clone()),
        client: by.map_or(String::new(), |s| s.client.clone()),
        command: "TRUNCATE".to_owned(),
        object_kind: "table".to_owned(),
        identity: table.relation.quoted(),
        relation: Some(table.relation.clone()),
        dropped: false,
        old_definition: None,
        xid: None,
        lsn: None,
        statement: by.map_or(String::new(), |s| s.query.clone()),
        seen_by: DdlWitness::CatalogDifference,
    }
}

/// A session whose present or last statement begins with `verb` and names the object.
fn author<'a>(sessions: &'a [SessionSample], verb: &str, name: &str) -> Option<&'a SessionSample> {
    sessions.iter().find(|s| {
        s.query.trim_start().to_ascii_uppercase().starts_with(verb) && s.query.contains(name)
    })
}

fn changed(
    events: &mut Vec<DdlEvent>,
    old: &RelationInfo,
    new: &RelationInfo,
    after: &Catalog,
    sessions: &[SessionSample],
) {
    for index in &old.indexes {
        if !new.indexes.iter().any(|i| i.definition == index.definition) {
            let definition = Some(index.definition.clone());
            events.push(event(
                after,
                sessions,
                "DROP INDEX",
                "index",
                new,
                &index.name,
                true,
                definition,
            ));
        }
    }
    for index in &new.indexes {
        if !old.indexes.iter().any(|i| i.definition == index.definition) {
            let definition = Some(index.definition.clone());
            events.push(event(
                after,
                sessions,
                "CREATE INDEX",
                "index",
                new,
                &index.name,
                false,
                definition,
            ));
        }
    }
    for column in &old.columns {
        if !new.columns.iter().any(|c| c.name == column.name) {
            events.push(event(
                after,
                sessions,
                "ALTER TABLE",
                "table column",
                new,
                &column.name,
                true,
                None,
            ));
        }
    }
    for column in &new.columns {
        if !old.columns.iter().any(|c| c.name == column.name) {
            events.push(event(
                after,
                sessions,
                "ALTER TABLE",
                "table column",
                new,
                &column.name,
                false,
                None,
            ));
        }
    }
    if old.relation != new.relation {
        events.push(event(
            after,
            sessions,
            "ALTER TABLE",
            "table",
            new,
            &old.relation.name,
            true,
            None,
        ));
    }
}

#[allow(clippy::too_many_arguments)] // one row of a log has that many columns
fn event(
    after: &Catalog,
    sessions: &[SessionSample],
    command: &str,
    object_kind: &str,
    table: &RelationInfo,
    name: &str,
    dropped: bool,
    old_definition: Option<String>,
) -> DdlEvent {
    let verb = command.split(' ').next().unwrap_or(command);
    let by = author(sessions, verb, name);
    DdlEvent {
        at: after.taken_at,
        pid: by.map_or(0, |s| s.pid),
        role: by.map_or(String::new(), |s| s.role.clone()),
        application: by.map_or(String::new(), |s| s.application.clone()),
        client: by.map_or(String::new(), |s| s.client.clone()),
        command: command.to_owned(),
        object_kind: object_kind.to_owned(),
        identity: Relation::new(table.relation.schema.clone(), name).quoted(),
        relation: Some(table.relation.clone()),
        dropped,
        old_definition,
        xid: None,
        lsn: None,
        statement: by.map_or(String::new(), |s| s.query.clone()),
        seen_by: DdlWitness::CatalogDifference,
    }
}
