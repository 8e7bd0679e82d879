//! What tidy has to say: where, what, and the way out.

use std::fmt;
use std::process::ExitCode;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// A path from the root of the workspace, with `:line` where there is one.
    pub(crate) place: String,
    pub(crate) what: String,
    pub(crate) way_out: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    /// Said, but does not fail.
    Warning,
}

impl Finding {
    pub(crate) fn error(
        place: impl Into<String>,
        what: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Finding {
        Finding {
            severity: Severity::Error,
            place: place.into(),
            what: what.into(),
            way_out: way_out.into(),
        }
    }

    pub(crate) fn warning(
        place: impl Into<String>,
        what: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Finding {
        Finding { severity: Severity::Warning, ..Finding::error(place, what, way_out) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}: {}\n  way out: {}", self.place, self.what, self.way_out)
    }
}

/// Prints all findings, errors last so that they stay on the screen.
pub(crate) fn print(findings: &[Finding]) -> ExitCode {
    let (errors, warnings): (Vec<_>, Vec<_>) =
        findings.iter().partition(|f| f.severity == Severity::Error);
    for finding in warnings.iter().chain(&errors) {
        println!("{finding}");
    }
    if errors.is_empty() {
        println!("tidy: the house is in order, {} warnings", warnings.len());
        ExitCode::SUCCESS
    } else {
        println!("tidy: {} errors, {} warnings", errors.len(), warnings.len());
        ExitCode::from(1)
    }
}
