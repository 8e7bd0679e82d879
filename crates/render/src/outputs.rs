//! What other programs read of a check, one file each; the file's name is the word that
//! `--format` takes.

mod github;
mod gitlab;
mod junit;
mod markdown;
mod sarif;

use crate::view::Explanation;
use crate::view::words::evidence_text;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// A check as all outputs are given it.
pub struct Report<'a> {
    pub gate: &'a GateReport,
    /// Text of every file that was read, by its path.
    pub sources: &'a BTreeMap<String, String>,
    /// What is known of the lints.
    pub rules: &'a [Explanation],
    /// Of pgward.
    pub version: &'a str,
}

/// A way to write a check down.
pub struct Output {
    /// The name of its file.
    pub id: &'static str,
    /// Who reads it.
    pub title: &'static str,
    /// The whole text, with its last line break.
    pub print: fn(&Report) -> String,
}

/// All outputs, in the order of their ids.
pub static OUTPUTS: &[&Output] =
    &[&github::OUTPUT, &gitlab::OUTPUT, &junit::OUTPUT, &markdown::OUTPUT, &sarif::OUTPUT];

impl Report<'_> {
    /// The text a finding stands in.
    fn source(&self, finding: &Finding) -> Option<&str> {
        self.sources.get(&finding.file).map(String::as_str)
    }

    /// The findings of each file, in the order given: of those that were read, also where there
    /// are none.
    fn by_file(&self) -> BTreeMap<&str, Vec<&Finding>> {
        let mut files: BTreeMap<&str, Vec<&Finding>> =
            self.sources.keys().map(|file| (file.as_str(), Vec::new())).collect();
        for finding in &self.gate.findings {
            files.entry(&finding.file).or_default().push(finding);
        }
        files
    }
}

/// What a finding says, a line each: the message, its evidence, what to do instead.
fn told(finding: &Finding) -> String {
    let mut lines = vec![finding.message.clone()];
    lines.extend(
        finding.evidence().iter().map(|e| format!("{} ({})", evidence_text(e).bare(), e.source)),
    );
    lines.extend(finding.fix.iter().map(|fix| format!("instead: {}", fix.advice)));
    lines.join("\n")
}

/// How many findings of which severity, and how many were silenced: `2 errors, 1 note;
/// 1 silenced`.
fn counted(findings: &[&Finding], n_silenced: usize) -> String {
    let named =
        [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let parts = named.into_iter().filter_map(|(severity, name)| {
        match findings.iter().filter(|f| f.severity == severity).count() {
            0 => None,
            1 => Some(format!("1 {name}")),
            n => Some(format!("{n} {name}s")),
        }
    });
    let mut text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() {
        text.push_str("nothing to say");
    }
    if n_silenced > 0 {
        text.push_str(&format!("; {n_silenced} silenced or lowered"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::OUTPUTS;

    #[test]
    fn every_file_is_an_output_and_has_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/outputs");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        assert_eq!(files, OUTPUTS.iter().map(|o| o.id).collect::<Vec<_>>());
    }
}
