//! What all figures share: the frame, the colours, measures of text and of time.

use maud::{Markup, PreEscaped, html};

/// Pixels; what a page of 100 columns of text is wide.
pub(super) const WIDTH: f64 = 960.0;

/// GitHub's palette, light and dark: its contrasts are checked against both backgrounds.
const STYLE: &str = "\
.pgf{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;\
font-size:13px}\
.pgf .m{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
font-size:12px}\
.pgf .b{font-weight:600}.pgf .h{font-size:15px;font-weight:600}.pgf .s{font-size:11.5px}\
.pgf{--card:#fff;--text:#1f2328;--dim:#59636e;--line:#d1d9e0;--soft:#f6f8fa;\
--main:#0969da;--bad:#cf222e;--good:#1a7f37;--warn:#9a6700;--act:#8250df}\
@media (prefers-color-scheme:dark){.pgf{--card:#0d1117;--text:#e6edf3;--dim:#9198a1;\
--line:#3d444d;--soft:#151b23;--main:#4493f8;--bad:#f85149;--good:#3fb950;--warn:#d29922;\
--act:#ab7df8}}\
@media print{.pgf{--card:#fff;--text:#1f2328;--dim:#59636e;--line:#d1d9e0;--soft:#f6f8fa;\
--main:#0969da;--bad:#cf222e;--good:#1a7f37;--warn:#9a6700;--act:#8250df}}";

/// A colour by meaning. The light value stands in for programs that know no variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Card,
    Text,
    Dim,
    Line,
    Soft,
    Main,
    Bad,
    Good,
    Warn,
    Act,
}

impl Ink {
    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Ink::Card => ("card", "#fff"),
            Ink::Text => ("text", "#1f2328"),
            Ink::Dim => ("dim", "#59636e"),
            Ink::Line => ("line", "#d1d9e0"),
            Ink::Soft => ("soft", "#f6f8fa"),
            Ink::Main => ("main", "#0969da"),
            Ink::Bad => ("bad", "#cf222e"),
            Ink::Good => ("good", "#1a7f37"),
            Ink::Warn => ("warn", "#9a6700"),
            Ink::Act => ("act", "#8250df"),
        }
    }

    /// As the attribute, for programs that know no CSS variables.
    pub(super) fn plain(self) -> &'static str {
        self.parts().1
    }

    /// As a declaration, which wins over the attribute where variables are known.
    pub(super) fn fill(self) -> String {
        format!("fill:var(--{})", self.parts().0)
    }

    pub(super) fn stroke(self) -> String {
        format!("stroke:var(--{})", self.parts().0)
    }
}

/// The whole picture. `title` is what a screen reader says.
pub(super) fn picture(height: f64, title: &str, body: &Markup) -> String {
    let (w, h) = (px(WIDTH), px(height));
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="pgf" role="img"
            viewBox=(format!("0 0 {w} {h}")) width=(w) height=(h) {
            title { (clean(title)) }
            style { (PreEscaped(STYLE)) }
            rect x="0.5" y="0.5" width=(px(WIDTH - 1.0)) height=(px(height - 1.0)) rx="8"
                fill=(Ink::Card.plain()) stroke=(Ink::Line.plain())
                style=(format!("{};{}", Ink::Card.fill(), Ink::Line.stroke())) {}
            (body)
        }
    }
    .into_string()
}

/// Where text begins: at its left, middle or right end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Text at its baseline; `class` of `m` mono, `b` bold, `h` heading, `s` small.
pub(super) fn text(x: f64, y: f64, class: &str, ink: Ink, anchor: Anchor, text: &str) -> Markup {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    html! {
        text x=(px(x)) y=(px(y)) class=(class) text-anchor=(anchor)
            fill=(ink.plain()) style=(ink.fill()) { (clean(text)) }
    }
}

/// A path that is only a stroke.
pub(super) fn stroke(d: &str, ink: Ink, width: f64, dashes: &str) -> Markup {
    html! {
        path d=(d) fill="none" stroke=(ink.plain()) style=(ink.stroke())
            stroke-width=(px(width)) stroke-dasharray=[(!dashes.is_empty()).then_some(dashes)] {}
    }
}

/// A filled area; `opacity` from 0 to 1.
pub(super) fn area(d: &str, ink: Ink, opacity: f64) -> Markup {
    html! {
        path d=(d) fill=(ink.plain()) style=(ink.fill()) fill-opacity=(px(opacity)) {}
    }
}

/// Coordinates with at most two decimals: pictures stay small and equal on every machine.
pub(super) fn px(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Characters that XML forbids would break the whole picture.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Mean width of a character in ems: of DejaVu Sans, the widest font in the list above.
const SANS_EM: f64 = 0.58;
const MONO_EM: f64 = 0.602;

/// About how wide a text is, in pixels.
pub(super) fn text_px(text: &str, class: &str) -> f64 {
    let (size, em) = match class {
        c if c.contains('m') => (12.0, MONO_EM),
        c if c.contains('h') => (15.0, SANS_EM * 1.1),
        c if c.contains('s') => (11.5, SANS_EM),
        c if c.contains('b') => (13.0, SANS_EM * 1.1),
        _ => (13.0, SANS_EM),
    };
    unicode_width::UnicodeWidthStr::width(text) as f64 * size * em
}

/// Cut with an ellipsis so that it fits into `room` pixels.
pub(super) fn cut(text: &str, class: &str, room: f64) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text_px(&line, class) <= room {
        return line;
    }
    let mut kept = String::new();
    for c in line.chars() {
        kept.push(c);
        if text_px(&kept, class) + text_px("…", class) > room {
            kept.pop();
            break;
        }
    }
    format!("{}…", kept.trim_end())
}

/// Broken at spaces into lines that fit into `room` pixels; at most `n_max`, the last cut.
pub(super) fn wrapped(text: &str, class: &str, room: f64, n_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { break };
        let longer = if last.is_empty() { word.to_owned() } else { format!("{last} {word}") };
        if text_px(&longer, class) <= room || last.is_empty() {
            *last = longer;
        } else {
            lines.push(word.to_owned());
        }
    }
    if lines.len() > n_max {
        let rest = lines.split_off(n_max.saturating_sub(1)).join(" ");
        lines.push(rest);
    }
    lines.iter().map(|line| cut(line, class, room)).collect()
}

/// Round steps for a scale of values: 1, 2 or 5 times a power of ten.
pub(super) fn value_step(most: f64, n: f64) -> f64 {
    let raw = (most / n).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= raw).unwrap_or(raw)
}

/// Round steps for a scale of seconds, as clocks divide them.
pub(super) fn time_step(seconds: f64, n: f64) -> f64 {
    const STEPS: [f64; 17] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
        14_400.0, 43_200.0, 86_400.0,
    ];
    let raw = seconds / n;
    STEPS.into_iter().find(|s| *s >= raw).unwrap_or_else(|| (raw / 86_400.0).ceil() * 86_400.0)
}
