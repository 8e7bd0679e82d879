//! Takes a change to production: through the gate, under a guard, and back again.
//!
//! [`gate`] asks each layer in turn whether the change may go; [`apply`] runs it with its journal,
//! limits and expectations; [`undo`] takes it back. [`guard`] is the first two in one.

mod apply;
mod error;
mod estimate;
mod expect;
mod functions;
mod gate;
mod interrupt;
mod known;
mod plan;
mod rehearse;
mod rows;
mod trace;
mod undo;
mod workload;

pub use apply::{
    AppliedStep, ApplyOptions, ApplyReport, GuardReport, Outcome, apply, guard, may_apply,
};
pub use error::Error;
pub use gate::{GateOptions, gate, must_have_rehearsed, rendered};
pub use interrupt::Interrupt;
pub use known::{from_folder, known_changes};
pub use rows::RowsRule;
pub use trace::Tracer;
pub use undo::{UndoOptions, UndoReport, UndoneStep, undo};
