//! A drill's result, one object per run and road.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Road {
    Guarded,
    Bypassed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub scenario: String,
    pub title: String,
    pub road: Road,
    /// 1, 2, 3, ...
    pub run: u32,
    /// Layer id; `None` on the bypassed road or when nothing stopped it.
    pub stopped_by: Option<String>,
    /// Why it was stopped, or what was found.
    pub why: String,
    /// Seconds since the first harmed request; negative: before it.
    pub detect_s: Option<f64>,
    pub diagnose_s: Option<f64>,
    pub recover_s: Option<f64>,
    pub cause: Option<String>,
    pub cause_says: String,
    pub expected_cause: String,
    pub cause_right: bool,
    pub ruled_out: Vec<RuledOutScore>,
    /// Expected to be ruled out and was not.
    pub missed_exclusions: Vec<String>,
    /// Ruled out although it is the cause.
    pub wrong_exclusions: Vec<String>,
    pub actions: Vec<String>,
    /// Actions against something that had nothing to do with it, with the reason.
    pub wrong_actions: Vec<String>,
    pub rows_acknowledged: u64,
    pub rows_lost: u64,
    /// Truths of the scenario that do not hold afterwards.
    pub broken_truths: Vec<String>,
    /// 0 to 100.
    pub score: u32,
    /// Where points were lost.
    pub lost_points: Vec<String>,
    /// Path of the Markdown file.
    pub postmortem: Option<String>,
    pub tps_baseline: f64,
    /// Minutes the real outage took.
    pub real_outage_min: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuledOutScore {
    pub cause: String,
    pub claim: String,
    pub value: Option<f64>,
    pub unit: String,
    pub baseline: Option<f64>,
}
