//! What has been tried in an incident, and with it the answer to "may this be tried (again)?".

use pgward_incident::causes::Cause;
use pgward_model::prelude::*;
use std::collections::BTreeSet;

/// How a try ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Carried out and proven.
    Done,
    /// The moment was wrong: the session had changed, or clients would have waited.
    NotNow,
    /// It cannot be done, or nobody allowed it.
    Given,
}

/// One action on one object for one cause.
#[derive(Debug, Clone)]
struct Try {
    key: String,
    explains: &'static [&'static str],
    /// What the symptoms that it was to answer were on.
    relations: BTreeSet<String>,
    ended: Option<(Timestamp, Ended)>,
    /// Symptoms that were seen to be gone after it was done.
    gone: BTreeSet<Identity>,
}

impl Try {
    fn is(&self, how: Ended) -> bool {
        self.ended.is_some_and(|(_, ended)| ended == how)
    }
}

/// A symptom: detector and relations.
type Identity = (String, Vec<String>);

/// The tries of one incident; another incident begins anew.
#[derive(Debug, Default)]
pub struct Tries {
    incident: String,
    tries: Vec<Try>,
}

/// The same action on the same object at most this often in one incident: a fault that comes
/// back a third time has a cause that this action does not reach.
const TRIES_MAX: usize = 3;
/// A symptom still there this long after a proven action has another cause. Detectors look back
/// over at most 10 s, counters reach the views a second late.
const LINGERS_S: f64 = 15.0;
/// Pause before what was refused is planned anew; each time it doubles.
const PAUSE_S: f64 = 3.0;
/// 3 + 6 + 12 + 24 + 48 s: a moment that does not come in a minute and a half is for a person.
const WAITS_MAX: usize = 6;
/// A symptom is told as gone only from samples taken after the action.
const SETTLES_S: f64 = 2.5;

impl Tries {
    /// Looks at the symptoms once per tick, to know which of them go and come back. What was not
    /// seen for want of a sample has not gone: `blind` when the last one has gaps.
    pub fn look(&mut self, at: Timestamp, incident: &Incident, blind: bool) {
        if self.incident != incident.id {
            *self = Tries { incident: incident.id.clone(), tries: Vec::new() };
        }
        for tried in self.tries.iter_mut().filter(|_| !blind) {
            let Some((ended, Ended::Done)) = tried.ended else { continue };
            if seconds_between(ended, at) < SETTLES_S {
                continue;
            }
            let over = incident.symptoms.iter().filter(|s| !s.is_present(at)).map(identity);
            tried.gone.extend(over);
        }
    }

    pub fn begin(&mut self, key: String, cause: &Cause, incident: &Incident) {
        let explains = cause.explains;
        let answered = incident.symptoms.iter().filter(|s| explains.contains(&&*s.detector));
        let relations = answered.flat_map(|s| identity(s).1).collect();
        self.tries.push(Try { key, explains, relations, ended: None, gone: BTreeSet::new() });
    }

    /// The last try has ended.
    pub fn end(&mut self, at: Timestamp, how: Ended) {
        if let Some(last) = self.tries.last_mut() {
            last.ended = Some((at, how));
        }
    }

    /// The last try has ended without a word: refused by a person, or lost.
    pub fn end_if_open(&mut self, at: Timestamp, how: Ended) {
        if self.tries.last().is_some_and(|t| t.ended.is_none()) {
            self.end(at, how);
        }
    }

    /// Does the cause explain a symptom that no proven action has answered?
    pub fn is_open(&self, at: Timestamp, incident: &Incident, cause: &Cause) -> bool {
        let explained = |s: &&Symptom| cause.explains.contains(&s.detector.as_str());
        incident.symptoms.iter().filter(explained).any(|symptom| {
            self.answers(symptom).all(|(tried, ended)| {
                came_back(tried, symptom, at)
                    || is_another(tried, symptom, ended)
                    || (symptom.is_present(at)
                        && seconds_between(ended, symptom.last_seen) > LINGERS_S)
            })
        })
    }

    /// May this action be planned for this object? `None`: not in this incident; else the
    /// seconds until it may.
    pub fn pause_s(
        &self,
        at: Timestamp,
        incident: &Incident,
        cause: &Cause,
        key: &str,
    ) -> Option<f64> {
        let same: Vec<&Try> = self.tries.iter().filter(|t| t.key == key).collect();
        let Some(last) = same.last() else { return Some(0.0) };
        let n_waits = same.iter().filter(|t| t.is(Ended::NotNow)).count();
        if same.iter().filter(|t| t.is(Ended::Done)).count() >= TRIES_MAX || n_waits >= WAITS_MAX {
            return None;
        }
        match last.ended? {
            (ended, Ended::NotNow) => {
                let doubled = 2_f64.powi(i32::try_from(n_waits).unwrap_or(0) - 1);
                Some((PAUSE_S * doubled - seconds_between(ended, at)).max(0.0))
            }
            (_, Ended::Done) => {
                let explained = incident
                    .symptoms
                    .iter()
                    .filter(|s| cause.explains.contains(&s.detector.as_str()));
                explained.into_iter().any(|s| came_back(last, s, at)).then_some(0.0)
            }
            (_, Ended::Given) => None,
        }
    }

    /// Will a refusal of this try be the last word?
    pub fn is_last_wait(&self, key: &str) -> bool {
        let waits = self.tries.iter().filter(|t| t.key == key && t.is(Ended::NotNow));
        waits.count() + 1 >= WAITS_MAX
    }

    /// Proven actions that answer the symptom, and when they ended.
    fn answers(&self, symptom: &Symptom) -> impl Iterator<Item = (&Try, Timestamp)> {
        self.tries.iter().filter_map(|t| match t.ended {
            Some((ended, Ended::Done)) if t.explains.contains(&symptom.detector.as_str()) => {
                Some((t, ended))
            }
            _ => None,
        })
    }
}

fn came_back(tried: &Try, symptom: &Symptom, at: Timestamp) -> bool {
    symptom.is_present(at) && tried.gone.contains(&identity(symptom))
}

/// A second queue, on other tables, that began after the first was ended: nothing answers it yet.
fn is_another(tried: &Try, symptom: &Symptom, ended: Timestamp) -> bool {
    let relations = identity(symptom).1;
    symptom.since > ended
        && !relations.is_empty()
        && relations.iter().all(|r| !tried.relations.contains(r))
}

fn identity(symptom: &Symptom) -> Identity {
    (symptom.detector.clone(), symptom.relations.iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgward_incident::causes;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_795_219_200 + s).unwrap()
    }

    fn blocker() -> &'static Cause {
        causes::CAUSES.iter().find(|c| c.explains.contains(&"lock_queue")).unwrap()
    }

    fn incident(last_seen: i64) -> Incident {
        let fact = Evidence::stated("seen", Source::new(SourceKind::Sample, "test"));
        let symptom =
            Symptom::new("lock_queue", at(0), at(last_seen), Weight::Harm, "clients wait", fact);
        Incident {
            id: "i".into(),
            server: "s".into(),
            opened: at(0),
            closed: None,
            symptoms: vec![symptom],
            verdicts: Vec::new(),
            hypotheses: Vec::new(),
            runbooks: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// One try begun at second 0, ended at second 5.
    fn tried(how: Ended) -> Tries {
        let mut tries = Tries::default();
        tries.look(at(0), &incident(0), false);
        tries.begin("terminate 1".into(), blocker(), &incident(0));
        tries.end(at(5), how);
        tries
    }

    #[test]
    fn what_is_solved_is_left_alone() {
        let mut tries = tried(Ended::Done);
        for s in 6..60 {
            tries.look(at(s), &incident(6), false);
            assert!(!tries.is_open(at(s), &incident(6), blocker()));
            assert_eq!(tries.pause_s(at(s), &incident(6), blocker(), "terminate 1"), None);
        }
    }

    #[test]
    fn a_symptom_that_comes_back_is_answered_again_and_not_for_ever() {
        let mut tries = tried(Ended::Done);
        for again in 1..4 {
            let s = again * 100;
            tries.look(at(s), &incident(6), false);
            let back = incident(s + 10);
            tries.look(at(s + 10), &back, false);
            assert!(tries.is_open(at(s + 10), &back, blocker()));
            let pause = tries.pause_s(at(s + 10), &back, blocker(), "terminate 1");
            assert_eq!(pause, (again < 3).then_some(0.0), "{again}");
            assert_eq!(tries.pause_s(at(s + 10), &back, blocker(), "terminate 2"), Some(0.0));
            tries.begin("terminate 1".into(), blocker(), &back);
            tries.end(at(s + 11), Ended::Done);
        }
    }

    #[test]
    fn what_was_not_looked_at_has_not_gone() {
        let mut tries = tried(Ended::Done);
        tries.look(at(100), &incident(6), true);
        let there = incident(110);
        tries.look(at(110), &there, false);
        assert_eq!(tries.pause_s(at(110), &there, blocker(), "terminate 1"), None);
    }

    #[test]
    fn a_symptom_that_stays_opens_the_way_for_another_action_only() {
        let mut tries = tried(Ended::Done);
        for s in 6..40 {
            let there = incident(s);
            tries.look(at(s), &there, false);
            assert_eq!(tries.is_open(at(s), &there, blocker()), s > 20, "{s}");
            assert_eq!(tries.pause_s(at(s), &there, blocker(), "terminate 1"), None);
        }
    }

    #[test]
    fn a_queue_on_another_table_that_begins_later_is_not_answered_by_the_act_for_the_first() {
        let on = |table: &str, since: i64, last_seen: i64| {
            let mut incident = incident(last_seen);
            for symptom in &mut incident.symptoms {
                symptom.since = at(since);
                symptom.relations = vec![Relation::new("shop", table)];
            }
            incident
        };
        let mut tries = Tries::default();
        tries.look(at(0), &on("orders", 0, 0), false);
        tries.begin("terminate 1".into(), blocker(), &on("orders", 0, 0));
        tries.end(at(5), Ended::Done);
        for (table, since, is_open) in
            [("items", 7, true), ("items", 3, false), ("orders", 7, false)]
        {
            assert_eq!(
                tries.is_open(at(9), &on(table, since, 9), blocker()),
                is_open,
                "{table} {since}"
            );
        }
    }

    #[test]
    fn what_was_refused_is_tried_again_after_a_pause() {
        let tries = tried(Ended::NotNow);
        let pause = |s| tries.pause_s(at(s), &incident(s), blocker(), "terminate 1");
        assert_eq!(pause(6), Some(2.0));
        assert_eq!(pause(9), Some(0.0));
        let mut patient = tried(Ended::NotNow);
        for again in 1..WAITS_MAX {
            assert_eq!(patient.is_last_wait("terminate 1"), again + 1 == WAITS_MAX);
            patient.begin("terminate 1".into(), blocker(), &incident(5));
            patient.end(at(5), Ended::NotNow);
        }
        assert_eq!(patient.pause_s(at(900), &incident(900), blocker(), "terminate 1"), None);
        let given = tried(Ended::Given);
        assert_eq!(given.pause_s(at(9), &incident(9), blocker(), "terminate 1"), None);
    }

    #[test]
    fn another_incident_begins_anew() {
        let mut tries = tried(Ended::Given);
        let other = Incident { id: "j".into(), ..incident(50) };
        tries.look(at(50), &other, false);
        assert_eq!(tries.pause_s(at(50), &other, blocker(), "terminate 1"), Some(0.0));
    }
}
