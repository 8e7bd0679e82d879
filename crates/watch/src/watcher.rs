//! The one-second loop: sample, detect, open, judge, close.

use crate::changes::Changes;
use crate::error::Error;
use crate::eyes::Eyes;
use crate::memory::{self, Hole};
use crate::notices::Told;
use crate::pace::Pace;
use crate::samplers::{SAMPLERS, log};
use crate::steady::Steady;
use pgward_incident::{causes, course, detectors, ledger, status};
use pgward_model::prelude::*;
use pgward_pg::clock;
use pgward_pg::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// How to watch one server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the server in events; never a password.
    pub server: String,
    pub target: Target,
    /// The path that clients take, when it is another one.
    pub probe_target: Option<Target>,
    /// While true, all pages are read all the time, slowly.
    pub scan: Arc<AtomicBool>,
    /// Changes whose files are known.
    pub known_changes: Vec<KnownChange>,
    /// Seconds without harm before an incident is closed.
    pub healthy_s: f64,
}

/// Watches one server.
pub struct Watcher {
    options: Options,
    eyes: Eyes,
    pace: Pace,
    window: Window,
    /// What the open incident's window has lost.
    hole: Option<Hole>,
    ddl: Vec<DdlEvent>,
    /// What else changed, and what others told.
    changes: Changes,
    steady: Steady,
    incident: Option<Incident>,
    checksums: Option<bool>,
    last_harm: Option<Timestamp>,
    /// When a new level was last looked for.
    levels_judged: Option<Timestamp>,
    notices: Told,
}

/// Two minutes tell a level; [`memory::BOUNDS`] allows for them and ten minutes of trouble.
const BASELINE_KEPT_S: f64 = 120.0;
/// A new level holds for minutes before it is accepted; each look copies the whole case.
const LEVELS_EVERY_S: f64 = 15.0;
/// New connections are tried every four seconds, and fail within some.
const PROBED_S: f64 = 15.0;
/// Damage does not heal: a value that few ask for is met again after minutes.
const DAMAGE_QUIET_S: f64 = 600.0;
/// DDL is remembered this long.
const DDL_KEPT_S: f64 = 6.0 * 3600.0;

impl Watcher {
    /// Connects and takes the first sample.
    ///
    /// # Errors
    /// When the server does not answer or is none that pgward knows.
    pub fn start(options: Options) -> Result<Watcher, Error> {
        let probe = options.probe_target.clone().unwrap_or_else(|| options.target.clone());
        let mut eyes = Eyes::open(&options.target, &probe, Arc::clone(&options.scan))?;
        let checksums = eyes
            .session()?
            .query_one::<String>("SELECT pg_catalog.current_setting('data_checksums')", &[])
            .map(|s| s == "on")
            .ok();
        let changes = Changes::new(options.server.clone());
        Ok(Watcher {
            options,
            eyes,
            pace: Pace::default(),
            window: Window::default(),
            hole: None,
            ddl: Vec::new(),
            changes,
            steady: Steady::default(),
            incident: None,
            checksums,
            last_harm: None,
            levels_judged: None,
            notices: Told::default(),
        })
    }

    pub fn incident(&self) -> Option<&Incident> {
        self.incident.as_ref()
    }

    pub fn incident_mut(&mut self) -> Option<&mut Incident> {
        self.incident.as_mut()
    }

    /// The catalog as it was before the trouble.
    pub fn catalog_before(&self) -> Option<&Catalog> {
        self.window.catalog.as_ref()
    }

    pub fn window(&self) -> &Window {
        &self.window
    }

    /// What the server's clock is ahead of ours.
    pub fn clock_offset(&self) -> jiff::SignedDuration {
        self.eyes.clock_offset
    }

    /// Changes learned after the start, such as those refused meanwhile.
    pub fn learn(&mut self, changes: Vec<KnownChange>) {
        self.options.known_changes.extend(changes);
    }

    /// The open incident's case, for the record.
    pub fn case(&self) -> Option<Case> {
        let incident = self.incident.as_ref()?;
        Some(Case {
            symptoms: incident.symptoms.clone(),
            onset: incident.onset(),
            window: self.window.clone(),
            catalog: self.eyes.catalog.clone(),
            ddl: self.ddl.clone(),
            events: self.changes.events.clone(),
            known_changes: self.options.known_changes.clone(),
            checksums: self.checksums,
            server: self.options.server.clone(),
        })
    }

    /// What others tell: deploys, jobs. Kept for some hours as part of the case.
    pub fn hear(&mut self, events: Vec<Event>) {
        self.changes.hear(events);
    }

    /// The server on one screen, as the last tick saw it.
    pub fn status(&self) -> ServerStatus {
        let last = self.window.last();
        let is_seen = last.is_some_and(|s| !s.gaps.iter().any(|g| g.sampler == "sessions"));
        ServerStatus {
            server: self.options.server.clone(),
            at: self.window.now(),
            identity: self.eyes.identity.clone().filter(|_| is_seen),
            activity: last.filter(|_| is_seen).map(status::activity),
            blockers: last.map(status::blockers).unwrap_or_default(),
            limits: self.eyes.limits.clone(),
            changes: self.changes.recent(self.ddl_events(&self.ddl), self.window.now()),
            incidents: self.incident.iter().map(status::line).collect(),
            missing: last.map(|s| s.gaps.clone()).unwrap_or_default(),
        }
    }

    /// One second's work; returns what happened.
    pub fn tick(&mut self) -> Vec<Event> {
        let clock = self.mind_the_clock();
        let sample = self.sample();
        if std::mem::take(&mut self.eyes.log_goes_on) {
            // What was written while nobody could read it is in this sample.
            let samples = self.window.samples.iter_mut();
            samples.for_each(|s| s.gaps.retain(|g| g.sampler != "log" || log::is_lost(g)));
        }
        let at = sample.at;
        self.ddl.extend(sample.ddl.iter().cloned());
        let mut events = self.ddl_events(&sample.ddl);
        events.extend(clock);
        events.extend(self.changes.see(&sample, std::mem::take(&mut self.eyes.news)));
        self.window.samples.push(sample);
        self.forget(at);
        if self.incident.is_none() {
            self.move_baseline(at);
        }
        let symptoms = detectors::detect(&self.window);
        if symptoms.iter().any(|s| s.weight == Weight::Harm && s.is_present(at)) {
            self.last_harm = Some(at);
            if self.incident.is_none() {
                events.push(self.open(at, &symptoms));
            }
        }
        if self.incident.is_some() {
            events.extend(self.note_symptoms(&symptoms));
            events.extend(self.judge(at));
        } else {
            let news = self.notices.news(at, &symptoms);
            let notes: Vec<Event> = news.into_iter().map(|s| self.notice(at, s)).collect();
            events.extend(notes);
        }
        self.eyes.alarmed = self.incident.is_some();
        events
    }

    fn notice(&self, at: Timestamp, symptom: &Symptom) -> Event {
        let source = symptom.evidence().first().map(|e| e.source.clone());
        let source = source.unwrap_or_else(|| sampled("detectors"));
        self.event(at, EventKind::Note, &symptom.detector, symptom.title.clone(), source)
    }

    /// Closes the incident when users have felt nothing for long enough, or when all they feel
    /// is a new level that holds and that no cause explains any more.
    pub fn close_if_healthy(&mut self) -> Option<(Incident, Case, Event)> {
        let at = self.window.now();
        let met = detectors::met_and_not_found(&self.window);
        let healthy_s = match met {
            Some(_) => self.options.healthy_s.max(DAMAGE_QUIET_S),
            None => self.options.healthy_s,
        };
        let healthy = self.last_harm.is_none_or(|l| seconds_between(l, at) >= healthy_s)
            && !self.lets_nobody_in();
        let what = if healthy {
            let quiet = format!("no harm for {} s", human(healthy_s));
            let left = detectors::left(&self.window);
            match met {
                Some(met) => {
                    format!("{quiet}; what was met is not proven to be whole again: {met}")
                }
                None if left.is_empty() => quiet,
                None => format!("taken for meant: {}", left.join("; ")),
            }
        } else {
            self.accepted()?
        };
        let case = self.case()?;
        let mut incident = self.incident.take()?;
        incident.closed = Some(at);
        let event = self.event(at, EventKind::Closed, &incident.id, what, sampled("detectors"));
        // Counters have moved and habits may have: what is normal is learned anew.
        self.window = Window { catalog: self.eyes.catalog.clone(), ..Window::default() };
        self.hole = None;
        self.last_harm = None;
        Some((incident, case, event))
    }

    /// Did the last new connection that was tried fail, where they came up before?
    fn lets_nobody_in(&self) -> bool {
        let tried = |s: &Sample| s.probe.filter(|p| p.tried > 0);
        let (at, came_up) = (self.window.now(), |p: NetworkProbe| p.failed < p.tried);
        let late = |s: &&Sample| seconds_between(s.at, at) <= PROBED_S;
        let last = self.window.samples.iter().rev().take_while(late).find_map(tried);
        let before = self.window.baseline().iter().filter_map(tried).any(came_up);
        before && last.is_some_and(|p| !came_up(p))
    }

    /// What is slow and will stay so, once it is to be taken for the usual.
    fn accepted(&mut self) -> Option<String> {
        let now = self.window.now();
        if self.levels_judged.is_some_and(|last| seconds_between(last, now) < LEVELS_EVERY_S) {
            return None;
        }
        let symptoms = &self.incident.as_ref()?.symptoms;
        let levels = detectors::settled(&self.window, symptoms, self.options.healthy_s)?;
        self.levels_judged = Some(now);
        let explained = is_explained(self.case()?);
        (!explained).then(|| format!("new level accepted: {}", levels.join("; ")))
    }

    /// Seconds since users last felt something; `None` when they never did.
    pub fn quiet_s(&self) -> Option<f64> {
        self.last_harm.map(|l| seconds_between(l, self.window.now()))
    }

    /// A clock that was set back would keep every sampler waiting for the time it was due, and
    /// put samples out of order: what was seen before is no measure any more.
    fn mind_the_clock(&mut self) -> Option<Event> {
        let now = clock::now();
        let moved = self.steady.jumped(now, clock::instant())?;
        self.eyes.compare_clocks();
        let at = now.checked_add(self.eyes.clock_offset).unwrap_or(now);
        self.pace.reset();
        if at < self.window.now() {
            self.window.samples.clear();
            self.window.baseline_until = at;
            self.hole = None;
            self.last_harm = self.last_harm.map(|_| at);
        }
        let way = if moved < 0.0 { "back" } else { "forward" };
        let what = format!("the clock jumped {way} by {}", human_duration(moved.abs()));
        Some(self.event(at, EventKind::Note, "clock", what, sampled("clock")))
    }

    fn sample(&mut self) -> Sample {
        let now = clock::now();
        let at = now.checked_add(self.eyes.clock_offset).unwrap_or(now);
        let mut sample = Sample { at, ..Sample::default() };
        let start = clock::instant();
        for sampler in SAMPLERS {
            if !self.pace.is_due(sampler, at, self.eyes.alarmed) {
                continue;
            }
            let began = clock::instant();
            if let Err(error) = (sampler.take)(&mut self.eyes, &mut sample) {
                let why = chain(&error);
                let bare = why.strip_prefix(&format!("{}: ", sampler.id)).unwrap_or(&why);
                sample.gaps.push(Gap { sampler: sampler.id.to_owned(), why: bare.to_owned() });
            }
            self.pace.ran(sampler, at, began.elapsed());
        }
        sample.own_ms = start.elapsed().as_secs_f64() * 1000.0;
        sample
    }

    fn forget(&mut self, at: Timestamp) {
        let oldest = if self.incident.is_some() { self.window.baseline_until } else { at };
        self.window.samples.retain(|s| seconds_between(s.at, oldest) <= BASELINE_KEPT_S);
        if self.incident.is_some() {
            memory::trim_middle(&mut self.window, &mut self.hole, memory::BOUNDS);
        } else {
            memory::trim_oldest(&mut self.window, memory::BOUNDS);
        }
        self.ddl.retain(|d| seconds_between(d.at, at) <= DDL_KEPT_S);
        self.changes.forget(at, DDL_KEPT_S);
    }

    fn move_baseline(&mut self, at: Timestamp) {
        self.window.baseline_until = course::baseline_until(at);
        let settled = self.ddl.last().is_none_or(|d| seconds_between(d.at, at) > BASELINE_KEPT_S);
        let read = |catalog: &Option<Catalog>| catalog.as_ref().map(|c| c.taken_at);
        let is_new = read(&self.window.catalog) != read(&self.eyes.catalog);
        if is_new && (settled || self.window.catalog.is_none()) {
            self.window.catalog.clone_from(&self.eyes.catalog);
        }
    }

    fn open(&mut self, at: Timestamp, symptoms: &[Symptom]) -> Event {
        let harm = symptoms.iter().find(|s| s.weight == Weight::Harm);
        let since = symptoms.iter().map(|s| s.since).min().unwrap_or(at);
        self.window.baseline_until = course::baseline_end(&self.window, since);
        // Of all watchers of the process: two servers that fail together are two incidents.
        static N_INCIDENTS: AtomicU32 = AtomicU32::new(0);
        let n = N_INCIDENTS.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("{}-{n}", at.strftime("%Y%m%dT%H%M%SZ"));
        let incident = Incident {
            id: id.clone(),
            server: self.options.server.clone(),
            opened: at,
            closed: None,
            symptoms: Vec::new(),
            verdicts: Vec::new(),
            hypotheses: causes::CAUSES
                .iter()
                .map(|c| Hypothesis { cause: c.id.to_owned(), opened: at, closed: None })
                .collect(),
            runbooks: Vec::new(),
            changes: Vec::new(),
        };
        self.incident = Some(incident);
        let title = harm.map_or("trouble".to_owned(), |s| s.title.clone());
        self.event(at, EventKind::Opened, &id, title, sampled("detectors"))
    }

    fn note_symptoms(&mut self, symptoms: &[Symptom]) -> Vec<Event> {
        let mut events = Vec::new();
        let is_felt = |i: &Incident| i.symptoms.iter().any(Symptom::is_felt);
        let foreseen =
            self.incident.as_ref().is_some_and(|i| !i.symptoms.is_empty() && !is_felt(i));
        for new in symptoms {
            let Some(incident) = &mut self.incident else { break };
            if course::note(&mut incident.symptoms, new.clone()) {
                let source = new.evidence().first().map(|e| e.source.clone());
                events.push(self.event(
                    new.since,
                    EventKind::Symptom,
                    &new.detector,
                    new.title.clone(),
                    source.unwrap_or_else(|| sampled("detectors")),
                ));
            }
        }
        // What was foreseen has come: until then all was well, and that is what to compare with.
        if let Some(incident) = self.incident.as_ref().filter(|i| foreseen && is_felt(i)) {
            self.window.baseline_until = self.window.baseline_until.max(incident.onset());
        }
        events
    }

    fn judge(&mut self, at: Timestamp) -> Vec<Event> {
        let Some(mut incident) = self.incident.take() else { return Vec::new() };
        // The window is lent to the case instead of copied; it comes back below.
        let mut case = Case {
            symptoms: incident.symptoms.clone(),
            onset: incident.onset(),
            window: std::mem::take(&mut self.window),
            catalog: self.eyes.catalog.take(),
            ddl: std::mem::take(&mut self.ddl),
            events: std::mem::take(&mut self.changes.events),
            known_changes: std::mem::take(&mut self.options.known_changes),
            checksums: self.checksums,
            server: self.options.server.clone(),
        };
        let verdicts = verdicts(&mut case, self.hole.as_ref(), &incident.verdicts);
        incident.changes = ledger::weigh(&case, &verdicts);
        self.window = case.window;
        self.eyes.catalog = case.catalog;
        self.ddl = case.ddl;
        self.changes.events = case.events;
        self.options.known_changes = case.known_changes;
        let mut events = Vec::new();
        for judged in &verdicts {
            let before = incident.verdicts.iter().find(|v| v.cause == judged.cause);
            events.extend(self.verdict_event(at, judged, before.map(|b| &b.verdict)));
            if let Some(h) = incident.hypotheses.iter_mut().find(|h| h.cause == judged.cause) {
                match judged.verdict {
                    Verdict::RuledOut { .. } => h.closed = h.closed.or(Some(at)),
                    _ => h.closed = None,
                }
            }
        }
        incident.verdicts = verdicts;
        self.incident = Some(incident);
        events
    }

    /// An event for each verdict that is new.
    fn verdict_event(
        &self,
        at: Timestamp,
        now: &Judged,
        before: Option<&Verdict>,
    ) -> Option<Event> {
        let same = before
            .is_some_and(|b| std::mem::discriminant(b) == std::mem::discriminant(&now.verdict));
        match &now.verdict {
            Verdict::Likely(likely) if !same => {
                let source = likely.evidence().first().map(|e| e.source.clone());
                let source = source.unwrap_or_else(|| sampled("causes"));
                Some(self.event(at, EventKind::Diagnosed, &now.cause, likely.says.clone(), source))
            }
            Verdict::RuledOut { evidence, present } if !same => {
                let words = if *present { "present, not sufficient: " } else { "" };
                let value = evidence.value.map(|v| format!(": {} {}", human(v), evidence.unit));
                let base = evidence.baseline.map(|b| format!(" (baseline {})", human(b)));
                let what = format!(
                    "{words}{}{}{}",
                    evidence.claim,
                    value.unwrap_or_default(),
                    base.unwrap_or_default()
                );
                Some(self.event(at, EventKind::RuledOut, &now.cause, what, evidence.source.clone()))
            }
            _ => None,
        }
    }

    /// One event a statement; what else it created or dropped is counted.
    fn ddl_events(&self, ddl: &[DdlEvent]) -> Vec<Event> {
        ddl.chunk_by(|a, b| (a.pid, &a.statement, a.xid) == (b.pid, &b.statement, b.xid))
            .filter_map(|same| {
                let mut event = self.ddl_event(same.first()?);
                if same.len() > 1 {
                    event.what = format!("{} and {} objects with it", event.what, same.len() - 1);
                }
                Some(event)
            })
            .collect()
    }

    fn ddl_event(&self, ddl: &DdlEvent) -> Event {
        let mut event = self.event(
            ddl.at,
            EventKind::Change,
            &ddl.identity,
            format!("{} {}", ddl.command, ddl.identity),
            Source::new(SourceKind::Ddl, ddl.lsn.clone().unwrap_or_default()),
        );
        event.actor =
            if ddl.role.is_empty() { "unknown role".to_owned() } else { ddl.role.clone() };
        event
    }

    fn event(
        &self,
        at: Timestamp,
        kind: EventKind,
        subject: &str,
        what: String,
        source: Source,
    ) -> Event {
        self.changes.event(at, kind, subject, what, source)
    }
}

/// A cause below this score only coincides; from it on something was measured that explains.
const EXPLAINS: f64 = 0.5;

/// Is some cause likely even without what sessions did before the new level held? A lock queue
/// of then does not explain it; what changed since the onset may still.
fn is_explained(mut case: Case) -> bool {
    let now = case.window.now();
    let baseline_until = case.window.baseline_until;
    let past =
        |s: &&mut Sample| s.at > baseline_until && seconds_between(s.at, now) > detectors::STEADY_S;
    for sample in case.window.samples.iter_mut().filter(past) {
        let old = std::mem::take(sample);
        *sample = Sample {
            at: old.at,
            ddl: old.ddl,
            changes: old.changes,
            damage: old.damage,
            ..Sample::default()
        };
    }
    let explains = |j: &Judged| j.verdict.likely().is_some_and(|l| l.score >= EXPLAINS);
    causes::judge(&case).iter().any(explains)
}

/// Every cause's verdict. What was ruled out by samples that have been dropped since stays so,
/// with its number and time, unless what is left says otherwise: they were judged when they
/// came.
fn verdicts(case: &mut Case, hole: Option<&Hole>, before: &[Judged]) -> Vec<Judged> {
    let mut judged = causes::judge(case);
    let Some(hole) = hole else { return judged };
    hole.unmark(&mut case.window);
    let left = causes::judge(case);
    hole.mark(&mut case.window);
    let ruled_out = |all: &[Judged], cause: &str| {
        let of = all.iter().find(|j| j.cause == cause).map(|j| j.verdict.clone());
        of.filter(|v| matches!(v, Verdict::RuledOut { .. }))
    };
    for now in judged.iter_mut().filter(|j| matches!(j.verdict, Verdict::Unknown { .. })) {
        let earlier = ruled_out(before, &now.cause);
        if let (Some(_), Some(earlier)) = (ruled_out(&left, &now.cause), earlier) {
            now.verdict = earlier;
        }
    }
    judged.sort_by_key(|j| matches!(j.verdict, Verdict::Unknown { .. }));
    judged
}

fn sampled(what: &str) -> Source {
    Source::new(SourceKind::Sample, what)
}

/// An error with all its causes on one line.
fn chain(error: &Error) -> String {
    pgward_pg::error::links(error).join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A statement that takes 0.1 ms until second 120 and 30 ms for the ten minutes after.
    fn slowed() -> Case {
        let at = |s: i64| Timestamp::from_second(1_795_219_200 + s).unwrap();
        let sample = |s: i64| Sample {
            at: at(s),
            statements: Some(vec![StatementCounters {
                query_id: 1,
                role: "site".to_owned(),
                text: "SELECT note FROM orders".into(),
                calls: 100 * s,
                total_ms: 10.0 * s.min(120) as f64 + 3000.0 * (s - 120).max(0) as f64,
                rows: 0,
                blks: 400 * s.min(120) + 200_000 * (s - 120).max(0),
                blks_read: 0,
                squares_ms2: 0.0,
            }]),
            ..Sample::default()
        };
        let samples = (0..720).map(sample).collect();
        let window = Window { samples, baseline_until: at(120), catalog: None };
        Case::new(window, at(121), "test")
    }

    #[test]
    fn a_new_level_is_accepted_unless_a_cause_or_another_harm_speaks() {
        let case = slowed();
        let symptoms = detectors::detect(&case.window);
        let settled = |s: &[Symptom]| detectors::settled(&case.window, s, 60.0);
        assert!(settled(&symptoms).is_some() && !is_explained(case.clone()));

        let evidence = Evidence::measured("x", 1.0, "x", sampled("x"));
        let now = case.window.now();
        let queue = Symptom::new("lock_queue", now, now, Weight::Harm, "x", evidence);
        assert_eq!(settled(&[queue]), None);

        let event = DdlEvent {
            at: case.onset,
            pid: 7,
            role: "deploy".to_owned(),
            application: "psql".to_owned(),
            client: String::new(),
            command: "DROP INDEX".to_owned(),
            object_kind: "index".to_owned(),
            identity: "public.orders_note".to_owned(),
            relation: Some(Relation::new("public", "orders")),
            dropped: true,
            old_definition: None,
            xid: None,
            lsn: None,
            statement: "DROP INDEX orders_note".to_owned(),
            seen_by: DdlWitness::EventTrigger,
        };
        assert!(is_explained(Case { ddl: vec![event], ..case.clone() }));
    }

    #[test]
    fn what_dropped_samples_ruled_out_stays_and_the_rest_is_unknown() {
        let at = |s: i64| Timestamp::from_second(1_795_219_200 + s).unwrap();
        let samples = (0..900).map(|s| Sample { at: at(s), ..Sample::default() }).collect();
        let window = Window { samples, baseline_until: at(120), catalog: None };
        let mut case = Case::new(window, at(121), "test");
        let of = |all: &[Judged]| all.iter().find(|j| j.cause == "crash_bug").unwrap().clone();
        let before = verdicts(&mut case, None, &[]);
        assert!(matches!(of(&before).verdict, Verdict::RuledOut { .. }));
        let mut hole = None;
        memory::trim_middle(&mut case.window, &mut hole, memory::BOUNDS);
        assert!(hole.is_some());
        let after = verdicts(&mut case, hole.as_ref(), &before);
        assert_eq!(of(&after), of(&before));
        let first = verdicts(&mut case, hole.as_ref(), &[]);
        assert!(matches!(of(&first).verdict, Verdict::Unknown { .. }));
        let gap = Gap { sampler: "log".to_owned(), why: "not readable".to_owned() };
        case.window.samples.last_mut().unwrap().gaps.push(gap);
        let blind = verdicts(&mut case, hole.as_ref(), &before);
        assert!(matches!(of(&blind).verdict, Verdict::Unknown { .. }));
    }
}
