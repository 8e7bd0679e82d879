//! A comment for a pull request: what stops the change, then each file behind a fold.

use super::{Output, Report, counted};
use crate::format::{diagnostic, escaped};
use crate::place;
use crate::view::diagnostic_of;
use pgward_model::prelude::*;

pub(super) static OUTPUT: Output =
    Output { id: "markdown", title: "a comment for a pull request", print };

/// GitHub refuses comments of more than 65,536 characters; whoever posts this may add some.
const CHARS_MAX: usize = 60_000;
/// Kept free for what closes the comment.
const CHARS_OF_END: usize = 400;
/// A finding whose statement is longer is told in one line.
const CHARS_OF_FINDING_MAX: usize = 4_000;
/// Of a message or reason in a list.
const CHARS_OF_LINE_MAX: usize = 300;
/// Findings that are told above the folds, and reasons in theirs.
const LINES_MAX: usize = 20;

/// A text that never grows beyond its limit.
#[derive(Default)]
struct Comment {
    text: String,
    n_chars: usize,
}

impl Comment {
    /// Adds a part as a whole, or says that it does not fit.
    fn add(&mut self, part: &str) -> bool {
        let n = part.chars().count();
        let fits = self.n_chars + n <= CHARS_MAX - CHARS_OF_END;
        if fits {
            self.end(part, n);
        }
        fits
    }

    /// Adds what must stand, from what was kept free.
    fn end(&mut self, part: &str, n_chars: usize) {
        self.text.push_str(part);
        self.n_chars += n_chars;
    }
}

fn print(report: &Report) -> String {
    let mut comment = Comment::default();
    comment.add(&head(report));
    let mut n_hidden = 0;
    for (file, findings) in report.by_file() {
        if !findings.is_empty() {
            n_hidden += fold(report, &mut comment, file, &findings);
        }
    }
    comment.add(&silenced(&report.gate.silenced));
    if n_hidden > 0 {
        let part = format!("\n… and {n_hidden} more: run `pgward check` to see them.\n");
        comment.end(&part, part.chars().count());
    }
    comment.text
}

/// The first line lets a program find its own comment again.
fn head(report: &Report) -> String {
    let all: Vec<&Finding> = report.gate.findings.iter().collect();
    let verdict = match report.gate.stopped_by {
        Some(layer) => format!("this change is stopped (layer {})", layer.id()),
        None if all.is_empty() => "nothing to say".to_owned(),
        None => "this change may pass".to_owned(),
    };
    let counted = counted(&all, report.gate.silenced.len());
    let mut text = format!("<!-- pgward check -->\n### pgward: {verdict}\n\n{counted}\n");
    let stops: Vec<&&Finding> = all.iter().filter(|f| f.severity == Severity::Error).collect();
    if !stops.is_empty() {
        text.push('\n');
    }
    text.extend(stops.iter().take(LINES_MAX).map(|f| short(f)));
    if stops.len() > LINES_MAX {
        text.push_str(&format!("- … and {} more\n", stops.len() - LINES_MAX));
    }
    text
}

/// One line: where, which lint, what.
fn short(finding: &Finding) -> String {
    let (file, message) = (place::path(&finding.file), escaped(&cut(&finding.message)));
    format!(
        "- {} line {}, `{}`: {message}\n",
        escaped(&cut(&file)),
        finding.span.line,
        finding.lint
    )
}

/// The findings of a file behind a fold; how many did not fit.
fn fold(report: &Report, comment: &mut Comment, file: &str, findings: &[&Finding]) -> usize {
    const CLOSE: &str = "\n</details>\n";
    let name = if file.is_empty() { "the whole change".to_owned() } else { place::path(file) };
    let name = cut(&name).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let counted = counted(findings, 0);
    let open = format!("\n<details><summary><code>{name}</code>: {counted}</summary>\n");
    if !comment.add(&open) {
        return findings.len();
    }
    let mut ordered = findings.to_vec();
    ordered.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let n_told = ordered
        .iter()
        .take_while(|finding| {
            let long = format!("\n{}\n", diagnostic(&diagnostic_of(finding, report.sources)));
            let part = match long.chars().count() <= CHARS_OF_FINDING_MAX {
                true => long,
                false => format!("\n{}", short(finding)),
            };
            comment.add(&part)
        })
        .count();
    comment.end(CLOSE, CLOSE.len());
    findings.len() - n_told
}

fn silenced(silenced: &[Silenced]) -> String {
    if silenced.is_empty() {
        return String::new();
    }
    let n = silenced.len();
    let mut text = format!("\n<details><summary>{n} silenced or lowered</summary>\n\n");
    text.extend(silenced.iter().take(LINES_MAX).map(|s| {
        let (file, reason) = (escaped(&cut(&place::path(&s.file))), escaped(&cut(&s.reason)));
        format!("- {file} line {}, `{}`: {reason}\n", s.span.line, s.lint)
    }));
    if n > LINES_MAX {
        text.push_str(&format!("- … and {} more\n", n - LINES_MAX));
    }
    text.push_str("\n</details>\n");
    text
}

/// On one line, and not without end.
fn cut(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(CHARS_OF_LINE_MAX) {
        Some((at, _)) => format!("{} …", words.get(..at).unwrap_or("")),
        None => words,
    }
}
