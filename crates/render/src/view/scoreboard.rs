//! The scoreboard: what the guard and the watcher made of each outage, beside the real one.

use super::words::folded;
use crate::document::*;
use pgward_model::evidence::{human, human_duration};
use pgward_model::score::{Road, Score};
use std::collections::BTreeSet;

/// Causes ruled out that are named.
const NAMES_MAX: usize = 4;
/// Reasons for lost points that are told.
const REASONS_MAX: usize = 3;

/// One group for each scenario, one line for each road; several runs are told by their median.
pub fn scoreboard(scores: &[Score]) -> Document {
    let mut document = Document::new("scoreboard");
    let heads = [
        ("", Align::Left),
        ("stopped by", Align::Left),
        ("detect", Align::Right),
        ("diagnose", Align::Right),
        ("recover", Align::Right),
        ("rows lost", Align::Right),
        ("wrong acts", Align::Right),
        ("score", Align::Right),
    ];
    let columns = heads.map(|(head, align)| Column { head: head.to_owned(), align }).to_vec();
    let mut scenarios: Vec<&str> = Vec::new();
    for score in scores {
        if !scenarios.contains(&score.scenario.as_str()) {
            scenarios.push(&score.scenario);
        }
    }
    let mut rows = Vec::new();
    for scenario in scenarios {
        let of: Vec<&Score> = scores.iter().filter(|s| s.scenario == scenario).collect();
        rows.extend(of.first().map(|first| group(first)));
        for road in [Road::Guarded, Road::Bypassed] {
            let runs: Vec<&Score> = of.iter().copied().filter(|s| s.road == road).collect();
            if !runs.is_empty() {
                rows.push(TableRow::Cells(cells(road, &runs)));
                rows.extend(
                    notes(road, &runs).into_iter().map(|text| TableRow::Note { from: 1, text }),
                );
            }
        }
    }
    document.push(Block::Table(Table { columns, rows }));
    document
}

fn group(score: &Score) -> TableRow {
    let mut text = Text::new(&score.scenario, Tone::Strong);
    if !score.title.is_empty() {
        text = text.then(format!("  {}", score.title), Tone::Plain);
    }
    let aside = score.real_outage_min.map_or_else(Text::default, |minutes| {
        let took = human_duration(minutes * 60.0);
        Text::new("the real outage took ", Tone::Dim).then(took, Tone::Warning)
    });
    TableRow::Group { text, aside }
}

fn cells(road: Road, runs: &[&Score]) -> Vec<Text> {
    let name = match road {
        Road::Guarded => "guarded",
        Road::Bypassed => "bypassed",
    };
    let name = if runs.len() == 1 { name.to_owned() } else { format!("{name} ×{}", runs.len()) };
    let lost: u64 = runs.iter().map(|s| s.rows_lost).sum();
    let kept: u64 = runs.iter().map(|s| s.rows_acknowledged).sum();
    let wrong: usize = runs.iter().map(|s| s.wrong_actions.len()).sum();
    let score = median(runs.iter().map(|s| f64::from(s.score)).collect()).unwrap_or(0.0);
    let none_good = |n: u64| if n == 0 { Tone::Good } else { Tone::Bad };
    let seconds = |of: fn(&Score) -> Option<f64>| {
        let known: Vec<f64> = runs.iter().filter_map(|s| of(s)).collect();
        median(known).map_or(Text::new("–", Tone::Dim), |s| Text::plain(human_duration(s)))
    };
    vec![
        Text::plain(format!("  {name}")),
        stopped(road, runs),
        seconds(|s| s.detect_s),
        seconds(|s| s.diagnose_s),
        seconds(|s| s.recover_s),
        Text::new(human(lost as f64), none_good(lost))
            .then(format!(" of {}", human(kept as f64)), Tone::Dim),
        Text::new(wrong.to_string(), none_good(wrong as u64)),
        Text::new(human(score), grade(score)),
    ]
}

/// Green from 90: at most one part of the score has lost points.
fn grade(score: f64) -> Tone {
    match score {
        s if s >= 90.0 => Tone::Good,
        s if s >= 60.0 => Tone::Warning,
        _ => Tone::Bad,
    }
}

fn stopped(road: Road, runs: &[&Score]) -> Text {
    let layers: BTreeSet<&str> = runs.iter().filter_map(|s| s.stopped_by.as_deref()).collect();
    let n_stopped = runs.iter().filter(|s| s.stopped_by.is_some()).count();
    match road {
        Road::Bypassed => Text::new("–", Tone::Dim),
        Road::Guarded if n_stopped == 0 => Text::new("✘ not stopped", Tone::Bad),
        Road::Guarded => {
            let names = layers.into_iter().collect::<Vec<_>>().join(", ");
            let text = Text::new("✔ ", Tone::Good).then(names, Tone::Plain);
            if n_stopped == runs.len() {
                text
            } else {
                text.then(format!(" {n_stopped}/{}", runs.len()), Tone::Bad)
            }
        }
    }
}

fn notes(road: Road, runs: &[&Score]) -> Vec<Text> {
    let mut notes = Vec::new();
    let Some(first) = runs.first() else { return notes };
    match road {
        Road::Guarded if !first.why.is_empty() => notes.push(Text::new(&first.why, Tone::Dim)),
        Road::Guarded => {}
        Road::Bypassed => {
            notes.push(cause(runs, first));
            notes.push(excluded(first));
        }
    }
    let reasons: BTreeSet<&str> =
        runs.iter().flat_map(|s| s.lost_points.iter()).map(String::as_str).collect();
    let reasons: Vec<&str> = reasons.into_iter().collect();
    if !reasons.is_empty() {
        let text = folded(&reasons, REASONS_MAX);
        notes.push(Text::new("points lost  ", Tone::Warning).then(text, Tone::Plain));
    }
    notes
}

fn cause(runs: &[&Score], first: &Score) -> Text {
    let n_right = runs.iter().filter(|s| s.cause_right).count();
    let named = first.cause.as_deref().unwrap_or("no cause named");
    let mut text = if n_right == runs.len() {
        Text::new("✔ ", Tone::Good).then(named, Tone::Strong)
    } else {
        Text::new("✘ ", Tone::Bad)
            .then(named, Tone::Strong)
            .then(format!(", expected {}", first.expected_cause), Tone::Bad)
    };
    if runs.len() > 1 {
        text = text.then(format!(" {n_right}/{}", runs.len()), Tone::Dim);
    }
    if first.cause_says.is_empty() {
        text
    } else {
        text.then("  ", Tone::Plain).then(&first.cause_says, Tone::Dim)
    }
}

fn excluded(score: &Score) -> Text {
    let names: Vec<&str> = score.ruled_out.iter().map(|r| r.cause.as_str()).collect();
    let mut text = if names.is_empty() {
        Text::new("nothing ruled out", Tone::Dim)
    } else {
        Text::new(format!("ruled out {}  ", names.len()), Tone::Plain)
            .then(folded(&names, NAMES_MAX), Tone::Dim)
    };
    if !score.missed_exclusions.is_empty() {
        let missed = score.missed_exclusions.join(", ");
        text = text.then(format!("  missed {missed}"), Tone::Warning);
    }
    if !score.wrong_exclusions.is_empty() {
        let wrong = score.wrong_exclusions.join(", ");
        text = text.then(format!("  wrongly ruled out {wrong}"), Tone::Bad);
    }
    text
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some((upper + *values.get(middle.checked_sub(1)?)?) / 2.0)
}
