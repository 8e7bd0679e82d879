//! The server is another version than before.

use super::Cause;
use crate::facts::{complete, no_baseline, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "upg_major",
    name: "Post-upgrade regression",
    necessary: "the server's version is not what it was before the onset",
    explains: &["statement_slow", "throughput_drop", "error_burst", "sessions_hang"],
    actions: &[],
    prevention: &[
        "Run vacuumdb --analyze-in-stages as part of the upgrade, before clients are let in",
        "Replay the busiest statements on a clone of the new version, and compare their plans",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "config", "the server's version was not read") {
        return unknown;
    }
    if let Some(unknown) = no_baseline(case) {
        return unknown;
    }
    let changes = case.window.samples.iter().flat_map(|s| &s.changes);
    let upgraded: Vec<&ConfigChange> =
        changes.filter(|c| c.kind == "setting" && c.name == "server_version_num").collect();
    let evidence = Evidence::measured(
        "changes of the server's version since before the onset",
        upgraded.len() as f64,
        "changes",
        sampled("config: server_version_num"),
    )
    .against(0.0)
    .at(case.window.now());
    match upgraded.last() {
        None => Verdict::ruled_out(evidence),
        Some(change) => Verdict::Likely(Likely::new(
            0.6,
            format!("the server went from version {} to {}", change.before, change.after),
            evidence,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        samples.last_mut().unwrap().changes = vec![ConfigChange {
            at: at(34),
            kind: "setting".into(),
            name: "server_version_num".into(),
            before: "150018".into(),
            after: "170006".into(),
        }];
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
