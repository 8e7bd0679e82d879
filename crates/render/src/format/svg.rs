//! The scoreboard as a picture of the terminal, for pages that show no terminal.

use anstyle::RgbColor;
use anstyle_svg::{Palette, Term};
use pgward_model::score::Score;

/// GitHub's dark palette, in the order of ANSI's sixteen colours: every one is legible on the
/// background, which cannot be said of the VGA colours.
const COLOURS: [RgbColor; 16] = [
    RgbColor(0x48, 0x4f, 0x58),
    RgbColor(0xff, 0x7b, 0x72),
    RgbColor(0x3f, 0xb9, 0x50),
    RgbColor(0xd2, 0x99, 0x22),
    RgbColor(0x58, 0xa6, 0xff),
    RgbColor(0xbc, 0x8c, 0xff),
    RgbColor(0x39, 0xc5, 0xcf),
    RgbColor(0xe6, 0xed, 0xf3),
    RgbColor(0x91, 0x98, 0xa1),
    RgbColor(0xff, 0xa1, 0x98),
    RgbColor(0x56, 0xd3, 0x64),
    RgbColor(0xe3, 0xb3, 0x41),
    RgbColor(0x79, 0xc0, 0xff),
    RgbColor(0xd2, 0xa8, 0xff),
    RgbColor(0x56, 0xd4, 0xdd),
    RgbColor(0xff, 0xff, 0xff),
];
const TEXT: RgbColor = RgbColor(0xe6, 0xed, 0xf3);
const PAGE: RgbColor = RgbColor(0x0d, 0x11, 0x17);

/// The very text that a terminal of 100 columns shows, as SVG. Equal scores give equal bytes.
pub fn scoreboard_svg(scores: &[Score]) -> String {
    let document = crate::view::scoreboard(scores);
    Term::new()
        .palette(Palette::from(COLOURS))
        .fg_color(TEXT.into())
        .bg_color(PAGE.into())
        .render_svg(&super::terminal(&document, super::WIDTH))
}
