//! The three formats of a server log, found out from its first lines, and how each is read.

use crate::Error;
use crate::prefix::{self, Prefix};
use crate::record::{Level, Record};
use crate::stderr;
use crate::tag::{Tag, tag};
use crate::time::Clock;
use serde::Deserialize;
use std::borrow::Cow;

/// How a log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    Stderr(Prefix),
    Csv,
    Json,
}

impl Layout {
    /// As `log_destination` calls it.
    pub fn id(&self) -> &'static str {
        match self {
            Layout::Stderr(_) => "stderr",
            Layout::Csv => "csvlog",
            Layout::Json => "jsonlog",
        }
    }

    /// Found out from the first lines; `None` when they are no server log.
    pub fn of(text: &str) -> Option<Layout> {
        let mut lines = text.lines().filter(|l| !l.trim().is_empty());
        let first = lines.next()?;
        if first.starts_with('{') && first.contains("\"error_severity\"") {
            return Some(Layout::Json);
        }
        let mut n_csv = 0;
        csv(text.get(..text.len().min(SAMPLE)).unwrap_or(text), &mut Clock::default(), &mut |_| {
            n_csv += 1;
        });
        if n_csv > 0 {
            return Some(Layout::Csv);
        }
        prefix::guess(text).map(Layout::Stderr)
    }

    /// A stderr log whose prefix is known. csvlog and jsonlog have none, and are read anyway.
    ///
    /// # Errors
    /// [`Error::Prefix`] when it is no prefix, [`Error::Mismatch`] when most lines that bear a
    /// tag have another.
    pub fn given(text: &str, prefix: &str) -> Result<Layout, Error> {
        if let Some(layout @ (Layout::Csv | Layout::Json)) = Layout::of(text) {
            return Ok(layout);
        }
        let given = Prefix::parse(prefix)?;
        let (n_read, n, line) = prefix::share(&given, text);
        if 2 * n_read >= n && n_read > 0 {
            return Ok(Layout::Stderr(given));
        }
        let found = prefix::guess(text);
        let found = found.map_or(String::new(), |p| format!("; they look like {:?}", p.written()));
        let line = crate::text::head(line, 120).to_owned();
        Err(Error::Mismatch { prefix: prefix.to_owned(), n_read, n, line, found })
    }

    /// Up to where `bytes` holds complete messages. More may follow unless it is the end.
    pub fn complete(&self, bytes: &[u8]) -> usize {
        match self {
            Layout::Stderr(prefix) => stderr::last_begin(bytes, prefix).unwrap_or(0),
            Layout::Csv => complete_csv(bytes),
            Layout::Json => memchr::memrchr(b'\n', bytes).map_or(0, |i| i + 1),
        }
    }

    /// Where the next message begins in bytes that begin in the middle of one.
    pub fn next_begin(&self, bytes: &[u8]) -> Option<usize> {
        let mut lines = memchr::memchr_iter(b'\n', bytes).map(|i| i + 1);
        lines.find(|at| bytes.get(*at..).is_some_and(|line| self.begins(line)))
    }

    /// Do the bytes begin with a message, rather than in the middle of one?
    pub fn begins(&self, bytes: &[u8]) -> bool {
        let head = bytes.get(..bytes.len().min(LINE_HEAD)).unwrap_or(&[]);
        let head = String::from_utf8_lossy(head);
        let line = head.lines().next().unwrap_or("");
        match self {
            Layout::Json => line.starts_with("{\"timestamp\""),
            Layout::Csv => Clock::default()
                .read(line)
                .is_some_and(|(_, n)| line.as_bytes().get(n) == Some(&b',')),
            Layout::Stderr(prefix) => {
                let read = prefix.read(line, &mut Clock::default(), &mut Record::default());
                matches!(read, Some((Tag::Message(_), _)))
            }
        }
    }
}

/// Bytes of a line in which its prefix and tag must stand.
const LINE_HEAD: usize = 2_048;

/// Bytes from which csvlog is told.
const SAMPLE: usize = 4_096;

/// Calls `each` with every record of `text`, in the order of the log but for messages of
/// different processes written at once. How many lines could not be read.
pub fn read<'a>(
    text: &'a str,
    layout: &Layout,
    clock: &mut Clock,
    each: &mut dyn FnMut(&Record<'_>),
) -> u64 {
    match layout {
        Layout::Stderr(prefix) => {
            stderr::each(text, prefix, clock, &mut |record: &Record<'a>| each(record))
        }
        Layout::Csv => csv(text, clock, each),
        Layout::Json => json(text, clock, each),
    }
}

fn csv(text: &str, clock: &mut Clock, each: &mut dyn FnMut(&Record<'_>)) -> u64 {
    let bytes = text.as_bytes();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut row = csv::StringRecord::new();
    let mut n_unread = 0;
    loop {
        match reader.read_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return n_unread,
            Err(_) => {
                n_unread += 1;
                continue;
            }
        }
        let field = |i: usize| row.get(i).unwrap_or("");
        let at = clock.read(field(0));
        let Some((at, level)) = at.zip(level(field(11))) else {
            n_unread += 1;
            continue;
        };
        each(&Record {
            at_ms: Some(at.0),
            pid: field(3).parse().unwrap_or(0),
            role: field(1),
            database: field(2),
            client: field(4),
            application: field(22),
            backend: field(23),
            level,
            sqlstate: field(12),
            message: field(13),
            detail: field(14),
            hint: field(15),
            context: field(18),
            statement: field(19),
        });
    }
}

/// jsonlog's keys, those that are read. A key that the server left out is empty.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(default)]
    pid: i32,
    #[serde(borrow, default)]
    user: Cow<'a, str>,
    #[serde(borrow, default)]
    dbname: Cow<'a, str>,
    #[serde(borrow, default)]
    remote_host: Cow<'a, str>,
    #[serde(borrow, default)]
    application_name: Cow<'a, str>,
    #[serde(borrow, default)]
    backend_type: Cow<'a, str>,
    #[serde(borrow)]
    error_severity: Cow<'a, str>,
    #[serde(borrow, default)]
    state_code: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
    #[serde(borrow, default)]
    detail: Cow<'a, str>,
    #[serde(borrow, default)]
    hint: Cow<'a, str>,
    #[serde(borrow, default)]
    context: Cow<'a, str>,
    #[serde(borrow, default)]
    statement: Cow<'a, str>,
}

fn json(text: &str, clock: &mut Clock, each: &mut dyn FnMut(&Record<'_>)) -> u64 {
    let mut n_unread = 0;
    for line in text.split('\n').filter(|l| !l.trim().is_empty()) {
        let Ok(line) = serde_json::from_str::<Line<'_>>(line) else {
            n_unread += 1;
            continue;
        };
        let at = clock.read(&line.timestamp);
        let Some((at, level)) = at.zip(level(&line.error_severity)) else {
            n_unread += 1;
            continue;
        };
        each(&Record {
            at_ms: Some(at.0),
            pid: line.pid,
            role: &line.user,
            database: &line.dbname,
            client: &line.remote_host,
            application: &line.application_name,
            backend: &line.backend_type,
            level,
            // jsonlog leaves the code out when it is 00000.
            sqlstate: if line.state_code.is_empty() { "00000" } else { &line.state_code },
            message: &line.message,
            detail: &line.detail,
            hint: &line.hint,
            context: &line.context,
            statement: &line.statement,
        });
    }
    n_unread
}

/// csvlog and jsonlog hold the bare tag.
fn level(word: &str) -> Option<Level> {
    if word == "LOG" {
        return Some(Level::Log);
    }
    match tag(&format!("{word}:  ")) {
        Some((Tag::Message(level), _)) => Some(level),
        _ => None,
    }
}

/// Bytes up to the end of the last complete record: a newline outside quotes.
fn complete_csv(bytes: &[u8]) -> usize {
    let mut quoted = false;
    let mut end = 0;
    for at in memchr::memchr2_iter(b'"', b'\n', bytes) {
        if bytes.get(at) == Some(&b'"') {
            quoted = !quoted;
        } else if !quoted {
            end = at + 1;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "2026-11-21 03:24:37.457 UTC,\"app\",\"shop\",4711,\"127.0.0.1:5000\",\
        65.1,3,\"SELECT\",2026-11-21 03:24:37 UTC,3/4,0,ERROR,42703,\
        \"column \"\"email\"\" does not exist\",,,,,,\"SELECT email\nFROM users\",8,,\"site\",\"client backend\",,0\n";
    const JSON: &str = r#"{"timestamp":"2026-11-21 03:24:37.457 UTC","pid":7,"error_severity":"LOG","message":"a \"b\"","backend_type":"checkpointer","query_id":0}"#;

    fn all(text: &str) -> Vec<(i32, String, String, String)> {
        let layout = Layout::of(text).unwrap();
        let mut found = Vec::new();
        let n = read(text, &layout, &mut Clock::default(), &mut |r| {
            let own = |t: &str| t.to_owned();
            found.push((r.pid, own(r.sqlstate), own(r.message), own(r.statement)));
        });
        assert_eq!(n, 0);
        found
    }

    #[test]
    fn formats_are_told_apart_and_read() {
        let (pid, state, message, statement) = all(CSV).remove(0);
        assert_eq!((pid, state.as_str()), (4711, "42703"));
        assert_eq!(message, "column \"email\" does not exist");
        assert_eq!(statement, "SELECT email\nFROM users");
        let (pid, state, message, _) = all(JSON).remove(0);
        assert_eq!((pid, state.as_str(), message.as_str()), (7, "00000", "a \"b\""));
        assert_eq!(all("2026-11-21 03:24:37.457 UTC [9] LOG:  x").len(), 1);
        assert_eq!(Layout::of("hello\nworld\n"), None);
        assert_eq!(Layout::of(""), None);
    }

    #[test]
    fn a_prefix_that_the_lines_do_not_have_is_told() {
        let text = "2026-11-21 03:24:37.457 UTC [9] LOG:  x\n";
        assert!(matches!(Layout::given(text, "%m [%p] "), Ok(Layout::Stderr(_))));
        assert_eq!(Layout::given(CSV, "%m [%p] ").unwrap(), Layout::Csv);
        let error = Layout::given(text, "%t %p ").unwrap_err().to_string();
        assert!(error.contains("they look like \"%m [%p] \""), "{error}");
    }

    #[test]
    fn half_a_record_waits_for_its_end() {
        let half = format!("{CSV}2026-11-21 03:24:38 UTC,\"a\nb");
        assert_eq!(Layout::Csv.complete(half.as_bytes()), CSV.len());
        let half = format!("{JSON}\n{{\"time");
        assert_eq!(Layout::Json.complete(half.as_bytes()), JSON.len() + 1);
        let cut = format!("of users\",8,,\"site\"\n{CSV}");
        assert_eq!(Layout::Csv.next_begin(cut.as_bytes()), Some(cut.len() - CSV.len()));
    }

    #[test]
    fn a_damaged_line_is_counted_and_the_next_is_read() {
        let text = format!("{JSON}\n{{\"timestamp\":\n{JSON}\n");
        let mut n = 0;
        let unread = read(&text, &Layout::Json, &mut Clock::default(), &mut |_| n += 1);
        assert_eq!((n, unread), (2, 1));
    }
}
