//! Watches a server: a sample every second, symptoms, one incident, every cause judged.

mod changes;
mod differences;
pub mod error;
mod eyes;
pub mod glance;
mod log_reader;
mod memory;
mod notices;
mod pace;
pub mod rights;
mod samplers;
mod steady;
pub mod watcher;
mod written_down;

pub use samplers::{SAMPLERS, Sampler};
