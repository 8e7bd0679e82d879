//! Finds out a `log_line_prefix` from lines that were written with it.

use super::Prefix;
use crate::record::Record;
use crate::tag::{Tag, tag};
use crate::time::Clock;
use std::cmp::Reverse;

/// Lines that are looked at; the first minutes of a log have all kinds of them.
const LINES_MAX: usize = 2_000;
/// Share of the lines that bear a tag which a prefix must match; the rest may be foreign.
const SHARE_MIN: f64 = 0.9;
/// Candidates that are tried: prefixes differ by where the server's own processes stop.
const CANDIDATES_MAX: usize = 40;

/// The prefix that most lines match; `None` where none matches nearly all that bear a tag.
pub(crate) fn guess(text: &str) -> Option<Prefix> {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('\t') && head_of(line).is_some())
        .take(LINES_MAX)
        .collect();
    let mut candidates: Vec<String> = Vec::new();
    for head in lines.iter().filter_map(|line| head_of(line)) {
        for candidate in drafts(head) {
            if candidates.len() < CANDIDATES_MAX && !candidates.contains(&candidate) {
                candidates.push(candidate);
            }
        }
    }
    let n_min = (lines.len() as f64 * SHARE_MIN).ceil() as usize;
    let scored = candidates.iter().filter_map(|written| {
        let prefix = Prefix::parse(written).ok()?;
        let n = lines.iter().filter(|line| matches(&prefix, line)).count();
        (n >= n_min.max(1)).then_some((n, prefix))
    });
    // Of equal matches the simplest, then the first found.
    let mut best: Option<((usize, Reverse<usize>), Prefix)> = None;
    for (n, prefix) in scored {
        let rank = (n, Reverse(prefix.parts.len()));
        if best.as_ref().is_none_or(|(found, _)| rank > *found) {
            best = Some((rank, prefix));
        }
    }
    best.map(|(_, prefix)| prefix)
}

/// How many of the first lines that bear a tag the prefix matches, of how many; and one that it
/// does not match.
pub(crate) fn share<'a>(prefix: &Prefix, text: &'a str) -> (usize, usize, &'a str) {
    let lines = || text.lines().filter(|l| !l.starts_with('\t') && head_of(l).is_some());
    let n_read = lines().take(LINES_MAX).filter(|line| matches(prefix, line)).count();
    let other = lines().take(LINES_MAX).find(|line| !matches(prefix, line));
    let other = other.or(text.lines().next()).unwrap_or("");
    (n_read, lines().take(LINES_MAX).count(), other)
}

fn matches(prefix: &Prefix, line: &str) -> bool {
    prefix.read(line, &mut Clock::default(), &mut Record::default()).is_some()
}

/// What stands before the tag of a message.
pub(crate) fn head_of(line: &str) -> Option<&str> {
    let at_tag = |at: usize| matches!(line.get(at..).and_then(tag), Some((Tag::Message(_), _)));
    // A tag begins the line or follows a blank or a mark.
    let starts = line.char_indices().take(400).filter(|(at, c)| {
        c.is_alphabetic()
            && line.get(..*at).is_some_and(|b| !b.ends_with(|c: char| c.is_alphanumeric()))
    });
    let found = starts.map(|(at, _)| at).find(|at| at_tag(*at))?;
    line.get(..found)
}

/// Prefixes that may have written `head`: as a session's, and stopped for the server's own.
fn draft_stops(draft: &str) -> Vec<String> {
    let mut all = vec![draft.to_owned()];
    // %q stands behind what every process has: a time, a process id, a line number.
    for mark in ["%p] ", "%p]: ", "%p ", "%p]", "-1] ", "%l ", "%m ", "%t ", "%c "] {
        if let Some(at) = draft.find(mark) {
            let (front, back) = draft.split_at(at + mark.len());
            if !back.is_empty() {
                all.push(format!("{front}%q{back}"));
            }
        }
    }
    all
}

fn drafts(head: &str) -> Vec<String> {
    draft_stops(&draft(head))
}

/// The escapes that fit what `head` shows, character by character.
fn draft(head: &str) -> String {
    let mut written = String::new();
    let mut rest = head;
    let mut has_pid = false;
    while let Some(c) = rest.chars().next() {
        if let Some((escape, n)) = value(rest, &written, &mut has_pid) {
            written.push_str(escape);
            rest = rest.get(n..).unwrap_or("");
        } else {
            if c == '%' {
                written.push('%');
            }
            written.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or("");
        }
    }
    written
}

/// Names that people write before a value, and the escape of the value.
const KEYS: [(&str, &[&str]); 12] = [
    ("%u", &["user", "usr", "role", "u"]),
    ("%d", &["db", "database", "dbname", "d"]),
    ("%a", &["app", "application", "application_name", "appname", "a"]),
    ("%h", &["client", "host", "ip", "remote", "remote_host", "h", "addr"]),
    ("%e", &["sqlstate", "state", "code", "err", "error", "e"]),
    ("%p", &["pid", "p", "process"]),
    ("%c", &["session", "sess", "sid", "session_id", "c"]),
    ("%l", &["line", "l", "line_num"]),
    ("%x", &["xid", "txid", "trx", "x", "tx"]),
    ("%v", &["vxid", "v", "vtx"]),
    ("%Q", &["qid", "query_id", "queryid"]),
    ("%i", &["tag", "cmd", "command", "type", "ps"]),
];

/// The escape of the value that `rest` begins with, and how long the value is.
fn value(rest: &str, written: &str, has_pid: &mut bool) -> Option<(&'static str, usize)> {
    if let Some((_, n)) = Clock::default().read(rest) {
        return Some((if rest.as_bytes().get(19) == Some(&b'.') { "%m" } else { "%t" }, n));
    }
    // `[local]` and `[unknown]` are values of their own.
    let named = rest.strip_prefix('[').and_then(|r| Some(r.find(']')? + 2));
    let named = named.filter(|n| matches!(rest.get(..*n), Some("[local]" | "[unknown]")));
    let word = named.or_else(|| rest.find(ends_value)).unwrap_or(rest.len());
    if let Some(escape) = keyed(written) {
        let client = rest.get(word..).filter(|_| escape == "%h").and_then(port).unwrap_or(0);
        *has_pid |= escape == "%p";
        return Some((if client > 0 { "%r" } else { escape }, word + client));
    }
    let token = rest.get(..word).unwrap_or("");
    if token.is_empty() || written.ends_with(|c: char| c.is_alphanumeric()) {
        return None;
    }
    let is_number = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if let Some((line, _)) = token.split_once('-').filter(|(a, b)| is_number(a) && is_number(b)) {
        return Some(("%l", line.len())); // [%l-1]
    }
    if written.ends_with("%l-") {
        return None;
    }
    if is_number(token) {
        let first = !std::mem::replace(has_pid, true);
        return Some((if first { "%p" } else { "%l" }, word));
    }
    if token.len() == 14 && token.as_bytes().get(10) == Some(&b'.') {
        return Some(("%n", word));
    }
    if let Some((user, _)) = token.split_once('@').filter(|(user, _)| !user.is_empty()) {
        return Some(("%u", user.len()));
    }
    if written.ends_with("%u@") {
        return Some(("%d", word));
    }
    let client = token == "[local]" || token.parse::<std::net::IpAddr>().is_ok();
    if client {
        let port = rest.get(word..).and_then(port).unwrap_or(0);
        return Some((if port > 0 { "%r" } else { "%h" }, word + port));
    }
    let is_hex = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_hexdigit());
    if token.split_once('.').is_some_and(|(a, b)| a.len() == 8 && is_hex(a) && is_hex(b)) {
        return Some(("%c", word));
    }
    if token.split_once('/').is_some_and(|(a, b)| is_number(a) && is_number(b)) {
        return Some(("%v", word));
    }
    let state = token.len() == 5
        && token.starts_with(|c: char| c.is_ascii_digit() || "FHPX".contains(c))
        && token.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    state.then_some(("%e", word))
}

fn ends_value(c: char) -> bool {
    matches!(c, ' ' | ',' | ')' | '(' | '|' | ';' | '>' | '<' | '"') || c == ']' || c == ':'
}

/// `(5432)` behind an address.
fn port(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('(')?;
    let close = inside.find(')')?;
    inside.get(..close)?.bytes().all(|b| b.is_ascii_digit()).then_some(close + 2)
}

/// The escape for what follows `key=` or `key:` at the end of what is drafted so far.
fn keyed(written: &str) -> Option<&'static str> {
    let front = written.strip_suffix('=')?;
    let key = front.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
    let key = key.to_ascii_lowercase();
    KEYS.iter().find(|(_, names)| names.contains(&key.as_str())).map(|(escape, _)| *escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str, prefix: &str) {
        let found = guess(lines);
        assert_eq!(found.as_ref().map(Prefix::written), Some(prefix), "{lines}");
    }

    #[test]
    fn prefixes_are_found_out() {
        check("2026-11-21 03:24:38.257 UTC [22] LOG:  x", "%m [%p] ");
        check(
            "2026-11-21 03:24:38.257 UTC [22] LOG:  x\n\
             2026-11-21 03:24:38.257 UTC [23] u@d ERROR:  y\n\tmore\n\
             2026-11-21 03:24:38.257 UTC [23] u@d STATEMENT:  z",
            "%m [%p] %q%u@%d ",
        );
        check(
            "2026-11-21 03:24:38 UTC [22]: [1-1] user=,db=,app=,client= LOG:  x\n\
             2026-11-21 03:24:38 UTC [23]: [1-1] user=u,db=d,app=[unknown],client=10.0.0.1 LOG:  y",
            "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
        );
        check(
            "2026-11-21 03:24:38 UTC:10.0.0.1(5000):u@d:[7]:FATAL:  x\n\
             2026-11-21 03:24:38 UTC:10.0.0.2(5001):v@e:[8]:LOG:  x",
            "%t:%r:%u@%d:[%p]:",
        );
        check(
            "2026-11-21 03:24:38.257 UTC [7] [user=u,db=d,app=[unknown],client=[local]] LOG:  x",
            "%m [%p] [user=%u,db=%d,app=%a,client=%h] ",
        );
        check("1795231477.457 [7] 42P01 ERROR:  x", "%n [%p] %e ");
        check("2026-11-21 03:24:38.257 UTC [7] FEHLER:  x", "%m [%p] ");
        assert!(guess("no log at all\nthe second line").is_none());
    }
}
