//! A role lost a right it needs.

use super::Cause;
use crate::counted::{Fresh, fresh, role_and_message};
use crate::detectors::gives_a_name;
use crate::facts::{
    changes_near, complete, cut, ddl_source, is_statement_error, logged, mentions, no_baseline,
    ran, sampled, verb, words,
};
use pgward_model::prelude::*;
use std::collections::BTreeMap;

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
        2 => ", and one more pair of role and object".to_owned(),
        n_pairs => format!(", and {} more pairs of role and object", n_pairs - 1),
    };
    let taken = rights_taken(case);
    let change = change(case, &lines, first.at);
    let refused = format!("role {}, {}{others}", first.role, first.message);
    let mut says = format!("{n} statements were refused that were not before: {refused}");
    for loss in losses(&taken).iter().take(PAIRS_MAX) {
        says.push_str(&format!("; {loss}"));
    }
    let asked = taken.iter().find_map(|lost| asked_for(case, lost));
    if let Some((role, text)) = asked.filter(|_| change.is_none()) {
        says.push_str(&format!("; role {role} ran: {}", cut(text, 160)));
    }
    says.extend(change.map(|event| format!("; {}", ran(event))));
    let claim = format!("statements refused for {} new pairs of role and object", keys.len());
    let sum = |of: fn(&(f64, f64)) -> f64| keys.values().map(of).sum();
    let total = (sum(|r| r.0), sum(|r| r.1));
    let score = if taken.is_empty() { 0.85 } else { 0.92 };
    let mut likely = Likely::new(score, says, measured(&claim, total, logged(first)));
    for lost in taken.iter().take(PAIRS_MAX) {
        let source = sampled(match lost.kind.as_str() {
            "role" => "config: pg_auth_members",
            _ => "privileges: ACLs",
        });
        likely = likely.and(Evidence::stated(told(lost), source).at(lost.at));
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

/// What was taken from shortly before the onset on, so that statements are refused: what the
/// verdict names, and what may be given back. Objects that are refused, on which somebody has lost
/// a right (a role may have had it through a group), or a role that is refused, or everybody, has
/// lost one; what a refused statement asks and has another owner now; and such roles that were taken
/// out of a group.
pub fn rights_taken(case: &Case) -> Vec<&ConfigChange> {
    let Fresh { keys, lines, .. } = refused(case);
    let is_refused = |role: &str| keys.keys().any(|(refused, _)| *refused == role);
    let on_refused = |c: &&ConfigChange| {
        let (before, after) = (Rights::read(&c.before), Rights::read(&c.after));
        let lost = before.beyond(&after);
        // `table public.orders`, `schema lab`, `function api.discount(bigint)`: everybody may call
        // one, until that is taken away.
        let name = c.name.split_once(' ').map_or(&*c.name, |(_, name)| name);
        let name = name.split('(').next().unwrap_or(name);
        let object = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
        let named = keys.keys().any(|(_, message)| mentions(message, object));
        // A view reads with the rights of its owner: refused is the table beneath it.
        let asks = || lines.iter().any(|e| mentions(&e.statement, object));
        // It has its owner of before again.
        let is_back = || {
            let earlier =
                changes_near(case, "privilege").filter(|e| e.name == c.name && e.at < c.at);
            earlier.into_iter().any(|e| Rights::read(&e.before).owner == after.owner)
        };
        match before.owner != after.owner {
            true if is_back() => return false,
            true if asks() => return true,
            _ => {}
        }
        let by_all = |grantee: &str| grantee.is_empty() && !c.name.starts_with("function ");
        lost.iter().any(|(grantee, _)| named || by_all(grantee) || is_refused(grantee))
    };
    let left_group = |c: &&ConfigChange| is_refused(&c.name) && !groups_left(c).is_empty();
    let objects = changes_near(case, "privilege").filter(on_refused);
    objects.chain(changes_near(case, "role").filter(left_group)).collect()
}

/// Groups that a role was a member of and is no more; none of a role that is gone.
pub fn groups_left(change: &ConfigChange) -> Vec<String> {
    if change.after == "absent" {
        return Vec::new();
    }
    let (before, after) = (RoleRights::read(&change.before), RoleRights::read(&change.after));
    before.groups.difference(&after.groups).cloned().collect()
}

/// What was lost, each loss once with all that it befell, and since when it was seen.
fn losses(taken: &[&ConfigChange]) -> Vec<String> {
    let mut all: Vec<((String, String), Vec<&ConfigChange>)> = Vec::new();
    for change in taken {
        for loss in lost(change) {
            match all.iter_mut().find(|(known, _)| *known == loss) {
                Some((_, befell)) => befell.push(change),
                None => all.push((loss, vec![change])),
            }
        }
    }
    let sentence = |((before, after), befell): &((String, String), Vec<&ConfigChange>)| {
        let (first, others) = befell.split_first()?;
        let more = match others.len() {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        let since = first.at.strftime("%H:%M:%S UTC");
        Some(format!("{before}{}{more}{after}, since {since}", first.name))
    };
    all.iter().filter_map(sentence).collect()
}

/// What one change took: what stands before the name of the object or role, and after it.
fn lost(change: &ConfigChange) -> Vec<(String, String)> {
    if change.after == "absent" {
        return Vec::new(); // it is gone, and what was dropped is told elsewhere
    }
    if change.kind == "role" {
        let groups = groups_left(change).join(", ");
        return vec![("role ".to_owned(), format!(" is no member of {groups} any more"))];
    }
    let (before, after) = (Rights::read(&change.before), Rights::read(&change.after));
    if before.owner != after.owner {
        let owners = format!(": owner {} now, {} before", after.owner, before.owner);
        return vec![(String::new(), owners)];
    }
    let mut by_grantee: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (grantee, privilege) in before.beyond(&after) {
        by_grantee.entry(grantee).or_default().extend(privilege.word());
    }
    let phrase = |(grantee, words): (String, Vec<&str>)| {
        let grantee = if grantee.is_empty() { "PUBLIC" } else { &grantee };
        (format!("{grantee} lost {} on ", words.join(", ")), String::new())
    };
    by_grantee.into_iter().map(phrase).collect()
}

/// Who asked for a change of roles, which no trigger sees, and in what words: a session that still
/// has them as its last statement, or a statement that was counted for the first time then.
fn asked_for<'a>(case: &'a Case, lost: &ConfigChange) -> Option<(&'a str, &'a str)> {
    let near = |s: &&Sample| seconds_between(lost.at, s.at).abs() <= ASKED_S;
    let speaks = |text: &str| {
        ["REVOKE", "ALTER", "DROP"].contains(&verb(text).as_str())
            && mentions(text, &lost.name)
            && groups_left(lost).iter().any(|group| mentions(text, group))
    };
    let samples = &case.window.samples;
    let mut sessions = samples.iter().filter(near).flat_map(|s| &s.sessions);
    if let Some(session) = sessions.find(|s| speaks(&s.query)) {
        return Some((&session.role, &session.query));
    }
    let counted = |s: &'a Sample| s.statements.iter().flatten();
    let known = |id: i64| {
        let before = samples.iter().filter(|s| seconds_between(s.at, lost.at) > ASKED_S);
        before.flat_map(counted).any(|s| s.query_id == id)
    };
    let mut fresh = samples.iter().filter(near).flat_map(counted);
    let statement = fresh.find(|s| speaks(&s.text) && !known(s.query_id))?;
    Some((&statement.role, &statement.text))
}

/// Statements are counted, and rights looked at, every ten seconds.
const ASKED_S: f64 = 15.0;

fn told(lost: &ConfigChange) -> String {
    match lost.kind.as_str() {
        "role" => {
            format!("role {} is no member of {} any more", lost.name, groups_left(lost).join(", "))
        }
        _ => format!("{}: rights were {}, now {}", lost.name, lost.before, lost.after),
    }
}

/// The change that came last before the first refusal and speaks of what is refused or of whom:
/// of rights or owners, or one that made the refused object anew, without the rights of the old.
fn change<'a>(case: &'a Case, lines: &[&LogEntry], first: Timestamp) -> Option<&'a DdlEvent> {
    let of_rights = |d: &DdlEvent| {
        ["GRANT", "REVOKE"].contains(&d.command.as_str())
            || d.command.ends_with("POLICY")
            || ["OWNER TO", "OWNED", "ROW LEVEL SECURITY"]
                .iter()
                .any(|words| d.statement.to_ascii_uppercase().contains(words))
    };
    // Of one refusal by role and message, as many as are looked through.
    let mut refused: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|e| (e.role.as_str(), e.message.as_str(), e.statement.as_str()))
        .take(REFUSALS_MAX)
        .collect();
    refused.dedup();
    let of_object = |d: &DdlEvent| {
        let named = |name: &str| refused.iter().any(|(_, message, _)| mentions(message, name));
        d.relation.as_ref().is_some_and(|r| named(&r.name))
    };
    let concerns = |d: &DdlEvent| {
        let object =
            |name: &str| refused.iter().any(|(_, m, s)| mentions(m, name) || mentions(s, name));
        let text = d.statement.to_ascii_uppercase();
        d.relation.as_ref().is_some_and(|r| object(&r.name))
            || refused.iter().any(|(role, ..)| mentions(&d.statement, role))
            || words(&d.statement).any(|w| refused.iter().any(|(_, m, _)| last_word(m) == w))
            || [" PUBLIC", "ALL TABLES", "ALL SEQUENCES", "ALL FUNCTIONS", "ALL ROUTINES", "OWNED"]
                .iter()
                .any(|words| text.contains(words))
            || d.statement.is_empty()
    };
    let near = |d: &&DdlEvent| (-1.0..BLAMED_S).contains(&seconds_between(d.at, first));
    let mut all = case.ddl.iter().filter(near).filter(|d| of_rights(d) && concerns(d));
    let last = all.clone().next_back();
    // A GRANT takes nothing; the REVOKE beside it does.
    let taker = all.rfind(|d| d.command != "GRANT");
    // Rights on a table go with it, and those on a column with the column.
    let made_anew = |d: &DdlEvent| {
        let text = d.statement.to_ascii_uppercase();
        gives_a_name(d)
            || d.command.starts_with("CREATE TABLE")
            || ["DROP COLUMN", "RENAME COLUMN"].iter().any(|words| text.contains(words))
    };
    let anew = || case.ddl.iter().filter(near).rfind(|d| of_object(d) && made_anew(d));
    taker.or_else(anew).or(last)
}

/// `permission denied for table "bag"`: what is refused comes last.
fn last_word(message: &str) -> &str {
    message.rsplit(' ').next().unwrap_or("").trim_matches('"')
}

const REFUSALS_MAX: usize = 200;

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
        let lost = "; site lost INSERT, DELETE, UPDATE on table public.orders, since ";
        assert!(likely.says.contains(lost), "{}", likely.says);
        assert_eq!(likely.actions, ["restore_rights"]);
    }

    #[test]
    fn a_role_that_left_its_group_and_a_group_that_lost_a_right_are_seen() {
        let mut samples = taken_at(34);
        let change = |kind: &str, name: &str, before: &str, after: &str| ConfigChange {
            at: at(34),
            kind: kind.into(),
            name: name.into(),
            before: before.into(),
            after: after.into(),
        };
        let mut judged = |changes: Vec<ConfigChange>| {
            samples.last_mut().unwrap().changes = changes;
            judge(&case(samples.clone(), 30))
        };
        let left =
            judged(vec![change("role", "site", "login member of a,shop_rw", "login member of a")]);
        let likely = left.likely().unwrap();
        assert!(likely.says.contains("no member of shop_rw any more"), "{}", likely.says);
        assert_eq!(likely.actions, ["restore_rights"]);
        let (before, after) = ("o {o=arwd/o,shop_rw=arwd/o}", "o {o=arwd/o}");
        let lost = judged(vec![change("privilege", "table public.orders", before, after)]);
        assert_eq!(lost.likely().unwrap().actions, ["restore_rights"]);
        let other = judged(vec![change("privilege", "table public.parcels", before, after)]);
        assert!(other.likely().unwrap().actions.is_empty());
        samples.last_mut().unwrap().log =
            vec![log(33, "ERROR", "42501", "permission denied for schema lab"); 3];
        samples.last_mut().unwrap().changes =
            vec![change("privilege", "schema lab", "o {o=UC/o,shop_rw=U/o}", "o {o=UC/o}")];
        let lost = judge(&case(samples.clone(), 30));
        assert_eq!(lost.likely().unwrap().actions, ["restore_rights"]);
    }

    #[test]
    fn objects_that_changed_hands_together_are_told_once() {
        let mut samples = taken_at(34);
        let change = |name: &str| ConfigChange {
            at: at(34),
            kind: "privilege".into(),
            name: name.into(),
            before: "site {site=arwd/site}".into(),
            after: "platform {platform=arwd/platform}".into(),
        };
        samples.last_mut().unwrap().changes =
            vec![change("table public.orders"), change("sequence public.orders_id_seq")];
        let verdict = judge(&case(samples, 30));
        let says = &verdict.likely().unwrap().says;
        assert!(
            says.contains("table public.orders and 1 more: owner platform now, site before"),
            "{says}"
        );
    }

    #[test]
    fn an_owner_that_is_back_was_not_taken() {
        let mut samples = taken_at(34);
        let change = |s: i64, before: &str, after: &str| ConfigChange {
            at: at(s),
            kind: "privilege".into(),
            name: "table public.orders".into(),
            before: before.into(),
            after: after.into(),
        };
        let last = samples.last_mut().unwrap();
        last.log.iter_mut().for_each(|e| e.statement = "SELECT 1 FROM orders".to_owned());
        let (old, new) = ("site {site=arwd/site}", "bot {bot=arwd/bot}");
        last.changes = vec![change(32, old, new), change(34, new, old)];
        let says = judge(&case(samples, 30)).likely().unwrap().says.clone();
        assert!(says.contains("owner bot now") && !says.contains("owner site now"), "{says}");
    }

    #[test]
    fn a_view_that_has_another_owner_is_given_back_though_its_table_is_refused() {
        for (statement, n) in [("SELECT name FROM hr.book", 1), ("SELECT name FROM hr.page", 0)] {
            let mut samples = taken_at(34);
            let last = samples.last_mut().unwrap();
            last.log.iter_mut().for_each(|e| e.statement = statement.to_owned());
            last.changes = vec![ConfigChange {
                at: at(34),
                kind: "privilege".into(),
                name: "table hr.book".into(),
                before: "o {o=r/o,guest=r/o}".into(),
                after: "bi {bi=r/bi,guest=r/bi}".into(),
            }];
            let lost = judge(&case(samples, 30));
            assert_eq!(lost.likely().unwrap().actions.len(), n, "{statement}");
        }
    }

    #[test]
    fn what_everybody_might_call_is_given_back_where_it_is_missed() {
        let mut samples = taken_at(34);
        for (function, n) in [("orders(bigint)", 1), ("expire(public.orders)", 0)] {
            samples.last_mut().unwrap().changes = vec![ConfigChange {
                at: at(34),
                kind: "privilege".into(),
                name: format!("function public.{function}"),
                before: "o {=X/o,o=X/o}".into(),
                after: "o {o=X/o}".into(),
            }];
            let lost = judge(&case(samples.clone(), 30));
            assert_eq!(lost.likely().unwrap().actions.len(), n, "{function}");
        }
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
