//! The network between clients and server is slow or loses packets.

use super::Cause;
use crate::facts::{
    Path, at_work, catalog_was_locked, count_log, is_crowd, is_reset, is_statement_error, path,
    round_trips, sampled,
};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "net_latency",
    name: "Network latency or loss",
    necessary: "probes of the path take longer or fail, or connections of clients break",
    explains: &["server_unreachable", "connection_resets", "path_slow"],
    actions: &[],
    prevention: &["Probe the path all the time from where the clients are, and keep its baseline"],
    judge,
};

/// Loopback and local networks jitter within a few milliseconds on a busy host.
const JITTER_MS: f64 = 5.0;

fn judge(case: &Case) -> Verdict {
    let Some(path) = path(case) else {
        return Verdict::unknown("no probe of the path before and after the onset");
    };
    let recent = case.window.recent();
    let (n_resets, resets) = count_log(recent, is_reset);
    let (_, resets_before) = count_log(case.window.baseline(), is_reset);
    // Each message may be late where the handshake is not: a proxy stands between.
    let late = case.symptoms.iter().any(|s| s.detector == "path_slow");
    let slow = late || path.ms > 3.0 * path.ms_before + JITTER_MS;
    let lossy = f64::from(path.failed) / f64::from(path.tried.max(1)) > path.failed_before + 0.005;
    let broken = n_resets >= 3 && resets > 3.0 * resets_before;
    if !path.is_handshake && path.failed == 0 {
        return Verdict::unknown(
            "the probe comes over a unix socket and does not take the clients' path",
        );
    }
    let trips = round_trips(case).filter(|_| late);
    let evidence = trips.map_or_else(|| measured(case, &path), |trips| late_by(case, &path, trips));
    if let Some(proof) = nobody_listens(case, &path) {
        return Verdict::ruled_out(proof);
    }
    if !slow && !lossy && !broken {
        return Verdict::ruled_out(evidence);
    }
    if !slow && !broken && is_overrun(case, &path) {
        return Verdict::unknown(format!(
            "whether the path fails {} of {} new connections or the server, which has more to do \
             than ever: the handshake itself came through each time, in {} ms",
            path.failed,
            path.tried,
            human(path.ms)
        ));
    }
    if !broken && starts_nobody(case, &path) {
        return Verdict::unknown(format!(
            "whether something on the way or the server itself answered no new connection: the \
             handshake came through in {} ms each time, and our own looks at the catalogs waited \
             for a lock",
            human(path.ms)
        ));
    }
    let times = trips.or(slow.then_some((path.ms, path.ms_before)));
    let what = describe(&path, times, lossy, n_resets, resets);
    // A path that is cut or slow for everybody is a cause of its own, whatever else is wrong.
    // One probe that fails is one that a busy server has left waiting too.
    let few = f64::from(path.failed) < 0.2 * f64::from(path.tried) || path.failed <= 1;
    let is_minor = !slow && few;
    if is_minor && let Some(proof) = explained_otherwise(case, &what) {
        return Verdict::present_not_sufficient(proof);
    }
    if path.failed < path.tried && !slow && !has_network_harm(case) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!("{what}; no symptom is one of connecting"),
            ..evidence
        });
    }
    Verdict::Likely(Likely::new(0.6, what, evidence))
}

/// The handshake came through as ever each time, yet nobody new was let in, and our own looks waited
/// for locks on the system catalogs, which each start-up reads.
fn starts_nobody(case: &Case, path: &Path) -> bool {
    let probes = case.window.recent().iter().filter_map(|s| s.probe);
    let mut failing = probes.filter(|p| p.failed > 0);
    let usual = path.ms_before;
    let as_ever = |p: NetworkProbe| p.tcp_ms.is_some_and(|ms| ms <= 3.0 * usual + JITTER_MS);
    failing.all(as_ever) && catalog_was_locked(case)
}

/// Samples with a failed connection that tell a busy server from a path that drops some.
const FAILING_MIN: usize = 5;

/// The handshake came through in each sample in which new connections failed, and more sessions
/// are at work than ever: a server that is overrun answers nobody new in time.
fn is_overrun(case: &Case, path: &Path) -> bool {
    let recent = case.window.recent();
    let failing: Vec<&NetworkProbe> =
        recent.iter().filter_map(|s| s.probe.as_ref()).filter(|p| p.failed > 0).collect();
    let usual = path.ms_before;
    let came_through = |p: &&NetworkProbe| p.tcp_ms.is_some_and(|ms| ms <= 3.0 * usual + JITTER_MS);
    path.is_handshake
        && failing.len() >= FAILING_MIN
        && failing.iter().all(came_through)
        && is_crowd(at_work(recent), at_work(case.window.baseline()))
}

/// A host that answers that nobody listens there has been reached. The last failures count: a
/// server that stops resets connections first.
fn nobody_listens(case: &Case, path: &Path) -> Option<Evidence> {
    let failing = |p: &NetworkProbe| p.failed > 0;
    let probes = case.window.recent().iter().filter_map(|s| s.probe).filter(failing);
    let (n, n_closed) = probes.fold((0, 0), |(n, c), p| (n + 1, c + u32::from(p.closed)));
    (n_closed > 0 && 2 * n_closed > n)
        .then(|| {
            Evidence::measured(
                format!("samples of {n} in which the host itself answered that no server listens"),
                f64::from(n_closed),
                "samples",
                sampled("probe"),
            )
            .against(0.0)
            .at(case.window.now())
        })
        .filter(|_| path.failed > 0)
}

fn measured(case: &Case, path: &Path) -> Evidence {
    let what = if path.is_handshake { "TCP handshake" } else { "round trip of SELECT 1" };
    Evidence::measured(
        format!("{what}, median; {} of {} probes failed", path.failed, path.tried),
        path.ms,
        "ms",
        sampled("probe"),
    )
    .against(path.ms_before)
    .at(case.window.now())
}

fn late_by(case: &Case, path: &Path, (ms, before): (f64, f64)) -> Evidence {
    let claim =
        format!("round trip of SELECT 1, median; {} of {} probes failed", path.failed, path.tried);
    Evidence::measured(claim, ms, "ms", sampled("probe")).against(before).at(case.window.now())
}

/// What is wrong with the path: times in ms, now and before, where they have grown.
fn describe(
    path: &Path,
    times: Option<(f64, f64)>,
    lossy: bool,
    n_resets: usize,
    resets: f64,
) -> String {
    let mut parts = Vec::new();
    if lossy {
        parts.push(format!("{} of {} probes failed", path.failed, path.tried));
    }
    if let Some((ms, before)) = times {
        parts.push(format!("{} ms instead of {} ms", human(ms), human(before)));
    }
    if n_resets > 0 {
        parts.push(format!("{n_resets} client connections broke ({} per s)", human(resets)));
    }
    format!("the path is disturbed: {}", parts.join(", "))
}

/// Errors that the server itself raised inside statements cannot come from the path.
fn explained_otherwise(case: &Case, what: &str) -> Option<Evidence> {
    let recent = case.window.recent();
    let (n_errors, _) = count_log(recent, is_statement_error);
    let (n_network, _) =
        count_log(recent, |e| is_statement_error(e) && e.sqlstate.starts_with("08"));
    let others = case.symptoms.iter().any(|s| {
        matches!(
            s.detector.as_str(),
            "damaged_block" | "error_burst" | "relation_vanished" | "lock_queue" | "statement_slow"
        )
    });
    if !others {
        return None;
    }
    let slow = case.symptoms.iter().find(|s| s.detector == "statement_slow");
    if let Some(inside) = slow.and_then(|s| s.evidence().first())
        && n_errors == 0
    {
        let claim = format!("{what}; yet the server itself takes this time for a statement");
        return Some(Evidence { claim, ..inside.clone() });
    }
    if n_errors == 0 {
        return Some(waits_elsewhere(case, what));
    }
    let share = 100.0 * n_network as f64 / n_errors as f64;
    Some(
        Evidence::measured(
            format!(
                "{what}; yet {} of {n_errors} failed statements were refused by the server itself",
                n_errors - n_network
            ),
            share,
            "% of failed statements with a network error",
            Source::new(SourceKind::Log, "ERROR by SQLSTATE class"),
        )
        .against(0.0)
        .at(case.window.now()),
    )
}

/// Sessions that are connected and wait for locks wait for nothing on the path.
fn waits_elsewhere(case: &Case, what: &str) -> Evidence {
    let stuck = |s: &&Sample| s.sessions.iter().filter(|x| !x.blocked_by.is_empty()).count();
    let worst = case.window.recent().iter().max_by_key(stuck);
    let n = worst.as_ref().map_or(0, stuck);
    let on_client = worst.map_or(0, |s| {
        s.sessions.iter().filter(|x| x.state == "active" && x.wait_type == "Client").count()
    });
    Evidence::measured(
        format!("{what}; yet {n} sessions are connected and wait for locks inside the server"),
        on_client as f64,
        "active sessions that wait for the network",
        sampled("sessions: pg_stat_activity.wait_event_type"),
    )
    .against(0.0)
    .at(case.window.now())
}

fn has_network_harm(case: &Case) -> bool {
    case.symptoms.iter().any(|s| {
        matches!(
            s.detector.as_str(),
            "server_unreachable" | "path_slow" | "statement_slow" | "throughput_drop"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log, session};

    fn disturbed() -> Vec<Sample> {
        let mut samples = healthy(40);
        for s in samples.iter_mut().skip(30) {
            let probe = s.probe.as_mut().unwrap();
            probe.tcp_ms = Some(40.0);
            probe.round_trip_ms = Some(80.0);
        }
        samples
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(judge(&case(disturbed(), 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(40), 30)), Verdict::RuledOut { present: false, .. }));
        let mut blind = healthy(40);
        for s in &mut blind {
            s.probe = None;
        }
        assert!(matches!(judge(&case(blind, 30)), Verdict::Unknown { .. }));
    }

    #[test]
    fn a_server_that_lets_nobody_in_and_answers_who_is_there_is_not_the_path() {
        let mut samples = healthy(40);
        for s in samples.iter_mut().skip(30) {
            let probe = s.probe.as_mut().unwrap();
            probe.failed = probe.tried;
        }
        assert!(judge(&case(samples.clone(), 30)).likely().is_some());
        let why = "canceling statement due to lock timeout (55P03)".to_owned();
        let gap = Gap { sampler: "tables".to_owned(), why };
        samples.iter_mut().skip(35).for_each(|s| s.gaps = vec![gap.clone()]);
        let verdict = judge(&case(samples, 30));
        assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
    }

    #[test]
    fn one_probe_that_fails_on_a_slow_server_is_no_network_and_more_of_them_are() {
        let failing = |n: usize| {
            let mut samples = healthy(30 + n as i64);
            for sample in samples.iter_mut().skip(30) {
                sample.probe.as_mut().unwrap().failed = 1;
            }
            let mut case = case(samples, 30);
            let source = Source::new(SourceKind::Sample, "");
            let evidence = Evidence::measured("x", 60.0, "ms/call", source).against(7.0);
            let (at, weight) = (at(30), Weight::Harm);
            case.symptoms = vec![Symptom::new("statement_slow", at, at, weight, "x", evidence)];
            judge(&case)
        };
        assert!(matches!(failing(1), Verdict::RuledOut { present: true, .. }));
        assert!(failing(4).likely().is_some());
    }

    #[test]
    fn a_server_that_is_overrun_answers_nobody_new() {
        let judged = |n_at_work: i32, tcp_ms: Option<f64>| {
            let mut samples = disturbed();
            for (i, s) in samples.iter_mut().enumerate() {
                let late = i >= 30;
                let n = if late { n_at_work } else { 1 };
                s.sessions = (0..n).map(|pid| session(pid, "active", &[])).collect();
                let failed = u32::from(late);
                let tcp_ms = if late { tcp_ms } else { Some(0.1) };
                s.probe =
                    Some(NetworkProbe { tried: 2, failed, tcp_ms, ..NetworkProbe::default() });
            }
            let mut case = case(samples, 30);
            let evidence = Evidence::measured("x", 1.0, "x", sampled("probe"));
            let (at, weight) = (at(30), Weight::Harm);
            case.symptoms = vec![Symptom::new("server_unreachable", at, at, weight, "x", evidence)];
            judge(&case)
        };
        assert!(matches!(judged(40, Some(0.1)), Verdict::Unknown { .. }));
        assert!(judged(2, Some(0.1)).likely().is_some(), "it has nothing to do");
        assert!(judged(40, None).likely().is_some(), "not even the handshake");
    }

    #[test]
    fn a_disturbed_path_beside_damaged_data_is_not_sufficient() {
        let mut samples = healthy(40);
        samples.last_mut().unwrap().probe.as_mut().unwrap().failed = 1;
        samples.last_mut().unwrap().log =
            vec![log(39, "ERROR", "XX001", "invalid page in block 7")];
        let mut case = case(samples, 30);
        let evidence = Evidence::measured("x", 1.0, "errors", Source::new(SourceKind::Log, ""));
        case.symptoms =
            vec![Symptom::new("damaged_block", at(39), at(39), Weight::Harm, "x", evidence)];
        assert!(matches!(judge(&case), Verdict::RuledOut { present: true, .. }));
    }
}
