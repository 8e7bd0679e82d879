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
    /// Was the expected symptom seen? `None` on the guarded road, or when none is expected.
    #[serde(default)]
    pub symptom_seen: Option<bool>,
    /// Incidents opened before anything was staged that could harm.
    #[serde(default)]
    pub false_alarms: Vec<String>,
    pub rows_acknowledged: u64,
    pub rows_lost: u64,
    /// Acknowledged rows that are there more than once.
    #[serde(default)]
    pub duplicates: u64,
    /// Truths of the scenario that do not hold afterwards.
    pub broken_truths: Vec<String>,
    /// 0 to 100.
    pub score: u32,
    /// Where points were lost.
    pub lost_points: Vec<String>,
    /// Path of the Markdown file.
    pub postmortem: Option<String>,
    /// Seconds from the recovery until the whole post-mortem was written.
    #[serde(default)]
    pub postmortem_s: Option<f64>,
    /// How many times the scenario's usual size its tables were; 0 in old records.
    #[serde(default)]
    pub scale: u32,
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
    /// Present, yet not sufficient to explain the harm.
    #[serde(default)]
    pub present: bool,
}
