//! SARIF 2.1.0, which code hosts and editors read.
//!
//! Source: OASIS, Static Analysis Results Interchange Format Version 2.1.0.

use super::{Output, Report, told};
use crate::place;
use crate::view::{self, Explanation};
use pgward_model::prelude::*;
use serde_json::{Value, json};

pub(super) static OUTPUT: Output =
    Output { id: "sarif", title: "SARIF 2.1.0 for code hosts and editors, JSON", print };

/// Of [`place::fingerprints`]; a new way to make them takes the next number.
const FINGERPRINT: &str = "pgwardFinding/v1";

fn print(report: &Report) -> String {
    let ids = ids(report);
    let rules: Vec<Value> = ids.iter().map(|id| rule(report.rules, id)).collect();
    let names = place::fingerprints(&report.gate.findings, report.sources);
    let results: Vec<Value> = report
        .gate
        .findings
        .iter()
        .zip(&names)
        .map(|(finding, name)| result(report, finding, &ids, name))
        .collect();
    let log = json!({
        "$schema":
            "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pgward",
                "semanticVersion": report.version,
                "rules": rules,
            }},
            "columnKind": "utf16CodeUnits",
            "invocations": [{ "executionSuccessful": true }],
            "results": results,
            "properties": { "silenced": report.gate.silenced },
        }],
    });
    format!("{log:#}\n")
}

/// Lints, and the tests of later layers that have found something.
fn ids(report: &Report) -> Vec<String> {
    let lints = report.rules.iter().filter(|r| r.kind == "lint").map(|r| r.id.clone());
    let found = report.gate.findings.iter().map(|f| f.lint.clone());
    let all: std::collections::BTreeSet<String> = lints.chain(found).collect();
    all.into_iter().collect()
}

fn rule(rules: &[Explanation], id: &str) -> Value {
    let Some(known) = rules.iter().find(|r| r.kind == "lint" && r.id == id) else {
        return json!({ "id": id });
    };
    let sections = known.sections.iter().map(|(name, text)| format!("{name}: {text}"));
    let source = std::iter::once(format!("source: {}", known.source));
    let help: Vec<String> = sections.chain(source).collect();
    json!({
        "id": id,
        "name": id,
        "shortDescription": { "text": known.title },
        "fullDescription": { "text": help.first().unwrap_or(&known.title) },
        "help": {
            "text": help.join("\n"),
            "markdown": crate::format::markdown(&view::explanation(known)).text,
        },
    })
}

fn result(report: &Report, finding: &Finding, ids: &[String], name: &str) -> Value {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let mut result = json!({
        "ruleId": finding.lint,
        "ruleIndex": ids.binary_search(&finding.lint).unwrap_or_default(),
        "level": level,
        "message": { "text": told(finding) },
        "partialFingerprints": { FINGERPRINT: name },
    });
    if !finding.file.is_empty() {
        let region = place::region(finding.span, report.source(finding));
        result["locations"] = json!([{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&place::path(&finding.file)) },
            "region": {
                "startLine": region.line,
                "startColumn": region.column,
                "endLine": region.end_line,
                "endColumn": region.end_column,
            },
        }}]);
    }
    result
}

/// A relative path becomes a relative reference, an absolute one a `file` URI (RFC 3986).
fn uri(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let escaped: String = path
        .bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    if escaped.starts_with('/') { format!("file://{escaped}") } else { escaped }
}
