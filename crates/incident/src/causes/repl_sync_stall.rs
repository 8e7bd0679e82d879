//! Commits wait for a synchronous standby that does not answer.

use super::Cause;
use crate::facts::{changes_near, complete, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "repl_sync_stall",
    name: "Commits hang on synchronous replication",
    necessary: "sessions wait for IPC:SyncRep",
    explains: &[
        "throughput_drop",
        "statement_slow",
        "standby_behind",
        "connections_near_limit",
        "sessions_hang",
    ],
    actions: &[],
    prevention: &[
        "Name two candidates: synchronous_standby_names = 'ANY 1 (a, b)', and alarm below two",
        "Decide beforehand who may give up durability to have commits again, and write it down",
    ],
    judge,
};

/// Half of those at work: a commit now and then always waits a moment.
const SHARE: f64 = 0.5;

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "sessions", "sessions were not seen") {
        return unknown;
    }
    let waits = |s: &Sample| s.sessions.iter().filter(|x| x.wait_event == "SyncRep").count();
    let at_work = |s: &Sample| s.sessions.iter().filter(|x| x.state == "active").count();
    let most = |samples: &[Sample]| samples.iter().map(waits).max().unwrap_or(0);
    let recent = case.window.recent();
    let now = newest(recent, |s| s.replication.clone());
    let evidence = Evidence::measured(
        "sessions that wait for a synchronous standby",
        most(recent) as f64,
        "sessions",
        sampled("sessions: wait_event IPC:SyncRep"),
    )
    .against(most(case.window.baseline()) as f64)
    .at(case.window.now());
    // Three samples in a row, as for a queue.
    let stuck = |s: &Sample| waits(s) > 0 && waits(s) as f64 >= SHARE * at_work(s) as f64;
    if !recent.windows(3).any(|three| three.iter().all(stuck)) {
        return Verdict::ruled_out(evidence);
    }
    let n = most(recent);
    let Some(now) = now else {
        return Verdict::Likely(Likely::new(
            0.8,
            format!("{n} commits wait for a standby"),
            evidence,
        ));
    };
    let sync = now.standbys.iter().filter(|s| matches!(s.sync_state.as_str(), "sync" | "quorum"));
    let n_sync = sync.count();
    // Settings are compared more often than standbys are looked at.
    let changed = changes_near(case, "setting").rfind(|c| c.name == "synchronous_standby_names");
    let names = changed.map_or(&now.sync_names, |c| &c.after);
    let since = changed.map_or(String::new(), |c| {
        format!(", set at {} (before: '{}')", c.at.strftime("%H:%M:%S UTC"), c.before)
    });
    let says = format!(
        "{n} commits wait for a standby of synchronous_standby_names = '{names}'{since}; {n_sync} \
         of the {} standbys that follow are synchronous",
        now.standbys.len()
    );
    let standbys = Evidence::measured(
        "synchronous standbys that follow",
        n_sync as f64,
        "standbys",
        sampled("replication: pg_stat_replication.sync_state"),
    );
    Verdict::Likely(Likely::new(0.94, says, evidence).and(standbys.at(case.window.now())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, session};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(40);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        for s in samples.iter_mut().skip(33) {
            let mut commit = session(7, "active", &[]);
            (commit.wait_type, commit.wait_event) = ("IPC".to_owned(), "SyncRep".to_owned());
            s.sessions = vec![commit];
            let sync_names = "b".to_owned();
            s.replication = Some(Replication { sync_names, ..Replication::default() });
        }
        assert!(judge(&case(samples, 30)).likely().unwrap().says.contains("= 'b'; 0 of the 0"));
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
