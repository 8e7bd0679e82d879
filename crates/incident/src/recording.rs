//! An outage as a file: the seconds around its onset, packed, so that the minds replay it
//! without a server.

use crate::course::note;
use crate::{causes, detectors};
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// A staged outage as the guard saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Id of the scenario whose truth it must tell.
    pub scenario: String,
    pub case: Case,
}

/// What the minds make of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// Every symptom seen, each as it was last.
    pub symptoms: Vec<Symptom>,
    /// When the first harm was seen.
    pub opened: Option<Timestamp>,
    /// Every cause's verdict at the end, most likely first.
    pub verdicts: Vec<Judged>,
}

/// Seconds of baseline that are kept: what detectors need, and two statement samples more.
const BASELINE_S: f64 = detectors::BASELINE_S_MIN + 4.0;

/// Log lines of one kind and role that are kept of one second: a burst repeats itself, and what
/// else was said in that second must not be lost behind it.
const LINES_MAX: usize = 12;

/// The case without what lies long before its onset or after `until`.
pub fn cut(case: &Case, until: Timestamp) -> Case {
    let mut kept = case.clone();
    let from = case.window.baseline_until;
    let is_old = |s: &Sample| seconds_between(s.at, from) > BASELINE_S;
    kept.window.samples.retain(|s| !is_old(s) && s.at <= until);
    kept.ddl.retain(|d| d.at <= until);
    if let Some(first) = kept.window.samples.first_mut() {
        let old = case.window.samples.partition_point(is_old);
        bring_forward(case.window.samples.get(..old).unwrap_or_default(), first);
    }
    kept.window.samples.iter_mut().for_each(cut_log);
    kept
}

/// What is looked at every minute or so stands until the next look: the last look before the cut
/// goes into the first sample after it. Counters do not: they belong to their second.
fn bring_forward(old: &[Sample], first: &mut Sample) {
    for sample in old.iter().rev() {
        first.keys = first.keys.take().or_else(|| sample.keys.clone());
        first.planner = first.planner.take().or_else(|| sample.planner.clone());
        first.horizon = first.horizon.take().or_else(|| sample.horizon.clone());
        first.pending = first.pending.take().or_else(|| sample.pending.clone());
        first.replication = first.replication.take().or_else(|| sample.replication.clone());
    }
}

fn cut_log(sample: &mut Sample) {
    let n_before = sample.log.len();
    let mut seen: HashMap<(String, String, String), usize> = HashMap::new();
    sample.log.retain(|e| {
        let kind = (e.severity.clone(), e.sqlstate.clone(), e.role.clone());
        let n = seen.entry(kind).or_default();
        *n += 1;
        *n <= LINES_MAX
    });
    sample.log_dropped += (n_before - sample.log.len()) as u64;
}

/// The recording as text: lists of like objects become tables, words that repeat are written
/// once.
///
/// # Errors
/// When a number cannot be written as JSON.
pub fn print(recording: &Recording) -> Result<String, serde_json::Error> {
    let mut words = Words::default();
    let packed = pack(serde_json::to_value(recording)?, &mut words);
    serde_json::to_string(&json!({ "words": words.all, "packed": packed }))
}

/// # Errors
/// When the text is no recording.
pub fn read(text: &str) -> Result<Recording, serde_json::Error> {
    #[derive(Deserialize)]
    struct File {
        words: Vec<String>,
        packed: Value,
    }
    let File { words, packed } = serde_json::from_str(text)?;
    serde_json::from_value(unpack(packed, &words))
}

/// Looks at the recording second by second, as the guard does, and judges at its end.
pub fn replay(recorded: &Case) -> Replayed {
    let samples = &recorded.window.samples;
    let mut case = recorded.clone();
    (case.window.samples, case.symptoms) = (Vec::new(), Vec::new());
    let mut opened = None;
    for sample in samples {
        case.window.samples.push(sample.clone());
        if sample.at <= case.window.baseline_until {
            continue;
        }
        for new in detectors::detect(&case.window) {
            if new.weight == Weight::Harm {
                opened = opened.or(Some(sample.at));
            }
            note(&mut case.symptoms, new);
        }
    }
    case.onset = case.symptoms.iter().map(|s| s.since).min().unwrap_or(recorded.onset);
    Replayed { verdicts: causes::judge(&case), symptoms: case.symptoms, opened }
}

/// Words that were met, each with its number.
#[derive(Default)]
struct Words {
    all: Vec<String>,
    numbers: HashMap<String, usize>,
}

/// Shorter ones are written as they are.
const WORD_MIN: usize = 7;

impl Words {
    /// `#7` for the seventh word.
    fn number(&mut self, word: String) -> String {
        let next = self.all.len();
        let number = *self.numbers.entry(word.clone()).or_insert(next);
        if number == next {
            self.all.push(word);
        }
        format!("#{number}")
    }
}

fn pack(value: Value, words: &mut Words) -> Value {
    match value {
        Value::String(s) if s.len() >= WORD_MIN || s.starts_with('#') => {
            Value::String(words.number(s))
        }
        Value::Array(items) => match table(&items) {
            Some(columns) => {
                let rows = items.into_iter().map(|item| {
                    let Value::Object(fields) = item else { return Value::Null };
                    fields.into_iter().map(|(_, v)| pack(v, words)).collect()
                });
                let rows: Vec<Value> = rows.collect();
                json!({ "#columns": columns, "#rows": rows })
            }
            None => items.into_iter().map(|v| pack(v, words)).collect(),
        },
        Value::Object(fields) => {
            fields.into_iter().map(|(k, v)| (k, pack(v, words))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// The names of the fields of at least two objects that all have the same.
fn table(items: &[Value]) -> Option<Vec<String>> {
    let names = |v: &Value| v.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
    let first = names(items.first()?)?;
    let alike = items.len() > 1 && items.iter().all(|v| names(v).as_ref() == Some(&first));
    alike.then_some(first)
}

fn unpack(value: Value, words: &[String]) -> Value {
    match value {
        Value::String(s) => {
            let number = s.strip_prefix('#').and_then(|n| n.parse::<usize>().ok());
            Value::String(number.and_then(|n| words.get(n).cloned()).unwrap_or(s))
        }
        Value::Array(items) => items.into_iter().map(|v| unpack(v, words)).collect(),
        Value::Object(mut fields) => match (fields.remove("#columns"), fields.remove("#rows")) {
            (Some(Value::Array(columns)), Some(Value::Array(rows))) => {
                let names: Vec<&str> = columns.iter().filter_map(Value::as_str).collect();
                let row = |row: Value| {
                    let Value::Array(values) = row else { return Value::Null };
                    let named = names.iter().map(|n| (*n).to_owned());
                    let fields = named.zip(values.into_iter().map(|v| unpack(v, words)));
                    fields.collect::<Map<_, _>>().into()
                };
                rows.into_iter().map(row).collect()
            }
            _ => {
                fields.into_iter().map(|(k, v)| (k, unpack(v, words))).collect::<Map<_, _>>().into()
            }
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, ddl, healthy, log, session, table};

    #[test]
    fn what_is_packed_is_unpacked_whole_and_smaller() {
        let mut samples = healthy(30);
        for sample in &mut samples {
            sample.sessions = (0..10).map(|pid| session(pid, "active", &[])).collect();
            sample.tables = Some(vec![table("#7", 10), table("orders", 20)]);
            sample.log = vec![log(1, "ERROR", "42P01", "#0 is no number")];
        }
        let mut case = case(samples, 20);
        case.ddl = vec![ddl(28, "DROP INDEX", "index", "orders")];
        let recording = Recording { scenario: "x".to_owned(), case };
        let text = print(&recording).unwrap();
        assert_eq!(read(&text).unwrap(), recording);
        let plain = serde_json::to_string(&recording).unwrap();
        assert!(text.len() * 2 < plain.len(), "{} of {}", text.len(), plain.len());
    }

    #[test]
    fn only_the_seconds_around_the_onset_are_kept_and_what_stood_then() {
        let mut samples = healthy(100);
        samples.iter_mut().take(21).for_each(|s| s.keys = Some(Vec::new()));
        let kept = cut(&case(samples, 60), at(70));
        let seconds: Vec<Timestamp> = kept.window.samples.iter().map(|s| s.at).collect();
        assert_eq!((seconds.first(), seconds.last()), (Some(&at(45)), Some(&at(70))));
        assert!(kept.window.samples.first().is_some_and(|s| s.keys.is_some()));
    }

    #[test]
    fn a_burst_of_one_kind_is_cut_and_what_stands_behind_it_stays() {
        let mut samples = healthy(70);
        if let Some(last) = samples.last_mut() {
            last.log = vec![log(69, "ERROR", "42P01", "no orders"); 500];
            last.log.push(log(69, "FATAL", "28P01", "no such user"));
        }
        let kept = cut(&case(samples, 60), at(70));
        let last = kept.window.samples.last().unwrap();
        assert_eq!((last.log.len(), last.log_dropped), (LINES_MAX + 1, 500 - LINES_MAX as u64));
        assert_eq!(last.log.last().unwrap().sqlstate, "28P01");
    }

    #[test]
    fn a_replay_sees_what_the_guard_saw() {
        let mut samples = healthy(34);
        for sample in samples.iter_mut().skip(31) {
            let mut sessions = vec![session(1, "idle in transaction", &[])];
            sessions.extend((2..5).map(|pid| session(pid, "active", &[1])));
            sample.sessions = sessions;
        }
        let replayed = replay(&case(samples, 30));
        assert_eq!(replayed.opened, Some(at(32)));
        let first = replayed.verdicts.first().unwrap();
        assert_eq!(first.cause, "lock_idle_tx");
    }
}
