//! The face: a view turns words into a document, a format turns the document into terminal
//! text, Markdown or HTML.

pub mod document;
pub mod figure;
pub mod format;
pub mod view;
