//! What other programs read of a check: each output of one report, and text that tries to break
//! out of it.

mod sample;

use pgward_model::prelude::*;
use pgward_render::outputs::{OUTPUTS, Report};
use pgward_render::view::Explanation;
use std::collections::BTreeMap;

const FILE: &str = "migrations/0042_orders.sql";

fn sources() -> BTreeMap<String, String> {
    BTreeMap::from([(FILE.to_owned(), sample::MIGRATION.to_owned())])
}

fn print(id: &str, gate: &GateReport, sources: &BTreeMap<String, String>) -> String {
    let output = OUTPUTS.iter().find(|o| o.id == id).expect("it is there");
    let rules: [Explanation; 1] = [sample::explanation()];
    (output.print)(&Report { gate, sources, rules: &rules, version: "0.1.0" })
}

fn json(id: &str, gate: &GateReport, sources: &BTreeMap<String, String>) -> serde_json::Value {
    serde_json::from_str(&print(id, gate, sources)).expect("it is JSON")
}

fn silenced() -> Silenced {
    Silenced {
        lint: "drop_column".into(),
        layer: Layer::Static,
        file: FILE.into(),
        span: Span { start: 0, end: 5, line: 1, column: 1 },
        was: Severity::Warning,
        now: None,
        reason: "the last client was retired in May".into(),
        by: SilencedBy::Comment,
    }
}

fn gate() -> GateReport {
    GateReport { silenced: vec![silenced()], ..sample::gate() }
}

/// A change with one finding over the whole of `text`.
fn one(file: &str, text: &str, message: &str) -> (GateReport, BTreeMap<String, String>) {
    let span = Span { start: 0, end: text.len(), line: 1, column: 1 };
    let said = Evidence::stated(message, Source::new(SourceKind::Manual, "Explicit Locking"));
    let mut finding =
        Finding::new("drop_table", Layer::Static, Severity::Error, span, message, said);
    finding.file = file.to_owned();
    let gate = GateReport { findings: vec![finding], silenced: Vec::new(), ..sample::gate() };
    (gate, BTreeMap::from([(file.to_owned(), text.to_owned())]))
}

#[test]
fn each_output_of_one_check() {
    for output in OUTPUTS {
        insta::assert_snapshot!(output.id, print(output.id, &gate(), &sources()));
    }
}

#[test]
fn sarif_names_rule_place_and_fingerprint() {
    let log = json("sarif", &gate(), &sources());
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), gate().findings.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["partialFingerprints"]["pgwardFinding/v1"].as_str().unwrap().len(), 32);
    }
    let known = rules.iter().find(|r| r["id"] == "create_index_blocks_writes").unwrap();
    assert!(known["help"]["text"].as_str().unwrap().contains("SHARE"), "{known}");
    let (gate, sources) = one("./a b/é#.sql", "DROP TABLE 𝄞;", "x");
    let place = &json("sarif", &gate, &sources)["runs"][0]["results"][0]["locations"][0];
    let place = &place["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b/%C3%A9%23.sql");
    assert_eq!(place["region"]["endColumn"], 15);
}

#[test]
fn fingerprints_bear_new_lines_above_and_differ() {
    let names = |gate: &GateReport, sources: &BTreeMap<String, String>| -> Vec<String> {
        let report = json("gitlab", gate, sources);
        let all = report.as_array().unwrap().iter();
        all.map(|f| f["fingerprint"].as_str().unwrap().to_owned()).collect()
    };
    let before = names(&gate(), &sources());
    let mut moved = gate();
    for finding in &mut moved.findings {
        finding.span.start += 10;
        finding.span.end += 10;
        finding.span.line += 1;
    }
    let text = format!("-- a note\n{}", sample::MIGRATION);
    assert_eq!(before, names(&moved, &BTreeMap::from([(FILE.to_owned(), text)])));
    let mut twice = gate();
    twice.findings.push(twice.findings[0].clone());
    let mut all = names(&twice, &sources());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), twice.findings.len());
}

#[test]
fn a_workflow_command_cannot_be_forged() {
    let (gate, sources) = one("a,b:c%.sql", "DROP TABLE a", "100%\n::error::forged\r");
    let text = print("github", &gate, &sources);
    let commands: Vec<&str> = text.lines().filter(|l| l.starts_with("::")).collect();
    assert_eq!(commands.len(), 1, "{text}");
    let place = "::error file=a%2Cb%3Ac%25.sql,line=1,col=1,endLine=1,endColumn=13,";
    assert!(commands[0].starts_with(place), "{text}");
    assert!(commands[0].contains("title=pgward drop_table::100%25%0A::error::forged%0D%0A"));
    let (gate, sources) = one("-", "DROP TABLE a", "x");
    assert!(print("github", &gate, &sources).starts_with("::error title=pgward drop_table::x"));
}

#[test]
fn the_strongest_comes_first_where_only_ten_are_shown() {
    let mut gate = gate();
    gate.findings.sort_by_key(|f| f.severity);
    let text = print("github", &gate, &sources());
    assert!(text.starts_with("::error"), "{text}");
}

#[test]
fn junit_holds_what_xml_cannot() {
    let (gate, sources) = one("a\"<&>.sql", "DROP TABLE a", "]]> <b> & \u{1b}[2J\u{0}");
    let text = print("junit", &gate, &sources);
    let parsed = roxmltree::Document::parse(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let failure = parsed.descendants().find(|n| n.has_tag_name("failure")).unwrap();
    assert_eq!(failure.attribute("message"), Some("]]> <b> & \u{fffd}[2J\u{fffd}"));
    let case = failure.parent().unwrap();
    assert_eq!(case.attribute("file"), Some("a\"<&>.sql"));
}

#[test]
fn junit_counts_what_it_lists() {
    let mut sources = sources();
    sources.insert("migrations/0043_quiet.sql".into(), "SELECT 1;".into());
    let text = print("junit", &gate(), &sources);
    let parsed = roxmltree::Document::parse(&text).unwrap();
    let count = |name: &str| parsed.descendants().filter(|n| n.has_tag_name(name)).count();
    let root = parsed.root_element();
    assert_eq!(root.attribute("tests"), Some(count("testcase").to_string().as_str()));
    assert_eq!(root.attribute("failures"), Some(count("failure").to_string().as_str()));
    assert_eq!((count("testsuite"), count("skipped")), (2, 1));
    assert!(count("failure") > 0 && text.contains("retired in May"));
}

#[test]
fn a_comment_never_grows_beyond_its_limit() {
    let mut gate = gate();
    let finding = gate.findings[0].clone();
    let texts = BTreeMap::from([("long.sql".to_owned(), "x".repeat(100_000))]);
    gate.findings = (0..3_000)
        .map(|i| {
            let mut next = finding.clone();
            next.file = if i == 0 { "long.sql".to_owned() } else { format!("m/{}.sql", i / 40) };
            next.message = "é".repeat(i % 2_000);
            next.span = Span { start: 0, end: 100_000, line: 1, column: 1 };
            next
        })
        .collect();
    let text = print("markdown", &gate, &texts);
    let n_chars = text.chars().count();
    assert!((50_000..=60_000).contains(&n_chars), "{n_chars}");
    let n = |part: &str| text.matches(part).count();
    assert_eq!(n("<details>"), n("</details>"));
    assert!(text.contains(" more: run `pgward check`"));
    let told = text.matches("**error** `").count() + text.matches("**warning** `").count();
    assert!(told > 20, "{told} findings");
}

#[test]
fn a_comment_holds_no_markup_of_the_change() {
    let (gate, sources) = one("<img>.sql", "DROP TABLE a", "<script>alert(1)</script>");
    let text = print("markdown", &gate, &sources);
    for event in pulldown_cmark::Parser::new(&text) {
        use pulldown_cmark::Event::{Html, InlineHtml};
        if let Html(html) | InlineHtml(html) = event {
            assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        }
    }
}
