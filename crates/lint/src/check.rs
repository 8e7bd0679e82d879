//! Runs all lints over a change and honours what its author declares.

use crate::context::Context;
use crate::lints::LINTS;
use crate::{Lint, Options};
use pgward_model::prelude::*;

/// What all lints say of a change, in the order of the text, strongest first at one place.
///
/// A finding's layer is `Static` where the text alone shows it and `Catalog` where the live
/// catalog was needed, so that either can stand without the other.
pub fn check(change: &Change, catalog: Option<&Catalog>, options: &Options) -> Vec<Finding> {
    let cx = Context::new(change, catalog, options);
    let mut found = Vec::new();
    for lint in LINTS {
        let mut here = Vec::new();
        (lint.check)(&cx, &mut here);
        found.extend(here.into_iter().filter_map(|f| declared(&cx, lint, f)));
    }
    let order = |f: &Finding| {
        let file = change.files.iter().position(|file| file.path == f.file);
        (file, f.span.start, std::cmp::Reverse(f.severity), f.lint.clone(), f.layer)
    };
    found.sort_by_key(order);
    found
}

/// `-- pgward: allow LINT reason` makes an error a warning and silences the rest. It does
/// not answer for rows at stake: those must be declared by number.
fn declared(cx: &Context, lint: &Lint, mut finding: Finding) -> Option<Finding> {
    let site =
        cx.sites.iter().find(|s| s.statement.span == finding.span && s.file.path == finding.file);
    let allowed = site.is_some_and(|s| s.allows(lint.id));
    if !allowed || (lint.guards_rows && finding.layer == Layer::Catalog) {
        return Some(finding);
    }
    match finding.severity {
        Severity::Error => {
            finding.severity = Severity::Warning;
            Some(finding)
        }
        Severity::Warning | Severity::Note => None,
    }
}
