//! The scoreboard as a picture of the terminal, for pages that show no terminal.

use anstyle_svg::Term;
use pgward_model::score::Score;

/// The very text that a terminal of 100 columns shows, as SVG. Equal scores give equal bytes.
pub fn scoreboard_svg(scores: &[Score]) -> String {
    let document = crate::view::scoreboard(scores);
    Term::new().render_svg(&super::terminal(&document, super::WIDTH))
}
