//! Symptoms, incidents and verdicts.

use crate::catalog::Catalog;
use crate::change::{Change, GateReport};
use crate::event::Event;
use crate::evidence::{Evidence, Source};
use crate::name::{Pid, Relation};
use crate::runbook::Runbook;
use crate::sample::DdlEvent;
use crate::window::{Window, seconds_between};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something a detector saw that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Symptom {
    /// Detector id.
    pub detector: String,
    pub since: Timestamp,
    pub last_seen: Timestamp,
    /// Do users feel it, or will they?
    pub weight: Weight,
    /// One line naming the object.
    pub title: String,
    pub relations: Vec<Relation>,
    pub pids: Vec<Pid>,
    evidence: Vec<Evidence>,
}

/// Whether a symptom opens an incident by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Worth a line; joins an incident, opens none.
    Notice,
    /// Opens an incident.
    Harm,
}

/// The detector of keys that run out within the hour: all is well until they have.
const FORESEES: &str = "key_overflow";

impl Symptom {
    pub fn new(
        detector: impl Into<String>,
        since: Timestamp,
        last_seen: Timestamp,
        weight: Weight,
        title: impl Into<String>,
        evidence: Evidence,
    ) -> Self {
        Self {
            detector: detector.into(),
            since,
            last_seen,
            weight,
            title: title.into(),
            relations: Vec::new(),
            pids: Vec::new(),
            evidence: vec![evidence],
        }
    }

    /// Is it harm that comes within the hour, and that nobody feels yet?
    pub fn is_foreseen(&self) -> bool {
        self.weight == Weight::Harm && self.detector == FORESEES
    }

    /// Is it harm that users feel?
    pub fn is_felt(&self) -> bool {
        self.weight == Weight::Harm && !self.is_foreseen()
    }

    /// Was it seen within the last two samples before `at`? They are a second apart.
    pub fn is_present(&self, at: Timestamp) -> bool {
        seconds_between(self.last_seen, at) <= 2.5
    }

    pub fn on(mut self, relations: impl IntoIterator<Item = Relation>) -> Self {
        self.relations.extend(relations);
        self
    }

    pub fn by(mut self, pids: impl IntoIterator<Item = Pid>) -> Self {
        self.pids.extend(pids);
        self
    }

    pub fn and(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    /// Never empty.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: String,
    pub server: String,
    pub opened: Timestamp,
    pub closed: Option<Timestamp>,
    pub symptoms: Vec<Symptom>,
    /// Every cause's latest answer, most likely first.
    pub verdicts: Vec<Judged>,
    /// Every change of a verdict, in order: the ledger of hypotheses.
    pub hypotheses: Vec<Hypothesis>,
    pub runbooks: Vec<Runbook>,
    /// What changed before and during it, oldest first, each weighed.
    #[serde(default)]
    pub changes: Vec<WeighedChange>,
}

/// A change, and whether it can be to blame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeighedChange {
    pub at: Timestamp,
    /// What was done to what: `DROP INDEX public.orders_note`, `deploy 4711`.
    pub what: String,
    pub actor: String,
    pub standing: Standing,
    pub source: Source,
}

/// Only a change that precedes the trouble and touches what it hits can be to blame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Precedes, and touches: `why` says by how much and what.
    Suspect { why: String },
    /// It happened, and is not to blame: `why` says what contradicts.
    Decoy { why: String },
    /// What it touches is not known.
    Unknown { why: String },
}

/// A cause and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub cause: String,
    pub verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    pub cause: String,
    pub opened: Timestamp,
    /// When it was ruled out; `None` while likely or unknown.
    pub closed: Option<Timestamp>,
}

/// What a cause answers. Every cause must answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Likely(Likely),
    /// A number contradicts a necessary condition.
    RuledOut {
        evidence: Evidence,
        /// Present, yet not sufficient to explain the harm.
        present: bool,
    },
    /// What is missing to decide.
    Unknown {
        missing: String,
    },
}

/// A cause that fits, with what a responder must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Likely {
    /// 0 to 1; orders the likely causes.
    pub score: f64,
    /// One sentence: object, actor, change.
    pub says: String,
    /// Sessions to blame, with what proves that they are still the same.
    pub pids: Vec<Pid>,
    pub relations: Vec<Relation>,
    /// Ids of actions that could help, best first.
    pub actions: Vec<String>,
    /// The change to blame, where there is one.
    pub ddl: Vec<DdlEvent>,
    /// Nothing fails by it: what was done may have been meant, and is not undone unasked.
    #[serde(default)]
    pub perhaps_meant: bool,
    /// Whoever is blamed was not seen to do most of it: nothing is done about it unasked.
    #[serde(default)]
    pub is_unproven: bool,
    evidence: Vec<Evidence>,
}

impl Likely {
    pub fn new(score: f64, says: impl Into<String>, evidence: Evidence) -> Self {
        Self {
            score,
            says: says.into(),
            pids: Vec::new(),
            relations: Vec::new(),
            actions: Vec::new(),
            ddl: Vec::new(),
            perhaps_meant: false,
            is_unproven: false,
            evidence: vec![evidence],
        }
    }

    pub fn and(mut self, evidence: Evidence) -> Self {
        self.evidence.push(evidence);
        self
    }

    pub fn act(mut self, actions: &[&str]) -> Self {
        self.actions.extend(actions.iter().map(|a| (*a).to_owned()));
        self
    }

    pub fn on(mut self, relations: impl IntoIterator<Item = Relation>) -> Self {
        self.relations.extend(relations);
        self
    }

    pub fn by(mut self, pids: impl IntoIterator<Item = Pid>) -> Self {
        self.pids.extend(pids);
        self
    }

    pub fn blaming(mut self, ddl: impl IntoIterator<Item = DdlEvent>) -> Self {
        self.ddl.extend(ddl);
        self
    }

    /// Never empty, strongest first.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }
}

impl Verdict {
    pub fn ruled_out(evidence: Evidence) -> Verdict {
        Verdict::RuledOut { evidence, present: false }
    }

    pub fn present_not_sufficient(evidence: Evidence) -> Verdict {
        Verdict::RuledOut { evidence, present: true }
    }

    pub fn unknown(missing: impl Into<String>) -> Verdict {
        Verdict::Unknown { missing: missing.into() }
    }

    pub fn likely(&self) -> Option<&Likely> {
        match self {
            Verdict::Likely(likely) => Some(likely),
            _ => None,
        }
    }
}

impl Incident {
    /// The most likely cause.
    pub fn first(&self) -> Option<(&str, &Likely)> {
        self.verdicts.iter().find_map(|j| j.verdict.likely().map(|l| (j.cause.as_str(), l)))
    }

    /// When the first harm began that anybody felt, else the first that was foreseen; a notice
    /// before it may be another matter.
    pub fn onset(&self) -> Timestamp {
        let first = |is_it: fn(&&Symptom) -> bool| {
            self.symptoms.iter().filter(is_it).map(|s| s.since).min()
        };
        first(|s| s.is_felt())
            .or_else(|| first(|s| s.weight == Weight::Harm))
            .or_else(|| first(|_| true))
            .unwrap_or(self.opened)
    }
}

/// What causes see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub symptoms: Vec<Symptom>,
    pub onset: Timestamp,
    pub window: Window,
    /// The newest catalog; `window.catalog` is the one before.
    pub catalog: Option<Catalog>,
    /// DDL of the last hours, oldest first: the change ledger.
    pub ddl: Vec<DdlEvent>,
    /// What else changed in the last hours, oldest first: settings, roles, statistics, restarts,
    /// and what others told of deploys and jobs.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Changes pgward knows: from the journal, or from the migrations folder it was given.
    pub known_changes: Vec<KnownChange>,
    /// Does the server have page checksums?
    pub checksums: Option<bool>,
    pub server: String,
}

impl Case {
    /// A case of which only the samples are known.
    pub fn new(window: Window, onset: Timestamp, server: impl Into<String>) -> Self {
        Self {
            symptoms: Vec::new(),
            onset,
            window,
            catalog: None,
            ddl: Vec::new(),
            events: Vec::new(),
            known_changes: Vec::new(),
            checksums: None,
            server: server.into(),
        }
    }
}

/// A change whose files pgward has read, whether or not it went through pgward.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownChange {
    pub change: Change,
    pub seen: ChangeSeen,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeSeen {
    InFolder,
    /// pgward was asked and refused.
    Refused(Box<GateReport>),
    Applied,
}
