//! The sandbox: private copies of a database, live load with its ledger, and faults.

pub mod error;
pub mod ledger;
pub mod load;
