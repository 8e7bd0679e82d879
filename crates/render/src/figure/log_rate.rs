//! A log over its time: statement time as an area, messages as a line, errors as bars.

use super::canvas::*;
use crate::view::words::day_and_clock;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use pgward_model::evidence::human;
use pgward_model::log_report::{LogBucket, LogReport};

const LEFT: f64 = 68.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 70.0;
const PLOT: f64 = 130.0;
const BETWEEN: f64 = 46.0;
/// Points of a curve: a pixel in eight.
const POINTS_MAX: usize = 108;

/// Two plots, one above the other; `None` when the log spans no time.
pub fn log_rate(report: &LogReport) -> Option<String> {
    let points = buckets(report, POINTS_MAX);
    let (first, last) = (points.first()?.at, points.last()?.at);
    if points.len() < 2 {
        return None;
    }
    let wide = last.duration_since(first).as_secs_f64() / (points.len() - 1) as f64;
    let lower = TOP + PLOT + BETWEEN;
    let body = html! {
        (text(20.0, 30.0, "h", Ink::Text, Anchor::Start, "The log over its time"))
        (plot(&points, TOP, "messages and errors per second", Ink::Main,
            &|p| p.n_records as f64 / wide))
        (bars(&points, TOP, &|p| p.n_records as f64 / wide, &|p| p.n_errors as f64 / wide))
        (plot(&points, lower, "statements at a time", Ink::Good, &|p| p.statements_ms / 1000.0 / wide))
        (text(LEFT, lower + PLOT + 20.0, "s", Ink::Dim, Anchor::Start,
            &day_and_clock(first, &TimeZone::UTC)))
        (text(WIDTH - RIGHT, lower + PLOT + 20.0, "s", Ink::Dim, Anchor::End,
            &format!("{} UTC", day_and_clock(last, &TimeZone::UTC))))
    };
    Some(picture(lower + PLOT + 36.0, "The log over its time", &body))
}

/// The timeline in at most so many stretches of equal length, empty ones included.
pub(crate) fn buckets(report: &LogReport, most: usize) -> Vec<LogBucket> {
    let (Some(first), Some(last)) = (report.timeline.first(), report.timeline.last()) else {
        return Vec::new();
    };
    let own = i64::try_from(report.bucket_s.max(1)).unwrap_or(1);
    let span = last.at.as_second() - first.at.as_second() + own;
    let n = usize::try_from(span / own).unwrap_or(most).clamp(1, most.max(1));
    // Whole multiples, so that each old stretch lies in one new one.
    let wide = own * ((span / own) as f64 / n as f64).ceil().max(1.0) as i64;
    let n = usize::try_from((span + wide - 1) / wide).unwrap_or(n);
    let mut all: Vec<LogBucket> = (0..n as i64)
        .filter_map(|i| jiff::Timestamp::from_second(first.at.as_second() + i * wide).ok())
        .map(LogBucket::new)
        .collect();
    for b in &report.timeline {
        let i = (b.at.as_second() - first.at.as_second()) / wide;
        let Some(into) = usize::try_from(i).ok().and_then(|i| all.get_mut(i)) else { continue };
        into.add(b);
    }
    all
}

fn x(i: usize, n: usize) -> f64 {
    LEFT + i as f64 / n.saturating_sub(1).max(1) as f64 * (WIDTH - LEFT - RIGHT)
}

fn most(points: &[LogBucket], of: &dyn Fn(&LogBucket) -> f64) -> (f64, f64) {
    let most = points.iter().map(of).fold(0.0, f64::max).max(0.01);
    let step = value_step(most, 3.0);
    ((most / step).ceil() * step, step)
}

fn plot(
    points: &[LogBucket],
    top: f64,
    title: &str,
    ink: Ink,
    of: &dyn Fn(&LogBucket) -> f64,
) -> Markup {
    let (most, step) = most(points, of);
    let bottom = top + PLOT;
    let y = |v: f64| bottom - v / most * PLOT;
    let mut line = String::new();
    for (i, point) in points.iter().enumerate() {
        let mark = if i == 0 { 'M' } else { 'L' };
        line.push_str(&format!("{mark}{} {}", px(x(i, points.len())), px(y(of(point)))));
    }
    let closed = format!("{line}V{}H{}Z", px(bottom), px(LEFT));
    let n_lines = (most / step).round() as usize;
    html! {
        (text(LEFT, top - 10.0, "s", Ink::Dim, Anchor::Start, title))
        @for i in 0..=n_lines {
            @let v = step * i as f64;
            (stroke(&format!("M{} {}H{}", px(LEFT), px(y(v)), px(WIDTH - RIGHT)), Ink::Line, 1.0,
                if i == 0 { "" } else { "2 4" }))
            (text(LEFT - 8.0, y(v) + 4.0, "s", Ink::Dim, Anchor::End, &human(v)))
        }
        (area(&closed, ink, 0.25))
        (stroke(&line, ink, 1.5, ""))
    }
}

/// Errors on the scale of all messages.
fn bars(
    points: &[LogBucket],
    top: f64,
    all: &dyn Fn(&LogBucket) -> f64,
    of: &dyn Fn(&LogBucket) -> f64,
) -> Markup {
    let (most, _) = most(points, all);
    let bottom = top + PLOT;
    html! {
        @for (i, point) in points.iter().enumerate() {
            @let height = of(point) / most * PLOT;
            @if height > 0.0 {
                (stroke(&format!("M{} {}V{}", px(x(i, points.len())), px(bottom),
                    px(bottom - height.max(1.5))), Ink::Bad, 4.0, ""))
            }
        }
    }
}
