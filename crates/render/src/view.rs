//! Views: each turns one word of the vocabulary into a document.

mod alert;
mod answer;
mod explanation;
mod findings;
mod incident;
mod incidents;
mod logs;
mod postmortem;
mod runbook;
mod scoreboard;
mod status;
mod trace;
mod verdicts;
pub(crate) mod words;

pub use alert::{alert, alert_subject};
pub use answer::{answer, kept_tables};
pub use explanation::{Example, Explanation, explanation};
pub(crate) use findings::diagnostic as diagnostic_of;
pub use findings::{findings, gate};
pub use incident::incident;
pub use incidents::incidents;
pub use logs::logs;
pub use postmortem::postmortem;
pub use runbook::runbook;
pub use scoreboard::scoreboard;
pub use status::status;
pub use trace::trace;
pub use verdicts::verdicts;
