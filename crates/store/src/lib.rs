//! The memory: a vault that keeps events, incidents, post-mortems and the history of samples in
//! open formats, readable without pgward.

mod alerts;
mod error;
pub mod history;
mod incidents;
mod ledger;
mod objects;
mod postmortems;
pub mod series;
mod vault;

pub use error::Error;
pub use vault::Vault;
