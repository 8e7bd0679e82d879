//! Verdicts: every cause's answer, likely ones in full, the rest as far as people read.

use super::words::{evidence_text, folded};
use crate::document::*;
use pgward_model::incident::{Judged, Likely, Verdict};
use std::collections::BTreeMap;

/// Ruled-out causes told one by one.
const RULED_OUT_MAX: usize = 8;
/// Reasons for not knowing told one by one, and causes named in each.
const UNKNOWN_MAX: usize = 4;
const NAMES_MAX: usize = 2;
/// Evidence told for the most likely cause.
const EVIDENCE_MAX: usize = 6;

/// Every cause's answer.
pub fn verdicts(judged: &[Judged]) -> Document {
    let mut document = Document::new("verdicts");
    document.push(Block::Rows(Rows { indent: 2, rows: rows(judged) }));
    document
}

pub(super) fn rows(judged: &[Judged]) -> Vec<Row> {
    let mut rows = Vec::new();
    let likely = judged.iter().filter_map(|j| Some((j.cause.as_str(), j.verdict.likely()?)));
    for (i, (cause, verdict)) in likely.enumerate() {
        rows.push(likely_row(cause, verdict, if i == 0 { EVIDENCE_MAX } else { 0 }));
    }
    rows.extend(refuted(judged));
    rows.extend(unknown(judged));
    rows
}

fn likely_row(cause: &str, likely: &Likely, n_evidence: usize) -> Row {
    let mut lines = vec![Text::prose(&likely.says)];
    let told = likely.evidence().iter().take(n_evidence);
    lines.extend(told.map(|e| evidence_text(e).then(format!("  {}", e.source), Tone::Dim)));
    match likely.evidence().len().saturating_sub(n_evidence) {
        more if more > 0 && n_evidence > 0 => {
            lines.push(Text::new(format!("… and {more} more"), Tone::Dim));
        }
        _ => {}
    }
    Row { label: Text::new("likely", Tone::Bad), key: Text::new(cause, Tone::Strong), lines }
}

/// Present ones first, then those with a number and a baseline: they refute best.
fn refuted(judged: &[Judged]) -> Vec<Row> {
    let mut all: Vec<_> = judged
        .iter()
        .filter_map(|j| match &j.verdict {
            Verdict::RuledOut { evidence, present } => Some((j.cause.as_str(), evidence, *present)),
            _ => None,
        })
        .collect();
    all.sort_by_key(|(_, e, present)| (!present, e.baseline.is_none(), e.value.is_none()));
    let mut rows: Vec<Row> = all
        .iter()
        .take(RULED_OUT_MAX)
        .map(|(cause, evidence, present)| {
            let (label, text) = if *present {
                (Text::new("present", Tone::Warning), "present, not sufficient: ")
            } else {
                (Text::new("ruled out", Tone::Good), "")
            };
            let lines = vec![Text::plain(text).join(evidence_text(evidence))];
            Row { label, key: Text::plain(*cause), lines }
        })
        .collect();
    let rest: Vec<&str> = all.iter().skip(RULED_OUT_MAX).map(|(cause, _, _)| *cause).collect();
    if !rest.is_empty() {
        let names = folded(&rest, NAMES_MAX);
        rows.push(Row {
            label: Text::new("ruled out", Tone::Good),
            key: Text::new(format!("… and {} more", rest.len()), Tone::Dim),
            lines: vec![Text::new(names, Tone::Dim)],
        });
    }
    rows
}

/// Grouped by what is missing: often one thing keeps many causes from an answer.
fn unknown(judged: &[Judged]) -> Vec<Row> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for j in judged {
        if let Verdict::Unknown { missing } = &j.verdict {
            by_reason.entry(missing).or_default().push(&j.cause);
        }
    }
    let mut groups: Vec<(&str, Vec<&str>)> = by_reason.into_iter().collect();
    groups.sort_by_key(|(_, causes)| std::cmp::Reverse(causes.len()));
    let label = || Text::new("unknown", Tone::Warning);
    let mut rows: Vec<Row> = groups
        .iter()
        .take(UNKNOWN_MAX)
        .map(|(missing, causes)| {
            let mut line = Text::prose(missing);
            if causes.len() > 1 {
                let others: Vec<&str> = causes.iter().skip(1).copied().collect();
                let also = folded(&others, NAMES_MAX);
                line = line.then(format!("  also {also}"), Tone::Dim);
            }
            let first = causes.first().copied().unwrap_or_default();
            Row { label: label(), key: Text::plain(first), lines: vec![line] }
        })
        .collect();
    let n_rest: usize = groups.iter().skip(UNKNOWN_MAX).map(|(_, causes)| causes.len()).sum();
    if n_rest > 0 {
        rows.push(Row {
            label: label(),
            key: Text::new(format!("… and {n_rest} more"), Tone::Dim),
            lines: vec![Text::new("for other reasons", Tone::Dim)],
        });
    }
    rows
}
