//! A subscription of this server does not get further.

use super::Cause;
use crate::facts::{complete, count_log, cut, logged, sampled};
use crate::forecast::newest;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "repl_logical_stuck",
    name: "Logical replication apply stuck",
    necessary: "the apply worker of a subscription fails again and again, is gone, or confirms no \
                more WAL",
    explains: &["wal_kept", "error_burst", "standby_behind"],
    actions: &[],
    prevention: &[
        "Change the subscriber's schema before the publisher's",
        "Set disable_on_error (from 15 on) and alarm on pg_stat_subscription_stats",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "replication", "subscriptions were not seen") {
        return unknown;
    }
    let Some(now) = newest(case.window.recent(), |s| s.replication.clone()) else {
        return Verdict::unknown("no sample of subscriptions since the onset");
    };
    let then = newest(case.window.baseline(), |s| s.replication.clone()).unwrap_or_default();
    let errors = |of: &Replication| of.subscriptions.iter().filter_map(|s| s.errors).sum::<i64>();
    let failed = errors(&now) - errors(&then);
    let evidence = Evidence::measured(
        format!("times that an apply worker of {} subscriptions failed", now.subscriptions.len()),
        failed as f64,
        "failures",
        sampled("replication: pg_stat_subscription_stats"),
    )
    .against(0.0)
    .at(case.window.now());
    let gone = now.subscriptions.iter().find(|s| {
        !s.has_worker && then.subscriptions.iter().any(|o| o.name == s.name && o.has_worker)
    });
    if failed <= 0 && gone.is_none() {
        return without_failures(case, &now, evidence);
    }
    let by_worker =
        |e: &LogEntry| e.severity == "ERROR" && e.role.is_empty() && e.client.is_empty();
    let lines = case.window.recent();
    let (n_lines, _) = count_log(lines, by_worker);
    let line = lines.iter().flat_map(|s| &s.log).find(|e| by_worker(e) && n_lines > 0);
    let name = gone.or(now.subscriptions.first()).map_or("", |s| s.name.as_str());
    let why = line.map(|l| format!(": {}", cut(&l.message, 160))).unwrap_or_default();
    let says =
        format!("subscription {name} does not get further; its worker failed {failed} times{why}");
    let likely = Likely::new(if failed > 0 { 0.85 } else { 0.6 }, says, evidence);
    Verdict::Likely(match line {
        Some(line) => {
            likely.and(Evidence::stated(cut(&line.message, 160), logged(line)).at(line.at))
        }
        None => likely,
    })
}

/// No worker failed, as far as the server tells: does each get further?
fn without_failures(case: &Case, now: &Replication, failures: Evidence) -> Verdict {
    let all = &now.subscriptions;
    let stands = |s: &&SubscriptionSample| !gets_further(case, s);
    let Some(stands) = all.iter().find(stands) else {
        if all.is_empty() || all.iter().all(|s| s.errors.is_some()) {
            return Verdict::ruled_out(failures);
        }
        let claim = format!("subscriptions of {} that confirm WAL no more", all.len());
        let source = sampled("replication: pg_stat_subscription.latest_end_lsn");
        let still = Evidence::measured(claim, 0.0, "subscriptions", source);
        return Verdict::ruled_out(still.against(0.0).at(case.window.now()));
    };
    Verdict::unknown(format!(
        "whether subscription {} is stuck: its worker has confirmed no WAL in the last {}, and \
         what its publisher has written is not seen from here",
        stands.name,
        human_duration(STILL_S)
    ))
}

/// A worker reports every 10 s (`wal_receiver_status_interval`).
const STILL_S: f64 = 15.0;

/// Has the subscription confirmed more WAL in the last seconds?
fn gets_further(case: &Case, subscription: &SubscriptionSample) -> bool {
    let looks = case.window.last_seconds(STILL_S).iter().filter_map(|s| s.replication.as_ref());
    let same = looks.flat_map(|r| &r.subscriptions).filter(|s| s.name == subscription.name);
    let mut confirmed = same.filter_map(|s| s.confirmed_lsn.as_ref());
    let first = confirmed.next();
    first.is_some() && confirmed.any(|lsn| Some(lsn) != first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let with = |errors: Option<i64>, moves: bool| {
            let mut samples = healthy(40);
            for (i, s) in (0..).zip(&mut samples) {
                let subscription = SubscriptionSample {
                    name: "from_a".to_owned(),
                    has_worker: true,
                    errors: errors.map(|n| if i > 32 { n } else { 0 }),
                    confirmed_lsn: Some(format!("0/{:X}", if moves { i } else { 7 })),
                };
                let subscriptions = vec![subscription];
                s.replication = Some(Replication { subscriptions, ..Replication::default() });
            }
            case(samples, 30)
        };
        assert!(judge(&with(Some(3), true)).likely().unwrap().says.contains("from_a"));
        assert!(matches!(judge(&with(Some(0), true)), Verdict::RuledOut { .. }));
        // A worker that is blocked does not fail, and before 15 failures are not counted.
        assert!(matches!(judge(&with(Some(0), false)), Verdict::Unknown { .. }));
        assert!(matches!(judge(&with(None, false)), Verdict::Unknown { .. }));
        let Verdict::RuledOut { evidence, .. } = judge(&with(None, true)) else { panic!() };
        assert!(evidence.source.detail.contains("latest_end_lsn"), "{evidence:?}");
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }
}
