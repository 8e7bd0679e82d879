//! What `pgward explain ID` says of a lint, a cause, a detector or any other member of a kind.

use crate::document::*;

/// A member of a kind in words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Explanation {
    /// `lint`, `cause`, `detector`, `action`, `check`, ...
    pub kind: String,
    pub id: String,
    pub title: String,
    /// Question and answer, in order: ("what it harms", "...").
    pub sections: Vec<(String, String)>,
    /// Links by id to members of other kinds: ("actions", ["cancel_waiter"]).
    pub links: Vec<(String, Vec<String>)>,
    pub examples: Vec<Example>,
    /// Where it is written: a section of the manual.
    pub source: String,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Example {
    pub caption: String,
    pub sql: String,
}

pub fn explanation(explanation: &Explanation) -> Document {
    let mut document = Document::new(explanation.id.clone());
    let head = Text::new(format!("{} ", explanation.kind), Tone::Label)
        .then(&explanation.id, Tone::Strong)
        .then("  ", Tone::Plain)
        .join(Text::prose(&explanation.title));
    document.push(Block::Heading { level: 1, text: head });
    let label = |text: &str| Text::new(text, Tone::Label);
    let row = |name: &str, text: Text| Row {
        label: label(name),
        key: Text::default(),
        lines: vec![text],
    };
    let sections = explanation.sections.iter().filter(|(_, text)| !text.is_empty());
    let mut rows: Vec<Row> = sections.map(|(name, text)| row(name, Text::prose(text))).collect();
    for (name, ids) in explanation.links.iter().filter(|(_, ids)| !ids.is_empty()) {
        let mut text = Text::default();
        for (i, id) in ids.iter().enumerate() {
            text = text.then(if i == 0 { "" } else { ", " }, Tone::Plain).then(id, Tone::Code);
        }
        rows.push(row(name, text));
    }
    if !explanation.source.is_empty() {
        rows.push(row("source", Text::prose(&explanation.source)));
    }
    document.push(Block::Rows(Rows { indent: 2, rows }));
    for example in &explanation.examples {
        document.prose(&example.caption);
        document.push(Block::Code { language: "sql".into(), text: example.sql.clone() });
    }
    document
}
