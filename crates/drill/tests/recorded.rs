//! Recorded outages replayed through the minds, without a server: each must tell the truth of its
//! scenario, and without its cause in the roster nothing else may be told with confidence.
#![allow(clippy::unwrap_used)] // helpers of tests

use pgward_drill::scenario;
use pgward_drill::scoring;
use pgward_incident::recording::{self, Recording};
use std::path::PathBuf;

/// Larger ones do not belong into the repository.
const BYTES_MAX: u64 = 200_000;

fn recordings() -> Vec<(String, Recording)> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/recorded"));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(path.metadata().unwrap().len() <= BYTES_MAX, "{name} is too large");
        let text = std::fs::read_to_string(&path).unwrap();
        (name, recording::read(&text).unwrap())
    };
    files.into_iter().map(read).collect()
}

#[test]
fn each_recording_tells_the_truth_of_its_scenario() {
    let mut wrong = Vec::new();
    for (name, recording) in recordings() {
        let expect = scenario::built_in(&recording.scenario).unwrap().expect;
        let replayed = recording::replay(&recording.case);
        if replayed.opened.is_none() {
            wrong.push(format!("{name}: nothing was seen that harms"));
        }
        let lacking = scoring::lacks(&expect, &replayed.symptoms, &replayed.verdicts);
        wrong.extend(lacking.into_iter().map(|l| format!("{name}: {l}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
