//! Writes the post-mortem of an incident: a fold over its record, the same each time.

mod costs;
mod impact;
mod items;
mod sentences;
mod timeline;

use crate::forest;
use jiff::Timestamp;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// The time the watcher has to detect; a harmed moment further before the first symptom is not
/// counted to this incident.
const DETECT_BUDGET_S: f64 = 10.0; // the budget of every drill

/// Everything a post-mortem is made from.
#[derive(Debug, Clone)]
pub struct Input<'a> {
    pub incident: &'a Incident,
    /// What the causes saw; without it there is no lock tree and no impact of our own measuring.
    pub case: Option<&'a Case>,
    /// The ledger's events from a little before the onset until now.
    pub events: &'a [Event],
    pub drill: bool,
    /// IANA name of the zone to print beside UTC; an unknown one is printed as UTC.
    pub zone: &'a str,
    /// Impact as the users' side counted it; measured from the case's samples when `None`.
    pub impact: Option<Impact>,
    pub losses: Losses,
    /// What keeps the first cause from coming back, each an imperative sentence.
    pub prevention: Vec<String>,
    /// Cause id to its name for people; ids stand for themselves where none is given.
    pub names: BTreeMap<String, String>,
    /// Stands in for the end of an incident that is still open.
    pub now: Timestamp,
}

/// The post-mortem. Equal inputs give equal post-mortems, byte by byte.
pub fn write(input: &Input) -> Postmortem {
    let incident = input.incident;
    let started = started(input);
    let ended = ended(input);
    let impact = input
        .impact
        .clone()
        .unwrap_or_else(|| impact::measured(input.case, started, ended.unwrap_or(input.now)));
    let first = incident.first();
    Postmortem {
        incident_id: incident.id.clone(),
        drill: input.drill,
        title: title(incident),
        server: incident.server.clone(),
        started,
        ended,
        zone: input.zone.to_owned(),
        summary: sentences::summary(input, started, ended, &impact),
        root_cause: sentences::root_cause(input),
        contributing: sentences::contributing(input),
        cause_id: first.map(|(cause, _)| cause.to_owned()),
        evidence: first.map(|(_, likely)| likely.evidence().to_vec()).unwrap_or_default(),
        detection: sentences::detection(input, started),
        timeline: timeline::timeline(input, started, &impact),
        ruled_out: ruled_out(input),
        unknown: unknown(incident),
        changes: incident.changes.clone(),
        resolution: sentences::resolution(input),
        losses: input.losses.clone(),
        action_items: items::items(input, started, ended),
        figures: Figures { lock_tree: lock_tree(input.case, started) },
        impact,
    }
}

/// The first harmed moment: the onset of the first symptom, or a second shortly before in
/// which more was harmed than in any healthy one.
fn started(input: &Input) -> Timestamp {
    let onset = input.incident.onset();
    let points = || input.impact.iter().flat_map(|i| i.per_second.iter()).filter(|p| p.at <= onset);
    let (before, shortly): (Vec<&ImpactPoint>, Vec<&ImpactPoint>) =
        points().partition(|p| seconds_between(p.at, onset) > DETECT_BUDGET_S);
    let usual = before.iter().map(|p| p.harmed).fold(0.0, f64::max);
    shortly.iter().filter(|p| p.harmed > usual).map(|p| p.at).min().unwrap_or(onset)
}

/// When service was back: the recovery that was measured, else the closing.
fn ended(input: &Input) -> Option<Timestamp> {
    let recovered = input.events.iter().filter(|e| e.kind == EventKind::Recovered);
    recovered.map(|e| e.at).max().or(input.incident.closed)
}

fn title(incident: &Incident) -> String {
    let harm = incident.symptoms.iter().find(|s| s.weight == Weight::Harm);
    harm.or(incident.symptoms.first())
        .map_or_else(|| format!("incident {}", incident.id), |s| s.title.clone())
}

/// Theories that a number refutes, those that cost the most elsewhere first.
fn ruled_out(input: &Input) -> Vec<RuledOutTheory> {
    let mut theories: Vec<(bool, RuledOutTheory)> = input
        .incident
        .verdicts
        .iter()
        .filter_map(|judged| {
            let Verdict::RuledOut { evidence, present: false } = &judged.verdict else {
                return None;
            };
            let (opened, closed) = asked(input.incident, &judged.cause, evidence);
            let cost = costs::of(&judged.cause);
            let theory = RuledOutTheory {
                cause: judged.cause.clone(),
                name: name(input, &judged.cause),
                evidence: evidence.clone(),
                opened,
                closed,
                would_have_cost_min: cost.minutes,
                cost_source: cost.origin.to_owned(),
            };
            Some((cost.told, theory))
        })
        .collect();
    theories.sort_by_key(|(told, _)| !told);
    theories.into_iter().map(|(_, theory)| theory).collect()
}

/// When the theory was first asked and when it was last refuted.
fn asked(incident: &Incident, cause: &str, evidence: &Evidence) -> (Timestamp, Timestamp) {
    let of_cause = || incident.hypotheses.iter().filter(|h| h.cause == cause);
    let opened = of_cause().map(|h| h.opened).min().unwrap_or(incident.opened);
    let closed = of_cause().filter_map(|h| h.closed).max().or(evidence.at).unwrap_or(opened);
    (opened, closed.max(opened))
}

fn unknown(incident: &Incident) -> Vec<(String, String)> {
    let missing = |judged: &Judged| match &judged.verdict {
        Verdict::Unknown { missing } => Some((judged.cause.clone(), missing.clone())),
        _ => None,
    };
    incident.verdicts.iter().filter_map(missing).collect()
}

/// The lock tree at the moment when the most sessions waited.
fn lock_tree(case: Option<&Case>, started: Timestamp) -> Vec<LockTreeNode> {
    let samples = case.map(|c| c.window.samples.as_slice()).unwrap_or_default();
    let n_before = samples.partition_point(|s| s.at < started);
    let worst = forest::worst(samples.get(n_before..).unwrap_or_default());
    worst
        .filter(|root| !root.waiters.is_empty())
        .map(|root| forest::tree(&root))
        .unwrap_or_default()
}

/// The cause's name for people, in lower case words.
fn name(input: &Input, cause: &str) -> String {
    input.names.get(cause).cloned().unwrap_or_else(|| cause.replace('_', " "))
}

#[cfg(test)]
mod tests;
