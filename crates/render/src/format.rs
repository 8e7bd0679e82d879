//! Formats: each prints any document. JSON is no format: it is the words themselves.

mod diagnostic;
mod html;
mod layout;
mod markdown;
mod svg;
mod terminal;

pub use html::html;
pub use markdown::{Markdown, markdown};
pub(crate) use markdown::{diagnostic, escaped};
pub use svg::scoreboard_svg;
pub use terminal::{plain, terminal};

/// Columns of a terminal when nobody says how wide it is.
pub const WIDTH: usize = 100;
