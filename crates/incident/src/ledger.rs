//! The change ledger: which of the changes around an incident can be to blame, and which cannot.

use crate::facts::{cut, ddl_source, is_recovery, is_statement_error, mentions, until_a_constant};
use crate::reach::Reach;
use pgward_model::prelude::*;
use std::collections::{BTreeSet, HashMap};

/// Changes told of one incident; a migration tool can make hundreds.
const CHANGES_MAX: usize = 50;
/// Clocks and samples are this coarse: what is seen with the onset may have preceded it.
const BLUR_S: f64 = 1.5; // one tick and a half

/// What an incident hits, as far as symptoms and the likely causes name it.
struct Hit<'a> {
    onset: Timestamp,
    relations: BTreeSet<&'a Relation>,
    roles: BTreeSet<&'a str>,
    databases: BTreeSet<&'a str>,
}

/// Every change of the case, oldest first, weighed: a change is a suspect only if it precedes
/// the onset and touches a relation or role that the trouble hits.
pub fn weigh(case: &Case, verdicts: &[Judged]) -> Vec<WeighedChange> {
    let hit = hit(case, verdicts);
    let ddl = case.ddl.iter().filter(|d| !is_recovery(d));
    let same = |a: &&DdlEvent, b: &&DdlEvent| {
        (a.at, a.pid, &a.statement, a.relation.as_ref())
            == (b.at, b.pid, &b.statement, b.relation.as_ref())
    };
    let mut all: Vec<WeighedChange> = Vec::new();
    let mut last: Option<&DdlEvent> = None;
    for event in ddl {
        if !last.is_some_and(|l| same(&l, &event)) {
            all.push(of_ddl(event, &hit));
        }
        last = Some(event);
    }
    all.extend(last_of_each(case).map(|event| of_event(event, case, &hit)));
    all.sort_by_key(|c| c.at);
    thin_out(&mut all);
    all
}

/// Of what happens again and again, as an ANALYZE of autovacuum, the last before the trouble and the
/// last since.
fn last_of_each(case: &Case) -> impl Iterator<Item = &Event> {
    let same = |e: &Event| (e.what.clone(), e.actor.clone(), e.at <= case.onset);
    let mut last: HashMap<(String, String, bool), Timestamp> = HashMap::new();
    for event in &case.events {
        let at = last.entry(same(event)).or_insert(event.at);
        *at = event.at.max(*at);
    }
    case.events.iter().filter(move |e| last.get(&same(e)) == Some(&e.at))
}

/// Those that are not to blame go first, the oldest first: what came long before the trouble may
/// have brought it.
fn thin_out(all: &mut Vec<WeighedChange>) {
    let mut n_extra = all.len().saturating_sub(CHANGES_MAX);
    let goes: [fn(&Standing) -> bool; 3] = [
        |s| matches!(s, Standing::Decoy { .. }),
        |s| matches!(s, Standing::Unknown { .. }),
        |_| true,
    ];
    for goes in goes {
        all.retain(|c| {
            let stays = n_extra == 0 || !goes(&c.standing);
            n_extra -= usize::from(!stays);
            stays
        });
    }
}

/// The suspect nearest before the onset.
pub fn suspect(changes: &[WeighedChange]) -> Option<&WeighedChange> {
    changes.iter().rev().find(|c| matches!(c.standing, Standing::Suspect { .. }))
}

fn hit<'a>(case: &'a Case, verdicts: &'a [Judged]) -> Hit<'a> {
    let likely: Vec<&Likely> = verdicts.iter().filter_map(|j| j.verdict.likely()).collect();
    // What was only noticed beside it, as a table that somebody rewrote, is hit where nothing else is.
    let harmed = case.symptoms.iter().filter(|s| s.weight == Weight::Harm);
    let named = harmed.flat_map(|s| &s.relations).chain(failing(case));
    // What the first cause says was changed is hit: a view through which a table is refused.
    let blamed =
        likely.first().into_iter().flat_map(|l| &l.ddl).filter_map(|d| d.relation.as_ref());
    let mut relations: BTreeSet<&Relation> =
        named.chain(likely.iter().flat_map(|l| &l.relations)).chain(blamed).collect();
    if relations.is_empty() {
        relations.extend(case.symptoms.iter().flat_map(|s| &s.relations));
    }
    let pids: BTreeSet<Pid> = case
        .symptoms
        .iter()
        .flat_map(|s| &s.pids)
        .chain(likely.iter().flat_map(|l| &l.pids))
        .copied()
        .collect();
    let sessions = || {
        let all = case.window.recent().iter().flat_map(|s| &s.sessions);
        all.filter(|s| pids.contains(&s.pid))
    };
    let refused = fresh_errors(&case.window).into_iter().map(|e| e.role.as_str());
    let roles = sessions().map(|s| s.role.as_str()).chain(refused).filter(|r| !r.is_empty());
    let roles = roles.collect();
    let databases = sessions().map(|s| s.database.as_str()).collect();
    Hit { onset: case.onset, relations, roles, databases }
}

/// Texts of failing statements that are looked through; the rest differ in their constants.
const TEXTS_MAX: usize = 5;

/// Relations that statements ask for which fail since the onset and did not before.
fn failing(case: &Case) -> Vec<&Relation> {
    let Some(catalog) = case.window.catalog.as_ref().or(case.catalog.as_ref()) else {
        return Vec::new();
    };
    let texts: BTreeSet<&str> =
        fresh_errors(&case.window).into_iter().map(|e| until_a_constant(&e.statement)).collect();
    let asked: Vec<Reach> =
        texts.into_iter().take(TEXTS_MAX).map(|text| Reach::of(case, text)).collect();
    let all = catalog.relations.iter().map(|r| &r.relation);
    all.filter(|r| asked.iter().any(|a| a.touches(r))).collect()
}

/// Statements that failed since the onset in a way, and with a text, that none did before.
fn fresh_errors(window: &Window) -> Vec<&LogEntry> {
    fn errors(samples: &[Sample]) -> impl Iterator<Item = &LogEntry> {
        samples.iter().flat_map(|s| &s.log).filter(|e| is_statement_error(e))
    }
    fn key(entry: &LogEntry) -> (&str, &str) {
        (&entry.sqlstate, until_a_constant(&entry.statement))
    }
    let before: BTreeSet<(&str, &str)> = errors(window.baseline()).map(key).collect();
    errors(window.recent()).filter(|e| !before.contains(&key(e))).collect()
}

fn of_ddl(event: &DdlEvent, hit: &Hit<'_>) -> WeighedChange {
    let standing = match &event.relation {
        _ if is_later(event.at, hit) => later(event.at, hit),
        Some(relation) if hit.relations.contains(relation) => {
            suspect_by(event.at, hit, &relation.to_string())
        }
        Some(relation) => elsewhere(&relation.to_string(), hit),
        None => Standing::Unknown { why: format!("what {} touches is not known", event.identity) },
    };
    WeighedChange {
        at: event.at,
        what: format!("{} {}", event.command, event.identity),
        actor: if event.role.is_empty() { "unknown role".to_owned() } else { event.role.clone() },
        standing,
        source: ddl_source(event),
    }
}

fn of_event(event: &Event, case: &Case, hit: &Hit<'_>) -> WeighedChange {
    WeighedChange {
        at: event.at,
        what: cut(&event.what, 200),
        actor: event.actor.clone(),
        standing: standing(event, case, hit),
        source: event.source.clone(),
    }
}

/// What an event touches stands in its subject: `server`, a setting, a role, relations.
fn standing(event: &Event, case: &Case, hit: &Hit<'_>) -> Standing {
    if is_later(event.at, hit) {
        return later(event.at, hit);
    }
    let subject = event.subject.as_str();
    let (kind, names) = subject.split_once(' ').unwrap_or((subject, ""));
    match kind {
        "setting" => of_setting(event.at, names, hit),
        "server" => suspect_by(event.at, hit, "the whole server"),
        "role" => of_one(event.at, "role", names, &hit.roles, hit),
        "relation" => match names.split(", ").find_map(|name| touched(name, hit)) {
            Some(relation) => suspect_by(event.at, hit, &relation.to_string()),
            None => elsewhere(names, hit),
        },
        // A job or a deploy that named nothing: its own words, or what changed with it, tell.
        _ => {
            if let Some(relation) = hit.relations.iter().find(|r| mentions(&event.what, &r.name)) {
                return suspect_by(event.at, hit, &relation.to_string());
            }
            let deployed = case.ddl.iter().find(|d| {
                seconds_between(event.at, d.at).abs() <= DEPLOY_S
                    && d.relation.as_ref().is_some_and(|r| hit.relations.contains(r))
            });
            match deployed {
                Some(ddl) => suspect_by(event.at, hit, &format!("{} with it", ddl.identity)),
                None => Standing::Unknown {
                    why: "what it touches was not said (`pgward event --on RELATION`)".to_owned(),
                },
            }
        }
    }
}

/// `work_mem`, `role batch: work_mem`, `role batch database shop: work_mem`: a setting of a role
/// or a database touches nobody else.
fn of_setting(at: Timestamp, names: &str, hit: &Hit<'_>) -> Standing {
    let Some((whose, _)) = names.rsplit_once(": ") else {
        return suspect_by(at, hit, "the whole server");
    };
    let (role, database) = match whose.strip_prefix("role ") {
        Some(rest) => match rest.split_once(" database ") {
            Some((role, database)) => (Some(role), Some(database)),
            None => (Some(rest), None),
        },
        None => (None, whose.strip_prefix("database ")),
    };
    let of_role = role.map(|name| of_one(at, "role", name, &hit.roles, hit));
    let of_database = database.map(|name| of_one(at, "database", name, &hit.databases, hit));
    match (of_role, of_database) {
        (Some(Standing::Suspect { .. }), Some(of_database)) => of_database,
        (Some(of_role), _) => of_role,
        (None, Some(of_database)) => of_database,
        (None, None) => suspect_by(at, hit, "the whole server"),
    }
}

/// What touches these roles or databases alone, of those that are `felt`.
fn of_one(
    at: Timestamp,
    kind: &str,
    names: &str,
    felt: &BTreeSet<&str>,
    hit: &Hit<'_>,
) -> Standing {
    if felt.is_empty() {
        return Standing::Unknown { why: format!("which {kind}s are hit is not known") };
    }
    match names.split(", ").find(|name| felt.contains(name)) {
        Some(name) => suspect_by(at, hit, &format!("{kind} {name}")),
        None => Standing::Decoy {
            why: format!("touches {kind} {names}; hit are {}", some(felt.iter().copied())),
        },
    }
}

/// DDL within this time of a deploy is taken to be its own.
const DEPLOY_S: f64 = 120.0; // deploy tools announce themselves before or after they migrate

fn touched<'a>(name: &str, hit: &Hit<'a>) -> Option<&'a Relation> {
    let same = |r: &&&Relation| r.to_string() == name || r.quoted() == name || r.name == name;
    hit.relations.iter().find(same).copied()
}

fn is_later(at: Timestamp, hit: &Hit<'_>) -> bool {
    seconds_between(hit.onset, at) > BLUR_S
}

fn later(at: Timestamp, hit: &Hit<'_>) -> Standing {
    let late = human_duration(seconds_between(hit.onset, at));
    Standing::Decoy { why: format!("came {late} after the trouble began") }
}

fn suspect_by(at: Timestamp, hit: &Hit<'_>, what: &str) -> Standing {
    let early = human_duration(seconds_between(at, hit.onset).max(0.0));
    Standing::Suspect { why: format!("{early} before the trouble, and touches {what}") }
}

fn elsewhere(what: &str, hit: &Hit<'_>) -> Standing {
    if hit.relations.is_empty() {
        return Standing::Unknown { why: "which relations are hit is not known".to_owned() };
    }
    let hit = some(hit.relations.iter().map(|r| r.name.as_str()));
    Standing::Decoy { why: format!("touches {what}; hit is {hit}") }
}

fn some<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, ddl, healthy, session};

    fn event(seconds: i64, subject: &str, what: &str) -> Event {
        Event {
            at: at(seconds),
            server: "test".to_owned(),
            kind: EventKind::Change,
            subject: subject.to_owned(),
            actor: "deploy".to_owned(),
            what: what.to_owned(),
            source: Source::new(SourceKind::Ledger, "pgward event"),
        }
    }

    /// Trouble on orders from second 60 on, felt by role site.
    fn trouble() -> Case {
        let mut samples = healthy(70);
        samples.last_mut().unwrap().sessions.push(session(7, "active", &[]));
        let evidence =
            Evidence::measured("x", 1.0, "x", Source::new(SourceKind::Sample, "sessions"));
        let symptom = Symptom::new("lock_queue", at(60), at(69), Weight::Harm, "queue", evidence)
            .on([Relation::new("public", "orders")])
            .by([7]);
        Case { symptoms: vec![symptom], ..case(samples, 60) }
    }

    #[track_caller]
    fn check(case: &Case, expected: &[(&str, &str)]) {
        let told: Vec<(String, String)> = weigh(case, &[])
            .into_iter()
            .map(|c| match c.standing {
                Standing::Suspect { why } => (format!("suspect {}", c.what), why),
                Standing::Decoy { why } => (format!("decoy {}", c.what), why),
                Standing::Unknown { why } => (format!("unknown {}", c.what), why),
            })
            .collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for ((what, why), (start, says)) in told.iter().zip(expected) {
            assert!(what == start && why.contains(says), "{what}: {why}; expected {start}: {says}");
        }
    }

    #[test]
    fn only_what_precedes_and_touches_is_suspect() {
        let ddl = vec![
            ddl(10, "CREATE INDEX", "index", "invoices"),
            ddl(55, "DROP INDEX", "index", "orders"),
            ddl(66, "ALTER TABLE", "table", "orders"),
        ];
        check(
            &Case { ddl, ..trouble() },
            &[
                ("decoy CREATE INDEX public.invoices", "hit is orders"),
                ("suspect DROP INDEX public.orders", "5 s before the trouble"),
                ("decoy ALTER TABLE public.orders", "6 s after the trouble began"),
            ],
        );
    }

    #[test]
    fn events_touch_what_their_subject_says() {
        let events = vec![
            event(1, "relation public.invoices, orders", "deploy 1"),
            event(2, "relation invoices", "ANALYZE invoices"),
            event(3, "role batch", "role batch: login → superuser"),
            event(4, "role site", "role site: login → nologin"),
            event(5, "setting work_mem", "work_mem: 4MB → 64kB"),
            event(5, "setting role batch: work_mem", "of batch"),
            event(5, "setting role site database shop: work_mem", "of site"),
            event(5, "setting database archive: work_mem", "of archive"),
            event(6, "", "deploy 4711"),
            event(7, "job", "cron job 3: VACUUM orders"),
            event(8, "job", "cron job 4: SELECT nightly()"),
            event(65, "server", "server restarted"),
        ];
        check(
            &Case { events, ..trouble() },
            &[
                ("suspect deploy 1", "touches orders"),
                ("decoy ANALYZE invoices", "hit is orders"),
                ("decoy role batch: login → superuser", "hit are site"),
                ("suspect role site: login → nologin", "role site"),
                ("suspect work_mem: 4MB → 64kB", "the whole server"),
                ("decoy of batch", "touches role batch; hit are site"),
                ("suspect of site", "database shop"),
                ("decoy of archive", "hit are shop"),
                ("unknown deploy 4711", "not said"),
                ("suspect cron job 3: VACUUM orders", "touches orders"),
                ("unknown cron job 4: SELECT nightly()", "not said"),
                ("decoy server restarted", "after the trouble began"),
            ],
        );
    }

    #[test]
    fn what_happens_again_and_again_is_told_once_before_and_once_since() {
        let analyze = |at: i64| event(at, "relation public.orders", "ANALYZE orders");
        let events = [2, 12, 22, 32, 62, 64].map(analyze).to_vec();
        check(
            &Case { events, ..trouble() },
            &[
                ("suspect ANALYZE orders", "28 s before"),
                ("decoy ANALYZE orders", "after the trouble"),
            ],
        );
    }

    #[test]
    fn the_suspect_is_told_however_many_others_came_after() {
        let mut ddl = vec![ddl(1, "DROP INDEX", "index", "orders")];
        ddl.extend((0..90).map(|n| crate::testing::ddl(2 + n / 4, "CREATE TABLE", "table", "x")));
        for (n, event) in ddl.iter_mut().enumerate() {
            event.statement = format!("{n}");
        }
        let changes = weigh(&Case { ddl, ..trouble() }, &[]);
        assert_eq!(changes.len(), CHANGES_MAX);
        assert_eq!(suspect(&changes).unwrap().what, "DROP INDEX public.orders");
    }

    #[test]
    fn what_failing_statements_ask_for_is_hit_and_what_was_only_noticed_is_not() {
        let mut case = trouble();
        let mut catalog = Catalog::new(case.onset, 150_018, "shop");
        catalog.relations = ["orders", "dogs"]
            .map(|name| RelationInfo::new(1, Relation::new("public", name), 'r'))
            .to_vec();
        case.window.catalog = Some(catalog);
        for symptom in &mut case.symptoms {
            symptom.weight = Weight::Notice;
        }
        let mut line =
            crate::testing::log(61, "ERROR", "42501", "permission denied for table dogs");
        line.statement = "SELECT name FROM dogs WHERE chip = 7".to_owned();
        case.window.samples = vec![Sample { log: vec![line], ..crate::testing::sample(61, 0) }];
        case.ddl = vec![
            ddl(54, "ALTER TABLE", "table", "orders"),
            ddl(55, "ALTER TABLE", "table", "dogs"),
        ];
        check(
            &case,
            &[
                ("decoy ALTER TABLE public.orders", "hit is dogs"),
                ("suspect ALTER TABLE public.dogs", "touches"),
            ],
        );
    }

    #[test]
    fn a_deploy_that_names_nothing_is_told_by_the_ddl_beside_it() {
        let events = vec![event(50, "", "deploy 4711")];
        let ddl = vec![ddl(55, "ALTER TABLE", "table", "orders")];
        check(
            &Case { events, ddl, ..trouble() },
            &[
                ("suspect deploy 4711", "public.orders with it"),
                ("suspect ALTER TABLE public.orders", "touches"),
            ],
        );
    }

    #[test]
    fn where_nothing_is_known_to_be_hit_nothing_is_called_a_decoy() {
        let ddl = vec![ddl(55, "DROP INDEX", "index", "orders")];
        let unnamed = Case { symptoms: Vec::new(), ddl, ..trouble() };
        check(&unnamed, &[("unknown DROP INDEX public.orders", "not known")]);
    }
}
