//! Savepoints overflow what a snapshot can hold.

use super::Cause;
use crate::slru::{Pages, oldest_writer, or_lookups};
use crate::waits::{Waits, waits};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lwlock_subtrans",
    name: "Subtransaction SLRU contention",
    necessary: "sessions at work look up or wait for the pages of subtransactions",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &["end_oldest_writer"],
    prevention: &[
        "Take no savepoint per row: nested transactions of the ORM, EXCEPTION blocks in loops",
        "Bound long transactions with idle_in_transaction_session_timeout and transaction_timeout",
    ],
    judge,
};

const WAITS: Waits = Waits {
    lwlocks: &["SubtransSLRU", "SubtransBuffer", "SubtransControlLock"],
    others: &["SLRURead", "SlruRead"],
    what: "the pages of subtransactions (LWLock:SubtransSLRU, SubtransBuffer)",
};

const PAGES: Pages = Pages { of: |slru| slru.subtransactions, what: "pages of subtransactions" };

fn judge(case: &Case) -> Verdict {
    let seen = case.window.recent().iter().flat_map(|s| &s.sessions);
    let by_name = seen.filter(|s| s.wait_type == "LWLock" && s.wait_event.starts_with("Subtrans"));
    // Pages of other kinds are read under the same name; those of subtransactions must be among
    // what is waited for.
    let others = if by_name.count() > 0 { WAITS.others } else { &[] };
    let waits = waits(case, &Waits { others, ..WAITS }, 0.8);
    match or_lookups(case, waits, &PAGES, 0.7) {
        Verdict::Likely(likely) => Verdict::Likely(oldest_writer(case, likely, CAUSE.actions)),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::waits::tests::check_waits(judge, "LWLock", "SubtransSLRU");
        crate::slru::tests::check_lookups(judge, |slru| &mut slru.subtransactions);
    }

    /// Six readers that wait so, and an old transaction that has written.
    fn readers(event: &str) -> Verdict {
        let mut samples = healthy(36);
        for sample in samples.iter_mut().skip(30) {
            sample.sessions = (0..6).map(|pid| session(pid, "active", &[])).collect();
            for (i, reader) in sample.sessions.iter_mut().enumerate() {
                let read = event == "IO" || i > 1;
                reader.wait_type = if read { "IO" } else { "LWLock" }.to_owned();
                reader.wait_event = if read { "SLRURead" } else { event }.to_owned();
            }
            let mut job = session(9, "idle in transaction", &[]);
            (job.xid, job.xact_start) = (Some(7), Some(at(20)));
            sample.sessions.push(job);
        }
        judge(&case(samples, 30))
    }

    #[test]
    fn the_oldest_writer_is_named_and_reads_of_other_pages_are_another_matter() {
        let verdict = readers("SubtransBuffer");
        let likely = verdict.likely().unwrap();
        assert_eq!((&likely.pids[..], likely.actions.len()), (&[9][..], 1));
        assert!(readers("IO").likely().is_none());
    }
}
