//! Action items: what follows from the cause, each with an id, an owner, a date and a state.

use super::Input;
use super::sentences::{quoted, zone_of};
use crate::facts::{is_ddl, is_dml};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use pgward_model::prelude::*;
use std::collections::BTreeSet;

/// What is broken now is put right within three days: the time in which a review of the
/// highest severity is due.
const CORRECTIVE_DAYS: i64 = 3;
/// What keeps it from coming back fits a sprint of two weeks.
const PREVENTATIVE_DAYS: i64 = 14;
/// Reasons why causes could not be judged that become items; the rest is in the list.
const BLIND_SPOTS_MAX: usize = 3;

const RESPONDER: &str = "database on-call";
const OWNER: &str = "database owner";

struct Draft {
    kind: ActionKind,
    owner: String,
    title: String,
}

/// Corrective items first; ids are `INCIDENT-NUMBER` and stay when the text is written again.
pub(super) fn items(
    input: &Input,
    started: Timestamp,
    ended: Option<Timestamp>,
) -> Vec<ActionItem> {
    let mut drafts = corrective(input);
    drafts.extend(preventative(input, started));
    let mut seen = BTreeSet::new();
    drafts.retain(|d| seen.insert(d.title.clone()));
    // Not `now`: a document that is written again must not move its dates.
    let from = ended.unwrap_or(input.incident.opened);
    drafts
        .into_iter()
        .enumerate()
        .map(|(i, draft)| ActionItem {
            id: format!("{}-{}", input.incident.id, i + 1),
            title: draft.title,
            owner: draft.owner,
            due: due(from, draft.kind, input.zone),
            state: ActionState::Open,
            kind: draft.kind,
        })
        .collect()
}

fn due(from: Timestamp, kind: ActionKind, zone: &str) -> String {
    let days = match kind {
        ActionKind::Corrective => CORRECTIVE_DAYS,
        ActionKind::Preventative => PREVENTATIVE_DAYS,
    };
    let date = from.to_zoned(zone_of(zone).unwrap_or(TimeZone::UTC)).date();
    date.checked_add(days.days()).unwrap_or(date).to_string()
}

fn corrective(input: &Input) -> Vec<Draft> {
    let draft = |owner: &str, title: String| Draft {
        kind: ActionKind::Corrective,
        owner: owner.to_owned(),
        title,
    };
    let mut drafts = Vec::new();
    if let Some(n) = input.losses.n_lost.filter(|n| *n > 0) {
        let title = format!("Enter the {n} lost rows again; their keys are listed above");
        drafts.push(draft("data owner", title));
    }
    if let Some((role, statement)) = change(input) {
        let title = format!(
            "Bring the change `{statement}` back through `pgward apply`, which rehearses it before \
             production feels it"
        );
        drafts.push(draft(&format!("owner of role {role}"), title));
    }
    let asks = |s: &Symptom| OF_DATA.contains(&s.detector.as_str());
    let breaks = |(id, _): (&str, &Likely)| BREAKS_DATA.contains(&id);
    let of_data =
        input.incident.symptoms.iter().any(asks) || input.incident.first().is_some_and(breaks);
    let is_proven = input.events.iter().any(|e| e.kind == EventKind::Verified);
    if !is_proven && of_data {
        let title = "Prove that the data is whole with `pgward doctor --checks`".to_owned();
        drafts.push(draft(RESPONDER, title));
    }
    if drafts.is_empty() {
        let title = "Review this post-mortem and confirm its cause and its losses".to_owned();
        drafts.push(draft(RESPONDER, title));
    }
    drafts
}

/// Symptoms after which somebody asks whether all data is there.
const OF_DATA: [&str; 5] =
    ["damaged_block", "mass_write", "relation_vanished", "rows_missing", "server_unreachable"];

/// Causes after which somebody does, whatever the symptom.
const BREAKS_DATA: [&str; 4] =
    ["int_corruption", "int_index_corruption", "int_collation", "crash_bug"];

/// The change that is blamed: its role and its statement. What a session only read last is none.
fn change(input: &Input) -> Option<(String, String)> {
    let (_, likely) = input.incident.first()?;
    if let Some(ddl) = likely.ddl.first() {
        let words = format!("{} {}", ddl.command, ddl.identity);
        let statement = if ddl.statement.is_empty() { words } else { quoted(&ddl.statement) };
        return Some((ddl.role.clone(), statement));
    }
    let samples = &input.case?.window.samples;
    let seen = samples.iter().rev().flat_map(|s| s.sessions.iter());
    let wrote = |s: &&SessionSample| s.xid.is_some() && (is_dml(&s.query) || is_ddl(&s.query));
    let session = seen.filter(wrote).find(|s| likely.pids.contains(&s.pid))?;
    Some((session.role.clone(), quoted(&session.query)))
}

fn preventative(input: &Input, started: Timestamp) -> Vec<Draft> {
    let draft = |owner: &str, title: String| Draft {
        kind: ActionKind::Preventative,
        owner: owner.to_owned(),
        title,
    };
    let mut drafts: Vec<Draft> =
        input.prevention.iter().map(|text| draft(OWNER, text.clone())).collect();
    match input.incident.first() {
        Some((cause, _)) => drafts.push(draft(
            OWNER,
            format!(
                "Write a drill that stages `{cause}` as it happened here and run it until the \
                 guard stops it"
            ),
        )),
        None => drafts.push(draft(
            OWNER,
            "Find the root cause; the recorded case replays with `pgward diagnose`".to_owned(),
        )),
    }
    let detect_s = seconds_between(started, input.incident.opened);
    if detect_s > super::DETECT_BUDGET_S {
        let title = format!(
            "Shorten detection: it took {}, the budget is {}",
            human_duration(detect_s),
            human_duration(super::DETECT_BUDGET_S)
        );
        drafts.push(draft(OWNER, title));
    }
    let unknown = super::unknown(input.incident);
    let reasons: BTreeSet<&str> = unknown.iter().map(|(_, missing)| missing.as_str()).collect();
    drafts.extend(reasons.into_iter().take(BLIND_SPOTS_MAX).map(|missing| {
        let n = unknown.iter().filter(|(_, m)| m == missing).count();
        draft(
            RESPONDER,
            format!(
                "Let pgward judge {n} more {}: {missing}",
                if n == 1 { "cause" } else { "causes" }
            ),
        )
    }));
    drafts
}
