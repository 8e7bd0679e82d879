//! The volume of `pg_wal` is full: the server stops.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::{cut, sampled};
use crate::forecast::newest;
use crate::retained::{is_failing, standstill, wal_bytes_max, worst_slot};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "disk_wal_full",
    name: "WAL volume full",
    necessary: "writing WAL failed for want of space, or the volume of pg_wal has no room for \
                four segments",
    explains: &["server_unreachable", "error_burst", "throughput_drop", "disk_filling"],
    actions: &[],
    prevention: &[
        "Set max_slot_wal_keep_size and alarm on pg_wal above max_wal_size",
        "Never delete files in pg_wal by hand: give the volume room, then mend what keeps WAL",
    ],
    judge,
};

/// Four segments of the default size: the server makes one ahead.
const FREE_MIN: f64 = 64.0 * 1024.0 * 1024.0;

fn judge(case: &Case) -> Verdict {
    let full = |e: &LogEntry| {
        e.message.contains("No space left on device")
            && (e.severity == "PANIC" || e.message.contains("pg_wal"))
    };
    let what = "lines of the log that tell of WAL without space";
    let (score, kept) = match is_kept(&case.window) {
        true => (KEPT, "; a slot or the archiver keeps what is there"),
        false => (0.94, ""),
    };
    let verdict = log_lines(case, what, full, score, 1, |e, _| {
        format!("WAL cannot be written: {}{kept}", cut(&e.message, 160))
    });
    let room = |s: &Sample| Some(s.host?.wal_free());
    let now = newest(case.window.recent(), room);
    let before = newest(case.window.baseline(), room);
    match (verdict, now) {
        (Verdict::Likely(likely), _) => Verdict::Likely(likely),
        (_, Some(free)) if free < FREE_MIN => Verdict::Likely(Likely::new(
            score.min(0.6),
            format!("{} are free where WAL is written{kept}", human_bytes(free)),
            evidence(case, free, before),
        )),
        (Verdict::RuledOut { .. }, Some(free)) => Verdict::ruled_out(evidence(case, free, before)),
        (Verdict::RuledOut { .. }, None) => {
            Verdict::unknown("the free space of the volume of pg_wal cannot be seen from here")
        }
        (unknown, _) => unknown,
    }
}

/// What fills the volume is the cause, that it is full what comes of it: below any verdict of
/// `wal_retention` that names a slot or the archiver.
const KEPT: f64 = 0.5;

fn is_kept(window: &Window) -> bool {
    let mut seen = window.recent().iter().filter_map(|s| s.wal.as_ref());
    // An archiver that fails for the same want of space has kept little.
    let much = |w: &WalCounters| w.wal_bytes.is_some_and(|bytes| bytes > wal_bytes_max(w));
    let stands = standstill(window).is_some();
    seen.any(|w| worst_slot(w).is_some() || (much(w) && (is_failing(w) || stands)))
}

fn evidence(case: &Case, free: f64, before: Option<f64>) -> Evidence {
    Evidence::measured("free on the volume of pg_wal", free, "bytes", sampled("host: statvfs"))
        .against(before.unwrap_or(free))
        .at(case.window.now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let with = |free: f64| {
            let mut samples = healthy(35);
            let host = HostSample { disk_free_bytes: free, ..HostSample::default() };
            samples.iter_mut().for_each(|s| s.host = Some(host));
            samples
        };
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
        assert!(matches!(judge(&case(with(1e9), 30)), Verdict::RuledOut { .. }));
        assert!(judge(&case(with(1e7), 30)).likely().is_some());
        let mut kept = crate::retained::tests::kept(100.0, 1e9);
        let host = HostSample { disk_free_bytes: 1e7, ..HostSample::default() };
        kept.window.samples.iter_mut().for_each(|s| s.host = Some(host));
        assert_eq!(judge(&kept).likely().unwrap().score, KEPT);
        let mut samples = healthy(35);
        let message = "could not write to file \"pg_wal/xlogtemp.7\": No space left on device";
        samples.last_mut().unwrap().log = vec![log(34, "PANIC", "53100", message)];
        assert!(judge(&case(samples, 30)).likely().is_some());
    }
}
