//! A run of samples with its own "now", and the rates between two of them.

use crate::catalog::Catalog;
use crate::name::{Pid, Relation};
use crate::sample::*;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// What detectors see: the samples of the last minutes, oldest first, and where the
/// baseline ends. All samples before `baseline_until` are healthy by our best knowledge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Window {
    pub samples: Vec<Sample>,
    /// While no incident is open this follows the present at a distance; an open incident
    /// freezes it before the onset.
    pub baseline_until: Timestamp,
    /// The catalog before the trouble, for definitions of what is gone.
    pub catalog: Option<Catalog>,
}

/// Rates between two samples; the only place where counters become rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    pub from: Timestamp,
    pub to: Timestamp,
    pub seconds: f64,
    pub xacts_per_s: f64,
    pub rollbacks_per_s: f64,
    pub blks_per_s: f64,
    pub statements: Vec<StatementDelta>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementDelta {
    pub query_id: i64,
    pub role: String,
    #[serde(with = "shared_text")]
    pub text: Arc<str>,
    pub calls: i64,
    pub calls_per_s: f64,
    pub ms_per_call: f64,
    pub blks_per_call: f64,
    pub rows_per_call: f64,
    pub total_ms: f64,
    /// Standard deviation of the calls' times.
    #[serde(default)]
    pub spread_ms: f64,
}

/// What the processes of a session wrote during one statement, and what the data volume lost
/// meanwhile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    pub bytes: f64,
    pub gone_bytes: f64,
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Written {
    /// Of what the volume lost; above 1 where pages are written twice, or take no new room.
    pub fn share(&self) -> f64 {
        self.bytes / self.gone_bytes
    }
}

/// A session, and when its statement began.
pub type StatementKey = (Pid, Option<Timestamp>);

/// One statement from look to look: each process with its first bytes and its last.
struct Course {
    from: Timestamp,
    to: Timestamp,
    free_first: f64,
    free_last: f64,
    processes: HashMap<Pid, (i64, i64)>,
}

impl Course {
    fn written(&self) -> Option<Written> {
        let bytes = self.processes.values().map(|(first, last)| (last - first).max(0) as f64).sum();
        let gone_bytes = self.free_first - self.free_last;
        (self.to > self.from && gone_bytes > 0.0).then_some(Written {
            bytes,
            gone_bytes,
            from: self.from,
            to: self.to,
        })
    }
}

/// The volume is looked at every two seconds; what is older is of another moment.
const FREE_S: f64 = 2.5;

impl Window {
    pub fn now(&self) -> Timestamp {
        self.samples.last().map_or(self.baseline_until, |s| s.at)
    }

    pub fn last(&self) -> Option<&Sample> {
        self.samples.last()
    }

    /// Healthy samples.
    pub fn baseline(&self) -> &[Sample] {
        let n = self.samples.partition_point(|s| s.at <= self.baseline_until);
        self.samples.get(..n).unwrap_or(&[])
    }

    /// Samples after the baseline.
    pub fn recent(&self) -> &[Sample] {
        let n = self.samples.partition_point(|s| s.at <= self.baseline_until);
        self.samples.get(n..).unwrap_or(&[])
    }

    /// Samples of the last `seconds` seconds.
    pub fn last_seconds(&self, seconds: f64) -> &[Sample] {
        let now = self.now();
        let n = self.samples.partition_point(|s| seconds_between(s.at, now) > seconds);
        self.samples.get(n..).unwrap_or(&[])
    }

    /// Seconds of baseline there are.
    pub fn baseline_s(&self) -> f64 {
        match (self.baseline().first(), self.baseline().last()) {
            (Some(first), Some(last)) => seconds_between(first.at, last.at),
            _ => 0.0,
        }
    }

    /// Was the sampler `id` without gap in all of these samples, and are there any?
    pub fn complete(samples: &[Sample], id: &str) -> bool {
        !samples.is_empty() && samples.iter().all(|s| s.gaps.iter().all(|g| g.sampler != id))
    }

    /// What each statement wrote in the last seconds, of those that were looked at twice while they
    /// ran and while the volume lost something. Not counted is what a parallel worker wrote that
    /// came and went between two looks.
    pub fn written(&self, seconds: f64) -> HashMap<StatementKey, Written> {
        let mut free: Option<(f64, Timestamp)> = None;
        let mut all: HashMap<StatementKey, Course> = HashMap::new();
        for sample in self.last_seconds(seconds) {
            free = sample.host.map(|h| (h.disk_free_bytes, sample.at)).or(free);
            let is_fresh = |(_, at): &(f64, Timestamp)| seconds_between(*at, sample.at) < FREE_S;
            let (Some((free, _)), Some(writes)) = (free.filter(is_fresh), &sample.writes) else {
                continue;
            };
            let began: HashMap<Pid, Option<Timestamp>> =
                sample.sessions.iter().map(|s| (s.pid, s.query_start)).collect();
            for look in writes {
                let Some(start) = began.get(&look.pid) else { continue };
                let course = all.entry((look.pid, *start)).or_insert_with(|| Course {
                    from: sample.at,
                    to: sample.at,
                    free_first: free,
                    free_last: free,
                    processes: HashMap::new(),
                });
                (course.to, course.free_last) = (sample.at, free);
                // A worker that comes later has written all of it since.
                let first = if course.from == sample.at { look.bytes } else { 0 };
                course.processes.entry(look.process).or_insert((first, 0)).1 = look.bytes;
            }
        }
        all.into_iter().filter_map(|(key, course)| Some((key, course.written()?))).collect()
    }

    /// The table of that name in the newest sample that counts tables.
    pub fn table(&self, relation: &Relation) -> Option<&TableCounters> {
        self.samples
            .iter()
            .rev()
            .find_map(|s| s.tables.as_ref())
            .and_then(|t| t.iter().find(|t| t.relation.same_as(relation)))
    }
}

/// Seconds from `a` to `b`; negative when `b` is earlier.
pub fn seconds_between(a: Timestamp, b: Timestamp) -> f64 {
    b.duration_since(a).as_secs_f64()
}

/// Rates over a run of samples; `None` when no two samples carry database counters, or when
/// they were reset in between.
pub fn delta(samples: &[Sample]) -> Option<Delta> {
    let with_db = |s: &&Sample| s.database.is_some();
    let first = samples.iter().find(with_db)?;
    let last = samples.iter().rev().find(with_db)?;
    let seconds = seconds_between(first.at, last.at);
    if seconds <= 0.0 {
        return None;
    }
    let (a, b) = (first.database.as_ref()?, last.database.as_ref()?);
    if b.xact_commit < a.xact_commit || b.blks_hit < a.blks_hit {
        return None; // statistics were reset in between: no rate can be told
    }
    let per_s = |before: i64, after: i64| (after - before).max(0) as f64 / seconds;
    Some(Delta {
        from: first.at,
        to: last.at,
        seconds,
        xacts_per_s: per_s(a.xact_commit + a.xact_rollback, b.xact_commit + b.xact_rollback),
        rollbacks_per_s: per_s(a.xact_rollback, b.xact_rollback),
        blks_per_s: per_s(a.blks_read + a.blks_hit, b.blks_read + b.blks_hit),
        statements: statement_deltas(samples),
    })
}

/// Rates of each statement between the first and the last sample that count statements.
/// A statement first seen in between counts from zero.
pub fn statement_deltas(samples: &[Sample]) -> Vec<StatementDelta> {
    let mut counted = samples.iter().filter(|s| s.statements.is_some());
    let (Some(first), Some(last)) = (counted.next(), counted.next_back()) else {
        return Vec::new();
    };
    let seconds = seconds_between(first.at, last.at);
    let (Some(before), Some(after)) = (&first.statements, &last.statements) else {
        return Vec::new();
    };
    if seconds <= 0.0 {
        return Vec::new();
    }
    let key = |s: &StatementCounters| (s.query_id, s.role.clone());
    let earlier: std::collections::HashMap<_, _> = before.iter().map(|s| (key(s), s)).collect();
    after
        .iter()
        .filter_map(|s| {
            // Rows as well: counters that were reset may have more calls again.
            let same = |o: &&&StatementCounters| o.calls <= s.calls && o.rows <= s.rows;
            let old = earlier.get(&key(s)).filter(same);
            let calls = s.calls - old.map_or(0, |o| o.calls);
            if calls <= 0 {
                return None;
            }
            let total_ms = s.total_ms - old.map_or(0.0, |o| o.total_ms);
            let n = calls as f64;
            Some(StatementDelta {
                query_id: s.query_id,
                role: s.role.clone(),
                text: Arc::clone(&s.text),
                calls,
                calls_per_s: n / seconds,
                ms_per_call: total_ms / n,
                blks_per_call: (s.blks - old.map_or(0, |o| o.blks)) as f64 / n,
                rows_per_call: (s.rows - old.map_or(0, |o| o.rows)) as f64 / n,
                total_ms,
                spread_ms: {
                    let squares = s.squares_ms2 - old.map_or(0.0, |o| o.squares_ms2);
                    (squares / n - (total_ms / n).powi(2)).max(0.0).sqrt()
                },
            })
        })
        .collect()
}

/// A text that many samples share, written as a plain string.
pub(crate) mod shared_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::sync::Arc;

    pub(crate) fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + second).unwrap()
    }

    /// A statement that began in that second.
    fn session(pid: Pid, began: i64) -> SessionSample {
        SessionSample {
            pid,
            role: String::new(),
            application: String::new(),
            client: String::new(),
            database: String::new(),
            backend_start: at(0),
            xact_start: None,
            query_start: Some(at(began)),
            state_change: None,
            state: "active".to_owned(),
            wait_type: String::new(),
            wait_event: String::new(),
            xid: None,
            query: String::new(),
            query_id: 0,
            blocked_by: Vec::new(),
            waits_for: None,
            holds: Vec::new(),
        }
    }

    #[test]
    fn what_a_statement_wrote_is_that_of_all_processes_while_it_ran() {
        let of = |pid, process, bytes| ProcessWrites { pid, process, bytes };
        let samples = (0..12).map(|second| {
            let mut all = vec![of(7, 7, 5_000 + 20 * second), of(9, 9, 1_000 * second)];
            if (4..7).contains(&second) {
                all.push(of(7, 70, 100 * (second - 3)));
            }
            Sample {
                at: at(second),
                sessions: vec![session(7, if second < 10 { 1 } else { 10 }), session(9, 0)],
                host: Some(HostSample {
                    disk_free_bytes: 10_000.0 - 90.0 * second as f64,
                    ..HostSample::default()
                }),
                writes: (second % 2 == 0).then_some(all),
                ..Sample::default()
            }
        });
        let samples: Vec<Sample> = samples.collect();
        let mut window = Window { samples, baseline_until: at(0), catalog: None };
        let all = window.written(60.0);
        // From the first look to the last of that statement: 8 times 20, and what was last seen of
        // the worker.
        let written = all[&(7, Some(at(1)))];
        assert_eq!((written.bytes, written.gone_bytes), (160.0 + 300.0, 8.0 * 90.0));
        assert!((written.share() - 460.0 / 720.0).abs() < 1e-9);
        assert_eq!(all[&(9, Some(at(0)))].bytes, 10_000.0);
        assert_eq!(all.len(), 2, "one look at the second statement: {all:?}");
        assert_eq!(window.written(5.0)[&(7, Some(at(1)))].bytes, 40.0);
        window.samples.iter_mut().for_each(|s| s.host = None);
        assert!(window.written(60.0).is_empty());
    }
}
