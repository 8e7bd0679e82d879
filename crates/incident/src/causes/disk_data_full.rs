//! The data volume is full.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "disk_data_full",
    name: "Data volume full",
    necessary: "a statement failed with 53100, or less than 5% of the volume is free",
    explains: &["error_burst", "throughput_drop", "server_unreachable"],
    actions: &[],
    prevention: &["Alarm on the days until the volume is full, not on the share that is used"],
    judge,
};

/// Percent; PostgreSQL needs room for WAL and temporary files beside the tables.
const FREE_MIN: f64 = 5.0;

fn judge(case: &Case) -> Verdict {
    let full =
        |e: &LogEntry| e.sqlstate == "53100" || e.message.contains("No space left on device");
    let verdict = log_lines(case, "errors 'no space left' (53100)", full, 0.95, 1, |e, n| {
        format!("{n} statements failed for want of disk space: {}", e.message)
    });
    let host = case.window.recent().iter().filter_map(|s| s.host).next_back();
    let before = case.window.baseline().iter().filter_map(|s| s.host).next_back();
    let free = |h: HostSample| 100.0 * h.disk_free_bytes / h.disk_total_bytes.max(1.0);
    match (verdict, host) {
        (Verdict::RuledOut { .. }, Some(host)) => {
            let evidence = Evidence::measured(
                "free space on the data volume, and no error 53100",
                free(host),
                "%",
                sampled("host: statvfs"),
            )
            .against(before.map_or(free(host), free))
            .at(case.window.now());
            if free(host) < FREE_MIN {
                Verdict::Likely(Likely::new(
                    0.5,
                    "less than 5% of the data volume is free",
                    evidence,
                ))
            } else {
                Verdict::ruled_out(evidence)
            }
        }
        (Verdict::RuledOut { .. }, None) => Verdict::unknown(
            "no error 53100, but the free space of the data volume cannot be seen from here",
        ),
        (verdict, _) => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::Unknown { .. }));
        for s in &mut samples {
            s.host = Some(HostSample {
                disk_free_bytes: 40.0,
                disk_total_bytes: 100.0,
                load_per_cpu: None,
            });
        }
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let message = "could not extend file: No space left on device";
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "53100", message)];
        assert!(judge(&case(samples, 30)).likely().is_some());
    }
}
