//! Workflow commands of GitHub Actions: notes beside the lines of a pull request.
//!
//! Source: GitHub Docs, Workflow commands for GitHub Actions. A step shows at most ten errors
//! and ten warnings, so the strongest come first.

use super::{Output, Report, counted, told};
use crate::place;
use pgward_model::prelude::*;

pub(super) static OUTPUT: Output =
    Output { id: "github", title: "annotations of GitHub Actions", print };

fn print(report: &Report) -> String {
    let mut findings: Vec<&Finding> = report.gate.findings.iter().collect();
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let mut text: String = findings.iter().map(|f| command(report, f)).collect();
    text.push_str(&format!("pgward: {}\n", counted(&findings, report.gate.silenced.len())));
    text
}

fn command(report: &Report, finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = Vec::new();
    if !finding.file.is_empty() && finding.file != "-" {
        let region = place::region(finding.span, report.source(finding));
        properties.push(format!("file={}", property(&place::path(&finding.file))));
        properties.push(format!("line={},col={}", region.line, region.column));
        // Columns of a place of several lines are refused together with its last line.
        if region.end_line == region.line && region.end_column > region.column {
            properties.push(format!("endLine={},endColumn={}", region.line, region.end_column));
        }
    }
    properties.push(format!("title={}", property(&format!("pgward {}", finding.lint))));
    format!("::{word} {}::{}\n", properties.join(","), data(&told(finding)))
}

/// The message: a line break would end the command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property ends at a comma or a colon.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
