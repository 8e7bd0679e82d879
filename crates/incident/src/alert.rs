//! What people are told of an incident: object, blocker, change, impact, next safe action.

use crate::{ledger, status};
use pgward_model::prelude::*;

/// Relations named in one alert.
const OBJECTS_MAX: usize = 5;

/// The incident as it stands; `sample` is the newest, for who blocks whom and who is hit.
pub fn of(incident: &Incident, sample: Option<&Sample>, news: AlertNews, at: Timestamp) -> Alert {
    let line = status::line(incident);
    let likely = incident.first().map(|(_, likely)| likely);
    let blockers = sample.map(status::blockers).unwrap_or_default();
    let blocker = blocker(&blockers, likely, sample);
    let next = match incident.closed {
        Some(_) => "nothing; the post-mortem is written".to_owned(),
        None => next(incident, blocker.as_ref()),
    };
    Alert {
        incident: incident.id.clone(),
        server: incident.server.clone(),
        news,
        at,
        since: incident.onset(),
        title: line.title,
        objects: objects(incident, likely),
        cause: line.cause.as_ref().map(|(cause, _)| cause.clone()),
        says: line.cause.map(|(_, says)| says).unwrap_or_default(),
        blocker,
        change: ledger::suspect(&incident.changes).map(|change| {
            let Standing::Suspect { why } = &change.standing else { return change.what.clone() };
            format!("{} by {}: {why}", change.what, change.actor)
        }),
        impact: impact(incident, sample),
        next,
    }
}

fn objects(incident: &Incident, likely: Option<&Likely>) -> Vec<String> {
    let named = incident.symptoms.iter().flat_map(|s| &s.relations);
    let mut objects: Vec<String> = Vec::new();
    for relation in likely.into_iter().flat_map(|l| &l.relations).chain(named) {
        let name = relation.to_string();
        if objects.len() < OBJECTS_MAX && !objects.contains(&name) {
            objects.push(name);
        }
    }
    objects
}

/// The blocker that the cause blames, else the worst one; without a queue the session blamed.
fn blocker(
    blockers: &[Blocker],
    likely: Option<&Likely>,
    sample: Option<&Sample>,
) -> Option<Blocker> {
    let blamed = |pid: &Pid| likely.is_some_and(|l| l.pids.contains(pid));
    let is_blamed = |b: &&Blocker| {
        blamed(&b.pid) || b.queue_head.as_ref().is_some_and(|head| blamed(&head.pid))
    };
    if let Some(found) = blockers.iter().find(is_blamed).or(blockers.first()) {
        return Some(found.clone());
    }
    let session = sample?.sessions.iter().find(|s| blamed(&s.pid))?;
    Some(Blocker {
        pid: session.pid,
        role: session.role.clone(),
        application: session.application.clone(),
        client: session.client.clone(),
        state: session.state.clone(),
        since: session.state_change,
        statement: session.query.clone(),
        n_waiters: 0,
        longest_wait_s: 0.0,
        waits_for: Vec::new(),
        queue_head: None,
    })
}

/// Sessions that wait, of all there are, and the worst symptom's own number.
fn impact(incident: &Incident, sample: Option<&Sample>) -> String {
    let worst = incident.symptoms.iter().find(|s| s.weight == Weight::Harm);
    let mut told: Vec<String> = Vec::new();
    if let Some(activity) = sample.map(status::activity).filter(|a| a.n_waiting > 0) {
        let share = 100.0 * activity.n_waiting as f64 / activity.n_sessions.max(1) as f64;
        told.push(format!(
            "{} of {} sessions ({}%) wait for a lock",
            activity.n_waiting,
            activity.n_sessions,
            human(share.round())
        ));
    }
    told.extend(worst.and_then(|s| s.evidence().first()).map(|e| e.claim.clone()));
    if told.is_empty() { "not measured".to_owned() } else { told.join("; ") }
}

/// A runbook that is planned; else what the forest says helps; else where to look.
fn next(incident: &Incident, blocker: Option<&Blocker>) -> String {
    if let Some(runbook) = incident.runbooks.last() {
        let loses = match runbook.loss.n_rows {
            Some(0) => "loses no row",
            Some(_) => "loses rows",
            None => "what it loses is not known",
        };
        return format!("{} ({loses})", runbook.title);
    }
    let head = blocker.and_then(|b| b.queue_head.as_ref());
    if let Some(head) = head {
        return format!(
            "cancel pid {} (SELECT pg_cancel_backend({})): {} sessions go on at once",
            head.pid, head.pid, head.n_resume
        );
    }
    if let Some(blocker) = blocker.filter(|b| b.pid != 0 && b.n_waiters > 0) {
        return format!(
            "look at pid {} of role {}: {} sessions wait behind it; ending it \
             (SELECT pg_terminate_backend({})) rolls its transaction back",
            blocker.pid, blocker.role, blocker.n_waiters, blocker.pid
        );
    }
    match incident.first().and_then(|(_, likely)| likely.actions.first()) {
        Some(action) => format!("pgward explain {action}"),
        None => "pgward status, then the incident's ruled-out list; change nothing yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, session};

    fn incident() -> Incident {
        let source = Source::new(SourceKind::Sample, "sessions");
        let waits = Evidence::measured("3 sessions wait", 3.0, "sessions", source);
        let orders = Relation::new("public", "orders");
        let symptom = Symptom::new(
            "lock_queue",
            at(5),
            at(9),
            Weight::Harm,
            "queue on orders",
            waits.clone(),
        )
        .on([orders.clone()]);
        let likely = Likely::new(0.9, "pid 2 waits, three behind it", waits).by([2]);
        Incident {
            id: "i".to_owned(),
            server: "shop".to_owned(),
            opened: at(6),
            closed: None,
            symptoms: vec![symptom],
            verdicts: vec![Judged {
                cause: "lock_ddl_queue".to_owned(),
                verdict: Verdict::Likely(likely),
            }],
            hypotheses: Vec::new(),
            runbooks: Vec::new(),
            changes: vec![WeighedChange {
                at: at(3),
                what: "ALTER TABLE orders".to_owned(),
                actor: "deploy".to_owned(),
                standing: Standing::Suspect { why: "2 s before".to_owned() },
                source: Source::new(SourceKind::Ddl, ""),
            }],
        }
    }

    #[test]
    fn a_queue_names_object_blocker_change_impact_and_what_to_do() {
        let sessions = vec![
            session(1, "idle in transaction", &[]),
            session(2, "active", &[1]),
            session(3, "active", &[2]),
            session(4, "active", &[2]),
        ];
        let sample = Sample { at: at(9), sessions, ..Sample::default() };
        let alert = of(&incident(), Some(&sample), AlertNews::Opened, at(9));
        assert_eq!(alert.objects, ["orders"]);
        let blocker = alert.blocker.unwrap();
        assert_eq!((blocker.pid, blocker.role.as_str(), blocker.n_waiters), (1, "site", 3));
        assert_eq!(alert.change.unwrap(), "ALTER TABLE orders by deploy: 2 s before");
        assert!(alert.impact.starts_with("3 of 4 sessions (75%) wait"), "{}", alert.impact);
        assert!(alert.next.starts_with("cancel pid 2 "), "{}", alert.next);
        assert!(alert.next.contains("2 sessions go on at once"), "{}", alert.next);
    }

    #[test]
    fn what_is_not_known_is_not_invented() {
        let bare = Incident { verdicts: Vec::new(), changes: Vec::new(), ..incident() };
        let alert = of(&bare, None, AlertNews::Opened, at(9));
        assert_eq!((alert.cause, alert.blocker, alert.change), (None, None, None));
        assert_eq!(alert.impact, "3 sessions wait");
        assert!(alert.next.contains("change nothing yet"));
    }
}
