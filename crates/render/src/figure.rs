//! Figures: SVG made from data, readable on light and dark pages, without any other file.

mod canvas;
mod impact;
mod lock_tree;
mod timeline;

pub use impact::impact;
pub use lock_tree::lock_tree;
pub use timeline::timeline;
