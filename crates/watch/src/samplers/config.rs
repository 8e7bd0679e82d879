//! Roles and settings, and what changed in them.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::{Session, get};
use std::collections::BTreeMap;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "config", period_s: 5.0, rights: "pg_monitor", take };

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let roles = pairs(session, include_str!("../../queries/roles.sql"))?;
    let settings = pairs(session, include_str!("../../queries/settings.sql"))?;
    for (kind, known, new) in
        [("role", &mut eyes.roles, roles), ("setting", &mut eyes.settings, settings)]
    {
        if let Some(known) = known.as_ref() {
            sample.changes.extend(differences(kind, known, &new, sample.at));
        }
        *known = Some(new);
    }
    Ok(())
}

fn pairs(session: &Session, sql: &str) -> Result<BTreeMap<String, String>, Error> {
    session.query(sql, &[])?.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?))).collect()
}

fn differences(
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
