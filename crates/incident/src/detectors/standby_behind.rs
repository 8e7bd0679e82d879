//! A standby falls behind or is gone.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::{SEEN_S, newest};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "standby_behind",
    title: "A standby falls behind or is gone",
    rule: "a standby of the baseline no longer follows, or replays more than a segment of WAL \
           (16 MB) and three times the lag of the baseline behind. A notice: who reads from it, \
           and who waits for it, is seen there",
    detect,
};

/// A segment is what a standby fetches at once from an archive.
pub(crate) const LAG_MIN: f64 = 16.0 * 1024.0 * 1024.0;

fn detect(window: &Window) -> Vec<Symptom> {
    let now = newest(window.last_seconds(SEEN_S), |s| s.replication.clone());
    let Some(now) = now else { return Vec::new() };
    let mut found = Vec::new();
    for old in newest(window.baseline(), |s| s.replication.clone()).unwrap_or_default().standbys {
        if !now.standbys.iter().any(|s| s.name == old.name) {
            let title = format!("standby {} no longer follows", old.name);
            found.push(symptom(
                window,
                title,
                "standbys that follow",
                now.standbys.len() as f64,
                1.0,
            ));
        }
    }
    let lags = now.standbys.iter().map(|s| (s.name.as_str(), s.replay_lag_bytes));
    let own = now.replay_lag_bytes.map(|lag| ("this server", lag));
    for (name, lag) in lags.chain(own) {
        let usual = usual_lag(window, name);
        if lag > LAG_MIN && lag > 3.0 * usual {
            let title = format!("{name} is {} of WAL behind", human_bytes(lag));
            found.push(symptom(window, title, "WAL not yet replayed, bytes", lag, usual));
        }
    }
    found
}

/// The largest lag of the baseline, in bytes.
fn usual_lag(window: &Window, name: &str) -> f64 {
    let lag = |s: &Sample| {
        let replication = s.replication.as_ref()?;
        let of = replication.standbys.iter().find(|s| s.name == name);
        of.map(|s| s.replay_lag_bytes).or(replication.replay_lag_bytes)
    };
    window.baseline().iter().filter_map(lag).fold(0.0, f64::max)
}

fn symptom(window: &Window, title: String, claim: &str, value: f64, before: f64) -> Symptom {
    let unit = if claim.ends_with("bytes") { "bytes" } else { "standbys" };
    let source = sampled("replication: pg_stat_replication");
    let evidence = Evidence::measured(claim.trim_end_matches(", bytes"), value, unit, source);
    let (now, evidence) = (window.now(), evidence.against(before).at(window.now()));
    Symptom::new(DETECTOR.id, now, now, Weight::Notice, title, evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, standby};

    #[test]
    fn lag_and_loss_are_noticed_and_a_blink_is_not() {
        for (now, n) in [(vec![standby("b", 1e9)], 1), (vec![], 1), (vec![standby("b", 1e6)], 0)] {
            let mut samples = healthy(40);
            let of = |standbys| Some(Replication { standbys, ..Replication::default() });
            samples.get_mut(20).unwrap().replication = of(vec![standby("b", 1000.0)]);
            samples.last_mut().unwrap().replication = of(now);
            let window = Window { samples, baseline_until: at(30), catalog: None };
            assert_eq!(detect(&window).len(), n);
        }
    }
}
