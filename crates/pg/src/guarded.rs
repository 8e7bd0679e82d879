//! guarded.
