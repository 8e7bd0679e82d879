//! A prepared transaction that nobody finished holds locks.

use super::Cause;
use crate::facts::{against_before, complete, sampled};
use crate::forest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_prepared_xact",
    name: "Orphaned two-phase transaction holds locks",
    necessary: "a waiting session is blocked by pid 0",
    explains: &["lock_queue", "throughput_drop"],
    actions: &["roll_back_prepared"],
    prevention: &["Set max_prepared_transactions = 0 unless a transaction manager needs it"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let roots = case.window.recent().iter().flat_map(forest::roots).filter(|r| r.pid == 0);
    let worst = roots.max_by_key(|r| r.waiters.len());
    let n = worst.as_ref().map_or(0, |r| r.waiters.len());
    let evidence = Evidence::measured(
        "sessions blocked by a prepared transaction (pid 0)",
        n as f64,
        "sessions",
        sampled("sessions: pg_blocking_pids"),
    )
    .at(case.window.now());
    let evidence = against_before(evidence, case, |samples| {
        samples.iter().flat_map(forest::roots).filter(|r| r.pid == 0).count() as f64
    });
    if n == 0 {
        return Verdict::ruled_out(evidence);
    }
    let Some((session, at)) = worst.and_then(|r| Some((r.session?, r.at))) else {
        let says = format!("{n} sessions wait for a prepared transaction that we may not see");
        return Verdict::Likely(Likely::new(0.95, says, evidence));
    };
    let held: Vec<String> = session.holds.iter().map(|h| h.relation.to_string()).collect();
    let since = session.xact_start.unwrap_or(at);
    let says = format!(
        "prepared transaction '{}' of role {}, prepared at {}, {} before, and neither committed nor \
         rolled back since; {n} sessions wait for its locks{}{}",
        session.application,
        session.role,
        since.strftime("%H:%M:%S UTC"),
        human_duration(seconds_between(since, at)),
        if held.is_empty() { "" } else { " on " },
        held.join(", "),
    );
    let age = Evidence::measured(
        format!("age of prepared transaction '{}'", session.application),
        seconds_between(since, at),
        "s",
        sampled("sessions: pg_prepared_xacts"),
    );
    let held = session.holds.iter().map(|h| h.relation.clone());
    Verdict::Likely(Likely::new(0.95, says, evidence).and(age.at(at)).on(held).act(CAUSE.actions))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, sample, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(30);
        let mut last = sample(30, 2900);
        last.sessions = vec![session(2, "active", &[0])];
        samples.push(last);
        assert!(judge(&case(samples.clone(), 30)).likely().unwrap().actions.is_empty());
        let mut prepared = session(0, "prepared", &[]);
        (prepared.role, prepared.application) = ("xa".into(), "ferry-7".into());
        samples.last_mut().unwrap().sessions.push(prepared);
        let verdict = judge(&case(samples, 30));
        let likely = verdict.likely().unwrap();
        assert!(
            likely.says.starts_with("prepared transaction 'ferry-7' of role xa"),
            "{}",
            likely.says
        );
        assert_eq!(likely.actions, ["roll_back_prepared"]);
        assert!(matches!(judge(&case(healthy(33), 30)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
