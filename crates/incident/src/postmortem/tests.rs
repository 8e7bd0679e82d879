//! A queue behind a migration, written up.

use super::*;
use crate::testing::{at, case, ddl, sample, session};

/// Forty seconds of health, ten of a queue behind a migration, ten of health again.
fn queue() -> Case {
    let mut counted = 0;
    let samples = (0..60).map(|s| {
        counted += if (41..=50).contains(&s) { 20 } else { 100 };
        let mut sample = sample(s, counted);
        sample.sessions.push(session(1, "idle in transaction", &[]));
        if (41..=50).contains(&s) {
            sample.sessions.push(SessionSample {
                role: "deploy".into(),
                application: "psql".into(),
                query: "ALTER TABLE orders\n  ADD COLUMN paid_at timestamptz".into(),
                xid: Some(812),
                ..session(2, "active", &[1])
            });
            sample.sessions.extend((3..9).map(|pid| session(pid, "active", &[2])));
        }
        sample
    });
    case(samples.collect(), 41)
}

fn measured(claim: &str, value: f64) -> Evidence {
    Evidence::measured(claim, value, "sessions", Source::new(SourceKind::Sample, "pg_locks"))
}

fn incident() -> Incident {
    let judged = |cause: &str, verdict| Judged { cause: cause.to_owned(), verdict };
    let likely = Likely::new(
        0.93,
        "ALTER TABLE on orders waits behind an idle transaction and keeps 6 sessions waiting",
        measured("6 sessions queue behind pid 2", 6.0),
    )
    .on([Relation::new("public", "orders")])
    .by([2])
    .blaming([ddl(41, "ALTER TABLE", "table", "public.orders")]);
    Incident {
        id: "17".into(),
        server: "shop".into(),
        opened: at(43),
        closed: Some(at(60)),
        symptoms: vec![Symptom::new(
            "lock_queue",
            at(41),
            at(50),
            Weight::Harm,
            "lock queue on orders",
            measured("7 sessions wait", 7.0),
        )],
        verdicts: vec![
            judged("lock_ddl_queue", Verdict::Likely(likely)),
            judged("disk_full", Verdict::ruled_out(measured("disk is 31% full", 31.0))),
            judged("net_latency", Verdict::ruled_out(measured("0 of 9 probes lost", 0.0))),
            judged("vac_xmin_held", Verdict::present_not_sufficient(measured("1 is idle", 1.0))),
            judged("io_read", Verdict::unknown("no host sampler on this server")),
        ],
        hypotheses: vec![Hypothesis {
            cause: "net_latency".into(),
            opened: at(43),
            closed: Some(at(45)),
        }],
        runbooks: Vec::new(),
        changes: Vec::new(),
    }
}

fn event(s: i64, kind: EventKind, what: &str) -> Event {
    Event {
        at: at(s),
        server: "shop".into(),
        kind,
        subject: "orders".into(),
        actor: "pgward".into(),
        what: what.to_owned(),
        source: Source::new(SourceKind::Journal, "pgward.journal 31"),
    }
}

fn events() -> Vec<Event> {
    let mut events = vec![
        event(51, EventKind::Recovered, "100 commits/s, as before"),
        event(47, EventKind::Step, "cancel pid 2"),
        event(44, EventKind::Diagnosed, "likely lock_ddl_queue"),
        event(49, EventKind::Verified, "nobody waits behind pid 2"),
    ];
    events.extend((41..51).map(|s| event(s, EventKind::Symptom, &format!("{s} sessions wait"))));
    events
}

fn input<'a>(incident: &'a Incident, case: &'a Case, events: &'a [Event]) -> Input<'a> {
    Input {
        incident,
        case: Some(case),
        events,
        drill: false,
        zone: "Africa/Johannesburg",
        impact: None,
        losses: Losses {
            n_acknowledged: Some(5000),
            n_lost: Some(0),
            lost_keys: Vec::new(),
            explain: "no key of the ledger is missing".into(),
        },
        prevention: vec!["Set `lock_timeout` on every DDL".into()],
        names: BTreeMap::from([("net_latency".to_owned(), "slow network".to_owned())]),
        now: at(70),
    }
}

fn written() -> Postmortem {
    let (incident, case, events) = (incident(), queue(), events());
    write(&input(&incident, &case, &events))
}

#[test]
fn it_names_duration_zone_share_and_cause() {
    let pm = written();
    assert_eq!((pm.started, pm.ended), (at(41), Some(at(51))));
    assert!(pm.summary.contains("lasted 10 s"), "{}", pm.summary);
    assert!(pm.summary.contains("00:00:41 to 00:00:51 UTC"), "{}", pm.summary);
    assert!(pm.summary.contains("02:00:41 to 02:00:51 SAST"), "{}", pm.summary);
    for words in ["`deploy`", "`psql`", "ALTER TABLE", "`orders`", "pid 2"] {
        assert!(pm.root_cause.contains(words), "{words}: {}", pm.root_cause);
    }
    assert!(pm.detection.contains("2 s after"), "{}", pm.detection);
}

#[test]
fn impact_is_measured_against_the_baseline() {
    let impact = written().impact;
    // Nine full seconds and the one that ends at the recovery lie in it, 80 missing in each.
    assert_eq!((impact.n_harmed, impact.of.as_str()), (720, "transactions"));
    assert_eq!(impact.n_total, 1000);
    assert!(impact.explain.contains("720") && impact.explain.contains("1,000"));
    assert!(impact.per_second.iter().filter(|p| p.at < at(41)).all(|p| p.harmed == 0.0));
    assert!(impact.per_second.iter().any(|p| p.at < at(41)));
}

#[test]
fn the_clients_first_harmed_second_counts_and_usual_noise_does_not() {
    let (incident, case) = (incident(), queue());
    let harmed = |s: i64| match s {
        39.. => 50.0,
        5 | 35 => 1.0,
        _ => 0.0,
    };
    let point = |s| ImpactPoint { at: at(s), total: 100.0, harmed: harmed(s) };
    let impact = Impact {
        explain: "by the clients' own count".into(),
        per_second: (0..52).map(point).collect(),
        n_harmed: 650,
        n_total: 1300,
        of: "requests".into(),
    };
    let pm = write(&Input { impact: Some(impact), ..input(&incident, &case, &[]) });
    assert_eq!(pm.started, at(39));
    assert!(pm.summary.contains("650 of 1,300 requests (50%)"), "{}", pm.summary);
    assert!(pm.timeline.iter().any(|e| e.at == at(39) && e.what.contains("first harmed second")));
}

#[test]
fn without_health_before_it_impact_counts_sessions() {
    let (incident, events) = (incident(), events());
    let mut case = queue();
    case.window.samples.drain(..41);
    let impact = write(&input(&incident, &case, &events)).impact;
    assert_eq!((impact.n_harmed, impact.n_total, impact.of.as_str()), (7, 8, "sessions"));
    let without = Input { case: None, ..input(&incident, &case, &events) };
    let pm = write(&without);
    assert_eq!(pm.impact.n_total, 0);
    assert!(pm.summary.contains("not measured"), "{}", pm.summary);
}

#[test]
fn the_timeline_is_ordered_told_once_and_sourced() {
    let pm = written();
    assert!(pm.timeline.is_sorted_by_key(|e| e.at));
    assert!(pm.timeline.iter().all(|e| !e.source.to_string().is_empty() && !e.what.is_empty()));
    let waits = pm.timeline.iter().filter(|e| e.what.ends_with("sessions wait")).count();
    assert_eq!(waits, 1, "a symptom that repeats is told once");
    let change = pm.timeline.iter().find(|e| e.kind == EventKind::Change).unwrap();
    assert!(change.what.contains("public.orders") && change.actor == "deploy");
    for kind in [EventKind::Opened, EventKind::RuledOut, EventKind::Step, EventKind::Recovered] {
        assert!(pm.timeline.iter().any(|e| e.kind == kind), "{kind:?}");
    }
}

#[test]
fn a_long_story_keeps_what_tells_the_most() {
    let (incident, case) = (incident(), queue());
    let mut many = events();
    for i in 0..100_u8 {
        let word = format!("note {}{}", char::from(b'a' + i / 26), char::from(b'a' + i % 26));
        many.push(event(52, EventKind::Note, &word));
    }
    let pm = write(&input(&incident, &case, &many));
    assert_eq!(pm.timeline.len(), 60);
    assert!(pm.timeline.last().unwrap().what.contains("more events in the ledger"));
    assert!(pm.timeline.iter().any(|e| e.kind == EventKind::Recovered));
}

#[test]
fn theories_ruled_out_in_one_second_make_one_line() {
    let (mut incident, case) = (incident(), queue());
    for cause in ["a", "b", "c", "d", "e", "f"] {
        let verdict = Verdict::ruled_out(measured("none", 0.0).at(at(44)));
        incident.verdicts.push(Judged { cause: cause.into(), verdict });
    }
    let pm = write(&input(&incident, &case, &[]));
    let lines: Vec<&Event> = pm.timeline.iter().filter(|e| e.kind == EventKind::RuledOut).collect();
    assert!(lines.iter().any(|e| e.what.contains("a, b, c, d and 2 more")), "{lines:#?}");
}

#[test]
fn theories_that_cost_hours_elsewhere_stand_first() {
    let pm = written();
    let first = pm.ruled_out.first().unwrap();
    assert_eq!((first.cause.as_str(), first.name.as_str()), ("net_latency", "slow network"));
    assert_eq!((first.opened, first.closed), (at(43), at(45)));
    assert!(first.cost_source.contains("22 h 11 min"));
    assert_eq!(pm.ruled_out.len(), 2);
    assert!(pm.contributing.iter().any(|c| c.contains("vac_xmin_held")));
    assert_eq!(pm.unknown.len(), 1);
}

#[test]
fn the_lock_tree_is_the_worst_moment() {
    let tree = written().figures.lock_tree;
    assert_eq!(tree.len(), 8);
    assert_eq!(tree.iter().find(|n| n.pid == 2).unwrap().parent, Some(1));
    assert_eq!(tree.iter().find(|n| n.pid == 5).unwrap().parent, Some(2));
}

#[test]
fn every_item_has_id_owner_date_and_state() {
    let pm = written();
    let ids: Vec<&str> = pm.action_items.iter().map(|i| i.id.as_str()).collect();
    assert!(ids.len() >= 3 && ids[0] == "17-1" && ids[1] == "17-2", "{ids:?}");
    for item in &pm.action_items {
        assert!(!item.owner.is_empty() && item.state == ActionState::Open, "{item:?}");
        let days = match item.kind {
            ActionKind::Corrective => "2026-11-24",
            ActionKind::Preventative => "2026-12-05",
        };
        assert_eq!(item.due, days);
    }
    assert!(pm.action_items.iter().any(|i| i.title.contains("pgward apply")));
    assert!(pm.action_items.iter().any(|i| i.title.contains("lock_timeout")));
}

#[test]
fn what_was_only_read_is_no_change_and_who_only_waited_lost_no_data() {
    let (mut incident, mut case) = (incident(), queue());
    if let Some(Verdict::Likely(likely)) = incident.verdicts.first_mut().map(|j| &mut j.verdict) {
        likely.ddl.clear();
    }
    for session in case.window.samples.iter_mut().flat_map(|s| &mut s.sessions) {
        session.query = "SELECT count(*) FROM orders".to_owned();
    }
    let titles = |events: &[Event]| -> Vec<String> {
        let pm = write(&input(&incident, &case, events));
        pm.action_items.into_iter().map(|i| i.title).collect()
    };
    for titles in [titles(&events()), titles(&[])] {
        let of = |words: &str| titles.iter().any(|t| t.contains(words));
        assert!(!of("pgward apply") && !of("doctor --checks"), "{titles:?}");
    }
}

#[test]
fn equal_records_give_equal_documents_later_too() {
    let (incident, case, events) = (incident(), queue(), events());
    let first = write(&input(&incident, &case, &events));
    let later = write(&Input { now: at(90_000), ..input(&incident, &case, &events) });
    assert_eq!(serde_json::to_string(&first).unwrap(), serde_json::to_string(&later).unwrap());
}

#[test]
fn an_open_incident_without_cause_says_so() {
    let (mut incident, case) = (incident(), queue());
    incident.closed = None;
    incident.verdicts.remove(0);
    let pm = write(&input(&incident, &case, &[]));
    assert!(pm.ended.is_none() && pm.cause_id.is_none());
    assert!(pm.summary.contains("open for 29 s") && pm.summary.contains("not known yet"));
    assert!(pm.root_cause.starts_with("Not known"));
    assert!(pm.action_items.iter().any(|i| i.title.contains("Find the root cause")));
    assert_eq!(blameless(&text_of(&pm)), Vec::<String>::new());
}

/// Phrases that tell of a world that did not happen, or that judge a person.
fn blameless(text: &str) -> Vec<String> {
    const PHRASES: [&str; 16] = [
        "should have",
        "shouldn't have",
        "could have",
        "would have",
        "ought to",
        "if only",
        "failed to",
        "forgot",
        "careless",
        "negligen",
        "human error",
        "mistake",
        "blame",
        "fault of",
        "guilty",
        "culprit",
    ];
    let lower = text.to_lowercase();
    PHRASES.iter().filter(|p| lower.contains(**p)).map(|p| (*p).to_owned()).collect()
}

fn text_of(pm: &Postmortem) -> String {
    let mut text = vec![
        pm.title.clone(),
        pm.summary.clone(),
        pm.impact.explain.clone(),
        pm.root_cause.clone(),
        pm.detection.clone(),
        pm.losses.explain.clone(),
    ];
    text.extend(pm.contributing.iter().chain(&pm.resolution).cloned());
    text.extend(pm.timeline.iter().map(|e| e.what.clone()));
    text.extend(pm.ruled_out.iter().map(|t| t.cost_source.clone()));
    text.extend(pm.action_items.iter().map(|i| format!("{} {}", i.title, i.owner)));
    text.join("\n")
}

#[test]
fn the_text_blames_nobody() {
    assert_eq!(
        blameless("The team should have known; human error"),
        ["should have", "human error"]
    );
    assert_eq!(blameless(&text_of(&written())), Vec::<String>::new());
}
