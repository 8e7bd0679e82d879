//! What is wrong and why: pure functions from samples to symptoms, verdicts and post-mortems.

pub mod causes;
mod counted;
pub mod detectors;
mod facts;
pub mod forest;
pub mod postmortem;
mod roots;
mod testing;
