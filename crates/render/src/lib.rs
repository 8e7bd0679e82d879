//! The face: a view turns words into a document, a format turns the document into terminal
//! text, Markdown or HTML. Outputs are what other programs read of a check.

pub mod document;
pub mod figure;
pub mod format;
pub mod outputs;
mod place;
pub mod rows;
pub mod view;
