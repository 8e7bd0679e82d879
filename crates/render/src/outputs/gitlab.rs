//! The Code Quality report of GitLab: an array of findings in JSON.
//!
//! Source: GitLab Docs, Code Quality, Code Quality report format.

use super::{Output, Report, told};
use crate::place;
use pgward_model::prelude::*;
use serde_json::json;

pub(super) static OUTPUT: Output =
    Output { id: "gitlab", title: "Code Quality report of GitLab, JSON", print };

fn print(report: &Report) -> String {
    let names = place::fingerprints(&report.gate.findings, report.sources);
    let findings: Vec<serde_json::Value> = report
        .gate
        .findings
        .iter()
        .zip(names)
        .map(|(finding, fingerprint)| {
            let region = place::region(finding.span, report.source(finding));
            json!({
                "description": told(finding),
                "check_name": finding.lint,
                "fingerprint": fingerprint,
                "severity": severity(finding.severity),
                "location": {
                    "path": place::path(&finding.file),
                    "lines": { "begin": region.line, "end": region.end_line },
                },
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Array(findings))
}

/// GitLab knows info, minor, major, critical and blocker; what stops a change is critical.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "critical",
        Severity::Warning => "major",
        Severity::Note => "info",
    }
}
