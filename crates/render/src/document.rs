//! The document every view builds and every format prints: a few kinds of blocks.

use pgward_model::finding::Severity;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    pub title: String,
    pub blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Level 1 is the title of a page, 2 a section, 3 a subsection.
    Heading {
        level: u8,
        text: Text,
    },
    Paragraph(Text),
    List {
        numbered: Numbered,
        items: Vec<Text>,
    },
    Table(Table),
    Rows(Rows),
    Code {
        /// `sql`, `text`, ...
        language: String,
        text: String,
    },
    Figure(Figure),
    Diagnostic(Diagnostic),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbered {
    Yes,
    No,
}

/// A table with a header line. Columns that are too wide together wrap, the widest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<TableRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub head: String,
    pub align: Align,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TableRow {
    Cells(Vec<Text>),
    /// Spans all columns and stands above the rows it names; `aside` at the right end.
    Group {
        text: Text,
        aside: Text,
    },
    /// Spans all columns but the first `from` and explains the row above.
    Note {
        from: usize,
        text: Text,
    },
}

/// Lines of two or three columns without a header; the last column wraps under itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// Spaces before each line in a terminal.
    pub indent: usize,
    pub rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub label: Text,
    /// Empty in rows of two columns.
    pub key: Text,
    /// Each begins a line of its own.
    pub lines: Vec<Text>,
}

/// An SVG made from data.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// File name, e.g. `17-timeline.svg`.
    pub name: String,
    /// What the picture shows, for those who cannot see it.
    pub alt: String,
    pub svg: String,
}

/// A place in a file and what is to be said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    pub severity: Severity,
    pub id: String,
    pub message: Text,
    pub place: Option<Place>,
    pub notes: Vec<Note>,
    pub fix: Option<DiagnosticFix>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// Source lines with their numbers; empty when the source is not at hand.
    pub lines: Vec<(u32, String)>,
    /// Lines of the place that are not shown.
    pub n_hidden: usize,
    /// Columns to underline in the first line: first and one past the last, from 0.
    pub underline: (usize, usize),
    /// Stands beside the underline.
    pub label: Text,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// One word: `measured`, `rehearsed`, `manual`, ...
    pub label: String,
    pub text: Text,
    pub source: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DiagnosticFix {
    pub advice: Text,
    /// Lines that go and lines that come, each with the number of the first.
    pub remove: Vec<String>,
    pub add: Vec<String>,
    pub line: u32,
}

/// Words with their meaning, from which a format chooses a look.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Text(pub Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    pub text: String,
    pub tone: Tone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Strong,
    Code,
    /// Less important than what stands beside it.
    Dim,
    Good,
    Warning,
    Bad,
    /// A label that leads the eye.
    Label,
}

impl Text {
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Text(vec![Piece { text: text.into(), tone }])
    }

    pub fn plain(text: impl Into<String>) -> Self {
        Text::new(text, Tone::Plain)
    }

    pub fn code(text: impl Into<String>) -> Self {
        Text::new(text, Tone::Code)
    }

    /// Sentences in which `` `backticks` `` mark code.
    pub fn prose(text: &str) -> Self {
        let mut parts = text.split('`').enumerate();
        let n_ticks = text.matches('`').count();
        let mut pieces = Text::default();
        for (i, part) in &mut parts {
            let code = i % 2 == 1 && (i < n_ticks);
            let tone = if code { Tone::Code } else { Tone::Plain };
            if i % 2 == 1 && !code {
                pieces = pieces.then("`", Tone::Plain);
            }
            if !part.is_empty() {
                pieces = pieces.then(part, tone);
            }
        }
        pieces
    }

    pub fn then(mut self, text: impl Into<String>, tone: Tone) -> Self {
        self.0.push(Piece { text: text.into(), tone });
        self
    }

    pub fn join(mut self, other: Text) -> Self {
        self.0.extend(other.0);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|p| p.text.is_empty())
    }

    /// The words alone.
    pub fn bare(&self) -> String {
        self.0.iter().map(|p| p.text.as_str()).collect()
    }
}

impl Document {
    pub fn new(title: impl Into<String>) -> Self {
        Document { title: title.into(), blocks: Vec::new() }
    }

    pub fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    pub fn heading(&mut self, level: u8, text: impl Into<String>) {
        self.push(Block::Heading { level, text: Text::plain(text) });
    }

    pub fn prose(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Block::Paragraph(Text::prose(text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_mark_code() {
        let tones = |t: &str| -> Vec<_> {
            Text::prose(t).0.into_iter().map(|p| (p.text, p.tone)).collect()
        };
        assert_eq!(tones("a `b` c")[1], ("b".to_owned(), Tone::Code));
        assert_eq!(Text::prose("a ` c").bare(), "a ` c");
        assert_eq!(Text::prose("`a` and ` b").bare(), "a and ` b");
        assert_eq!(Text::prose("").bare(), "");
    }
}
