//! WAL that a slot or the archiver keeps from being removed.

use crate::facts::sampled;
use pgward_model::prelude::*;

/// `max_wal_size` where the server did not tell: its default.
const WAL_BYTES_MAX: f64 = 1024.0 * 1024.0 * 1024.0;

/// What checkpoints alone would let `pg_wal` grow to.
pub fn wal_bytes_max(wal: &WalCounters) -> f64 {
    if wal.wal_bytes_max > 0.0 { wal.wal_bytes_max } else { WAL_BYTES_MAX }
}

/// The slot that keeps most, where that is more than checkpoints would; also one whose consumer
/// is connected and does not come after.
pub(crate) fn worst_slot(wal: &WalCounters) -> Option<&SlotSample> {
    let keeping = wal.slots.iter().filter(|s| s.restart_lsn.is_some());
    keeping
        .max_by(|a, b| a.retained_bytes.total_cmp(&b.retained_bytes))
        .filter(|s| s.retained_bytes > wal_bytes_max(wal))
}

/// Is an inactive slot read by somebody all the same, who connects for a moment each time?
pub(crate) fn is_polled(case: &Case, slot: &str) -> bool {
    comes_again(case, slot) || is_asked_for(case, slot)
}

/// A consumer that polls by SQL is connected for a moment each time: it comes again, or its slot
/// has moved between two looks at which nobody was connected. It is alive.
fn comes_again(case: &Case, slot: &str) -> bool {
    let seen = case.window.samples.iter().filter_map(|s| s.wal.as_ref());
    let looks: Vec<&SlotSample> = seen.flat_map(|w| &w.slots).filter(|x| x.name == slot).collect();
    looks.windows(2).any(|pair| match pair {
        [a, b] if !a.active => {
            b.active || (b.restart_lsn.is_some() && a.restart_lsn != b.restart_lsn)
        }
        _ => false,
    })
}

/// A function or a statement of a client that reads it by its name.
fn is_asked_for(case: &Case, slot: &str) -> bool {
    let reads =
        |text: &str| text.contains("pg_logical_slot_") && text.contains(&format!("'{slot}'"));
    let catalog = case.catalog.as_ref().or(case.window.catalog.as_ref());
    let functions = catalog.iter().flat_map(|c| &c.objects).filter(|o| o.kind == "function");
    let mut sessions = case.window.samples.iter().flat_map(|s| &s.sessions);
    functions.into_iter().any(|o| reads(&o.definition)) || sessions.any(|s| reads(&s.query))
}

/// Is the archiver failing as far as these samples say: has it failed, and not succeeded since?
pub(crate) fn is_failing(wal: &WalCounters) -> bool {
    let waits = wal.archive_waiting.is_none_or(|n| n > 0);
    wal.archives && waits && wal.last_failed.is_some() && wal.last_failed > wal.last_archived
}

/// More may be on their way at once on a server that writes much.
const WAITING_MIN: i64 = 3;
/// A segment takes as long as the last ones did, or a few times as long when much is written.
const TIMES: f64 = 5.0;
const STANDS_MIN_S: f64 = 10.0;
/// How far apart segments are where none was archived that we saw: `archive_timeout` of most.
const APART_S: f64 = 60.0;

/// An archiver that does nothing, though segments wait.
pub(crate) struct Standstill {
    pub(crate) seconds: f64,
    /// Seconds from one archived segment to the next before.
    pub(crate) usual_s: f64,
    pub(crate) waiting: i64,
}

impl Standstill {
    pub(crate) fn evidence(&self, at: Timestamp) -> Evidence {
        Evidence::measured(
            "time since a segment was archived while others wait",
            self.seconds,
            "s",
            sampled("wal: pg_stat_archiver, pg_ls_archive_statusdir()"),
        )
        .against(self.usual_s)
        .at(at)
    }
}

/// Has the archiver stopped without counting a failure? A command that hangs fails never, and one
/// whose program cannot be run (126, 127) takes the archiver with it before it counts.
pub(crate) fn standstill(window: &Window) -> Option<Standstill> {
    let mut looks = window.samples.iter().rev().filter_map(|s| Some((s.at, s.wal.as_ref()?)));
    let (now, last) = looks.next()?;
    let waiting = last.archive_waiting.filter(|n| last.archives && *n >= WAITING_MIN)?;
    let still = |(_, w): &(Timestamp, &WalCounters)| {
        w.archived == last.archived && w.archive_waiting.is_some_and(|n| n > 0)
    };
    let since = looks.take_while(still).last()?.0;
    let before = window.samples.iter().filter(|s| s.at <= since);
    let mut counts = before.filter_map(|s| Some((s.at, s.wal.as_ref()?.archived)));
    let (first, last) = (counts.next()?, counts.next_back().unwrap_or((since, last.archived)));
    let n = (last.1 - first.1) as f64;
    let usual_s = if n > 0.0 { seconds_between(first.0, last.0) / n } else { APART_S };
    let seconds = seconds_between(since, now);
    (seconds >= (TIMES * usual_s).max(STANDS_MIN_S)).then_some(Standstill {
        seconds,
        usual_s,
        waiting,
    })
}

/// Seconds until the volume of the WAL is full at the rate at which the slot keeps more; `None`
/// where it keeps no more, or the volume is not seen.
pub fn full_in_s(window: &Window, slot: &str) -> Option<f64> {
    let free = window.samples.iter().rev().find_map(|s| Some(s.host?.wal_free()))?;
    let per_s = grows_per_s(window, slot);
    (per_s > 0.0).then(|| free / per_s)
}

/// Bytes a second by which what the slot keeps has grown in the last half minute.
fn grows_per_s(window: &Window, slot: &str) -> f64 {
    let retained = |s: &Sample| {
        let of = s.wal.as_ref()?.slots.iter().find(|x| x.name == slot)?;
        Some((s.at, of.retained_bytes))
    };
    let recent = window.last_seconds(30.0);
    match (recent.iter().find_map(retained), recent.iter().rev().find_map(retained)) {
        (Some((t0, b0)), Some((t1, b1))) if t1 > t0 => (b1 - b0) / seconds_between(t0, t1),
        _ => 0.0,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{at, case, healthy};

    const MB: f64 = 1024.0 * 1024.0;

    /// A slot without consumer that keeps so many MB in the end, 1 MB more each second, on a
    /// server whose `max_wal_size` is 64 MB.
    pub(crate) fn kept(mb: f64, free_bytes: f64) -> Case {
        let mut samples = healthy(40);
        for (s, sample) in (0..).zip(&mut samples) {
            let retained_bytes = (mb - f64::from(39 - s)) * MB;
            sample.wal = Some(WalCounters {
                wal_bytes_max: 64.0 * MB,
                wal_bytes: Some(retained_bytes.max(64.0 * MB)),
                slots: vec![SlotSample {
                    name: "standby_2".to_owned(),
                    kind: "physical".to_owned(),
                    active: false,
                    restart_lsn: Some("0/3000000".to_owned()),
                    retained_bytes,
                    status: "extended".to_owned(),
                }],
                archives: true,
                archive_waiting: Some(0),
                last_archived: Some(at(0)),
                ..WalCounters::default()
            });
            sample.host = Some(HostSample {
                disk_free_bytes: free_bytes - f64::from(s) * MB,
                disk_total_bytes: 2.0 * free_bytes,
                ..HostSample::default()
            });
        }
        case(samples, 30)
    }

    #[test]
    fn only_what_checkpoints_would_not_keep_counts() {
        let worst = |mb| {
            let wal = kept(mb, 1e9).window.last().unwrap().wal.clone().unwrap();
            worst_slot(&wal).map(|s| s.name.clone())
        };
        assert_eq!(worst(100.0).as_deref(), Some("standby_2"));
        assert_eq!(worst(50.0), None);
    }
}
