//! Names what a message is: by its SQLSTATE where the log has it, by its text where it has not.
//!
//! A server speaks the language of `lc_messages`, so a class with a code is found by the code
//! alone; English texts tell only the finer classes of one code apart.

use crate::families::FAMILIES;
use crate::measure::Measure;
use crate::record::{Level, Record};
use crate::text::head;
use std::collections::HashMap;
use std::sync::OnceLock;

/// What a message means to those who run the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Daily life.
    Routine,
    /// Worth knowing; nobody was harmed by it alone.
    Notice,
    /// Somebody was refused or lost work, or soon will.
    Harm,
}

/// One class of messages.
#[derive(Debug)]
pub struct Class {
    pub id: &'static str,
    /// What it means, in one sentence.
    pub means: &'static str,
    pub weight: Weight,
    /// SQLSTATEs, or their first two characters; empty: messages that are no errors.
    pub codes: &'static [&'static str],
    /// How the English message begins, `*` for what varies; empty: any message of the codes.
    pub says: &'static [&'static str],
    /// One of these stands in its detail, hint, context or statement as well.
    pub beside: &'static [&'static str],
    /// Ids of causes it hints at, the likeliest first.
    pub causes: &'static [&'static str],
    /// How directly it names what went wrong, from 0 (not at all) to 99 (proof): of all that
    /// goes wrong at once, the class of the highest rank is named first.
    pub rank: u8,
    /// Messages without which the rank does not count: one may be chance.
    pub n_min: u64,
    /// Reads the numbers in it; a message without them is of another class.
    pub reads: Option<for<'a> fn(&Record<'a>) -> Option<Measure<'a>>>,
    /// `LEVEL SQLSTATE message | DETAIL: … | HINT: … | CONTEXT: … | STATEMENT: …`; run by tests.
    pub examples: &'static [&'static str],
}

/// What most classes leave as it is.
pub(crate) const CLASS: Class = Class {
    id: "",
    means: "",
    weight: Weight::Routine,
    codes: &[],
    says: &[],
    beside: &[],
    causes: &[],
    rank: 0,
    n_min: 1,
    reads: None,
    examples: &[],
};

static OTHER_ERROR: Class = Class {
    id: "other_error",
    means: "an error of a kind that has no class of its own",
    weight: Weight::Harm,
    rank: 1,
    ..CLASS
};
static OTHER_WARNING: Class = Class {
    id: "other_warning",
    means: "a warning of a kind that has no class of its own",
    weight: Weight::Notice,
    ..CLASS
};
static OTHER_LOG: Class =
    Class { id: "other_log", means: "a word of the server without a class of its own", ..CLASS };

impl Class {
    /// The record's SQLSTATE; where the log does not have it, the one of this class.
    pub fn code<'a>(&self, record: &Record<'a>) -> &'a str {
        if !record.sqlstate.is_empty() {
            return record.sqlstate;
        }
        match self.codes.iter().find(|c| c.len() == 5) {
            Some(code) => code,
            None if record.level >= Level::Error => "",
            None => "00000",
        }
    }

    /// How closely the text, and what stands beside it, is as this class has it: bytes of the
    /// words that fit. `None`: it is not.
    fn fits(&self, record: &Record<'_>) -> Option<usize> {
        let of = |p: &&&str| says(p, record.message);
        let words = self.says.iter().filter(of).map(|p| p.len() - p.matches('*').count()).max()?;
        let reads = self.reads.is_none_or(|reads| reads(record).is_some());
        let more = if self.beside.is_empty() { 0 } else { HEAD_MAX };
        (reads && self.is_beside(record)).then_some(words + more)
    }

    fn is_beside(&self, record: &Record<'_>) -> bool {
        let beside = [record.detail, record.hint, record.context, record.statement];
        self.beside.is_empty()
            || self.beside.iter().any(|p| beside.iter().any(|text| text.contains(p)))
    }
}

/// Every class, those of each family together, then those for what has none.
pub fn classes() -> &'static [&'static Class] {
    &index().all
}

/// The class of a message. Every message has one.
pub fn classify(record: &Record<'_>) -> &'static Class {
    ordinal(record).1
}

/// The class and its place in [`classes`].
pub(crate) fn ordinal(record: &Record<'_>) -> (usize, &'static Class) {
    let index = index();
    let found = match record.sqlstate {
        "" | "00000" => index.finished(record).or_else(|| index.by_text(record)),
        code => index.by_code(code, record),
    };
    let n = index.all.len();
    found.unwrap_or(match record.level {
        Level::Error | Level::Fatal | Level::Panic => (n - 3, &OTHER_ERROR),
        Level::Warning => (n - 2, &OTHER_WARNING),
        _ => (n - 1, &OTHER_LOG),
    })
}

type Found = (usize, &'static Class);

struct Index {
    all: Vec<&'static Class>,
    codes: HashMap<&'static str, Vec<Found>>,
    /// Finished statements: nearly all of a log that tells slow ones.
    finished: Option<Found>,
    /// By the first four bytes of what they say.
    texts: HashMap<[u8; 4], Vec<Found>>,
}

/// Bytes of a message in which its class must show.
const HEAD_MAX: usize = 1_024;

fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| {
        let of_families = FAMILIES.iter().flat_map(|f| f.classes.iter());
        let all: Vec<&'static Class> =
            of_families.chain([&OTHER_ERROR, &OTHER_WARNING, &OTHER_LOG]).collect();
        let mut codes: HashMap<&'static str, Vec<Found>> = HashMap::new();
        let mut texts: HashMap<[u8; 4], Vec<Found>> = HashMap::new();
        for (i, class) in all.iter().enumerate() {
            for code in class.codes {
                codes.entry(code).or_default().push((i, class));
            }
            for says in class.says {
                let of_key = texts.entry(key(says)).or_default();
                if of_key.last().is_none_or(|(last, _)| *last != i) {
                    of_key.push((i, class));
                }
            }
        }
        let of_all = || all.iter().copied().enumerate();
        let finished = of_all().find(|(_, c)| c.id == "statement_finished");
        Index { all, codes, finished, texts }
    })
}

impl Index {
    /// The finest class of the code that fits; else the one that takes any message of it.
    fn by_code(&self, code: &str, record: &Record<'_>) -> Option<Found> {
        for code in [code, code.get(..2)?] {
            let Some(candidates) = self.codes.get(code) else { continue };
            let fits = closest(candidates.iter(), record);
            let any = || candidates.iter().find(|(_, c)| c.says.is_empty() && c.is_beside(record));
            // Not told apart by English words: the class that has this code before others.
            let home = || candidates.iter().find(|(_, c)| c.codes.first() == Some(&code));
            if let Some(found) = fits.or_else(any).or_else(home).or(candidates.first()) {
                return Some(*found);
            }
        }
        None
    }

    fn finished(&self, record: &Record<'_>) -> Option<Found> {
        let begins = record.message.starts_with("duration: ");
        self.finished.filter(|_| begins && crate::measure::statement(record).is_some())
    }

    /// A code of 00000 says that it is no error, so that no class of errors is asked.
    fn by_text(&self, record: &Record<'_>) -> Option<Found> {
        let candidates = self.texts.get(&key(record.message))?;
        let known = !record.sqlstate.is_empty();
        let asked = candidates.iter().filter(|(_, c)| !known || c.codes.is_empty());
        closest(asked, record).copied()
    }
}

/// The class whose words fit most of the message; of equals the first.
fn closest<'a>(
    candidates: impl Iterator<Item = &'a Found>,
    record: &Record<'_>,
) -> Option<&'a Found> {
    let mut best: Option<(usize, &Found)> = None;
    for found in candidates {
        if let Some(n) = found.1.fits(record)
            && best.is_none_or(|(most, _)| n > most)
        {
            best = Some((n, found));
        }
    }
    best.map(|(_, found)| found)
}

fn key(text: &str) -> [u8; 4] {
    text.as_bytes().get(..4).and_then(|b| b.try_into().ok()).unwrap_or_default()
}

/// Does the message begin as the pattern has it? `*` stands for anything.
fn says(pattern: &str, message: &str) -> bool {
    let message = head(message, HEAD_MAX);
    let mut pieces = pattern.split('*');
    let begin = pieces.next().unwrap_or("");
    let Some(mut rest) = message.strip_prefix(begin) else { return false };
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else { return false };
        rest = behind;
    }
    true
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A record as an example has it.
    pub(crate) fn record(example: &'static str) -> Record<'static> {
        let mut parts = example.split(" | ");
        let (word, rest) = parts.next().unwrap().split_once(' ').unwrap();
        let (sqlstate, message) = rest.split_once(' ').unwrap();
        let levels = [Level::Log, Level::Warning, Level::Error, Level::Fatal, Level::Panic];
        let level = *levels.iter().find(|l| l.id() == word).unwrap();
        let mut record = Record { level, sqlstate, message, ..Record::default() };
        for part in parts {
            let (name, text) = part.split_once(": ").unwrap();
            match name {
                "DETAIL" => record.detail = text,
                "HINT" => record.hint = text,
                "CONTEXT" => record.context = text,
                "STATEMENT" => record.statement = text,
                other => panic!("{other} in {example}"),
            }
        }
        record
    }

    #[test]
    fn every_example_is_of_its_class_also_without_its_sqlstate() {
        let mut wrong = Vec::new();
        for class in classes() {
            for example in class.examples {
                let mut record = record(example);
                wrong.push((class.id, classify(&record).id, *example));
                if !class.says.is_empty() {
                    record.sqlstate = "";
                    wrong.push((class.id, classify(&record).id, *example));
                }
            }
        }
        wrong.retain(|(class, found, _)| class != found);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_localised_message_is_classed_by_its_sqlstate() {
        for class in classes() {
            for code in class.codes.iter().filter(|c| c.len() == 5) {
                let level = Level::Error;
                let local =
                    Record { level, sqlstate: code, message: "иначе", ..Record::default() };
                let found = classify(&local);
                assert!(found.codes.contains(code), "{code} of {} became {}", class.id, found.id);
            }
        }
        let local = Record {
            level: Level::Error,
            sqlstate: "42P01",
            message: "Relation »orders« existiert nicht",
            ..Record::default()
        };
        assert_eq!(classify(&local).id, "missing_relation");
    }

    #[test]
    fn what_a_client_wrote_does_not_class_a_message() {
        let said = |sqlstate| Record {
            sqlstate,
            message: "statement: select 'deadlock detected'",
            ..Record::default()
        };
        assert_eq!(classify(&said("00000")).id, "statement_logged");
        assert_eq!(classify(&said("")).id, "statement_logged");
        let raised = Record {
            level: Level::Error,
            sqlstate: "P0001",
            message: "deadlock detected",
            ..Record::default()
        };
        assert_eq!(classify(&raised).id, "raised_by_code");
    }

    #[test]
    fn classes_are_well_made() {
        let ids: BTreeSet<&str> = classes().iter().map(|c| c.id).collect();
        assert_eq!(ids.len(), classes().len(), "an id stands for one class");
        assert!(ids.len() >= 100 + 3, "{}", ids.len());
        for class in classes() {
            assert!(!class.means.is_empty(), "{}", class.id);
            let other = class.id.starts_with("other_");
            assert!(other || !class.examples.is_empty(), "{} has no example", class.id);
            assert!(other || !(class.says.is_empty() && class.codes.is_empty()), "{}", class.id);
            for says in class.says {
                let begin = says.split('*').next().unwrap();
                assert!(begin.len() >= 4, "{}: {says} begins too openly", class.id);
            }
            if class.weight == Weight::Routine {
                assert_eq!(class.rank, 0, "{} is daily life and names no trouble", class.id);
            }
            assert!(class.causes.is_empty() || class.rank > 0, "{}", class.id);
        }
    }
}
