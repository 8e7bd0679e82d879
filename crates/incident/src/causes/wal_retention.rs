//! WAL piles up because the archiver fails or a slot holds it.

use super::Cause;
use crate::facts::{complete, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "wal_retention",
    name: "WAL retained by a slot or a failing archiver",
    necessary: "archiving fails, or a slot retains WAL",
    explains: &["server_unreachable"],
    actions: &[],
    prevention: &["Alarm on the age of the last archived segment, and set max_slot_wal_keep_size"],
    judge,
};

/// Ten times the default max_wal_size.
const RETAINED_MAX: f64 = 10.0 * 1024.0 * 1024.0 * 1024.0;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "wal", "the archiver was not seen") {
        return unknown;
    }
    let failed = |samples: &[Sample]| {
        let v: Vec<i64> =
            samples.iter().filter_map(|s| Some(s.wal.as_ref()?.archive_failed)).collect();
        v.last().zip(v.first()).map(|(b, a)| b - a)
    };
    let Some(n) = failed(case.window.recent()) else {
        return Verdict::unknown("no sample of the archiver since the onset");
    };
    let evidence = Evidence::measured(
        "segments that could not be archived",
        n as f64,
        "failures",
        sampled("wal: pg_stat_archiver.failed_count"),
    )
    .against(failed(case.window.baseline()).unwrap_or(0) as f64)
    .at(case.window.now());
    let slot = |samples: &[Sample]| {
        samples.iter().filter_map(|s| s.wal.as_ref()?.slot_retained_bytes).next_back()
    };
    if let Some(bytes) = slot(case.window.recent()).filter(|b| *b > RETAINED_MAX) {
        let before = slot(case.window.baseline()).unwrap_or(0.0);
        return Verdict::Likely(Likely::new(
            0.3,
            format!("a replication slot retains {} of WAL", human_bytes(bytes)),
            Evidence::measured(
                "WAL that the slowest slot retains",
                bytes,
                "bytes",
                sampled("wal: pg_replication_slots.restart_lsn"),
            )
            .against(before)
            .at(case.window.now()),
        ));
    }
    if n == 0 {
        return Verdict::ruled_out(evidence);
    }
    Verdict::Likely(Likely::new(0.3, format!("{n} segments could not be archived"), evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        for (grows, likely) in [(1, true), (0, false)] {
            let mut samples = healthy(35);
            for (i, s) in samples.iter_mut().enumerate() {
                s.wal = Some(WalCounters {
                    lsn: "0/0".into(),
                    lsn_bytes: 0.0,
                    archived: 0,
                    archive_failed: i as i64 * grows,
                    last_archived: Some(at(0)),
                    slot_retained_bytes: None,
                });
            }
            assert_eq!(judge(&case(samples, 30)).likely().is_some(), likely);
        }
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
    }
}
