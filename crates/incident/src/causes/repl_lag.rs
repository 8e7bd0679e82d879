//! A standby replays late.

use super::Cause;
use crate::detectors::standby_behind::LAG_MIN;
use crate::facts::{complete, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "repl_lag",
    name: "Standby replays late",
    necessary: "a standby is more than a segment of WAL behind, and more than before",
    explains: &["standby_behind"],
    actions: &[],
    prevention: &[
        "Throttle bulk writers on the lag of standbys",
        "Compare LSNs, not timestamps: an idle primary makes a standby look late",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "replication", "standbys were not seen") {
        return unknown;
    }
    let Some(now) = newest(case.window.recent(), |s| s.replication.clone()) else {
        return Verdict::unknown("no sample of standbys since the onset");
    };
    let before = usual(case);
    let worst =
        now.standbys.iter().max_by(|a, b| a.replay_lag_bytes.total_cmp(&b.replay_lag_bytes));
    let own = now.replay_lag_bytes.unwrap_or(0.0);
    let lag = worst.map_or(own, |w| w.replay_lag_bytes.max(own));
    let evidence = Evidence::measured(
        format!("WAL that the slowest of {} standbys has not replayed", now.standbys.len()),
        lag,
        "bytes",
        sampled("replication: pg_stat_replication.replay_lsn"),
    )
    .against(before)
    .at(case.window.now());
    if lag <= LAG_MIN || lag <= 3.0 * before {
        return match unseen(case, &now) {
            Some(missing) => Verdict::unknown(missing),
            None => Verdict::ruled_out(evidence),
        };
    }
    let says = match worst.filter(|w| w.replay_lag_bytes >= own) {
        Some(w) => format!("{} is {} behind: {}", w.name, human_bytes(lag), stage(w)),
        None if now.replay_paused => "replay of this standby is paused".to_owned(),
        None => format!("this standby has {} received and not replayed", human_bytes(lag)),
    };
    Verdict::Likely(Likely::new(0.6, says, evidence))
}

/// Whose lag is not seen: a standby of the baseline that no longer follows, or this server's own.
fn unseen(case: &Case, now: &Replication) -> Option<String> {
    let before = case.window.baseline().iter().filter_map(|s| s.replication.as_ref());
    let mut followed = before.flat_map(|r| &r.standbys);
    let gone = followed.find(|old| !now.standbys.iter().any(|s| s.name == old.name));
    match gone {
        Some(gone) => Some(format!("how far {} is behind: it no longer follows", gone.name)),
        None if now.in_recovery && now.replay_lag_bytes.is_none() => {
            Some("how much of what this standby has received it has replayed".to_owned())
        }
        None => None,
    }
}

fn usual(case: &Case) -> f64 {
    let lags = case.window.baseline().iter().filter_map(|s| s.replication.as_ref());
    let most = |r: &Replication| {
        let standbys = r.standbys.iter().map(|s| s.replay_lag_bytes);
        standbys.fold(r.replay_lag_bytes.unwrap_or(0.0), f64::max)
    };
    lags.map(most).fold(0.0, f64::max)
}

/// Where most of the lag is made.
fn stage(standby: &Standby) -> &'static str {
    let to_flush = standby.flush_lag_bytes - standby.sent_lag_bytes;
    let to_replay = standby.replay_lag_bytes - standby.flush_lag_bytes;
    match () {
        () if standby.sent_lag_bytes >= to_flush.max(to_replay) => {
            "it is not sent: the network, or this server's disk"
        }
        () if to_flush >= to_replay => "it is not flushed there: the standby's disk or the network",
        () => "it is not replayed there: a query in conflict, a pause or a slow disk",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, standby};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let with = |lag: f64| {
            let mut samples = healthy(40);
            for (i, s) in (0..).zip(&mut samples) {
                let standbys = vec![standby("b", if i > 32 { lag } else { 1000.0 })];
                s.replication = Some(Replication { standbys, ..Replication::default() });
            }
            case(samples, 30)
        };
        assert!(judge(&with(1e9)).likely().unwrap().says.contains("not replayed there"));
        assert!(matches!(judge(&with(2000.0)), Verdict::RuledOut { .. }));
        let mut gone = with(1000.0);
        for s in gone.window.samples.iter_mut().skip(33) {
            s.replication.as_mut().unwrap().standbys.clear();
        }
        assert!(matches!(judge(&gone), Verdict::Unknown { .. }));
        let mut own = with(1000.0);
        own.window.samples.iter_mut().for_each(|s| {
            s.replication = Some(Replication { in_recovery: true, ..Replication::default() });
        });
        assert!(matches!(judge(&own), Verdict::Unknown { .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }
}
