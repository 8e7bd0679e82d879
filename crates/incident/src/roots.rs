//! Causes of the form "the root of the lock queue is active and does X".

use crate::facts::{
    against_before, catalog_was_locked, complete, cut, is_ddl, is_recovering, most_waiters,
    sampled, unseen_blocker, who,
};
use crate::forest;
use pgward_model::prelude::*;

/// The root since the onset that keeps most others waiting, among those whose session is as
/// wanted at that moment, and its session.
pub(crate) fn worst_root<'a>(
    case: &'a Case,
    is_it: impl Fn(&forest::Root<'_>, &SessionSample) -> bool,
) -> Option<(forest::Root<'a>, &'a SessionSample)> {
    let samples = &case.window.samples;
    let first = samples.len() - case.window.recent().len();
    let long = |at: usize| {
        let (before, rest) = samples.split_at(at);
        let roots = rest.first().map(forest::roots).unwrap_or_default();
        roots.into_iter().filter(|root| forest::waits_long(root, before))
    };
    (first..samples.len())
        .flat_map(long)
        .filter_map(|root| root.session.map(|session| (root, session)))
        .filter(|(_, session)| !is_recovering(session))
        .filter(|(root, session)| is_it(root, session))
        .max_by_key(|(root, _)| root.waiters.len())
}

/// No such root: unknown where a blocker cannot be seen, else ruled out by the claim's zero.
pub(crate) fn no_root(case: &Case, claim: String) -> Verdict {
    if let Some(unknown) = unseen_blocker(case) {
        return unknown;
    }
    if catalog_was_locked(case) {
        return Verdict::unknown(
            "who holds a lock on a system catalog: our own looks at it ended in a lock timeout, and \
             who waits for it at its start is among no sessions",
        );
    }
    let evidence = waiting(claim, 0, case.window.now());
    Verdict::ruled_out(against_before(evidence, case, most_waiters))
}

/// Does somebody right behind the root wait for a row, or for what is not known?
pub(crate) fn holds_rows(root: &forest::Root<'_>) -> bool {
    let is_row = |wait: &WaitedLock| ["transactionid", "tuple"].contains(&wait.kind.as_str());
    let behind = root.waiters.iter().filter(|w| w.blocked_by.contains(&root.pid));
    behind.into_iter().any(|w| w.waits_for.as_ref().is_none_or(is_row))
}

/// The number of sessions behind a root, against the most there were before.
pub(crate) fn behind(case: &Case, root: &forest::Root<'_>, state: &str) -> Evidence {
    let claim = format!("sessions wait behind pid {}, which {state}", root.pid);
    against_before(waiting(claim, root.waiters.len(), root.at), case, most_waiters)
}

fn waiting(claim: String, n: usize, at: Timestamp) -> Evidence {
    let source = sampled("sessions: pg_blocking_pids");
    Evidence::measured(claim, n as f64, "sessions", source).at(at)
}

/// For how long it runs, and, where its transaction is older than its statement, the statement before
/// it that may have taken the locks: which one, where it was seen at work.
fn runs(case: &Case, session: &SessionSample, at: Timestamp) -> (String, String) {
    let runs_s = session.runs_s(at);
    let open_s = session.xact_start.map_or(runs_s, |t| seconds_between(t, at));
    if open_s < runs_s + EARLIER_S {
        return (format!(" since {} s", human(runs_s)), String::new());
    }
    let since = format!(" since {} s, in a transaction of {} s", human(runs_s), human(open_s));
    let same_transaction = |s: &&SessionSample| {
        (s.pid, s.xact_start) == (session.pid, session.xact_start) && s.query != session.query
    };
    let mut looks = case.window.samples.iter().flat_map(|s| &s.sessions).filter(same_transaction);
    match looks.find(|s| is_ddl(&s.query) && blocks_writes(s)) {
        Some(locked) => (since, format!(". It had locked it before with: {}", told(&locked.query))),
        None => (format!("{since} whose earlier statements may have locked it"), String::new()),
    }
}

fn told(statement: &str) -> String {
    cut(statement.trim_end_matches(';'), 200)
}

/// Does it hold a table in a mode that makes writers wait? DDL hides in blocks, in functions and
/// behind a BEGIN sent together with it.
pub(crate) fn blocks_writes(session: &SessionSample) -> bool {
    let mode = |l: &HeldLock| LockMode::from_pg_name(&l.mode);
    session.holds.iter().filter_map(mode).any(LockMode::blocks_writes)
}

/// A BEGIN that is sent on its own comes a round trip before the statement.
const EARLIER_S: f64 = 0.2;

/// Locks that are told of one session.
const HELD_MAX: usize = 3;

/// Work that ends by itself within this time is cheaper than work that must be done again; then a
/// script may go on, or hold what it has written: another cause, with another answer.
const PATIENCE_S: usize = 10;

/// Is the session still at work, and were others seen behind it for so many seconds in all? A
/// script that blocks them for five, again and again, has no more patience coming than one that
/// blocks them once.
fn wants_an_end(case: &Case, session: &SessionSample) -> bool {
    let same = |s: &SessionSample| (s.pid, s.backend_start) == (session.pid, session.backend_start);
    let newest = case.window.samples.iter().rev().find(|s| !s.sessions.is_empty());
    let works = newest.is_some_and(|n| n.sessions.iter().any(|s| same(s) && s.state == "active"));
    let blocks = |sample: &&Sample| {
        let mut roots = forest::roots(sample).into_iter();
        roots.any(|r| !r.waiters.is_empty() && r.session.is_some_and(same))
    };
    // Sessions are looked at each second.
    works && case.window.recent().iter().filter(blocks).count() >= PATIENCE_S
}

/// Likely when an active root of a queue since the onset fulfils `is_it`; ruled out when
/// none does. The actions come once the work has had its time to end.
pub(crate) fn active_root(
    case: &Case,
    does: &str,
    is_it: impl Fn(&forest::Root<'_>, &SessionSample) -> bool,
    score: f64,
    actions: &[&str],
) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let found = worst_root(case, |root, s| s.state == "active" && is_it(root, s));
    let Some((root, session)) = found else {
        return no_root(case, format!("sessions wait behind an active session that {does}"));
    };
    let runs_s = session.runs_s(root.at);
    let n = root.waiters.len();
    let strong =
        |l: &&HeldLock| LockMode::from_pg_name(&l.mode).is_some_and(LockMode::blocks_writes);
    let held: Vec<String> = session
        .holds
        .iter()
        .filter(strong)
        .take(HELD_MAX)
        .map(|l| format!("{} on {}", l.mode.trim_end_matches("Lock"), l.relation))
        .collect();
    let holds = match held.as_slice() {
        [] => String::new(),
        held => format!(" ({})", held.join(", ")),
    };
    let (since, before) = runs(case, session, root.at);
    let says = format!(
        "{} {does}{holds}, and {n} sessions wait behind it. It runs{since}: {}{before}",
        who(session),
        told(&session.query),
    );
    let relations = root.waiters.iter().filter_map(|w| w.waits_for.as_ref()?.relation.clone());
    let relations: std::collections::BTreeSet<Relation> = relations.collect();
    let source = sampled("sessions: pg_stat_activity.query_start");
    let runs = format!("pid {} has run its statement", root.pid);
    let likely = Likely::new(score, says, behind(case, &root, does))
        .and(Evidence::measured(runs, runs_s, "s", source).at(root.at))
        .by([root.pid])
        .on(relations);
    let actions = if wants_an_end(case, session) { actions } else { &[] };
    Verdict::Likely(likely.act(actions))
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
        let mut ours = with(guilty);
        let rows_back = &mut ours.last_mut().unwrap().sessions.first_mut().unwrap().application;
        *rows_back = RECOVERY.to_owned();
        assert!(judge(&case(ours, 30)).likely().is_none());
        let acts = |last_s: i64, state: &str| {
            let mut samples = with(guilty);
            for second in 34..=last_s {
                let mut next = samples.last().unwrap().clone();
                next.at = crate::testing::at(second);
                samples.push(next);
            }
            state.clone_into(&mut samples.last_mut().unwrap().sessions[0].state);
            judge(&case(samples, 30)).likely().unwrap().actions.len()
        };
        assert_eq!([acts(41, "active"), acts(42, "active")], [0, 1]);
        assert_eq!(acts(44, "idle in transaction"), 0);
        let mut blind = with(guilty);
        blind.last_mut().unwrap().gaps.push(Gap { sampler: "sessions".into(), why: "x".into() });
        assert!(matches!(judge(&case(blind, 30)), Verdict::Unknown { .. }));
    }
}
