//! Figures: SVG made from data, readable on light and dark pages, without any other file.

mod canvas;
mod impact;
mod lock_tree;
mod log_rate;
mod timeline;

pub use impact::impact;
pub use lock_tree::lock_tree;
pub(crate) use log_rate::buckets;
pub use log_rate::log_rate;
pub use timeline::timeline;
