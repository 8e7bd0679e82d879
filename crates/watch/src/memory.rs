//! What the window of samples may hold, and the mark where some of it had to go.

use crate::samplers::SAMPLERS;
use pgward_model::prelude::*;
use std::mem::size_of;

/// Bounds of a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) n_samples: usize,
    /// As [`bytes`] estimates them.
    pub(crate) bytes: usize,
}

/// Two minutes of baseline and ten minutes of trouble; a quarter of a gigabyte, since a judged
/// case is copied twice and a small machine has one. A busy server fills 15 MB of it, 2,000
/// sessions and 5,000 tables fill all.
pub(crate) const BOUNDS: Bounds = Bounds { n_samples: 720, bytes: 256 << 20 };

/// The newest samples, which stay whatever they take: what detectors look back at.
const NEWEST_MIN: usize = 20;

/// Samples of an open incident that were dropped between its beginning and its present.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hole {
    n_samples: usize,
    from: Timestamp,
    until: Timestamp,
}

/// Drops the oldest samples of a window without incident until it takes half of the bound;
/// the other half is for the incident. The newest sample says what the window lacks.
pub(crate) fn trim_oldest(window: &mut Window, bounds: Bounds) {
    let sizes: Vec<usize> = window.samples.iter().map(bytes).collect();
    let spare = sizes.len().saturating_sub(NEWEST_MIN);
    let n = surplus(&sizes, Bounds { bytes: bounds.bytes / 2, ..bounds }).min(spare);
    window.samples.drain(..n);
    let Some(kept_s) = window.samples.first().map(|s| seconds_between(s.at, window.now())) else {
        return;
    };
    if let (1.., Some(newest)) = (n, window.samples.last_mut()) {
        let why = format!("only {} s are kept: samples are large", human(kept_s));
        newest.gaps.push(Gap { sampler: "window".to_owned(), why });
    }
}

/// Drops samples between the beginning and the present of an open incident. The baseline
/// stays. The hole bears a gap for every sampler, so that no cause calls it complete.
pub(crate) fn trim_middle(window: &mut Window, hole: &mut Option<Hole>, bounds: Bounds) {
    let sizes: Vec<usize> = window.samples.iter().map(bytes).collect();
    let start = match hole {
        Some(hole) => window.samples.partition_point(|s| s.at < hole.from),
        None => beginning(window, &sizes, bounds),
    };
    let spare = sizes.len().saturating_sub(start + NEWEST_MIN);
    let middle = sizes.get(start..).unwrap_or(&[]);
    let before: usize = sizes.iter().take(start).sum();
    let left = Bounds {
        n_samples: bounds.n_samples.saturating_sub(start),
        bytes: bounds.bytes.saturating_sub(before),
    };
    let n = surplus(middle, left).min(spare);
    let dropped: Vec<Sample> = window.samples.drain(start..start + n).collect();
    let (Some(first), Some(last)) = (dropped.first(), dropped.last()) else { return };
    let grown = match hole.take() {
        Some(old) => Hole { n_samples: old.n_samples + n, until: last.at, ..old },
        None => Hole { n_samples: n, from: first.at, until: last.at },
    };
    grown.mark(window);
    *hole = Some(grown);
}

impl Hole {
    /// Puts a gap for every sampler on the first sample after the hole.
    pub(crate) fn mark(&self, window: &mut Window) {
        let why = self.why();
        let gap = |s: &&crate::Sampler| Gap { sampler: s.id.to_owned(), why: why.clone() };
        if let Some(next) = window.samples.iter_mut().find(|s| s.at > self.until) {
            next.gaps.extend(SAMPLERS.iter().map(gap));
        }
    }

    /// Takes the gaps of [`Hole::mark`] off again.
    pub(crate) fn unmark(&self, window: &mut Window) {
        let why = self.why();
        if let Some(next) = window.samples.iter_mut().find(|s| s.at > self.until) {
            next.gaps.retain(|g| g.why != why);
        }
    }

    fn why(&self) -> String {
        format!(
            "{} samples from {} to {} were dropped to bound memory",
            self.n_samples,
            self.from.strftime("%H:%M:%S"),
            self.until.strftime("%H:%M:%S")
        )
    }
}

/// Where the hole begins: behind the baseline and the first quarter of what the bounds allow.
fn beginning(window: &Window, sizes: &[usize], bounds: Bounds) -> usize {
    let n_baseline = window.baseline().len();
    let mut taken = 0;
    let fits = |size: &&usize| {
        taken += **size;
        taken <= bounds.bytes / 4
    };
    let trouble = sizes.get(n_baseline..).unwrap_or(&[]);
    n_baseline + trouble.iter().take(bounds.n_samples / 4).take_while(fits).count()
}

/// How many of the first must go until the rest is within bounds.
fn surplus(sizes: &[usize], bounds: Bounds) -> usize {
    let mut n = sizes.len().saturating_sub(bounds.n_samples);
    let mut rest: usize = sizes.iter().skip(n).sum();
    for size in sizes.iter().skip(n) {
        if rest <= bounds.bytes {
            break;
        }
        rest -= size;
        n += 1;
    }
    n
}

/// About how many bytes a sample takes. A text that samples share counts by its share.
pub(crate) fn bytes(sample: &Sample) -> usize {
    let relation = |r: &Relation| size_of::<Relation>() + r.schema.len() + r.name.len();
    let session = |s: &SessionSample| {
        let strings = [&s.role, &s.application, &s.client, &s.database, &s.state, &s.query];
        let held: usize = s.holds.iter().map(|h| h.mode.len() + relation(&h.relation)).sum();
        let known = s.wait_type.len() + s.wait_event.len() + size_of_val(s.blocked_by.as_slice());
        size_of::<SessionSample>() + strings.map(String::len).iter().sum::<usize>() + held + known
    };
    let line = |e: &LogEntry| {
        let strings = [&e.role, &e.database, &e.application, &e.client, &e.message, &e.statement];
        let known = e.severity.len() + e.sqlstate.len() + e.detail.len();
        size_of::<LogEntry>() + strings.map(String::len).iter().sum::<usize>() + known
    };
    let statement = |s: &StatementCounters| {
        let share = s.text.len() / std::sync::Arc::strong_count(&s.text).max(1);
        size_of::<StatementCounters>() + s.role.len() + share
    };
    let table = |t: &TableCounters| size_of::<TableCounters>() + relation(&t.relation);
    let planner = |p: &PlannerSample| {
        let bare: usize = p.without_statistics.iter().map(relation).sum();
        let invalid = p.invalid_indexes.iter();
        bare + invalid.map(|i| size_of::<InvalidIndex>() + i.definition.len()).sum::<usize>()
    };
    let ddl = |d: &DdlEvent| {
        let definition = d.old_definition.as_ref().map_or(0, String::len);
        size_of::<DdlEvent>() + d.statement.len() + d.identity.len() + definition
    };
    size_of::<Sample>()
        + sample.sessions.iter().map(session).sum::<usize>()
        + sample.log.iter().map(line).sum::<usize>()
        + sample.statements.iter().flatten().map(statement).sum::<usize>()
        + sample.tables.iter().flatten().map(table).sum::<usize>()
        + sample.temp_files.iter().map(|f| size_of_val(f.as_slice())).sum::<usize>()
        + sample.writes.iter().map(|w| size_of_val(w.as_slice())).sum::<usize>()
        + sample.planner.iter().map(planner).sum::<usize>()
        + sample.ddl.iter().map(ddl).sum::<usize>()
        + sample.gaps.iter().map(|g| size_of::<Gap>() + g.why.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + seconds).unwrap()
    }

    /// One sample a second, each with a DDL statement of `n` bytes.
    fn window(n_samples: i64, baseline_s: i64, n: usize) -> Window {
        let event = DdlEvent {
            at: at(0),
            pid: 1,
            role: String::new(),
            application: String::new(),
            client: String::new(),
            command: String::new(),
            object_kind: String::new(),
            identity: String::new(),
            relation: None,
            dropped: false,
            old_definition: None,
            xid: None,
            lsn: None,
            statement: "x".repeat(n),
            seen_by: DdlWitness::EventTrigger,
        };
        let sample = |s| Sample { at: at(s), ddl: vec![event.clone()], ..Sample::default() };
        let samples = (0..n_samples).map(sample).collect();
        Window { samples, baseline_until: at(baseline_s), catalog: None }
    }

    fn total(window: &Window) -> usize {
        window.samples.iter().map(bytes).sum()
    }

    #[test]
    fn a_quiet_window_loses_its_oldest_and_says_so() {
        let bounds = Bounds { n_samples: 720, bytes: 1_000_000 };
        let mut small = window(100, 90, 100);
        trim_oldest(&mut small, bounds);
        assert_eq!((small.samples.len(), small.samples.last().unwrap().gaps.len()), (100, 0));

        let mut large = window(100, 90, 10_000);
        trim_oldest(&mut large, bounds);
        assert!(total(&large) <= 500_200, "{}", total(&large)); // 200: the gap itself
        assert_eq!(large.now(), at(99));
        let gap = large.samples.last().unwrap().gaps.first().unwrap();
        assert!(gap.why.starts_with("only 4"), "{}", gap.why);
    }

    #[test]
    fn an_incident_keeps_both_ends_and_the_hole_is_no_complete_run() {
        let bounds = Bounds { n_samples: 720, bytes: 1_000_000 };
        let mut large = window(20, 19, 10_000);
        let mut hole = None;
        for s in 20..300 {
            let sample = Sample { at: at(s), ..large.samples.last().unwrap().clone() };
            large.samples.push(Sample { gaps: Vec::new(), ..sample });
            trim_middle(&mut large, &mut hole, bounds);
            assert!(total(&large) <= 1_010_000, "{}", total(&large));
        }
        let found = hole.unwrap();
        assert_eq!((large.baseline().len(), large.now()), (20, at(299)));
        assert_eq!(large.samples.len() + found.n_samples, 300);
        assert_eq!(large.recent().first().unwrap().at, at(20));
        for sampler in SAMPLERS {
            assert!(!Window::complete(large.recent(), sampler.id), "{}", sampler.id);
        }
        let bears = large.samples.iter().filter(|s| !s.gaps.is_empty()).count();
        assert_eq!(bears, 1);
        found.unmark(&mut large);
        assert!(Window::complete(large.recent(), "log"));
    }

    #[test]
    fn a_long_incident_of_small_samples_is_bound_by_their_number() {
        let mut long = window(900, 120, 10);
        let mut hole = None;
        trim_middle(&mut long, &mut hole, BOUNDS);
        assert_eq!(long.samples.len(), BOUNDS.n_samples);
        let found = hole.unwrap();
        assert_eq!((found.n_samples, found.from), (180, at(301)));
    }
}
