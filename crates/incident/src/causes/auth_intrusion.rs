//! Someone got in who should not be in.

use super::Cause;
use crate::facts::{changes_near, complete, no_baseline, not_read_yet, sampled};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static CAUSE: Cause = Cause {
    id: "auth_intrusion",
    name: "Security breach",
    necessary: "a role or right changed, or a session came from an address never seen before",
    explains: &["login_failures", "mass_write", "relation_vanished"],
    actions: &[],
    prevention: &["Alarm on every change of roles and rights, and on sessions from new addresses"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    for sampler in ["sessions", "config", "privileges"] {
        if let Some(unknown) = complete(case, sampler, "an intrusion cannot be judged") {
            return unknown;
        }
    }
    let recent = case.window.recent();
    let changes: Vec<&ConfigChange> =
        recent.iter().flat_map(|s| &s.changes).filter(|c| gives(c, case)).collect();
    let known: BTreeSet<(&str, &str)> = case
        .window
        .baseline()
        .iter()
        .flat_map(|s| &s.sessions)
        .map(|s| (s.role.as_str(), s.client.as_str()))
        .collect();
    let known_addresses: BTreeSet<&str> = known.iter().map(|k| k.1).collect();
    let strangers: BTreeSet<(&str, &str)> = recent
        .iter()
        .flat_map(|s| &s.sessions)
        .map(|s| (s.role.as_str(), s.client.as_str()))
        .filter(|(_, client)| !known_addresses.contains(client) && !is_local(client))
        .collect();
    let n = changes.len() + strangers.len();
    let evidence = Evidence::measured(
        format!(
            "{} changes that gave a role more than it had, {} sessions from addresses not seen before",
            changes.len(),
            strangers.len()
        ),
        n as f64,
        "changes and new addresses",
        sampled("config: pg_authid, pg_auth_members; sessions: client_addr"),
    )
    .against(0.0)
    .at(case.window.now());
    if n == 0 {
        return not_read_yet(case).unwrap_or(Verdict::ruled_out(evidence));
    }
    let what = changes
        .first()
        .map(|c| format!("{} {} changed from {} to {}", c.kind, c.name, c.before, c.after))
        .or(strangers.first().map(|(role, client)| format!("role {role} came from {client}")))
        .unwrap_or_default();
    if changes.is_empty() {
        return Verdict::unknown(format!("a new address is no breach by itself: {what}"));
    }
    Verdict::Likely(Likely::new(0.5, format!("intrusion is not ruled out: {what}"), evidence))
}

/// Who breaks in gains something; what was only taken away, or given back after that, is another
/// cause.
fn gives(change: &ConfigChange, case: &Case) -> bool {
    let near = |kind| changes_near(case, kind).find(|c| c.name == change.name);
    let before = |kind| near(kind).map_or(&*change.before, |first| &first.before);
    match change.kind.as_str() {
        "setting" => false,
        "privilege" => {
            let (before, after) = (Rights::read(before("privilege")), Rights::read(&change.after));
            before.owner != after.owner || !after.beyond(&before).is_empty()
        }
        _ => RoleRights::read(&change.after).is_beyond(&RoleRights::read(before("role"))),
    }
}

/// The server's own machine: the socket, or loopback.
fn is_local(client: &str) -> bool {
    client.is_empty() || client.starts_with("127.") || client == "::1"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(40);
        for s in &mut samples {
            s.pending = Some(Vec::new());
            s.sessions = vec![session(1, "active", &[])];
        }
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().changes = vec![ConfigChange {
            at: at(34),
            kind: "role".into(),
            name: "mallory".into(),
            before: "absent".into(),
            after: "superuser".into(),
        }];
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        let mut taken = samples.clone();
        taken.last_mut().unwrap().changes = vec![ConfigChange {
            at: at(34),
            kind: "privilege".into(),
            name: "table public.orders".into(),
            before: "deploy {site=arw/deploy}".into(),
            after: "deploy {site=r/deploy}".into(),
        }];
        let mut back = taken.last().unwrap().changes.last().unwrap().clone();
        std::mem::swap(&mut back.before, &mut back.after);
        taken.last_mut().unwrap().changes.push(back);
        taken.last_mut().unwrap().changes.push(ConfigChange {
            at: at(34),
            kind: "role".into(),
            name: "site".into(),
            before: "login member of orders_rw".into(),
            after: "login".into(),
        });
        assert!(matches!(judge(&case(taken, 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().gaps.push(Gap { sampler: "config".into(), why: "x".into() });
        assert!(matches!(judge(&case(samples, 30)), Verdict::Unknown { .. }));
    }
}
