//! The impact plot: what was served and what was harmed, second by second.

use super::canvas::*;
use jiff::Timestamp;
use maud::{Markup, html};
use pgward_model::event::EventKind;
use pgward_model::evidence::{human, human_duration};
use pgward_model::postmortem::{ImpactPoint, Postmortem};

const LEFT: f64 = 68.0;
const RIGHT: f64 = 24.0;
const PLOT: f64 = 220.0;
const LABEL: f64 = 17.0;

struct Scale {
    first: Timestamp,
    seconds: f64,
    most: f64,
    top: f64,
}

impl Scale {
    fn x(&self, at: Timestamp) -> f64 {
        let share = at.duration_since(self.first).as_secs_f64() / self.seconds;
        LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom() - (value / self.most).clamp(0.0, 1.0) * PLOT
    }

    fn bottom(&self) -> f64 {
        self.top + PLOT
    }
}

/// A moment with a name above the plot.
struct Mark {
    at: Timestamp,
    label: String,
    ink: Ink,
    level: usize,
}

/// Served and harmed per second; `None` when fewer than two points were measured.
pub fn impact(pm: &Postmortem) -> Option<String> {
    let points = &pm.impact.per_second;
    let (first, last) = (points.first()?.at, points.last()?.at);
    let seconds = last.duration_since(first).as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    let most = points.iter().map(|p| p.total.max(p.harmed)).fold(0.0, f64::max).max(1.0);
    let step = value_step(most, 4.0);
    let most = (most / step).ceil() * step;
    let mut scale = Scale { first, seconds, most, top: 0.0 };
    let marks = placed(marks(pm), &scale);
    let n_levels = marks.iter().map(|m| m.level + 1).max().unwrap_or(0);
    scale.top = 74.0 + LABEL * n_levels as f64;
    let body = html! {
        (heading(pm))
        (axes(pm, &scale, step))
        (areas(points, &scale))
        @for mark in &marks { (line(mark, &scale)) }
        @for mark in &marks { (label(mark, &scale)) }
    };
    let title = format!("Impact of incident {}", pm.incident_id);
    Some(picture(scale.bottom() + 48.0, &title, &body))
}

fn heading(pm: &Postmortem) -> Markup {
    let mark = if pm.drill { "DRILL · " } else { "" };
    let of = &pm.impact.of;
    let (harmed, total) = (pm.impact.n_harmed, pm.impact.n_total);
    let share = if total == 0 {
        String::new()
    } else {
        let percent = 100.0 * harmed as f64 / total as f64;
        format!(
            "{} of {} {of} harmed ({}%)",
            human(harmed as f64),
            human(total as f64),
            human(percent)
        )
    };
    html! {
        (text(20.0, 30.0, "h", Ink::Text, Anchor::Start, &format!("{mark}Impact: {of} per second")))
        (text(20.0, 50.0, "s", Ink::Dim, Anchor::Start, &share))
        (legend(WIDTH - 190.0, "served", Ink::Main))
        (legend(WIDTH - 104.0, "harmed", Ink::Bad))
    }
}

fn legend(x: f64, word: &str, ink: Ink) -> Markup {
    html! {
        rect x=(px(x)) y="39" width="12" height="12" rx="2" fill=(ink.plain()) style=(ink.fill())
            fill-opacity="0.75" {}
        (text(x + 18.0, 49.5, "s", Ink::Dim, Anchor::Start, word))
    }
}

fn axes(pm: &Postmortem, scale: &Scale, step: f64) -> Markup {
    let n = (scale.most / step).round() as usize;
    let values = (0..=n).map(|i| step * i as f64);
    let before = pm.started.duration_since(scale.first).as_secs_f64();
    let every = time_step(scale.seconds, 10.0);
    let first = (-before / every).ceil() as i64;
    let last = ((scale.seconds - before) / every).floor() as i64;
    let x = |s: f64| LEFT + (s + before) / scale.seconds * (WIDTH - LEFT - RIGHT);
    html! {
        @for value in values {
            (stroke(
                &format!("M{} {}H{}", px(LEFT), px(scale.y(value)), px(WIDTH - RIGHT)),
                Ink::Line, 1.0, if value == 0.0 { "" } else { "2 4" }))
            (text(LEFT - 8.0, scale.y(value) + 4.0, "s", Ink::Dim, Anchor::End, &human(value)))
        }
        @for i in first..=last {
            @let s = every * i as f64;
            (stroke(&format!("M{} {}v5", px(x(s)), px(scale.bottom())), Ink::Line, 1.0, ""))
            (text(x(s), scale.bottom() + 19.0, "s", Ink::Dim, Anchor::Middle, &tick(s)))
        }
        (text(LEFT, scale.bottom() + 37.0, "s", Ink::Dim, Anchor::Start,
            "time since the first harmed moment"))
    }
}

fn tick(seconds: f64) -> String {
    if seconds == 0.0 {
        return "0".to_owned();
    }
    let sign = if seconds < 0.0 { "−" } else { "+" };
    format!("{sign}{}", human_duration(seconds.abs()))
}

/// Served below, harmed on top of it: together they are the total.
fn areas(points: &[ImpactPoint], scale: &Scale) -> Markup {
    let served = |p: &ImpactPoint| (p.total - p.harmed).max(0.0);
    let line = |of: &dyn Fn(&ImpactPoint) -> f64| -> Vec<String> {
        points.iter().map(|p| format!("{} {}", px(scale.x(p.at)), px(scale.y(of(p))))).collect()
    };
    let (lower, upper) = (line(&served), line(&|p| served(p) + p.harmed));
    let (left, right) = (px(LEFT), px(WIDTH - RIGHT));
    let bottom = px(scale.bottom());
    let below = format!("M{left} {bottom}L{}L{right} {bottom}Z", lower.join("L"));
    let back: Vec<String> = lower.iter().rev().cloned().collect();
    let between = format!("M{}L{}Z", upper.join("L"), back.join("L"));
    html! {
        (area(&below, Ink::Main, 0.22))
        (stroke(&format!("M{}", lower.join("L")), Ink::Main, 1.5, ""))
        (area(&between, Ink::Bad, 0.55))
    }
}

fn marks(pm: &Postmortem) -> Vec<Mark> {
    let mark = |at: Timestamp, word: &str, ink: Ink| {
        let age = at.duration_since(pm.started).as_secs_f64();
        let age = human_duration((age.abs() * 10.0).round() / 10.0);
        let label = if at == pm.started { word.to_owned() } else { format!("{word} {age}") };
        Mark { at, label, ink, level: 0 }
    };
    let first = |kind: EventKind| {
        pm.timeline.iter().filter(|e| e.kind == kind && e.at >= pm.started).map(|e| e.at).min()
    };
    let mut marks = vec![mark(pm.started, "first harm", Ink::Bad)];
    marks.extend(first(EventKind::Opened).map(|at| mark(at, "detected", Ink::Main)));
    marks.extend(pm.diagnosed().map(|at| mark(at, "diagnosed", Ink::Main)));
    marks.extend(first(EventKind::Step).map(|at| mark(at, "first step", Ink::Act)));
    marks.extend(pm.ended.map(|at| mark(at, "recovered", Ink::Good)));
    marks
}

/// Gives each label the lowest level above every line that would run through it.
fn placed(mut marks: Vec<Mark>, scale: &Scale) -> Vec<Mark> {
    marks.retain(|m| m.at >= scale.first);
    marks.sort_by_key(|m| std::cmp::Reverse(m.at));
    let mut taken: Vec<(usize, f64, f64, f64)> = Vec::new();
    for mark in &mut marks {
        let (from, to) = extent(mark, scale);
        let touched = taken
            .iter()
            .filter(|(_, line, a, b)| (from <= *line && *line <= to) || (from < *b && *a < to));
        mark.level = touched.map(|(level, ..)| level + 1).max().unwrap_or(0);
        taken.push((mark.level, scale.x(mark.at), from, to));
    }
    marks
}

/// Pixels a label takes, from its line to the right, or to the left near the right edge.
fn extent(mark: &Mark, scale: &Scale) -> (f64, f64) {
    let (x, width) = (scale.x(mark.at), text_px(&mark.label, "s") + 12.0);
    if x + width > WIDTH - 10.0 { (x - width, x) } else { (x, x + width) }
}

fn height_of(mark: &Mark, scale: &Scale) -> f64 {
    scale.top - 8.0 - LABEL * mark.level as f64
}

fn line(mark: &Mark, scale: &Scale) -> Markup {
    let (x, y) = (scale.x(mark.at), height_of(mark, scale));
    let d = format!("M{} {}V{}", px(x), px(y - 10.0), px(scale.bottom()));
    stroke(&d, mark.ink, 1.5, "4 3")
}

/// On a ground of its own, so that no line runs through it.
fn label(mark: &Mark, scale: &Scale) -> Markup {
    let (x, y) = (scale.x(mark.at), height_of(mark, scale));
    let (from, _) = extent(mark, scale);
    let (at, anchor) = if from < x { (x - 6.0, Anchor::End) } else { (x + 6.0, Anchor::Start) };
    let width = text_px(&mark.label, "s") + 4.0;
    let left = if from < x { at - width + 2.0 } else { at - 2.0 };
    let ground = format!("M{} {}h{}v14h-{}Z", px(left), px(y - 11.0), px(width), px(width));
    html! {
        (area(&ground, Ink::Card, 1.0))
        (text(at, y, "s b", mark.ink, anchor, &mark.label))
    }
}
