//! Brings service and data back: plans runbooks for causes, carries them out, proves them.

pub mod actions;
pub mod error;
pub mod execute;
pub mod guard;
pub mod moment;
pub mod respond;
pub mod restore;
pub mod tries;
