//! No connection slot is left.

use super::Cause;
use crate::counted::{Fresh, fresh};
use crate::detectors::connections_near_limit::NEAR_LIMIT_PERCENT;
use crate::facts::{complete, full, logged, sampled};
use pgward_model::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

pub(super) static CAUSE: Cause = Cause {
    id: "conn_exhausted",
    name: "Connection exhaustion",
    necessary: "nearly all connection slots that are not reserved are taken, and not by sessions \
                that wait for locks; or a role or database is refused more than it may have",
    explains: &["connections_near_limit", "server_unreachable"],
    actions: &["end_idle_sessions"],
    prevention: &[
        "Give each role a CONNECTION LIMIT, and each pool a size whose sum fits",
        "Set idle_session_timeout for people and jobs (from 14 on), never for a pool",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "database", "connections were not counted") {
        return unknown;
    }
    let share = |s: &Sample| s.database.map(|d| d.slots_used());
    let worst = case.window.recent().iter().filter(|s| share(s).is_some());
    let Some(worst) =
        worst.max_by(|a, b| share(a).unwrap_or(0.0).total_cmp(&share(b).unwrap_or(0.0)))
    else {
        return Verdict::unknown("no count of connections since the onset");
    };
    let before = case.window.baseline().iter().filter_map(share).fold(0.0, f64::max);
    let evidence = Evidence::measured(
        "connection slots in use, of those that are not reserved",
        share(worst).unwrap_or(0.0),
        "%",
        sampled("database: pg_stat_database.numbackends, max_connections, reserved_connections"),
    )
    .against(before)
    .at(worst.at);
    if share(worst).unwrap_or(0.0) < NEAR_LIMIT_PERCENT {
        if let Some(verdict) = own_limit(case) {
            return verdict;
        }
        let words = "whether a role or database has as many connections as it may: the log";
        return complete(case, "log", words).unwrap_or(Verdict::ruled_out(evidence));
    }
    owners(case, "connection slots ran out", worst, |_| true, evidence)
}

/// One stray line is no cause.
const REFUSED_MIN: usize = 3;

/// The limit of one role or database, while the server has room for others.
fn own_limit(case: &Case) -> Option<Verdict> {
    let Fresh { lines, keys, .. } = fresh(&case.window, |e| full(e).is_some(), full);
    let (whose, (per_s, before)) = keys.into_iter().max_by(|a, b| a.1.0.total_cmp(&b.1.0))?;
    let mut refused = lines.iter().filter(|e| full(e) == whose);
    let (whose, first) = (whose?, *refused.next()?);
    let n = refused.count() + 1;
    if n < REFUSED_MIN {
        return Some(Verdict::unknown(format!(
            "whether {whose} has as many connections as it may: refused {n} times only"
        )));
    }
    let n_held = |s: &&Sample| s.sessions.iter().filter(|s| whose.holds(s)).count();
    let worst = case.window.recent().iter().max_by_key(n_held)?;
    let refused = Evidence::measured("connections refused", per_s, "refusals/s", logged(first))
        .against(before)
        .at(case.window.now());
    let ran_out =
        format!("{whose} has as many connections as it may, {} were seen", n_held(&worst));
    Some(owners(case, &ran_out, worst, |s| whose.holds(s), refused))
}

/// Who holds the slots of a limit: those of one kind that have become most more than they ever were
/// in the baseline; where those are idle, they are a leak that may be ended. A large pool that is as
/// large as ever is at work, though its connections are idle at most moments.
fn owners(
    case: &Case,
    ran_out: &str,
    worst: &Sample,
    counts: impl Fn(&SessionSample) -> bool,
    evidence: Evidence,
) -> Verdict {
    let all: Vec<&SessionSample> = worst.sessions.iter().filter(|s| counts(s)).collect();
    let waiting = all.iter().filter(|s| !s.blocked_by.is_empty()).count();
    if waiting * 2 > all.len() {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "slots are taken, yet {waiting} of {} sessions wait for locks: a consequence",
                all.len()
            ),
            ..evidence
        });
    }
    let before = case.window.baseline();
    let mut families = Families::default();
    let usual = most(before.iter().map(|s| s.sessions.iter().collect()), &mut families);
    let held_now = most(std::iter::once(all.clone()), &mut families);
    let n = |of: &BTreeMap<Kind<'_>, usize>, kind: &Kind<'_>| of.get(kind).copied().unwrap_or(0);
    // Who only waits elsewhere now has not become more.
    let grown = |kind: &Kind<'_>| {
        let whole = Kind { state: None, ..kind.clone() };
        let by = |kind: &Kind<'_>| n(&held_now, kind).saturating_sub(n(&usual, kind));
        (by(kind).min(by(&whole)), n(&held_now, kind))
    };
    let of_state = || held_now.keys().filter(|k| k.state.is_some());
    let narrow = of_state().filter(|k| k.application.is_some()).max_by_key(|k| grown(k));
    // Each of its sessions may have a name of its own.
    let of_role = of_state().filter(|k| k.application.is_none()).max_by_key(|k| grown(k));
    let (Some(narrow), Some(of_role)) = (narrow, of_role) else {
        return Verdict::Likely(Likely::new(0.8, ran_out, evidence));
    };
    let kind = if grown(of_role).0 > 2 * grown(narrow).0 { of_role } else { narrow };
    let usual = n(&usual, kind);
    let state = kind.state.unwrap_or_default();
    let held: Vec<&&SessionSample> =
        all.iter().filter(|s| families.kinds(s).contains(kind)).collect();
    let idle_s = held.iter().filter_map(|s| Some(seconds_between(s.state_change?, worst.at)));
    let oldest = idle_s.fold(0.0, f64::max);
    let owner = kind.called(&held);
    let than = match before.is_empty() {
        true => String::new(),
        false => format!(", {usual} at most before"),
    };
    let says = format!(
        "{ran_out}: {owner} has {} sessions {state}{than}, the longest for {}",
        held.len(),
        human_duration(oldest)
    );
    let claim = format!("sessions of {owner} that are {state}");
    let source = sampled("sessions: pg_stat_activity");
    let share = Evidence::measured(claim, held.len() as f64, "sessions", source);
    let share = if before.is_empty() { share } else { share.against(usual as f64) };
    let likely = Likely::new(0.85, says, evidence).and(share.at(worst.at));
    Verdict::Likely(match state {
        "idle" => likely.by(held.iter().map(|s| s.pid)).act(CAUSE.actions),
        _ => likely,
    })
}

/// Sessions of one role, of applications whose names differ in their numbers alone, and of one state;
/// `None`: of whatever application, or state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind<'a> {
    role: &'a str,
    application: Option<Rc<str>>,
    state: Option<&'a str>,
}

impl Kind<'_> {
    fn called(&self, held: &[&&SessionSample]) -> String {
        let names: BTreeSet<&str> = held.iter().map(|s| s.application.as_str()).collect();
        match (names.len(), held.first()) {
            (0 | 1, Some(session)) => session.called(),
            (n, Some(session)) => {
                format!("role {} ({} and {} more names)", self.role, session.application, n - 1)
            }
            (_, None) => format!("role {}", self.role),
        }
    }
}

/// Families of applications, each name looked at once.
#[derive(Default)]
struct Families(HashMap<String, Rc<str>>);

impl Families {
    /// The kinds that a session belongs to.
    fn kinds<'a>(&mut self, session: &'a SessionSample) -> [Kind<'a>; 4] {
        let of = match self.0.get(&session.application) {
            Some(known) => Rc::clone(known),
            None => {
                let of: Rc<str> = family(&session.application).into();
                self.0.insert(session.application.clone(), Rc::clone(&of));
                of
            }
        };
        let (role, state) = (session.role.as_str(), Some(session.state.as_str()));
        [
            Kind { role, application: Some(Rc::clone(&of)), state },
            Kind { role, application: Some(of), state: None },
            Kind { role, application: None, state },
            Kind { role, application: None, state: None },
        ]
    }
}

/// The most sessions of each kind at one time.
fn most<'a>(
    samples: impl Iterator<Item = Vec<&'a SessionSample>>,
    families: &mut Families,
) -> BTreeMap<Kind<'a>, usize> {
    let mut most = BTreeMap::new();
    for sessions in samples {
        let mut now: BTreeMap<Kind<'a>, usize> = BTreeMap::new();
        for kind in sessions.into_iter().flat_map(|s| families.kinds(s)) {
            *now.entry(kind).or_insert(0) += 1;
        }
        for (kind, n) in now {
            let known = most.entry(kind).or_insert(0);
            *known = n.max(*known);
        }
    }
    most
}

/// `lap-fn-4711` and `lap-fn-12` are of one family: what has a digit in it is a number of its own.
fn family(application: &str) -> String {
    let part = |part: &str| match part.contains(|c: char| c.is_ascii_digit()) {
        true => "#".to_owned(),
        false => part.to_owned(),
    };
    application.split(|c: char| !c.is_alphanumeric()).map(part).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_counter(judge, |d| d.n_backends = 99);
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn reserved_slots_are_nobodys() {
        let mut samples = healthy(35);
        let database = samples.last_mut().unwrap().database.as_mut().unwrap();
        (database.max_connections, database.open_connections) = (50, Some(47));
        database.n_backends = 47; // one more is refused, at 94% of max_connections
        assert!(judge(&case(samples, 30)).likely().is_some());
    }

    #[test]
    fn a_limit_of_one_role_is_told_with_who_of_that_role_holds_it() {
        let mut samples = healthy(35);
        let last = samples.last_mut().unwrap();
        let message = "too many connections for role \"site\"";
        last.log = vec![log(34, "FATAL", "53300", message); 3];
        last.sessions = (0..7).map(|pid| session(pid, "idle", &[])).collect();
        last.sessions.extend((10..30).map(|pid| {
            let mut other = session(pid, "idle", &[]);
            other.role = "warehouse".to_owned();
            other
        }));
        let verdict = judge(&case(samples, 30));
        let likely = verdict.likely().unwrap();
        let told = "role site has as many connections as it may, 7 were seen: role site (shop) has";
        assert!(likely.says.starts_with(told), "{}", likely.says);
        assert_eq!(likely.pids.len(), 7);
    }

    #[test]
    fn whose_limit_it_is_stands_in_quotes_and_without_the_log_nobody_knows() {
        let refused = |message: &str| {
            let mut samples = healthy(35);
            let last = samples.last_mut().unwrap();
            last.log = vec![log(34, "FATAL", "53300", message); 3];
            last.log.iter_mut().for_each(|e| e.role = "shop".to_owned());
            last.sessions = vec![session(1, "idle", &[])];
            judge(&case(samples, 30))
        };
        let of_database = refused("too many connections for database \"shop\"");
        let says = &of_database.likely().unwrap().says;
        assert!(says.starts_with("database shop has as many connections as it may"), "{says}");
        let of_server = refused("sorry, too many shop already");
        assert!(matches!(of_server, Verdict::RuledOut { .. }), "{of_server:?}");
        let mut blind = healthy(35);
        blind.last_mut().unwrap().gaps.push(Gap { sampler: "log".into(), why: "x".into() });
        assert!(matches!(judge(&case(blind, 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn the_role_that_leaks_is_named_and_only_idle_sessions_may_be_ended() {
        for (state, n_pids) in [("idle", 80), ("active", 0)] {
            let mut samples = healthy(35);
            let last = samples.last_mut().unwrap();
            last.database.as_mut().unwrap().n_backends = 98;
            last.sessions = (0..80).map(|pid| session(pid, state, &[])).collect();
            last.sessions.extend((80..98).map(|pid| session(pid, "idle in transaction", &[])));
            let verdict = judge(&case(samples, 30));
            let likely = verdict.likely().unwrap();
            let told = format!("role site (shop) has 80 sessions {state}");
            assert!(likely.says.contains(&told), "{}", likely.says);
            assert_eq!(likely.pids.len(), n_pids);
        }
    }

    #[test]
    fn a_large_pool_that_is_as_large_as_ever_is_not_to_blame_for_those_that_came() {
        for application in ["lap-fn-", "lap"] {
            let pool = |n: i32| (0..n).map(|pid| session(pid, "idle", &[]));
            let mut samples = healthy(35);
            samples.iter_mut().for_each(|s| s.sessions = pool(46).collect());
            let last = samples.last_mut().unwrap();
            last.database.as_mut().unwrap().n_backends = 98;
            last.sessions.extend((100..128).map(|pid| {
                let mut function = session(pid, "idle", &[]);
                function.role = "lap_fn".to_owned();
                let letter = char::from(b'a' + u8::try_from(pid - 100).unwrap() % 26);
                function.application = match application {
                    "lap" => format!("{application} {letter}"),
                    _ => format!("{application}{pid}"),
                };
                function
            }));
            let verdict = judge(&case(samples, 30));
            let likely = verdict.likely().unwrap();
            assert!(likely.says.contains("role lap_fn ("), "{}", likely.says);
            assert!(
                likely.says.contains("has 28 sessions idle, 0 at most before"),
                "{}",
                likely.says
            );
            assert_eq!(likely.pids.len(), 28);
        }
    }
}
