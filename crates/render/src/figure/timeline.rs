//! The timeline as a picture: a rail true to time, and beside it one mark and text per line.

use super::canvas::*;
use crate::view::words::{clock, zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use pgward_model::event::{Event, EventKind};
use pgward_model::evidence::human_duration;
use pgward_model::postmortem::Postmortem;

const RAIL_X: f64 = 92.0;
const MARK_X: f64 = 150.0;
const CLOCK_X: f64 = 168.0;
const AGE_X: f64 = 300.0;
const ACTOR_X: f64 = 316.0;
const TEXT_X: f64 = 404.0;
const TOP: f64 = 78.0;
const LINE: f64 = 17.0;
/// Lines of one row's text before it is cut; the table beside the picture has all of it.
const LINES_MAX: usize = 3;

struct Row<'a> {
    event: &'a Event,
    lines: Vec<String>,
    y: f64,
}

/// One mark per line of the timeline; `None` without a timeline.
pub fn timeline(pm: &Postmortem) -> Option<String> {
    let first = pm.timeline.first()?.at;
    let last = pm.timeline.last()?.at;
    let mut y = TOP;
    let mut rows = Vec::new();
    for event in &pm.timeline {
        let what = event.what.replace('`', "");
        let lines = wrapped(&what, "", WIDTH - 20.0 - TEXT_X, LINES_MAX);
        let height = LINE * lines.len() as f64 + 9.0;
        rows.push(Row { event, lines, y });
        y += height;
    }
    let bottom = rows.last().map_or(TOP, |r| r.y).max(TOP + 60.0);
    let span = last.duration_since(first).as_secs_f64();
    let at = |t: Timestamp| {
        let share = t.duration_since(first).as_secs_f64() / span.max(f64::MIN_POSITIVE);
        TOP + share.clamp(0.0, 1.0) * (bottom - TOP)
    };
    let body = html! {
        (heading(pm))
        (rail(pm, first, last, bottom, &at))
        @for row in &rows { (drawn(row, pm, at(row.event.at))) }
    };
    Some(picture(bottom.max(y) + 16.0, &format!("Timeline of incident {}", pm.incident_id), &body))
}

fn heading(pm: &Postmortem) -> Markup {
    let zone = if pm.zone.is_empty() { "UTC" } else { &pm.zone };
    let mark = if pm.drill { "DRILL · " } else { "" };
    let title = format!("{mark}Timeline of incident {}", pm.incident_id);
    let kinds = [
        ("change", Ink::Warn),
        ("harm", Ink::Bad),
        ("diagnosis", Ink::Main),
        ("action", Ink::Act),
        ("proof", Ink::Good),
    ];
    let mut x = WIDTH - 24.0 - kinds.iter().map(|(w, _)| text_px(w, "s") + 30.0).sum::<f64>();
    let legend = kinds.map(|(word, ink)| {
        let here = x;
        x += text_px(word, "s") + 30.0;
        html! { (swatch(here, 46.0, ink)) (text(here + 11.0, 50.0, "s", Ink::Dim, Anchor::Start, word)) }
    });
    html! {
        (text(20.0, 30.0, "h", Ink::Text, Anchor::Start, &title))
        (text(20.0, 50.0, "s", Ink::Dim, Anchor::Start, &format!(
            "times in {zone}; + counts from the first harmed moment")))
        @for entry in legend { (entry) }
    }
}

fn rail(
    pm: &Postmortem,
    first: Timestamp,
    last: Timestamp,
    bottom: f64,
    at: &dyn Fn(Timestamp) -> f64,
) -> Markup {
    let tz = zone_of(pm);
    let span = last.duration_since(first).as_secs_f64();
    // Labels of 12 px need 26 px between them.
    let step = time_step(span, ((bottom - TOP) / 44.0).max(1.0));
    let begin = (first.as_second() as f64 / step).ceil() * step;
    let n = ((last.as_second() as f64 - begin) / step).max(0.0) as usize;
    let ticks =
        (0..=n).filter_map(|i| Timestamp::from_second((begin + step * i as f64) as i64).ok());
    let ticks: Vec<Timestamp> = ticks.filter(|t| *t >= first && *t <= last).collect();
    let (from, to) = (at(pm.started), at(pm.ended.unwrap_or(last)));
    html! {
        (stroke(&format!("M{} {}V{}", px(RAIL_X), px(TOP), px(bottom)), Ink::Line, 2.0, ""))
        rect x=(px(RAIL_X - 4.0)) y=(px(from)) width="8" height=(px((to - from).max(3.0))) rx="4"
            fill=(Ink::Bad.plain()) style=(Ink::Bad.fill()) fill-opacity="0.35" {}
        @for tick in ticks {
            (stroke(&format!("M{} {}h8", px(RAIL_X - 14.0), px(at(tick))), Ink::Line, 1.0, ""))
            (text(RAIL_X - 18.0, at(tick) + 4.0, "m", Ink::Dim, Anchor::End, &clock(tick, &tz)))
        }
    }
}

fn zone_of(pm: &Postmortem) -> TimeZone {
    zone(&pm.zone)
}

fn drawn(row: &Row, pm: &Postmortem, true_y: f64) -> Markup {
    let event = row.event;
    let ink = ink_of(event.kind);
    let (y, base) = (row.y, row.y + 4.5);
    let age = event.at.duration_since(pm.started).as_secs_f64();
    let sign = if age < 0.0 { "−" } else { "+" };
    let age = format!("{sign}{}", human_duration((age.abs() * 10.0).round() / 10.0));
    let bend = (RAIL_X + MARK_X) / 2.0;
    let leader = format!(
        "M{} {}C{} {} {} {} {} {}",
        px(RAIL_X + 4.0),
        px(true_y),
        px(bend),
        px(true_y),
        px(bend),
        px(y),
        px(MARK_X - 8.0),
        px(y)
    );
    html! {
        g class="row" {
            title { (clean(&format!("{} ({})", event.what, event.source))) }
            (stroke(&leader, Ink::Line, 1.0, ""))
            (dot(MARK_X, y, ink))
            (text(CLOCK_X, base, "m", Ink::Dim, Anchor::Start, &clock(event.at, &zone_of(pm))))
            (text(AGE_X, base, "m", Ink::Dim, Anchor::End, &age))
            (text(ACTOR_X, base, "b", ink, Anchor::Start,
                &cut(&event.actor, "b", TEXT_X - ACTOR_X - 8.0)))
            @for (i, line) in row.lines.iter().enumerate() {
                (text(TEXT_X, base + LINE * i as f64, "", Ink::Text, Anchor::Start, line))
            }
        }
    }
}

/// Like a mark, but of the legend.
fn swatch(x: f64, y: f64, ink: Ink) -> Markup {
    html! { circle cx=(px(x)) cy=(px(y)) r="5" fill=(ink.plain()) style=(ink.fill()) {} }
}

fn dot(x: f64, y: f64, ink: Ink) -> Markup {
    html! {
        circle class="mark" cx=(px(x)) cy=(px(y)) r="5" fill=(ink.plain()) style=(ink.fill()) {}
    }
}

fn ink_of(kind: EventKind) -> Ink {
    match kind {
        EventKind::Change => Ink::Warn,
        EventKind::Symptom | EventKind::Opened | EventKind::Failed => Ink::Bad,
        EventKind::Diagnosed | EventKind::RuledOut | EventKind::Proposed => Ink::Main,
        EventKind::Step => Ink::Act,
        EventKind::Verified | EventKind::Recovered | EventKind::Closed => Ink::Good,
        EventKind::Note => Ink::Dim,
    }
}
