//! Who may do what with which object, and what changed in it.

use super::Sampler;
use super::config::{differences, pairs};
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "privileges", period_s: 3.0, rights: "none", take };

/// As in `privileges.sql`, which fetches one more to show that there are more.
const OBJECTS_MAX: usize = 20_000;

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let now = pairs(eyes.session()?, include_str!("../../queries/privileges.sql"))?;
    if now.len() > OBJECTS_MAX {
        let why = format!("more than {OBJECTS_MAX} objects with rights");
        sample.gaps.push(Gap { sampler: SAMPLER.id.to_owned(), why });
    }
    if let Some(known) = &eyes.privileges {
        sample.changes.extend(changed(known, &now, sample.at));
    }
    eyes.privileges = Some(now);
    Ok(())
}

/// What changed of objects that were there before and still are; the DDL log tells of others.
fn changed(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    at: Timestamp,
) -> Vec<ConfigChange> {
    let mut changes = differences("privilege", before, after, at);
    changes.retain(|c| before.contains_key(&c.name) && after.contains_key(&c.name));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_object_lost_is_told_and_a_new_object_is_not() {
        let of = |v: &[(&str, &str)]| {
            v.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let before = of(&[("table public.a", "o {o=r/o,site=rw/o}"), ("table public.old", "o {}")]);
        let after = of(&[("table public.a", "o {o=r/o,site=r/o}"), ("table public.new", "o {}")]);
        let found = changed(&before, &after, Timestamp::UNIX_EPOCH);
        let told: Vec<_> = found.iter().map(|c| (c.kind.as_str(), c.name.as_str())).collect();
        assert_eq!(told, [("privilege", "table public.a")]);
    }
}
