//! Drills: stages an outage on a private server under live load, lets the guard answer,
//! and scores the answer.

mod bypass;
pub mod cost;
pub mod error;
mod roads;
pub mod run;
pub mod scenario;
pub mod scoring;
mod stage;
mod truth;
