//! Runs all lints over a change and honours what its author declares.

use crate::Options;
use crate::allow;
use crate::context::Context;
use crate::lints::LINTS;
use pgward_model::prelude::*;

/// What all lints say of a change, in the order of the text, strongest first at one place.
///
/// A finding's layer is `Static` where the text alone shows it and `Catalog` where the live
/// catalog was needed, so that either can stand without the other.
pub fn check(change: &Change, catalog: Option<&Catalog>, options: &Options) -> Vec<Finding> {
    judge(change, catalog, options).findings
}

/// Findings, and those that somebody has answered for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judged {
    pub findings: Vec<Finding>,
    /// In the order of the text.
    pub silenced: Vec<Silenced>,
}

/// As [`check`], with what was silenced or lowered.
pub fn judge(change: &Change, catalog: Option<&Catalog>, options: &Options) -> Judged {
    let cx = Context::new(change, catalog, options);
    let mut judged = Judged::default();
    for lint in LINTS {
        let mut here = Vec::new();
        (lint.check)(&cx, &mut here);
        let here = here.into_iter().filter(|f| options.judges(&f.file));
        let silenced = &mut judged.silenced;
        judged.findings.extend(here.filter_map(|f| allow::answered(&cx, lint, f, silenced)));
    }
    let place = |file: &str| change.files.iter().position(|f| f.path == file);
    judged.findings.sort_by_key(|f| {
        let severity = std::cmp::Reverse(f.severity);
        (place(&f.file), f.span.start, severity, f.lint.clone(), f.layer)
    });
    judged.silenced.sort_by_key(|s| (place(&s.file), s.span.start));
    judged
}
