//! JUnit XML, which most build servers show as tests: a suite for each file, a failed case for
//! each finding from warning up, a skipped one for what was silenced.
//!
//! Source: the schema that Jenkins' xUnit plugin and Apache Ant's junitreport share.

use super::{Output, Report, told};
use crate::place;
use pgward_model::prelude::*;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use std::collections::BTreeMap;
use std::io;

pub(super) static OUTPUT: Output =
    Output { id: "junit", title: "JUnit XML for build servers", print };

type Xml = Writer<Vec<u8>>;

fn print(report: &Report) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    written(report, &mut xml).expect("memory takes every byte");
    let mut text = String::from_utf8(xml.into_inner()).expect("every part is text");
    text.push('\n');
    text
}

/// A case of a suite.
struct Case {
    name: String,
    line: u32,
    outcome: Outcome,
}

enum Outcome {
    Passed,
    Failed { word: &'static str, message: String, text: String },
    Skipped { why: String },
}

fn written(report: &Report, xml: &mut Xml) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = suites(report);
    let all: Vec<&Case> = suites.values().flatten().collect();
    let (n_tests, n_failures) = (all.len().to_string(), failures(&all).to_string());
    xml.create_element("testsuites")
        .with_attributes([("name", "pgward"), ("tests", &n_tests), ("failures", &n_failures)])
        .write_inner_content(|xml| {
            suites.iter().try_for_each(|(file, cases)| suite(xml, file, cases))
        })?;
    Ok(())
}

fn suite(xml: &mut Xml, file: &str, cases: &[Case]) -> io::Result<()> {
    let name = clean(&place::path(file));
    let all: Vec<&Case> = cases.iter().collect();
    let skipped = cases.iter().filter(|c| matches!(c.outcome, Outcome::Skipped { .. })).count();
    xml.create_element("testsuite")
        .with_attributes([
            ("name", name.as_str()),
            ("tests", &cases.len().to_string()),
            ("failures", &failures(&all).to_string()),
            ("errors", "0"),
            ("skipped", &skipped.to_string()),
        ])
        .write_inner_content(|xml| cases.iter().try_for_each(|case| one(xml, &name, case)))?;
    Ok(())
}

fn one(xml: &mut Xml, file: &str, case: &Case) -> io::Result<()> {
    let (line, name) = (case.line.to_string(), clean(&case.name));
    let element = xml.create_element("testcase").with_attributes([
        ("classname", file),
        ("name", &name),
        ("file", file),
        ("line", &line),
    ]);
    match &case.outcome {
        Outcome::Passed => element.write_empty()?,
        Outcome::Failed { word, message, text } => element.write_inner_content(|xml| {
            xml.create_element("failure")
                .with_attributes([("type", *word), ("message", &clean(message))])
                .write_text_content(BytesText::new(&clean(text)))?;
            Ok(())
        })?,
        Outcome::Skipped { why } => element.write_inner_content(|xml| {
            xml.create_element("skipped")
                .with_attribute(("message", clean(why).as_str()))
                .write_empty()?;
            Ok(())
        })?,
    };
    Ok(())
}

/// The cases of each file. One without a word is one case that passes, so that it is seen to have
/// been read.
fn suites(report: &Report) -> BTreeMap<String, Vec<Case>> {
    let case = |lint: &str, span: &Span, outcome: Outcome| Case {
        name: format!("{lint} ({}:{})", span.line, span.column),
        line: span.line,
        outcome,
    };
    let mut suites: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for (file, findings) in report.by_file() {
        let cases = findings.iter().map(|f| case(&f.lint, &f.span, outcome(f)));
        suites.insert(file.to_owned(), cases.collect());
    }
    for s in report.gate.silenced.iter().filter(|s| s.now.is_none()) {
        let skipped = Outcome::Skipped { why: s.reason.clone() };
        suites.entry(s.file.clone()).or_default().push(case(&s.lint, &s.span, skipped));
    }
    for cases in suites.values_mut().filter(|cases| cases.is_empty()) {
        cases.push(Case { name: "pgward check".to_owned(), line: 1, outcome: Outcome::Passed });
    }
    suites
}

fn outcome(finding: &Finding) -> Outcome {
    let word = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => return Outcome::Passed,
    };
    Outcome::Failed { word, message: finding.message.clone(), text: told(finding) }
}

fn failures(cases: &[&Case]) -> usize {
    cases.iter().filter(|c| matches!(c.outcome, Outcome::Failed { .. })).count()
}

/// Without the characters that XML 1.0 cannot hold, not even escaped.
fn clean(text: &str) -> String {
    let allowed = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    };
    text.chars().map(|c| if allowed(c) { c } else { '\u{fffd}' }).collect()
}
