//! Terminal text with ANSI colours, and the same without.

use super::layout;
use crate::document::{Document, Tone};
use anstyle::{AnsiColor, Effects, Style};

/// With ANSI colours, for a terminal `width` columns wide. Ends with a line break.
pub fn terminal(document: &Document, width: usize) -> String {
    print(document, width, style_of)
}

/// The same layout without colours, for files, pipes and tests.
pub fn plain(document: &Document, width: usize) -> String {
    print(document, width, |_| Style::new())
}

fn print(document: &Document, width: usize, style_of: fn(Tone) -> Style) -> String {
    let mut out = String::new();
    for line in layout::lines(document, width) {
        for piece in line {
            let (style, text) = (style_of(piece.tone), piece.text);
            if style.is_plain() {
                out.push_str(&text);
            } else {
                out.push_str(&format!("{style}{text}{style:#}"));
            }
        }
        out.push('\n');
    }
    out
}

/// Only the sixteen colours that every terminal theme defines, so that both light and dark work.
fn style_of(tone: Tone) -> Style {
    let coloured = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match tone {
        Tone::Plain => Style::new(),
        Tone::Strong => Style::new().effects(Effects::BOLD),
        Tone::Code => coloured(AnsiColor::Cyan),
        Tone::Dim => coloured(AnsiColor::BrightBlack),
        Tone::Good => coloured(AnsiColor::Green),
        Tone::Warning => coloured(AnsiColor::Yellow),
        Tone::Bad => coloured(AnsiColor::Red).effects(Effects::BOLD),
        Tone::Label => coloured(AnsiColor::BrightBlue),
    }
}
