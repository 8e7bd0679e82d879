//! What users see: a lock queue from finding to post-mortem, in every format.

mod sample;

use pgward_model::prelude::*;
use pgward_render::document::{Block, Document};
use pgward_render::{figure, format, view};
use std::collections::BTreeMap;

fn sources() -> BTreeMap<String, String> {
    BTreeMap::from([("migrations/0042_orders.sql".to_owned(), sample::MIGRATION.to_owned())])
}

fn documents() -> Vec<(&'static str, Document)> {
    vec![
        ("findings", view::findings(&sample::findings(), &sources())),
        ("incident", view::incident(&sample::incident(), sample::at(41.0))),
        ("runbook", view::runbook(&sample::runbook())),
        ("gate", view::gate(&sample::gate(), &sources())),
        ("explanation", view::explanation(&sample::explanation())),
        ("scoreboard", view::scoreboard(&sample::scores())),
        ("postmortem", view::postmortem(&sample::postmortem())),
        ("logs", view::logs(&sample::log_report(), 10)),
        ("status", view::status(&sample::live::statuses(), sample::at(41.0))),
        ("alert", view::alert(&sample::live::alert(), &[sample::live::alert()])),
    ]
}

#[test]
fn a_terminal_of_100_columns_shows() {
    for (name, document) in documents() {
        insta::assert_snapshot!(format!("{name}.txt"), format::plain(&document, 100));
    }
}

#[test]
fn markdown_reads() {
    for (name, document) in documents() {
        insta::assert_snapshot!(format!("{name}.md"), format::markdown(&document).text);
    }
}

#[test]
fn colours_change_no_letter() {
    for (name, document) in documents() {
        let coloured = format::terminal(&document, 100);
        assert!(coloured.contains("\u{1b}["), "{name}");
        let mut bare = String::new();
        for (i, part) in coloured.split('\u{1b}').enumerate() {
            bare.push_str(if i == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert_eq!(bare, format::plain(&document, 100), "{name}");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for (name, document) in documents() {
        for width in [100, 120, 160] {
            for line in format::plain(&document, width).lines() {
                assert!(line.chars().count() <= width, "{name} at {width}: {line}");
            }
        }
    }
}

#[test]
fn every_line_of_the_timeline_shows_its_source() {
    let pm = sample::postmortem();
    let markdown = format::markdown(&view::postmortem(&pm)).text;
    for event in &pm.timeline {
        let source = event.source.to_string();
        let told = |line: &str| line.contains(event.what.as_str()) && line.contains(&source);
        assert!(!source.is_empty() && markdown.lines().any(told), "{}", event.what);
    }
}

#[test]
fn a_drill_is_marked_in_every_heading() {
    let document = view::postmortem(&sample::postmortem());
    for block in &document.blocks {
        if let Block::Heading { text, .. } = block {
            assert!(text.bare().starts_with("DRILL"), "{}", text.bare());
        }
    }
    let real = Postmortem { drill: false, ..sample::postmortem() };
    assert!(!format::html(&view::postmortem(&real)).contains("DRILL"));
}

#[test]
fn markdown_refers_to_its_own_figures_only() {
    let page = format::markdown(&view::postmortem(&sample::postmortem()));
    let names: Vec<&str> = page.figures.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["17-impact.svg", "17-timeline.svg", "17-lock-tree.svg"]);
    let mut seen = Vec::new();
    for event in pulldown_cmark::Parser::new(&page.text) {
        if let pulldown_cmark::Event::Start(
            pulldown_cmark::Tag::Image { dest_url, .. }
            | pulldown_cmark::Tag::Link { dest_url, .. },
        ) = event
        {
            seen.push(dest_url.to_string());
        }
    }
    assert_eq!(seen, names);
}

#[test]
fn html_needs_nothing_from_outside() {
    for (name, document) in documents() {
        let page = format::html(&document);
        let page = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for outside in ["http:", "https:", "href=", "src=", "url(", "@import", "<script"] {
            assert!(!page.contains(outside), "{name}: {outside}");
        }
    }
}

/// Text that would break out of SVG, HTML or a table if it were not escaped.
const HOSTILE: &str =
    "<script>alert(1)</script> & \"quotes\" 'x' | ]]> \u{1b}[2J\u{0}\u{8} `tick` **b**";

#[test]
fn hostile_text_stays_text() {
    let mut pm = sample::postmortem();
    pm.title = HOSTILE.to_owned();
    pm.impact.of = HOSTILE.to_owned();
    for event in &mut pm.timeline {
        event.what = HOSTILE.to_owned();
        event.actor = HOSTILE.to_owned();
    }
    for node in &mut pm.figures.lock_tree {
        node.statement = HOSTILE.to_owned();
        node.application = HOSTILE.to_owned();
    }
    let document = view::postmortem(&pm);
    assert!(!format::html(&document).contains("<script>"));
    assert!(!format::plain(&document, 100).contains('\u{1b}'));
    let page = format::markdown(&document);
    for (name, svg) in &page.figures {
        let parsed = roxmltree::Document::parse(svg).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(parsed.descendants().all(|n| !n.has_tag_name("script")), "{name}");
    }
    for event in pulldown_cmark::Parser::new(&page.text) {
        use pulldown_cmark::Event::{Html, InlineHtml};
        assert!(!matches!(event, Html(_) | InlineHtml(_)), "{event:?}");
    }
}

#[test]
fn the_timeline_has_one_mark_for_each_line() {
    let pm = sample::postmortem();
    let svg = figure::timeline(&pm).unwrap();
    let parsed = roxmltree::Document::parse(&svg).unwrap();
    let marks = parsed.descendants().filter(|n| n.attribute("class") == Some("mark")).count();
    assert_eq!(marks, pm.timeline.len());
    let words: String = parsed.descendants().filter_map(|n| n.text()).collect();
    for event in &pm.timeline {
        assert!(words.contains(&event.what.replace('`', "")) || event.what.contains('`'));
    }
}

#[test]
fn figures_stand_aside_where_there_is_nothing_to_draw() {
    let mut pm = sample::postmortem();
    pm.timeline.clear();
    pm.impact.per_second.truncate(1);
    pm.figures.lock_tree.truncate(1);
    assert_eq!(figure::timeline(&pm), None);
    assert_eq!(figure::impact(&pm), None);
    assert_eq!(figure::lock_tree(&pm.figures.lock_tree), None);
    assert!(format::markdown(&view::postmortem(&pm)).figures.is_empty());
}

#[test]
fn a_deadlock_and_an_endless_queue_are_drawn_all_the_same() {
    let words = |nodes: &[LockTreeNode]| {
        let svg = figure::lock_tree(nodes).unwrap();
        let parsed = roxmltree::Document::parse(&svg).unwrap();
        parsed.descendants().filter_map(|n| n.text()).collect::<Vec<_>>().join("\n")
    };
    let nodes = sample::postmortem().figures.lock_tree;
    let ring: Vec<LockTreeNode> = [(1, 2), (2, 1)]
        .map(|(pid, parent)| LockTreeNode { pid, parent: Some(parent), ..nodes[1].clone() })
        .to_vec();
    assert!(words(&ring).contains("pid 1") && words(&ring).contains("pid 2"));
    let chain: Vec<LockTreeNode> = (0..500)
        .map(|i| LockTreeNode { pid: 9000 + i, parent: Some(8999 + i), ..nodes[1].clone() })
        .collect();
    assert!(words(&chain).contains("… and 460 more wait"), "{}", words(&chain));
}

#[test]
fn the_scoreboard_is_the_same_picture_each_time() {
    let svg = format::scoreboard_svg(&sample::scores());
    assert_eq!(svg, format::scoreboard_svg(&sample::scores()));
    roxmltree::Document::parse(&svg).unwrap();
    for word in ["rogue_update_script", "2 h 30 min", "50 h 19 min"] {
        assert!(svg.contains(word), "{word}");
    }
}

#[test]
fn runs_of_one_scenario_are_told_by_their_median() {
    let one = sample::scores().into_iter().find(|s| s.road == Road::Bypassed).unwrap();
    let runs: Vec<Score> = [1.0, 9.0, 2.0]
        .into_iter()
        .map(|s| Score { detect_s: Some(s), cause_right: s < 5.0, ..one.clone() })
        .collect();
    let text = format::plain(&view::scoreboard(&runs), 100);
    assert!(text.contains("bypassed ×3") && text.contains("2 s") && text.contains("2/3"), "{text}");
}
