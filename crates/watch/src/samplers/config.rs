//! Roles and settings, those of roles and databases too, and what changed in them.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use crate::written_down::{self, InForce};
use pgward_model::prelude::*;
use pgward_pg::session::{Session, get};
use std::collections::BTreeMap;

pub(super) static SAMPLER: Sampler = Sampler {
    id: "config",
    period_s: 5.0,
    rights: "pg_monitor; for settings that nobody told the server, EXECUTE on pg_read_file",
    take,
};

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let roles = pairs(session, include_str!("../../queries/roles.sql"))?;
    let (mut settings, mut waiting) = (BTreeMap::new(), BTreeMap::new());
    let mut in_force = BTreeMap::new();
    for row in session.query(include_str!("../../queries/settings.sql"), &[])? {
        let name: String = get(&row, 0)?;
        if let Some(value) = get::<Option<String>>(&row, 2)? {
            waiting.insert(name.clone(), value);
        }
        if let Some(value) = get::<Option<String>>(&row, 1)? {
            let unit = get(&row, 3)?;
            if let Some(shown) = get::<Option<String>>(&row, 4)? {
                in_force.insert(name.clone(), InForce { value: value.clone(), unit, shown });
            }
            settings.insert(name, value);
        }
    }
    settings.extend(pairs(session, include_str!("../../queries/role_settings.sql"))?);
    for (kind, known, new) in
        [("role", &mut eyes.roles, roles), ("setting", &mut eyes.settings, settings)]
    {
        if let Some(known) = known.as_ref() {
            sample.changes.extend(differences(kind, known, &new, sample.at));
        }
        *known = Some(new);
    }
    sample.pending = Some(pending(eyes, waiting, &in_force, sample.at)?);
    Ok(())
}

/// Where ALTER SYSTEM writes; read as far as anybody's settings reach, where we may.
const AUTO_CONF: &str = "SELECT pg_catalog.pg_read_file('postgresql.auto.conf', 0, 1048576, true)";
/// Asked by itself: the right to a function is checked though a CASE never calls it.
const MAY_READ: &str = "\
SELECT pg_catalog.has_function_privilege(
    'pg_catalog.pg_read_file(text,bigint,bigint,boolean)', 'EXECUTE'
)";

/// What a restart would change (names and present values), with the time we first saw it: what the
/// server says waits for one, and what was written down without telling it. Without the right to
/// read the file that ALTER SYSTEM writes, the latter is not seen and no new value is told.
fn pending(
    eyes: &mut Eyes,
    mut waiting: BTreeMap<String, String>,
    in_force: &BTreeMap<String, InForce>,
    at: Timestamp,
) -> Result<Vec<ConfigChange>, Error> {
    let session = eyes.session()?;
    let file = match session.query_one::<bool>(MAY_READ, &[])? {
        true => session.query_one::<Option<String>>(AUTO_CONF, &[]).ok().flatten(),
        false => None,
    };
    let written = written_down::lines(&file.unwrap_or_default());
    for (name, shown) in written_down::untried(&written, in_force) {
        waiting.entry(name.to_owned()).or_insert_with(|| shown.to_owned());
    }
    let unknown = || "another value".to_owned();
    eyes.pending.retain(|name, _| waiting.contains_key(name));
    for (name, before) in waiting {
        let after = written.get(&name).cloned().unwrap_or_else(unknown);
        let new =
            ConfigChange { at, kind: "pending".to_owned(), name: name.clone(), before, after };
        let known = eyes.pending.entry(name).or_insert_with(|| new.clone());
        known.after = new.after;
    }
    Ok(eyes.pending.values().cloned().collect())
}

pub(super) fn pairs(session: &Session, sql: &str) -> Result<BTreeMap<String, String>, Error> {
    session.query(sql, &[])?.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

pub(super) fn differences(
    kind: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    at: Timestamp,
) -> Vec<ConfigChange> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let absent = "absent".to_owned();
    names
        .into_iter()
        .map(|name| (name, before.get(name).unwrap_or(&absent), after.get(name).unwrap_or(&absent)))
        .filter(|(_, b, a)| b != a)
        .map(|(name, b, a)| ConfigChange {
            at,
            kind: kind.to_owned(),
            name: name.clone(),
            before: b.clone(),
            after: a.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_changed_and_went_is_told() {
        let of = |v: &[(&str, &str)]| {
            v.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let found = differences(
            "role",
            &of(&[("a", "login"), ("b", "login"), ("same", "x")]),
            &of(&[("b", "superuser"), ("c", "login"), ("same", "x")]),
            Timestamp::UNIX_EPOCH,
        );
        let told: Vec<_> =
            found.iter().map(|c| (c.name.as_str(), c.before.as_str(), c.after.as_str())).collect();
        assert_eq!(
            told,
            [("a", "login", "absent"), ("b", "login", "superuser"), ("c", "absent", "login")]
        );
    }
}
