//! The two roads of a drill: the change through pgward, and the same change past it.

use crate::bypass::{self, Bypass, Culprits};
use crate::error::Error;
use crate::run::{Outcome, Progress, Record, Theatre};
use crate::scenario::{Act, Scenario, ScenarioFile};
use crate::scoring::{self, Seen, When};
use crate::truth::{self, Production};
use pgward_change::{GateOptions, guard};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use pgward_sandbox::clone::CloneOptions;
use pgward_sandbox::faults::{self, FaultCx, Running, Truth};
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
    let before = Production::read(theatre)?;
    let since = clock::now();
    let change = pgward_sql::change(vec![pgward_sql::read(&file.path, &file.text)]);
    let report = guard(&change, &theatre.stage.direct(&file.role), &gate_options(theatre, file))?;
    // Whatever it did to production shows within a second or two.
    theatre.wait(Duration::from_secs(2), tell)?;
    let n_harmed = felt(theatre, baseline, since);
    let why = match (report.stopper(), &report.apply) {
        (Some(finding), _) => format!("{}: {}", finding.lint, finding.message),
        (None, Some(applied)) => applied.says.clone(),
        (None, None) => String::new(),
    };
    let check = ledger::verify(&theatre.stage.ledger, &theatre.stage.superuser())?;
    let mut score = scoring::blank(theatre, Road::Guarded, baseline);
    score.stopped_by = report.stopped_by().map(|l| l.id().to_owned());
    score.why = why;
    score.broken_truths = before.changed(&Production::read(theatre)?);
    truth::ledger(&mut score, &check);
    scoring::guarded(&mut score, n_harmed);
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
    score.actions = seen.actions();
    score.wrong_actions = scoring::wrong_actions(&seen, &theatre.scenario.expect.action, &[]);
    score.broken_truths = truth::broken(theatre)?;
    truth::ledger(&mut score, &check);
    scoring::guarded(&mut score, usize::from(!before_client));
    Ok(Outcome { score, record: None })
}

fn names_blocks(incident: &Incident, truth: &[(Relation, u32)]) -> bool {
    let named = |(relation, block): &(Relation, u32)| {
        incident.runbooks.iter().flat_map(|r| &r.steps).any(|s| {
            matches!(&s.act, pgward_model::runbook::Act::RestoreBlock { relation: r, block: b }
                if r.same_as(relation) && b == block)
        })
    };
    !truth.is_empty() && truth.iter().all(named)
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
    let entered = clock::now();
    theatre.wait(start_after(theatre.options.seed), tell)?;
    tell(Progress::Phase("bypassed road: the same goes in past pgward"));
    let since = clock::now();
    let culprits = Culprits::default();
    let cast = enter(theatre, &culprits, tell)?;
    let seen = watch_until_closed(theatre, since, tell)?;
    let harmed = real_harm(theatre, baseline, since);
    let first_felt = harmed.iter().map(|h| h.start).min();
    // What clients felt before the harm went in is not its doing: decoys are busy too.
    let staged = staged_at(scenario, since);
    let first_harmed = harmed.iter().map(|h| h.start).filter(|at| *at >= staged).min();
    for (who, why) in cast.sessions.iter().filter_map(Bypass::failure) {
        tell(Progress::Phase(&format!("session {who} of the scenario failed: {why}")));
    }
    // Decoys end here, so that what is measured next is the recovery alone.
    let truths: Vec<Truth> = cast.faults.iter().map(|f| f.truth()).collect();
    drop(cast);
    let corrected = apply_corrected(theatre, tell)?;
    let last_harmed = real_harm(theatre, baseline, since).iter().map(end_of).max();
    let impact = impact(theatre, first_harmed.unwrap_or(since), clock::now());
    let check = ledger::verify(&theatre.stage.ledger, &theatre.stage.superuser())?;
    let mut score = scoring::blank(theatre, Road::Bypassed, baseline);
    score.broken_truths = truth::broken(theatre)?;
    score.broken_truths.extend(corrected);
    truth::ledger(&mut score, &check);
    score.rows_lost = check.n_lost.saturating_sub(scenario.expect.rows_lost);
    score.wrong_actions = scoring::wrong_actions(&seen, &scenario.expect.action, &culprits.pids());
    score.wrong_actions.extend(ended_clients(theatre, baseline, since));
    let until = nothing_wrong_until(staged, first_felt);
    score.false_alarms = seen.false_alarms(entered, until);
    let when = When { since, first_harmed, last_harmed };
    scoring::bypassed(&mut score, theatre, &seen, &staged_names(&truths), when);
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

/// The moment must not be one the guard could expect: 0 to 20 s, drawn from the seed.
fn start_after(seed: u64) -> Duration {
    // SplitMix64's last step spreads seeds that differ by one.
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Duration::from_millis((mixed ^ (mixed >> 31)) % 20_000)
}

/// Before this moment no alarm can be right: what does the harm was not yet staged, and no
/// request was harmed within the next two seconds.
fn nothing_wrong_until(staged: Timestamp, first_felt: Option<Timestamp>) -> Timestamp {
    let felt = first_felt.and_then(|at| at.checked_sub(FORESEEN).ok());
    felt.map_or(staged, |at| at.min(staged))
}

/// When what does the harm goes in.
fn staged_at(scenario: &Scenario, since: Timestamp) -> Timestamp {
    let change = scenario.change.iter().map(|file| file.after);
    let acts = scenario.acts.iter().filter_map(|act| match act {
        Act::Session { after, .. } => Some(*after),
        Act::Fault { id, after, .. } => (id == "page_damage").then_some(*after),
    });
    let staged = change.chain(acts).min().unwrap_or_default();
    since.checked_add(staged).unwrap_or(since)
}

/// An alarm so long before the first harmed request still is about it.
const FORESEEN: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// What only the stage knows and the answer must say: each damaged block and its relation.
fn staged_names(truths: &[Truth]) -> Vec<String> {
    let blocks = truths.iter().flat_map(|t| &t.blocks);
    blocks.flat_map(|b| [b.relation.to_string(), format!("block {}", b.block)]).collect()
}

/// Those on the stage; they leave when dropped.
struct Cast {
    faults: Vec<Box<dyn Running>>,
    sessions: Vec<Bypass>,
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
            Some(culprits),
        ));
    }
    for act in &scenario.acts {
        if let Act::Session { name, role, sql, after, clients, .. } = act {
            let hold = Duration::from_secs(scenario.header.budget.recover_s as u64 + 60);
            let blamed = scenario.blames(name).then_some(culprits);
            let application = leak(name);
            for _ in 0..*clients {
                let target = theatre.stage.direct(role);
                sessions.push(Bypass::start(target, application, sql, *after, hold, blamed));
            }
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
    Ok(Cast { faults, sessions })
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
        vault: Some(&stage.vault),
        private: Some(&stage.server),
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
    // Whoever loses a connection connects again, and is late for that reason too.
    all.retain(|h| !decoy || h.failed.as_deref().is_some_and(|state| state != LOST));
    all
}

fn harmed(theatre: &Theatre<'_>, baseline: &Baseline, since: Timestamp) -> Vec<Harmed> {
    theatre.stage.load.harmed(since, baseline)
}

/// Requests harmed by the change. A machine that is shared makes one late now and then: as many
/// as three times what the time before makes likely, and one, are not laid at the change's door.
/// A lock that is felt makes every client late, and a request that failed always counts.
fn felt(theatre: &Theatre<'_>, baseline: &Baseline, since: Timestamp) -> usize {
    let (late, failed): (Vec<_>, Vec<_>) =
        harmed(theatre, baseline, since).into_iter().partition(|h| h.failed.is_none());
    let before = harmed(theatre, baseline, baseline.from).into_iter().filter(|h| h.start < since);
    let seconds_before = seconds_between(baseline.from, since).max(1.0);
    let likely = before.count() as f64 * seconds_between(since, clock::now()) / seconds_before;
    let late = if late.len() as f64 <= 1.0 + 3.0 * likely { 0 } else { late.len() };
    failed.len() + late
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

/// Requests of clients that were ended by a signal, not by a limit that they set themselves.
fn ended_clients(theatre: &Theatre<'_>, baseline: &Baseline, since: Timestamp) -> Option<String> {
    // A restart of the server ends them all, and is none of ours.
    let restarts = |a: &Act| matches!(a, Act::Fault { id, .. } if id == "restart");
    if theatre.scenario.acts.iter().any(restarts) {
        return None;
    }
    let at_limit = |h: &Harmed| {
        let own = theatre.scenario.load.iter().find(|s| s.name == h.session);
        own.and_then(|s| s.statement_timeout).is_some_and(|limit| h.latency >= limit)
    };
    let ended = |h: &&Harmed| match h.failed.as_deref() {
        Some("57P01") => true,
        Some("57014") => !at_limit(h),
        _ => false,
    };
    let ended = harmed(theatre, baseline, since).iter().filter(ended).count();
    (ended > 0).then(|| format!("{ended} requests of clients were ended"))
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
fn with_truths(mut events: Vec<Event>, truths: &[Truth], scenario: &Scenario) -> Vec<Event> {
    for truth in truths {
        events.push(Event {
            at: clock::now(),
            server: format!("drill {}", scenario.id),
            kind: EventKind::Note,
            subject: scenario.id.clone(),
            actor: "drill".to_owned(),
            what: format!("staged: {}", truth.says),
            source: Source::new(SourceKind::Ledger, "sealed truth of the drill"),
        });
    }
    events
}
