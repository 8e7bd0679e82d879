//! Recorded outages replayed through the minds, without a server: each must tell the truth of its
//! scenario, and without its cause in the roster nothing else may be told with confidence.
#![allow(clippy::unwrap_used)] // helpers of tests

use pgward_drill::scenario;
use pgward_drill::scoring;
use pgward_incident::recording::{self, Recording};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Larger ones do not belong into the repository.
const BYTES_MAX: u64 = 300_000;

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

/// A verdict below this score is not acted on (`pgward_recover::respond`).
const ACTED_ON: f64 = 0.5;
/// Of a hundred outages of no known cause, so many must not be given a wrong one.
const NOT_WRONG_PERCENT: usize = 90;

#[test]
fn an_outage_whose_cause_is_not_in_the_roster_is_given_no_wrong_one() {
    let all = recordings();
    let (mut coarser, mut wrong) = (Vec::new(), Vec::new());
    for (name, recording) in &all {
        let expect = scenario::built_in(&recording.scenario).unwrap().expect;
        let judged = recording::replay(&recording.case).verdicts;
        let others = judged.iter().filter(|j| j.cause != expect.cause);
        let likely = others.filter_map(|j| Some((&j.cause, j.verdict.likely()?)));
        for (other, likely) in likely.filter(|(_, l)| l.score >= ACTED_ON) {
            let (score, says) = (likely.score, &likely.says);
            let line = format!("{name} without {}: {other} {score}: {says}", expect.cause);
            match expect.also.contains(other) {
                true => coarser.push((name, line)),
                false => wrong.push((name, line)),
            }
        }
    }
    let named = |claims: &[(&String, String)]| {
        let names: BTreeSet<&String> = claims.iter().map(|(name, _)| *name).collect();
        let lines: Vec<&str> = claims.iter().map(|(_, line)| line.as_str()).collect();
        (names.len(), lines.join("\n"))
    };
    let ((n_coarser, coarser), (n_wrong, wrong)) = (named(&coarser), named(&wrong));
    println!(
        "of {} outages without their cause in the roster {n_wrong} are given a wrong one:\n{wrong}\n\
         {n_coarser} are given one that is true as well:\n{coarser}",
        all.len()
    );
    let share = 100 - 100 * n_wrong / all.len();
    assert!(share >= NOT_WRONG_PERCENT, "{share}% of {}:\n{wrong}", all.len());
}
