//! What each fingerprint stands for.

use super::{Column, Holds, Rows, Seen, Series, column};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use pgward_model::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

pub(crate) static SERIES: Series = Series {
    id: "texts",
    about: "the statement of each fingerprint, without its constants; once a day and fingerprint",
    columns: COLUMNS,
    order: &["fingerprint", "at"],
    fold: None,
    take,
};

const COLUMNS: &[Column] = &[
    column("at", Holds::Moment, "when it was first seen that day"),
    column("fingerprint", Holds::Text, "which statement: a hash of its text"),
    column("text", Holds::Text, "the statement, ? for what varies"),
];

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: Timestamp,
    pub(crate) fingerprint: String,
    pub(crate) text: String,
}

/// Texts kept in mind; a server that shows more different ones starts anew.
const KNOWN_MAX: usize = 20_000;

/// Which texts are known, and which of them stand in today's files.
#[derive(Debug, Default)]
pub(crate) struct Before {
    day: Date,
    written: HashSet<String>,
    /// Fingerprint by hash of the text as it came.
    known: HashMap<u64, String>,
}

/// Texts come with the rows that name them, by [`Before::name`].
fn take(_: &mut Seen, _: &Sample, _: &mut Rows) {}

impl Before {
    /// The fingerprint of a text, whose shape is kept the first time in a day.
    pub(crate) fn name(&mut self, at: Timestamp, text: &str, rows: &mut Rows) -> String {
        self.turn(at);
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(known) = self.known.get(&hash) {
            return known.clone();
        }
        let fingerprint = pgward_sql::fingerprint(text);
        if self.written.insert(fingerprint.clone()) {
            let row = Row { at, fingerprint: fingerprint.clone(), text: pgward_sql::shape(text) };
            rows.push(&SERIES, &row);
        }
        self.known.insert(hash, fingerprint.clone());
        fingerprint
    }

    /// Begins a new day, in which every text is to be kept once more; says whether it did.
    pub(crate) fn turn(&mut self, at: Timestamp) -> bool {
        let day = at.to_zoned(TimeZone::UTC).date();
        let turns = day != self.day || self.known.len() > KNOWN_MAX;
        if turns {
            *self = Before { day, ..Before::default() };
        }
        turns
    }
}
