//! WAL piles up because the archiver fails or a slot holds it.

use super::Cause;
use crate::facts::{complete, cut, logged, sampled};
use crate::forecast::newest;
use crate::retained::{Standstill, is_failing, is_polled, standstill, wal_bytes_max, worst_slot};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "wal_retention",
    name: "WAL retained by a slot or a failing archiver",
    necessary: "archiving fails, or a slot keeps more WAL than max_wal_size",
    explains: &[
        "server_unreachable",
        "disk_filling",
        "wal_kept",
        "archiver_failing",
        "error_burst",
    ],
    actions: &["drop_slot"],
    prevention: &[
        "Set max_slot_wal_keep_size, so that a slot that is forgotten costs its consumer and not the server",
        "Alarm on the age of the last archived segment and on slots that are inactive",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "wal", "the archiver was not seen") {
        return unknown;
    }
    let Some(wal) = newest(case.window.recent(), |s| s.wal.clone()) else {
        return Verdict::unknown("no sample of the archiver since the onset");
    };
    // What was so since the onset counts, also when it is mended by now.
    let seen = || case.window.recent().iter().filter_map(|s| s.wal.as_ref());
    let kept = |wal: &&WalCounters| worst_slot(wal).map_or(0.0, |slot| slot.retained_bytes);
    let worst = seen().max_by(|a, b| kept(a).total_cmp(&kept(b))).unwrap_or(&wal);
    let failing = seen().filter(|w| is_failing(w)).max_by_key(|w| w.archive_waiting);
    let tried = failing.map_or(0, |w| failures(case, w));
    let archiver = failing.filter(|_| tried >= FAILURES_MIN).map(|wal| archiver(case, wal));
    let archiver = archiver.or_else(|| Some(stands(case, &standstill(&case.window)?)));
    match (worst_slot(worst), archiver) {
        (Some(slot), archiver) => {
            let also = archiver.iter().flat_map(|a| a.evidence().to_vec());
            Verdict::Likely(also.fold(by_slot(case, worst, slot), Likely::and))
        }
        (None, Some(archiver)) => Verdict::Likely(archiver),
        (None, None) if tried > 0 => Verdict::unknown(format!(
            "whether archiving goes on to fail: it has failed {tried} times, and the archiver \
             tries each segment {FAILURES_MIN} times"
        )),
        (None, None) if waits_in_vain(case, &wal) => Verdict::unknown(
            "whether the archiver is at work: segments wait, and since the onset none was archived \
             nor failed to be",
        ),
        (None, None) => match stood(case) {
            Some(likely) => Verdict::Likely(likely),
            None => Verdict::ruled_out(kept_by_slots(case, &wal)),
        },
    }
}

/// It was so since the onset, and is over by now.
fn stood(case: &Case) -> Option<Likely> {
    let symptom = case.symptoms.iter().find(|s| s.detector == "archiver_failing")?;
    let says = format!("{}; it goes on by now", symptom.title);
    Some(Likely::new(0.85, says, symptom.evidence().first()?.clone()))
}

/// An archive_command that hangs does not fail.
fn waits_in_vain(case: &Case, wal: &WalCounters) -> bool {
    let before = newest(case.window.baseline(), |s| s.wal.as_ref().map(|w| w.archived));
    let waits = wal.archive_waiting.is_some_and(|n| n >= 2); // one may just be on its way
    wal.archives && waits && before == Some(wal.archived)
}

/// As the detector: the archiver tries each segment three times before it pauses.
const FAILURES_MIN: i64 = 3;

/// Failures up to then since the window began; all of them where it has failed all along.
fn failures(case: &Case, wal: &WalCounters) -> i64 {
    let first = case.window.samples.iter().find_map(|s| s.wal.as_ref());
    let from = first.filter(|w| !is_failing(w)).map_or(0, |w| w.archive_failed);
    wal.archive_failed - from
}

/// What slots keep beyond what is used anyway; 0 without slots.
fn kept_by_slots(case: &Case, wal: &WalCounters) -> Evidence {
    let before = newest(case.window.baseline(), |s| s.wal.clone());
    let kept = |wal: &WalCounters| wal.slot_retained_bytes.unwrap_or(0.0);
    Evidence::measured(
        "WAL kept by replication slots, and the archiver does not fail",
        kept(wal),
        "bytes",
        sampled("wal: pg_replication_slots, pg_stat_archiver"),
    )
    .against(before.as_ref().map_or(kept(wal), kept))
    .at(case.window.now())
}

fn by_slot(case: &Case, wal: &WalCounters, slot: &SlotSample) -> Likely {
    let before = newest(case.window.baseline(), |s| {
        let slots = &s.wal.as_ref()?.slots;
        Some(slots.iter().find(|x| x.name == slot.name).map_or(0.0, |x| x.retained_bytes))
    });
    let still_s = stands_for_s(case, slot);
    let polled = !slot.active && is_polled(case, &slot.name);
    let state = match still_s {
        _ if polled => "is read now and then".to_owned(),
        _ if !slot.active => "is inactive".to_owned(),
        Some(s) => format!("is in use, has not moved for {}", human_duration(s)),
        None => "is in use, comes after too late".to_owned(),
    };
    let says = format!(
        "replication slot {} ({}) {state} and keeps {} of WAL since {}; max_wal_size is {}",
        slot.name,
        slot.kind,
        human_bytes(slot.retained_bytes),
        slot.restart_lsn.as_deref().unwrap_or("its beginning"),
        human_bytes(wal_bytes_max(wal)),
    );
    let kept = Evidence::measured(
        format!("WAL that slot {} keeps", slot.name),
        slot.retained_bytes,
        "bytes",
        sampled("wal: pg_replication_slots.restart_lsn"),
    );
    // One that moves may only be behind a burst of writes.
    let (score, actions) = match (slot.active, still_s) {
        (false, _) if polled => (0.9, &[][..]),
        (false, _) => (0.93, CAUSE.actions),
        (true, Some(_)) => (0.85, &[][..]),
        (true, None) => (0.6, &[][..]),
    };
    let kept = kept.against(before.unwrap_or(0.0)).at(case.window.now());
    let mut likely = Likely::new(score, says, kept).act(actions);
    if let Some(bytes) = wal.wal_bytes {
        let size = Evidence::measured(
            "size of pg_wal; checkpoints alone would keep max_wal_size",
            bytes,
            "bytes",
            sampled("wal: pg_ls_waldir()"),
        );
        likely = likely.and(size.against(wal_bytes_max(wal)).at(case.window.now()));
    }
    likely
}

/// Consumers report every 10 s (`wal_receiver_status_interval`); one that has not moved for two
/// reports stands.
const STILL_S: f64 = 20.0;

/// Seconds for which the slot has kept the same WAL; `None` while it moves.
fn stands_for_s(case: &Case, slot: &SlotSample) -> Option<f64> {
    let same = |s: &&Sample| {
        let slots = s.wal.iter().flat_map(|w| &w.slots);
        slots.into_iter().any(|x| x.name == slot.name && x.restart_lsn == slot.restart_lsn)
    };
    let mut seen = case.window.samples.iter().filter(same);
    let first = seen.next()?;
    let still_s = seconds_between(first.at, seen.next_back()?.at);
    (still_s >= STILL_S).then_some(still_s)
}

fn archiver(case: &Case, wal: &WalCounters) -> Likely {
    let since = wal.last_archived.map_or("the archiver has never succeeded".to_owned(), |t| {
        format!("the last segment was archived at {}", t.strftime("%H:%M:%S"))
    });
    let waiting = wal.archive_waiting.unwrap_or(0);
    let says = format!(
        "archive_command fails: {since}, {waiting} segments wait; what was written since then \
         cannot be restored to a point in time"
    );
    let tries = Evidence::measured(
        "times that a segment could not be archived",
        failures(case, wal) as f64,
        "failures",
        sampled("wal: pg_stat_archiver.failed_count"),
    );
    let before = newest(case.window.baseline(), |s| s.wal.clone());
    let before = before.map_or(0, |w| failures(case, &w));
    let likely = Likely::new(0.92, says, tries.against(before as f64).at(case.window.now()));
    likely.and(
        Evidence::measured(
            "segments that wait for the archiver",
            waiting as f64,
            "segments",
            sampled("wal: pg_ls_archive_statusdir()"),
        )
        .at(case.window.now()),
    )
}

/// No failure is counted, so what the log says of the command is told with it.
fn stands(case: &Case, found: &Standstill) -> Likely {
    let mut lines = case.window.recent().iter().flat_map(|s| &s.log);
    let line = lines.rfind(|e| e.message.contains("archive command"));
    let told = line.map(|e| format!("; {}: {}", cut(&e.message, 100), cut(&e.detail, 160)));
    let says = format!(
        "archive_command has archived nothing for {} and {} segments wait, yet no failure is \
         counted: it hangs, or its program cannot be run{}; what was written since then cannot be \
         restored to a point in time",
        human_duration(found.seconds),
        found.waiting,
        told.unwrap_or_default()
    );
    let score = if line.is_some() { 0.92 } else { 0.85 };
    let likely = Likely::new(score, says, found.evidence(case.window.now()));
    match line {
        Some(line) => {
            likely.and(Evidence::stated(cut(&line.message, 160), logged(line)).at(line.at))
        }
        None => likely,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retained::tests::kept;
    use crate::testing::{at, case, healthy};

    fn says(case: &Case) -> Option<String> {
        judge(case).likely().map(|l| l.says.clone())
    }

    #[test]
    fn an_orphan_slot_is_named_and_one_within_bounds_is_ruled_out() {
        let told = says(&kept(100.0, 1e9)).unwrap();
        assert!(told.contains("slot standby_2 (physical) is inactive"), "{told}");
        assert!(matches!(judge(&kept(50.0, 1e9)), Verdict::RuledOut { .. }));
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn an_archiver_that_stood_since_the_onset_is_told_though_it_goes_on() {
        let mut over = kept(50.0, 1e9);
        assert!(judge(&over).likely().is_none());
        let source = sampled("wal: pg_stat_archiver");
        let evidence = Evidence::measured("time since a segment was archived", 12.0, "s", source);
        let title = "nothing was archived for 12 s, 6 segments wait";
        over.symptoms =
            vec![Symptom::new("archiver_failing", at(31), at(33), Weight::Harm, title, evidence)];
        assert!(says(&over).unwrap().ends_with("6 segments wait; it goes on by now"));
    }

    #[test]
    fn a_slot_that_is_polled_is_alive_and_one_whose_consumer_went_is_not() {
        for (period, n_actions) in [(7, 0), (1_000, 1)] {
            let mut held = kept(100.0, 1e9);
            let last = held.window.samples.len() - 1;
            for (s, sample) in held.window.samples.iter_mut().enumerate() {
                let slot = sample.wal.as_mut().unwrap().slots.first_mut().unwrap();
                slot.active = s % period == 0 && s < last;
            }
            let verdict = judge(&held);
            assert_eq!(verdict.likely().unwrap().actions.len(), n_actions, "{verdict:?}");
        }
        let mut unseen = kept(100.0, 1e9);
        for (s, sample) in unseen.window.samples.iter_mut().enumerate() {
            let slot = sample.wal.as_mut().unwrap().slots.first_mut().unwrap();
            slot.restart_lsn = Some(format!("0/{}", s.min(20)));
        }
        assert!(judge(&unseen).likely().unwrap().actions.is_empty());
    }

    #[test]
    fn a_consumer_that_is_connected_and_stands_still_is_named_and_its_slot_is_not_dropped() {
        for (moves, told) in [(false, "has not moved for 39 s"), (true, "comes after too late")] {
            let mut held = kept(100_000.0, 1e12);
            for (s, sample) in held.window.samples.iter_mut().enumerate() {
                let slot = sample.wal.as_mut().unwrap().slots.first_mut().unwrap();
                slot.active = true;
                slot.restart_lsn = Some(format!("0/30000{:02}", if moves { s } else { 0 }));
            }
            let verdict = judge(&held);
            let likely = verdict.likely().unwrap();
            assert!(likely.says.contains(told), "{}", likely.says);
            assert!(likely.actions.is_empty());
        }
    }

    #[test]
    fn an_archiver_that_has_just_begun_to_fail_is_not_ruled_out() {
        let mut failing = kept(0.0, 1e9);
        for s in failing.window.samples.iter_mut().skip(35) {
            let wal = s.wal.as_mut().unwrap();
            (wal.archive_failed, wal.archive_waiting) = (1, Some(1));
            wal.last_failed = Some(at(35));
        }
        assert!(matches!(judge(&failing), Verdict::Unknown { .. }));
    }

    #[test]
    fn an_archiver_that_hangs_is_not_ruled_out() {
        for (archived, unknown) in [(7, true), (9, false)] {
            let mut hangs = kept(0.0, 1e9);
            for (s, sample) in hangs.window.samples.iter_mut().enumerate() {
                let wal = sample.wal.as_mut().unwrap();
                (wal.archived, wal.archive_waiting) = (if s > 35 { archived } else { 7 }, Some(4));
            }
            assert_eq!(matches!(judge(&hangs), Verdict::Unknown { .. }), unknown);
        }
    }

    #[test]
    fn an_archiver_that_fails_is_named_until_it_succeeds() {
        for (last_archived, likely) in [(20, true), (39, false)] {
            let mut failing = kept(0.0, 1e9);
            for s in failing.window.samples.iter_mut().skip(30) {
                let wal = s.wal.as_mut().unwrap();
                wal.archive_failed = 3;
                (wal.archive_waiting, wal.last_failed) = (Some(2), Some(at(32)));
                wal.last_archived = Some(at(last_archived));
            }
            assert_eq!(says(&failing).is_some(), likely);
        }
    }
}
