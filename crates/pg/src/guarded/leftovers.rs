//! What a failed concurrent build of an index leaves, and its removal.

use super::Context;
use crate::error::Error;
use crate::session::{Session, get};
use pgward_model::name::Relation;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The invalid indexes there are, by oid, when the statement may leave another one.
pub(super) fn before(
    session: &Session,
    statement: &str,
) -> Result<Option<BTreeMap<u32, Relation>>, Error> {
    BUILD.is_match(statement).then(|| invalid_indexes(session)).transpose()
}

/// A failed `CREATE INDEX CONCURRENTLY` leaves an invalid index, which costs every write and
/// serves no read. Only what came since, bears the statement's name where it gives one, and is
/// not being built by somebody else is dropped.
pub(super) fn remove(
    session: &Session,
    statement: &str,
    before: &BTreeMap<u32, Relation>,
    context: &mut Context<'_>,
) {
    let after = match invalid_indexes(session) {
        Ok(after) => after,
        Err(error) => {
            context.notes.push(format!("could not look for an invalid index left: {error}"));
            return;
        }
    };
    let name = index_name(statement);
    for (oid, index) in after {
        let ours = name.as_ref().is_none_or(|n| index.name.starts_with(n.as_str()));
        if before.contains_key(&oid) || !ours {
            continue;
        }
        let drop = format!("DROP INDEX CONCURRENTLY IF EXISTS {}", index.quoted());
        context.notes.push(match session.execute(&drop, &[]) {
            Ok(_) => format!("the failed build left invalid index {index}; it was dropped"),
            Err(error) => format!("invalid index {index} is left ({error}); drop it with: {drop}"),
        });
    }
}

fn invalid_indexes(session: &Session) -> Result<BTreeMap<u32, Relation>, Error> {
    let rows = session.query(include_str!("../../queries/invalid_indexes.sql"), &[])?;
    rows.iter()
        .map(|row| {
            Ok((get::<u32>(row, 2)?, Relation::new(get::<String>(row, 0)?, get::<String>(row, 1)?)))
        })
        .collect()
}

static BUILD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?is)^\s*(?:create\s+(?:unique\s+)?index|reindex\b.*?)\s+concurrently\b")
        .expect("a constant pattern that the tests compile")
});

static INDEX_NAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?isx)^\s*create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?
           (?:"((?:[^"]|"")+)"|([\w$]+))\s+on\b"#,
    )
    .expect("a constant pattern that the tests compile")
});

fn index_name(statement: &str) -> Option<String> {
    let found = INDEX_NAME.captures(statement)?;
    let quoted = found.get(1).map(|m| m.as_str().replace("\"\"", "\""));
    quoted.or_else(|| found.get(2).map(|m| m.as_str().to_lowercase()))
}
