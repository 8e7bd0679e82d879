//! What is wrong and why: pure functions from samples to symptoms, verdicts and post-mortems.

pub mod alert;
pub mod causes;
mod counted;
pub mod course;
pub mod detectors;
mod facts;
mod forecast;
pub mod forest;
mod horizon;
pub mod ledger;
pub mod newcomers;
pub mod postmortem;
pub mod reach;
pub mod recording;
mod reference;
pub mod replay;
pub mod retained;
mod roots;
mod slru;
pub mod status;
mod testing;
pub mod unsaid;
mod waits;
pub mod written;

pub use facts::verb;
