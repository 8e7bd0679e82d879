//! Causes of the form "the root of the lock queue is active and does X".

use crate::facts::{against_before, complete, cut, most_waiters, sampled, unseen_blocker, who};
use crate::forest;
use pgward_model::prelude::*;

/// Likely when an active root of a queue since the onset fulfils `is_it`; ruled out when
/// none does.
pub(crate) fn active_root(
    case: &Case,
    does: &str,
    is_it: impl Fn(&SessionSample, Timestamp) -> bool,
    score: f64,
    actions: &[&str],
) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let matching = |r: &forest::Root<'_>| {
        r.waiters.iter().any(|w| forest::waited_s(w, r.at) >= forest::QUEUE_S)
            && r.session.is_some_and(|s| s.state == "active" && is_it(s, r.at))
    };
    let worst = case
        .window
        .recent()
        .iter()
        .flat_map(forest::roots)
        .filter(matching)
        .max_by_key(|r| r.waiters.len());
    let found = worst.and_then(|root| root.session.map(|session| (root.clone(), session)));
    let Some((root, session)) = found else {
        if let Some(unknown) = unseen_blocker(case) {
            return unknown;
        }
        let evidence = Evidence::measured(
            format!("sessions wait behind an active session that {does}"),
            0.0,
            "sessions",
            sampled("sessions: pg_blocking_pids"),
        )
        .at(case.window.now());
        return Verdict::ruled_out(against_before(evidence, case, most_waiters));
    };
    let runs_s = session.query_start.map_or(0.0, |t| seconds_between(t, root.at));
    let n = root.waiters.len();
    let says = format!(
        "{} {does} since {} s; {n} sessions wait for its locks. It runs: {}",
        who(session),
        human(runs_s),
        cut(&session.query, 200),
    );
    let relations = root.waiters.iter().filter_map(|w| w.waits_for.as_ref()?.relation.clone());
    let relations: std::collections::BTreeSet<Relation> = relations.collect();
    Verdict::Likely(
        Likely::new(
            score,
            says,
            against_before(
                Evidence::measured(
                    format!("sessions wait behind pid {}, which {does}", root.pid),
                    n as f64,
                    "sessions",
                    sampled("sessions: pg_blocking_pids"),
                )
                .at(root.at),
                case,
                most_waiters,
            ),
        )
        .and(
            Evidence::measured(
                format!("pid {} has run its statement", root.pid),
                runs_s,
                "s",
                sampled("sessions: pg_stat_activity.query_start"),
            )
            .at(root.at),
        )
        .by([root.pid])
        .on(relations)
        .act(actions),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{case, healthy, sample, session};

    /// Likely for a root that runs `guilty`, ruled out for `innocent`, unknown with a gap.
    pub(crate) fn check_active(judge: fn(&Case) -> Verdict, guilty: &str, innocent: &str) {
        let with = |query: &str| {
            let mut samples = healthy(30);
            let mut last = sample(33, 2900);
            let mut root = session(1, "active", &[]);
            root.query = query.to_owned();
            last.sessions = vec![root, session(2, "active", &[1])];
            samples.push(last);
            samples
        };
        assert_eq!(judge(&case(with(guilty), 30)).likely().unwrap().pids, [1]);
        assert!(matches!(judge(&case(with(innocent), 30)), Verdict::RuledOut { .. }));
        let mut blind = with(guilty);
        blind.last_mut().unwrap().gaps.push(Gap { sampler: "sessions".into(), why: "x".into() });
        assert!(matches!(judge(&case(blind, 30)), Verdict::Unknown { .. }));
    }
}
