//! The server's name does not resolve, or late.

use super::Cause;
use crate::facts::{median, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "net_dns",
    name: "DNS failure or stale record",
    necessary: "resolving the server's name fails or takes long, while its address answers",
    explains: &["server_unreachable", "connection_resets"],
    actions: &[],
    prevention: &[
        "Name several hosts in the connection string, and let records live for seconds",
        "Turn log_hostname off: it resolves each client's address at login",
    ],
    judge,
};

/// A resolver on the same network answers in a few ms; people notice from a second on.
const SLOW_MS: f64 = 1000.0;

fn judge(case: &Case) -> Verdict {
    let probes =
        |samples: &[Sample]| samples.iter().filter_map(|s| s.probe).collect::<Vec<NetworkProbe>>();
    let (now, old) = (probes(case.window.recent()), probes(case.window.baseline()));
    let looked_up = |p: &&NetworkProbe| p.dns_ms.is_some() || p.dns_failed;
    let n = now.iter().filter(looked_up).count();
    if n == 0 {
        return Verdict::unknown(
            "whether the name that clients use resolves: pgward reaches the server by its address",
        );
    }
    let n_failed = now.iter().filter(|p| p.dns_failed).count();
    let n_before = old.iter().filter(looked_up).count();
    let failed_before = old.iter().filter(|p| p.dns_failed).count();
    let percent = |n: usize, of: usize| 100.0 * n as f64 / (of as f64).max(1.0);
    let (failed, usual) = (percent(n_failed, n), percent(failed_before, n_before));
    let ms = |of: &[NetworkProbe]| median(of.iter().filter_map(|p| p.dns_ms).collect());
    let (ms_now, ms_before) = (ms(&now), ms(&old).unwrap_or(0.0));
    if failed > 3.0 * usual {
        let claim = format!("{n_failed} of {n} look-ups of the server's name failed");
        let evidence = Evidence::measured(claim.clone(), failed, "% of look-ups", sampled("probe"))
            .against(usual)
            .at(case.window.now());
        return Verdict::Likely(Likely::new(0.85, claim, evidence));
    }
    let Some(slow) = ms_now.filter(|_| failed <= usual) else {
        return Verdict::unknown(format!(
            "whether the name that clients use resolves as ever: {n_failed} of {n} look-ups failed, \
             {failed_before} of {n_before} before"
        ));
    };
    let evidence = Evidence::measured(
        format!("time to resolve the server's name; {n_failed} of {n} look-ups failed"),
        slow,
        "ms",
        sampled("probe"),
    )
    .against(ms_before)
    .at(case.window.now());
    if slow < SLOW_MS || slow < 3.0 * ms_before {
        return Verdict::ruled_out(evidence);
    }
    let says = format!("the server's name takes {} to resolve", human_duration(slow / 1000.0));
    Verdict::Likely(Likely::new(0.7, says, evidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let with = |fails: fn(i64) -> bool| {
            let mut samples = healthy(40);
            for (i, s) in (0..).zip(&mut samples) {
                let probe = s.probe.as_mut().unwrap();
                probe.dns_failed = fails(i);
                probe.dns_ms = (!probe.dns_failed).then_some(1.0);
            }
            case(samples, 30)
        };
        assert!(judge(&with(|s| s > 30)).likely().is_some());
        assert!(matches!(judge(&with(|_| false)), Verdict::RuledOut { .. }));
        // Ten of thirty failed before, all of ten since: no more in number, and three times the rate.
        assert!(judge(&with(|s| s % 4 == 0 || s > 29)).likely().is_some());
        // It never resolved: nothing says how long it takes.
        assert!(matches!(judge(&with(|_| true)), Verdict::Unknown { .. }));
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::Unknown { .. }));
    }
}
