//! The words every room shares: plain data, no I/O, no clock.

pub mod acl;
pub mod alert;
pub mod answer;
pub mod catalog;
pub mod change;
pub mod conditions;
pub mod event;
pub mod evidence;
pub mod finding;
pub mod incident;
pub mod lock;
pub mod log_report;
pub mod name;
pub mod near;
pub mod postmortem;
pub mod runbook;
pub mod sample;
pub mod score;
pub mod setting;
pub mod statement;
pub mod status;
pub mod upkeep;
pub mod window;

/// The words most files need.
pub mod prelude {
    pub use crate::acl::*;
    pub use crate::alert::*;
    pub use crate::answer::*;
    pub use crate::catalog::*;
    pub use crate::change::*;
    pub use crate::conditions::*;
    pub use crate::event::*;
    pub use crate::evidence::*;
    pub use crate::finding::*;
    pub use crate::incident::*;
    pub use crate::lock::*;
    pub use crate::log_report::*;
    pub use crate::name::*;
    pub use crate::postmortem::*;
    pub use crate::runbook::*;
    pub use crate::sample::*;
    pub use crate::score::*;
    pub use crate::statement::*;
    pub use crate::status::*;
    pub use crate::upkeep::*;
    pub use crate::window::*;
    pub use jiff::Timestamp;
}
