//! Random edits of real SQL: what a reader meets when somebody is still writing, a merge went
//! wrong or a file is something else. The same number is the same edit, on every machine.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::ops::Range;
use std::path::Path;

/// SQL files that are edited.
pub(crate) struct Corpus {
    texts: Vec<String>,
}

/// A text after its edits, and what it was.
pub(crate) struct Edited {
    pub(crate) path: &'static str,
    pub(crate) before: String,
    pub(crate) text: String,
}

/// Of a longer file a piece is taken: 8 KiB hold some dozen statements.
const BYTES_MAX: usize = 8 << 10;
/// Edits of one text: more leave nothing that parses.
const EDITS_MAX: usize = 4;
/// Parentheses are nested up to 2 to the power of this: 8192 deep.
const DEPTH_POWER_MAX: u32 = 13;

/// Names by which migration tools are recognised; the file before it has 1 for 2.
const PATHS: &[&str] = &[
    "edit.sql",
    "2.sql",
    "V2__edit.sql",
    "2_edit.up.sql",
    "20240102000000_edit.sql",
    "2/migration.sql",
    "2/up.sql",
    "db/structure2.sql",
];

/// What has a meaning of its own, to the grammar or to us.
const MARKS: &[&str] = &[
    "'",
    "\"",
    "$$",
    "$a$",
    "$1",
    "/*",
    "*/",
    "--",
    "\n",
    ";",
    "(",
    ")",
    "[",
    "]",
    "\\",
    "\\.\n",
    "\\i x\n",
    "E'",
    "U&'",
    "U&\"",
    "b'",
    "${x}",
    "{{x}}",
    ":x",
    ":'x'",
    "::",
    "%",
    "%I",
    "||",
    "\0",
    "\r\n",
    "\u{feff}",
    "…",
    "😀",
    "\u{202e}",
    "é",
    "\u{a0}",
    "e\u{301}",
    "99999999999999999999",
    "-1",
    "NULL",
    "CASCADE",
    "CONCURRENTLY",
    "IF EXISTS",
    "IF NOT EXISTS",
    "NOT VALID",
    "ONLY",
    "BEGIN;",
    "COMMIT;",
    "ROLLBACK;",
    "BEGIN ATOMIC ",
    " END",
    "DO $$ BEGIN ",
    " END $$;",
    " EXECUTE format('DROP TABLE %I', x);",
    " LANGUAGE plpgsql AS $$",
    "COPY t FROM stdin;\n",
    "-- +goose Up\n",
    "-- migrate:up\n",
    "--liquibase formatted sql\n--changeset a:1\n",
    "-- pgward: allow drop_table it is gone\n",
    "-- pgward: expect rows 1..2\n",
    "SET search_path = s;",
    "PARTITION OF",
    "GENERATED ALWAYS AS (",
    "REFERENCES ",
    "USING ",
    "SELECT ",
    "WITH x AS (",
];

type Edit = fn(&str, &Corpus, &mut SmallRng) -> String;

const EDITS: &[Edit] = &[
    flip,
    delete,
    double,
    swap,
    replace,
    splice,
    cut_head,
    cut_tail,
    nest,
    mark,
    mark,
    letter,
    repeat,
    move_statement,
];

impl Corpus {
    /// Every file below `dirs` that ends in `.sql` and is text, in the order of paths.
    pub(crate) fn read<P: AsRef<Path>>(dirs: &[P]) -> Corpus {
        let entries = dirs.iter().flat_map(|dir| walkdir::WalkDir::new(dir).sort_by_file_name());
        let files = entries.filter_map(Result::ok).map(walkdir::DirEntry::into_path);
        let sql = files.filter(|path| path.extension().is_some_and(|e| e == "sql"));
        let texts: Vec<String> = sql.filter_map(|p| std::fs::read_to_string(p).ok()).collect();
        assert!(!texts.is_empty(), "no SQL file there");
        Corpus { texts }
    }

    /// The edit of that number.
    pub(crate) fn edited(&self, number: u64) -> Edited {
        let mut random = SmallRng::seed_from_u64(number);
        let before = self.piece(&mut random, BYTES_MAX).to_owned();
        let mut text = before.clone();
        for _ in 0..random.random_range(1..=EDITS_MAX) {
            text = one_of(EDITS, &mut random)(&text, self, &mut random);
        }
        Edited { path: one_of(PATHS, &mut random), before, text }
    }

    /// A part of some file.
    fn piece(&self, random: &mut SmallRng, bytes_max: usize) -> &str {
        let text = one_of_strings(&self.texts, random);
        let from = match text.len() > bytes_max {
            true => place(text, random),
            false => 0,
        };
        let to = boundary(text, text.len().min(from.saturating_add(bytes_max)));
        text.get(from..to).unwrap_or("")
    }
}

fn one_of<T: Copy>(list: &[T], random: &mut SmallRng) -> T {
    list[random.random_range(0..list.len())]
}

fn one_of_strings<'a>(list: &'a [String], random: &mut SmallRng) -> &'a str {
    &list[random.random_range(0..list.len())]
}

/// The boundary of a character at or before `at`.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

fn place(text: &str, random: &mut SmallRng) -> usize {
    boundary(text, random.random_range(0..=text.len()))
}

/// A part of up to `max` bytes.
fn part(text: &str, random: &mut SmallRng, max: usize) -> Range<usize> {
    let from = place(text, random);
    let to = text.len().min(from + random.random_range(0..=max));
    from..boundary(text, to).max(from)
}

/// Words, runs of white space, single other characters.
fn tokens(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        c if c.is_whitespace() => 0,
        c if c.is_alphanumeric() || c == '_' => 1,
        _ => 2,
    };
    let mut found = Vec::new();
    let mut from = 0;
    let mut last = None;
    for (at, c) in text.char_indices() {
        if last.is_some_and(|l| l != class(c) || l == 2) {
            found.push(&text[from..at]);
            from = at;
        }
        last = Some(class(c));
    }
    found.push(&text[from..]);
    found
}

fn with(text: &str, at: usize, what: &str) -> String {
    format!("{}{what}{}", &text[..at], &text[at..])
}

/// A bit of a byte; what is no text any more becomes U+FFFD.
fn flip(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if !bytes.is_empty() {
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= 1 << random.random_range(0..8);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn delete(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    let mut all = tokens(text);
    all.remove(random.random_range(0..all.len()));
    all.concat()
}

fn double(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    let mut all = tokens(text);
    let at = random.random_range(0..all.len());
    all.insert(at, all[at]);
    all.concat()
}

fn swap(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    let mut all = tokens(text);
    let (a, b) = (random.random_range(0..all.len()), random.random_range(0..all.len()));
    all.swap(a, b);
    all.concat()
}

/// A token for one of another file.
fn replace(text: &str, corpus: &Corpus, random: &mut SmallRng) -> String {
    let theirs = tokens(corpus.piece(random, 200));
    let mut all = tokens(text);
    let at = random.random_range(0..all.len());
    all[at] = one_of(&theirs, random);
    all.concat()
}

/// A part of another file.
fn splice(text: &str, corpus: &Corpus, random: &mut SmallRng) -> String {
    let max = random.random_range(1..600);
    with(text, place(text, random), corpus.piece(random, max))
}

fn cut_head(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    text[place(text, random)..].to_owned()
}

fn cut_tail(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    text[..place(text, random)].to_owned()
}

/// Something around a part, again and again, mostly closed as often as it is opened.
fn nest(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    const PAIRS: &[(&str, &str)] = &[
        ("(", ")"),
        ("((", "))"),
        ("[", "]"),
        ("/*", "*/"),
        ("(SELECT ", ")"),
        ("CASE WHEN ", " END"),
        ("NOT ", ""),
        ("- ", ""),
        ("", "::text"),
        ("", " OR a"),
        ("BEGIN ", " END;"),
        ("IF a THEN ", " END IF;"),
    ];
    let depth = 1 << random.random_range(0..=DEPTH_POWER_MAX);
    let (open, close) = one_of(PAIRS, random);
    let inside = part(text, random, 80);
    let n_closed = if random.random_bool(0.8) { depth } else { random.random_range(0..=depth) };
    format!(
        "{}{}{}{}{}",
        &text[..inside.start],
        open.repeat(depth),
        &text[inside.clone()],
        close.repeat(n_closed),
        &text[inside.end..]
    )
}

fn mark(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    with(text, place(text, random), one_of(MARKS, random))
}

fn letter(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    let letter: char = random.random();
    with(text, place(text, random), letter.encode_utf8(&mut [0; 4]))
}

fn repeat(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    let again = part(text, random, 100);
    let times = 1 << random.random_range(0..=8);
    with(text, again.end, &text[again.clone()].repeat(times))
}

fn move_statement(text: &str, _: &Corpus, random: &mut SmallRng) -> String {
    let mut all: Vec<&str> = text.split_inclusive(';').collect();
    if all.is_empty() {
        return String::new();
    }
    let one = all.remove(random.random_range(0..all.len()));
    all.insert(random.random_range(0..=all.len()), one);
    all.concat()
}
