//! The sandbox: private copies of a database, live load with its ledger, and faults.

pub mod backup;
pub mod clone;
pub mod emptied;
pub mod error;
pub mod faults;
pub mod heap_page;
pub mod ledger;
pub mod load;
pub mod marker;
pub mod proxy;
pub mod side;
pub mod wal;
