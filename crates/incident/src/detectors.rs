//! Detectors: what is not as it should be, seen in a window of samples.
//!
//! One file each; the file's name is the detector's id.

use pgward_model::prelude::*;

mod archiver_failing;
pub(crate) mod clock_jumped;
mod connection_resets;
pub(crate) mod connections_near_limit;
mod damaged_block;
mod disk_filling;
mod error_burst;
pub(crate) mod ids_run_out;
mod invalid_index;
pub(crate) mod key_overflow;
mod lock_queue;
mod login_failures;
mod mass_write;
mod path_slow;
mod relation_vanished;
mod rows_missing;
mod server_unreachable;
mod sessions_hang;
mod setting_pending;
pub(crate) mod standby_behind;
mod statement_slow;
mod throughput_drop;
mod wal_kept;
mod xmin_held;

pub use damaged_block::met_and_not_found;
pub use relation_vanished::gives_a_name;

/// One detector.
#[derive(Debug)]
pub struct Detector {
    /// File name.
    pub id: &'static str,
    /// What it sees, for people.
    pub title: &'static str,
    /// When it speaks, with the origin of every number in it.
    pub rule: &'static str,
    pub detect: fn(&Window) -> Vec<Symptom>,
}

/// All detectors.
pub static DETECTORS: &[&Detector] = &[
    &archiver_failing::DETECTOR,
    &clock_jumped::DETECTOR,
    &connection_resets::DETECTOR,
    &connections_near_limit::DETECTOR,
    &damaged_block::DETECTOR,
    &disk_filling::DETECTOR,
    &error_burst::DETECTOR,
    &ids_run_out::DETECTOR,
    &invalid_index::DETECTOR,
    &key_overflow::DETECTOR,
    &lock_queue::DETECTOR,
    &login_failures::DETECTOR,
    &mass_write::DETECTOR,
    &path_slow::DETECTOR,
    &relation_vanished::DETECTOR,
    &rows_missing::DETECTOR,
    &server_unreachable::DETECTOR,
    &sessions_hang::DETECTOR,
    &setting_pending::DETECTOR,
    &standby_behind::DETECTOR,
    &statement_slow::DETECTOR,
    &throughput_drop::DETECTOR,
    &wal_kept::DETECTOR,
    &xmin_held::DETECTOR,
];

/// Seconds of healthy samples that relative detectors need before they speak.
pub const BASELINE_S_MIN: f64 = 10.0; // five statement samples; less is no level

/// Every symptom in the window.
pub fn detect(window: &Window) -> Vec<Symptom> {
    DETECTORS.iter().flat_map(|d| (d.detect)(window)).collect()
}

/// Seconds a new level must have held to be taken for the usual one.
pub const STEADY_S: f64 = statement_slow::STEADY_S;

/// Is slowness that has held for [`STEADY_S`] all that harms, and what are the levels? One
/// line a statement; `None` when a statement is not steady yet, when none is slow, or when
/// another harm was seen within `quiet_s` seconds.
pub fn settled(window: &Window, symptoms: &[Symptom], quiet_s: f64) -> Option<Vec<String>> {
    let other = |s: &Symptom| {
        s.weight == Weight::Harm
            && s.detector != statement_slow::DETECTOR.id
            && seconds_between(s.last_seen, window.now()) < quiet_s
    };
    if symptoms.iter().any(other) { None } else { statement_slow::settled(window) }
}

/// What clients still feel when the harm is taken for meant, one line a table.
pub fn left(window: &Window) -> Vec<String> {
    rows_missing::left(window)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::healthy;

    #[test]
    fn a_healthy_minute_has_no_symptom() {
        let samples = healthy(60);
        let window = Window { baseline_until: samples.get(50).unwrap().at, samples, catalog: None };
        assert_eq!(detect(&window), []);
    }

    #[test]
    fn every_file_is_registered_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/detectors");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, DETECTORS.iter().map(|x| x.id).collect::<Vec<_>>());
    }
}
