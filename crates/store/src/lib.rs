//! The memory: a vault directory that keeps the ledger of events, incidents and post-mortems in
//! open formats, readable without pgward.

mod alerts;
mod error;
mod incidents;
mod ledger;
mod postmortems;
mod vault;

pub use error::Error;
pub use vault::Vault;
