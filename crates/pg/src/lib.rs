//! The only door to PostgreSQL: sessions, queries, the log reader, guarded steps, private servers.

pub mod applied;
pub mod catalog;
pub mod clock;
pub mod conditions;
pub mod error;
pub mod guarded;
pub mod install;
pub mod journal;
pub mod log;
pub mod server;
pub mod session;
pub mod target;
mod tls;
pub mod tools;

/// What rooms above need most.
pub mod prelude {
    pub use crate::clock;
    pub use crate::error::Error;
    pub use crate::session::{Outcome, Purpose, Row, Session};
    pub use crate::target::Target;
    pub use crate::tools::Installation;
}
