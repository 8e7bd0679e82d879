//! A role lost a right it needs.

use super::Cause;
use crate::counted::{Fresh, fresh, role_and_message};
use crate::facts::{
    changes_near, complete, cut, ddl_source, is_statement_error, logged, no_baseline, sampled,
};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "auth_privilege",
    name: "Privileges lost",
    necessary: "statements fail with 42501 for a role and an object that were not refused before",
    explains: &["error_burst"],
    actions: &["restore_rights"],
    prevention: &["Compare rights before and after each migration; set default privileges"],
    judge,
};

/// One stray line is no cause.
const N_MIN: usize = 3;
/// Pairs of role and object that are named with their numbers.
const PAIRS_MAX: usize = 5;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "log", "the server log was not read") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let Fresh { lines, keys, n_old, all } = refused(case);
    let measured = |claim: &str, (now, before): (f64, f64), source| {
        Evidence::measured(claim, now, "refusals/s", source).against(before).at(case.window.now())
    };
    let n = lines.len();
    let Some(first) = lines.first().filter(|_| n >= N_MIN) else {
        let claim = format!(
            "statements refused (42501), {n} for a role and an object that were not before and \
             {n_old} for those that were"
        );
        let source = Source::new(SourceKind::Log, "SQLSTATE 42501");
        return Verdict::ruled_out(measured(&claim, all, source));
    };
    let others = match keys.len() {
        1 => String::new(),
        n_pairs => format!(", and {} more pairs of role and object", n_pairs - 1),
    };
    let taken = rights_taken(case);
    let change = change(case, first.at);
    let mut says = format!(
        "{n} statements were refused that were not before: role {}, {}{others}",
        first.role, first.message
    );
    if let Some(event) = change {
        says.push_str(&format!(
            "; role {}{} ran at {}: {}",
            event.role,
            if event.application.is_empty() {
                String::new()
            } else {
                format!(" ({})", event.application)
            },
            event.at.strftime("%H:%M:%S UTC"),
            cut(&event.statement, 160)
        ));
    }
    let claim = format!("statements refused for {} new pairs of role and object", keys.len());
    let sum = |of: fn(&(f64, f64)) -> f64| keys.values().map(of).sum();
    let total = (sum(|r| r.0), sum(|r| r.1));
    let score = if taken.is_empty() { 0.85 } else { 0.92 };
    let mut likely = Likely::new(score, says, measured(&claim, total, logged(first)));
    for lost in taken.iter().take(PAIRS_MAX) {
        let claim = format!("{}: rights were {}, now {}", lost.name, lost.before, lost.after);
        likely = likely.and(Evidence::stated(claim, sampled("privileges: ACLs")).at(lost.at));
    }
    if !taken.is_empty() {
        likely = likely.act(CAUSE.actions);
    }
    if let Some(event) = change {
        let claim = cut(&event.statement, 160);
        likely = likely.and(Evidence::stated(claim, ddl_source(event)).at(event.at));
        likely = likely.blaming([event.clone()]);
    }
    for ((role, message), rates) in keys.iter().take(PAIRS_MAX) {
        let source = lines.iter().find(|e| role_and_message(e) == (*role, *message));
        let source = logged(source.unwrap_or(first));
        likely = likely.and(measured(&format!("role {role}: {message}"), *rates, source));
    }
    Verdict::Likely(likely)
}

/// Refusals by role and message.
fn refused(case: &Case) -> Fresh<'_, (&str, &str)> {
    let denied = |e: &LogEntry| is_statement_error(e) && e.sqlstate == "42501";
    fresh(&case.window, denied, role_and_message)
}

/// Objects of which a role that is refused has lost a right, or everybody has, from shortly
/// before the onset on: what the verdict names, and what may be given back.
pub fn rights_taken(case: &Case) -> Vec<&ConfigChange> {
    let keys = refused(case).keys;
    let of_refused = |c: &&ConfigChange| {
        let (before, after) = (Rights::read(&c.before), Rights::read(&c.after));
        let lost = before.beyond(&after);
        lost.iter()
            .any(|(grantee, _)| grantee.is_empty() || keys.keys().any(|(role, _)| role == grantee))
    };
    changes_near(case, "privilege").filter(of_refused).collect()
}

/// The change of rights or owners that came last before the first refusal.
fn change(case: &Case, first: Timestamp) -> Option<&DdlEvent> {
    let of_rights = |d: &&DdlEvent| {
        ["GRANT", "REVOKE"].contains(&d.command.as_str())
            || d.statement.to_ascii_uppercase().contains("OWNER TO")
    };
    let near = |d: &&DdlEvent| (-1.0..BLAMED_S).contains(&seconds_between(d.at, first));
    let mut all = case.ddl.iter().filter(of_rights).filter(near);
    let last = all.clone().next_back();
    // A GRANT takes nothing; the REVOKE beside it does.
    all.rfind(|d| d.command != "GRANT").or(last)
}

/// Rights are asked at each statement, so a refusal follows within the pause of its client.
const BLAMED_S: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, ddl, healthy, log};

    /// Role site is refused from second 33 on; its right was seen to be gone in that second.
    fn taken_at(second: usize) -> Vec<Sample> {
        let mut samples = healthy(35);
        samples.last_mut().unwrap().log = vec![log(33, "ERROR", "42501", DENIED); 3];
        samples.get_mut(second).unwrap().changes = vec![ConfigChange {
            at: at(second as i64),
            kind: "privilege".into(),
            name: "table public.orders".into(),
            before: "deploy {deploy=arwd/deploy,site=arwd/deploy}".into(),
            after: "deploy {deploy=arwd/deploy,site=r/deploy}".into(),
        }];
        samples
    }

    #[test]
    fn a_right_that_was_taken_seconds_before_the_onset_is_given_back_too() {
        let verdict = judge(&case(taken_at(27), 30));
        assert_eq!(verdict.likely().unwrap().actions, ["restore_rights"]);
    }

    #[test]
    fn who_took_which_right_is_said() {
        let samples = taken_at(34);
        let mut case = case(samples, 30);
        case.ddl = vec![ddl(32, "REVOKE", "TABLE", "orders")];
        let verdict = judge(&case);
        let likely = verdict.likely().unwrap();
        assert!(likely.says.contains("role deploy (psql) ran"), "{}", likely.says);
        assert_eq!(likely.actions, ["restore_rights"]);
    }

    const DENIED: &str = "permission denied for table orders";

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_log(judge, "ERROR", "42501", DENIED, 3);
    }

    #[test]
    fn another_pair_is_new_however_often_one_was_refused_before() {
        let refused = |s, message: &str| log(s, "ERROR", "42501", message);
        let mut samples = healthy(35);
        for (s, sample) in (0..).zip(&mut samples) {
            sample.log = vec![refused(s, "permission denied for table secrets"); 2];
        }
        let Verdict::RuledOut { evidence, .. } = judge(&case(samples.clone(), 30)) else {
            panic!()
        };
        assert!(evidence.claim.contains("10 for those that were"), "{}", evidence.claim);

        samples.last_mut().unwrap().log.extend(vec![refused(34, DENIED); 3]);
        let verdict = judge(&case(samples, 30));
        let likely = verdict.likely().unwrap();
        assert!(likely.says.ends_with(&format!("role site, {DENIED}")), "{}", likely.says);
        let numbers: Vec<_> = likely.evidence().iter().map(|e| (e.value, e.baseline)).collect();
        assert_eq!(numbers, [(Some(0.75), Some(0.0)); 2]); // 3 in the 4 s since
    }
}
