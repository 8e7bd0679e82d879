//! DDL told from two catalogs, for servers where no event trigger may be installed.

use pgward_model::prelude::*;

/// What came and went between two catalogs. Role and statement are taken from a session
/// that names the object, where one is seen; the time is the later catalog's.
pub(crate) fn between(
    before: &Catalog,
    after: &Catalog,
    sessions: &[SessionSample],
) -> Vec<DdlEvent> {
    let mut found = Vec::new();
    for old in &before.relations {
        match after.relations.iter().find(|r| r.oid == old.oid) {
            None => found.push(difference("DROP TABLE", "table", old, &old.relation.name)),
            Some(new) => changed(&mut found, old, new),
        }
    }
    for new in after.relations.iter().filter(|n| !before.relations.iter().any(|o| o.oid == n.oid)) {
        found.push(difference("CREATE TABLE", "table", new, &new.relation.name));
    }
    found.into_iter().map(|d| event(after.taken_at, d, sessions)).collect()
}

/// A TRUNCATE told from a table's new file and lost rows.
///
/// `xid` is that of its row in `pg_class`, which the TRUNCATE wrote.
pub(crate) fn truncated(
    at: Timestamp,
    table: &TableCounters,
    xid: u64,
    sessions: &[SessionSample],
) -> DdlEvent {
    let (table, name) = (&table.relation, &table.relation.name);
    let command = "TRUNCATE";
    let of = Difference { command, kind: "table", table, name, gone: false, was: None };
    DdlEvent { xid: Some(xid), ..event(at, of, sessions) }
}

/// An object that is in one of two catalogs.
struct Difference<'a> {
    command: &'static str,
    kind: &'static str,
    table: &'a Relation,
    name: &'a str,
    gone: bool,
    /// An index's definition.
    was: Option<&'a str>,
}

fn difference<'a>(
    command: &'static str,
    kind: &'static str,
    table: &'a RelationInfo,
    name: &'a str,
) -> Difference<'a> {
    let gone = command.starts_with("DROP");
    Difference { command, kind, table: &table.relation, name, gone, was: None }
}

fn changed<'a>(found: &mut Vec<Difference<'a>>, old: &'a RelationInfo, new: &'a RelationInfo) {
    for (from, to, command) in [(old, new, "DROP INDEX"), (new, old, "CREATE INDEX")] {
        let only = from
            .indexes
            .iter()
            .filter(|i| !to.indexes.iter().any(|t| t.definition == i.definition));
        found.extend(only.map(|i| Difference {
            was: Some(&i.definition),
            ..difference(command, "index", new, &i.name)
        }));
    }
    for (from, to, gone) in [(old, new, true), (new, old, false)] {
        let only = from.columns.iter().filter(|c| !to.columns.iter().any(|t| t.name == c.name));
        found.extend(only.map(|c| Difference {
            gone,
            ..difference("ALTER TABLE", "table column", new, &c.name)
        }));
    }
    if old.relation != new.relation {
        let renamed = difference("ALTER TABLE", "table", new, &old.relation.name);
        found.push(Difference { gone: true, ..renamed });
    }
}

fn event(at: Timestamp, of: Difference<'_>, sessions: &[SessionSample]) -> DdlEvent {
    let verb = of.command.split(' ').next().unwrap_or(of.command);
    let by = author(sessions, verb, of.name).or_else(|| cascading(sessions, verb));
    let told = |field: fn(&SessionSample) -> &String| by.map(field).cloned().unwrap_or_default();
    DdlEvent {
        at,
        pid: by.map_or(0, |s| s.pid),
        role: told(|s| &s.role),
        application: told(|s| &s.application),
        client: told(|s| &s.client),
        command: of.command.to_owned(),
        object_kind: of.kind.to_owned(),
        identity: Relation::new(of.table.schema.clone(), of.name).quoted(),
        relation: Some(of.table.clone()),
        dropped: of.gone,
        old_definition: of.was.map(str::to_owned),
        xid: None,
        lsn: None,
        statement: told(|s| &s.query),
        seen_by: DdlWitness::CatalogDifference,
    }
}

/// The one session whose TRUNCATE takes along what refers to its tables.
fn cascading<'a>(sessions: &'a [SessionSample], verb: &str) -> Option<&'a SessionSample> {
    let cascades = |s: &&SessionSample| {
        let text = s.query.trim_start().to_ascii_uppercase();
        text.starts_with(verb) && text.contains("CASCADE")
    };
    let mut found = sessions.iter().filter(cascades).filter(|_| verb == "TRUNCATE");
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// A session whose present or last statement begins with `verb` and names the object.
fn author<'a>(sessions: &'a [SessionSample], verb: &str, name: &str) -> Option<&'a SessionSample> {
    sessions.iter().find(|s| {
        s.query.trim_start().to_ascii_uppercase().starts_with(verb) && s.query.contains(name)
    })
}
