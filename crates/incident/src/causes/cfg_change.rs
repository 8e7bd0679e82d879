//! A setting changed.

use super::Cause;
use crate::facts::{complete, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "cfg_change",
    name: "Configuration change",
    necessary: "a setting differs from its value before the onset",
    explains: &["statement_slow", "throughput_drop", "error_burst"],
    actions: &[],
    prevention: &["Keep settings under change control, and roll them out to one server first"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "config", "settings were not read") {
        return unknown;
    }
    let changes: Vec<&ConfigChange> = case
        .window
        .recent()
        .iter()
        .flat_map(|s| &s.changes)
        .filter(|c| c.kind == "setting")
        .collect();
    let evidence = Evidence::measured(
        "settings that changed since before the onset",
        changes.len() as f64,
        "settings",
        sampled("config: pg_settings"),
    )
    .against(0.0)
    .at(case.window.now());
    match changes.first() {
        None => Verdict::ruled_out(evidence),
        Some(c) => Verdict::Likely(Likely::new(
            0.4,
            format!("{} changed from {} to {}", c.name, c.before, c.after),
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
            name: "work_mem".into(),
            before: "4MB".into(),
            after: "64kB".into(),
        }];
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(matches!(judge(&case(healthy(29), 30)), Verdict::Unknown { .. }));
    }
}
