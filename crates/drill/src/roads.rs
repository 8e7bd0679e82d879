//! The two roads of a drill: the change through pgward, and the same change past it.

use crate::bypass::{self, Bypass, Culprits};
use crate::error::Error;
use crate::run::{Outcome, Progress, Record, Theatre};
use crate::scenario::{Act, Scenario, ScenarioFile};
use crate::scoring::{self, Seen};
use pgward_change::{GateOptions, guard};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_sandbox::clone::CloneOptions;
use pgward_sandbox::faults::{self, FaultCx, Running};
use pgward_sandbox::ledger;
use pgward_sandbox::load::record::LOST;
use pgward_sandbox::load::{Baseline, Harmed};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Gives the change to pgward, which must stop it; without a change, lets the integrity scan
/// find the damage before a client does.
pub(crate) fn guarded(
    theatre: &Theatre<'_>,
    baseline: &Baseline,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Outcome, Error> {
    let Some(file) = &theatre.scenario.change else {
        return scanned(theatre, baseline, tell);
    };
    tell(Progress::Phase("guarded road: gives the change to pgward"));
    let since = clock::now();
    let change = pgward_sql::change(vec![pgward_sql::read(&file.path, &file.text)]);
    let report = guard(&change, &theatre.stage.direct(&file.role), &gate_options(theatre, file))?;
    // Whatever it did to production shows within a second or two.
    theatre.wait(Duration::from_secs(2), tell)?;
    let harmed = harmed(theatre, baseline, since);
    let why = match (report.stopper(), &report.apply) {
        (Some(finding), _) => format!("{}: {}", finding.lint, finding.message),
        (None, Some(applied)) => applied.says.clone(),
        (None, None) => String::new(),
    };
    let check = ledger::verify(&theatre.stage.ledger, &theatre.stage.superuser())?;
    let mut score = scoring::blank(theatre, Road::Guarded, baseline);
    score.stopped_by = report.stopped_by().map(|l| l.id().to_owned());
    score.why = why;
    score.rows_acknowledged = check.n_acknowledged;
    score.rows_lost = check.n_lost;
    scoring::guarded(&mut score, harmed.len());
    Ok(Outcome { score, record: None })
}

/// The guarded road of a fault that no change brings: the scan must be first.
fn scanned(
    theatre: &Theatre<'_>,
    baseline: &Baseline,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Outcome, Error> {
    tell(Progress::Phase("guarded road: damages a cold page and lets the integrity scan look"));
    let since = clock::now();
    let mut running = Vec::new();
    for act in &theatre.scenario.acts {
        if let Act::Fault { id, params, .. } = act
            && id == "page_damage"
        {
            running.push(start_fault(theatre, id, params)?);
        }
    }
    let seen = watch_until_closed(theatre, since, tell)?;
    let truth: Vec<(Relation, u32)> =
        running.iter().flat_map(|r| r.truth().blocks).map(|b| (b.relation, b.block)).collect();
    let found_at = seen.events.iter().find(|e| e.kind == EventKind::Symptom).map(|e| e.at);
    let met = real_harm(theatre, baseline, since);
    let first_met = met.iter().map(|h| h.start).min();
    let before_client = found_at.is_some_and(|f| first_met.is_none_or(|m| f <= m));
    let exact = seen.incident.as_ref().is_some_and(|i| names_blocks(i, &truth));
    let check = ledger::verify(&theatre.stage.ledger, &theatre.stage.superuser())?;
    let mut score = scoring::blank(theatre, Road::Guarded, baseline);
    score.stopped_by = (before_client && exact).then(|| Layer::Integrity.id().to_owned());
    score.why = match (found_at, truth.first()) {
        (Some(at), Some((relation, block))) => format!(
            "the scan found block {block} of {relation} after {} s, {}",
            human(seconds_between(since, at)),
            if before_client { "before any client read it" } else { "after a client had met it" }
        ),
        _ => "the scan found nothing".to_owned(),
    };
    score.detect_s = found_at.map(|at| seconds_between(since, at));
    score.rows_acknowledged = check.n_acknowledged;
    score.rows_lost = check.n_lost;
    score.actions = seen.actions();
    score.broken_truths = broken_truths(theatre)?;
    scoring::guarded(&mut score, usize::from(!before_client));
    Ok(Outcome { score, record: None })
}

fn names_blocks(incident: &Incident, truth: &[(Relation, u32)]) -> bool {
    truth.iter().all(|(relation, block)| {
        incident.runbooks.iter().flat_map(|r| &r.steps).any(|s| {
            matches!(&s.act, pgward_model::runbook::Act::RestoreBlock { relation: r, block: b }
                if r.same_as(relation) && b == block)
        })
    })
}

/// Sends the change past pgward, with faults and decoys, and scores what the guard makes of it.
pub(crate) fn bypassed(
    theatre: &Theatre<'_>,
    baseline: &Baseline,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Outcome, Error> {
    let scenario = theatre.scenario;
    if scenario.header.bypass_without.iter().any(|l| l == Layer::Integrity.id()) {
        theatre.guarded.scan.store(false, Ordering::Relaxed);
    }
    // The moment must not be one the guard could expect.
    let pause_ms = (theatre.options.seed.wrapping_mul(7919) % 3000).max(1);
    theatre.wait(Duration::from_millis(pause_ms), tell)?;
    tell(Progress::Phase("bypassed road: the same goes in past pgward"));
    let since = clock::now();
    let culprits = Culprits::default();
    let cast = enter(theatre, &culprits, tell)?;
    let seen = watch_until_closed(theatre, since, tell)?;
    let first_harmed = real_harm(theatre, baseline, since).iter().map(|h| h.start).min();
    // Decoys end here, so that what is measured next is the recovery alone.
    let truths: Vec<String> = cast.faults.iter().map(|f| f.truth().says).collect();
    drop(cast);
    let corrected = apply_corrected(theatre, tell)?;
    let last_harmed = real_harm(theatre, baseline, since).iter().map(end_of).max();
    let impact = impact(theatre, first_harmed.unwrap_or(since), clock::now());
    let check = ledger::verify(&theatre.stage.ledger, &theatre.stage.superuser())?;
    let mut score = scoring::blank(theatre, Road::Bypassed, baseline);
    score.rows_acknowledged = check.n_acknowledged;
    score.rows_lost = check.n_lost.saturating_sub(scenario.expect.rows_lost);
    score.broken_truths = broken_truths(theatre)?;
    score.broken_truths.extend(corrected);
    score.wrong_actions = wrong_actions(theatre, baseline, since, &seen, &culprits);
    scoring::bypassed(&mut score, theatre, &seen, since, first_harmed, last_harmed);
    let losses = Losses {
        n_acknowledged: Some(check.n_acknowledged),
        n_lost: Some(check.n_lost),
        lost_keys: check.lost.clone(),
        explain: format!(
            "set difference between the ledger of {} acknowledged writes ({} keys), kept outside \
             the database, and the tables after the recovery",
            human(check.n_acknowledged as f64),
            human(check.n_keys as f64)
        ),
    };
    let recovered_at = seen.recovered_at().unwrap_or_else(clock::now);
    let record = seen.incident.clone().zip(seen.case.clone()).map(|(incident, case)| Record {
        incident,
        case,
        events: with_truths(seen.events.clone(), &truths, scenario),
        impact,
        losses,
        recovered_at,
    });
    Ok(Outcome { score, record })
}

/// Those on the stage; they leave when dropped.
struct Cast {
    faults: Vec<Box<dyn Running>>,
    _sessions: Vec<Bypass>,
}

impl Drop for Cast {
    fn drop(&mut self) {
        self.faults.iter_mut().for_each(|f| f.stop());
    }
}

/// Everybody enters in the order of `after`.
fn enter(
    theatre: &Theatre<'_>,
    culprits: &Culprits,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Cast, Error> {
    let scenario = theatre.scenario;
    let mut sessions = Vec::new();
    if let Some(file) = &scenario.change {
        sessions.push(Bypass::start(
            theatre.stage.direct(&file.role),
            leak(&file.application),
            &bypass::rendered(file)?,
            file.after,
            file.hold,
            culprits,
        ));
    }
    for act in &scenario.acts {
        if let Act::Session { name, role, sql, after } = act {
            let hold = Duration::from_secs(scenario.header.budget.recover_s as u64 + 60);
            let target = theatre.stage.direct(role);
            sessions.push(Bypass::start(target, leak(name), sql, *after, hold, culprits));
        }
    }
    let mut faults = Vec::new();
    let mut later: Vec<_> = scenario
        .acts
        .iter()
        .filter_map(|a| match a {
            Act::Fault { id, params, after } => Some((*after, id, params)),
            Act::Session { .. } => None,
        })
        .collect();
    later.sort_by_key(|(after, ..)| *after);
    let mut elapsed = Duration::ZERO;
    for (after, id, params) in later {
        theatre.wait(after.saturating_sub(elapsed), tell)?;
        elapsed = after.max(elapsed);
        faults.push(start_fault(theatre, id, params)?);
    }
    Ok(Cast { faults, _sessions: sessions })
}

/// `application_name` of a session must live as long as the program; a drill has a handful.
fn leak(name: &str) -> &'static str {
    Box::leak(name.to_owned().into_boxed_str())
}

fn start_fault(
    theatre: &Theatre<'_>,
    id: &str,
    params: &faults::Params,
) -> Result<Box<dyn Running>, Error> {
    let stage = theatre.stage;
    let cx = FaultCx {
        server: &stage.superuser(),
        marker: &stage.marker,
        data_dir: &stage.data_dir(),
        port: stage.server.port(),
        load: Some(&stage.load),
        proxy: Some(&stage.proxy),
        seed: theatre.options.seed,
    };
    Ok(faults::start(id, &cx, params)?)
}

/// Waits until the guard has opened and closed an incident, or the time box is over: the
/// budget for recovery and half as much again, and a minute.
fn watch_until_closed(
    theatre: &Theatre<'_>,
    since: Timestamp,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Seen, Error> {
    let box_s = theatre.scenario.header.budget.recover_s * 1.5 + 60.0;
    let deadline = clock::Deadline::after(Duration::from_secs_f64(box_s));
    loop {
        theatre.look(tell)?;
        let seen = Seen::of(&theatre.guarded.state, since);
        if seen.is_closed || deadline.passed() {
            return Ok(seen);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Requests that were harmed, decoys left out.
fn real_harm(theatre: &Theatre<'_>, baseline: &Baseline, since: Timestamp) -> Vec<Harmed> {
    let drops = |a: &Act| matches!(a, Act::Fault { id, .. } if id == "net_drop");
    let decoy = theatre.scenario.acts.iter().any(drops);
    let mut all = harmed(theatre, baseline, since);
    all.retain(|h| !(decoy && h.failed.as_deref() == Some(LOST)));
    all
}

fn harmed(theatre: &Theatre<'_>, baseline: &Baseline, since: Timestamp) -> Vec<Harmed> {
    theatre.stage.load.harmed(since, baseline)
}

fn end_of(harmed: &Harmed) -> Timestamp {
    let latency = jiff::SignedDuration::try_from(harmed.latency).unwrap_or_default();
    harmed.start.checked_add(latency).unwrap_or(harmed.start)
}

/// The corrected change goes through pgward, as it should have the first time.
fn apply_corrected(
    theatre: &Theatre<'_>,
    tell: &mut dyn FnMut(Progress<'_>),
) -> Result<Option<String>, Error> {
    let Some(file) = &theatre.scenario.corrected else { return Ok(None) };
    tell(Progress::Phase("applies the corrected change through pgward"));
    let change = pgward_sql::change(vec![pgward_sql::read(&file.path, &file.text)]);
    let mut options = gate_options(theatre, file);
    options.without.clear();
    let report = guard(&change, &theatre.stage.direct(&file.role), &options)?;
    Ok(report.stopper().map(|f| format!("the corrected change was refused: {}", f.message)))
}

fn gate_options(theatre: &Theatre<'_>, file: &ScenarioFile) -> GateOptions {
    GateOptions {
        without: theatre.options.without.clone(),
        vars: file.vars.clone(),
        vault: Some(theatre.stage.vault.clone()),
        clone: Some(CloneOptions::new(theatre.options.installation.clone())),
        ..GateOptions::default()
    }
}

/// The scenario's truths that do not hold.
fn broken_truths(theatre: &Theatre<'_>) -> Result<Vec<String>, Error> {
    let session = Session::connect(&theatre.stage.superuser(), Purpose::Private)?;
    let holds = |sql: &&String| {
        let answer: Result<Option<bool>, _> = session.query_one(sql, &[]);
        !matches!(answer, Ok(Some(true)))
    };
    Ok(theatre.scenario.expect.holds.iter().filter(holds).cloned().collect())
}

/// Signals to sessions that had nothing to do with it, and clients that were ended.
fn wrong_actions(
    theatre: &Theatre<'_>,
    baseline: &Baseline,
    since: Timestamp,
    seen: &Seen,
    culprits: &Culprits,
) -> Vec<String> {
    let guilty = culprits.pids();
    let steps = seen.incident.iter().flat_map(|i| &i.runbooks).flat_map(|r| &r.steps);
    let mut wrong: Vec<String> = steps
        .filter_map(|s| match &s.act {
            pgward_model::runbook::Act::Signal { pid, .. } if !guilty.contains(pid) => {
                Some(format!("signalled pid {pid}, which had nothing to do with it"))
            }
            _ => None,
        })
        .collect();
    let ended = harmed(theatre, baseline, since)
        .iter()
        .filter(|h| matches!(h.failed.as_deref(), Some("57P01" | "57014")))
        .count();
    if ended > 0 {
        wrong.push(format!("{ended} requests of clients were ended"));
    }
    wrong
}

fn impact(theatre: &Theatre<'_>, from: Timestamp, to: Timestamp) -> Impact {
    let load = &theatre.stage.load;
    let last = load.last_harmed().unwrap_or(to).min(to);
    let (n_harmed, n_total) = load.impact(from, last);
    Impact {
        explain: format!(
            "requests of the live load between the first and the last harmed one; harmed: failed, \
             or slower than ten times its p99 of the {} s before",
            crate::run::BASELINE_S
        ),
        per_second: load.per_second(),
        n_harmed,
        n_total,
        of: "requests".to_owned(),
    }
}

/// The sealed truth, opened after the answer, as the last lines of the record.
fn with_truths(mut events: Vec<Event>, truths: &[String], scenario: &Scenario) -> Vec<Event> {
    for truth in truths {
        events.push(Event {
            at: clock::now(),
            server: format!("drill {}", scenario.id),
            kind: EventKind::Note,
            subject: scenario.id.clone(),
            actor: "drill".to_owned(),
            what: format!("staged: {truth}"),
            source: Source::new(SourceKind::Ledger, "sealed truth of the drill"),
        });
    }
    events
}
