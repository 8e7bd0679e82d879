//! The data volume runs full.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::{Disk, disk, trend};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "disk_filling",
    title: "The data volume runs full",
    rule: "harm when a steady trend of 16 s fills the volume within five minutes (what a person \
           needs to be at a keyboard) and less than half of it is free, or when less than 64 MB \
           is free: four segments of WAL, without which the server stops. A notice when it has \
           fallen for a minute, and as fast as that fills it within an hour",
    detect,
};

const LATER_S: f64 = 3600.0;
/// The shortest fall that an hour may be told from.
const SEEN_S: f64 = 60.0;
/// Four segments of the default size.
const FREE_BYTES_MIN: f64 = 64.0 * 1024.0 * 1024.0;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(disk) = disk(&window.samples) else { return Vec::new() };
    // A build, a dump, a sort falls as steadily for some seconds.
    let long = trend(&window.samples, SEEN_S);
    let later = long.and_then(|d| d.full_in_s()).is_some_and(|left| left <= LATER_S);
    let weight = match () {
        () if disk.is_soon() || disk.free < FREE_BYTES_MIN => Weight::Harm,
        () if later => Weight::Notice,
        () => return Vec::new(),
    };
    let before = window.baseline().iter().rev().find_map(|s| s.host);
    vec![Symptom::new(
        DETECTOR.id,
        window.now(),
        window.now(),
        weight,
        title(&disk),
        Evidence::measured("free on the data volume", disk.free, "bytes", sampled("host: statvfs"))
            .against(before.map_or(disk.free, |h| h.disk_free_bytes))
            .at(window.now()),
    )]
}

fn title(disk: &Disk) -> String {
    let free = human_bytes(disk.free);
    match disk.full_in_s() {
        Some(s) => format!("{free} free on the data volume, full in {}", human_duration(s)),
        None => format!("{free} free on the data volume"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy};

    fn weight(free_gb: impl Fn(i64) -> f64) -> Option<Weight> {
        weight_of(70, free_gb)
    }

    fn weight_of(seconds: i64, free_gb: impl Fn(i64) -> f64) -> Option<Weight> {
        let mut samples = healthy(seconds);
        for (s, sample) in (0..).zip(&mut samples) {
            sample.host = Some(HostSample {
                disk_free_bytes: free_gb(s) * 1e9,
                disk_total_bytes: 100e9,
                ..HostSample::default()
            });
        }
        let window = Window { samples, baseline_until: at(30), catalog: None };
        detect(&window).first().map(|s| s.weight)
    }

    #[test]
    fn what_is_full_in_minutes_is_harm_and_what_is_full_in_an_hour_a_notice() {
        assert_eq!(weight(|s| 20.0 - 0.1 * s as f64), Some(Weight::Harm));
        assert_eq!(weight(|s| 90.0 - 0.5 * s as f64), Some(Weight::Notice));
        assert_eq!(weight(|s| 20.0 - 0.01 * s as f64), Some(Weight::Notice));
        assert_eq!(weight_of(40, |s| 90.0 - 0.5 * s as f64), None);
        assert_eq!(weight(|s| if s < 50 { 90.0 } else { 90.0 - 0.5 * (s - 50) as f64 }), None);
        assert_eq!(weight(|s| 20.0 - 0.001 * s as f64), None);
        assert_eq!(weight(|_| 0.05), Some(Weight::Harm));
        assert_eq!(weight(|s| if s > 65 { 10.0 } else { 20.0 }), None);
    }
}
