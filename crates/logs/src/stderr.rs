//! The stderr log: lines with a prefix, messages over several lines, their details behind them.

use crate::prefix::{Prefix, head_of};
use crate::record::Record;
use crate::tag::{Part, Tag};
use crate::time::Clock;
use std::collections::VecDeque;

/// Messages that wait for their details: lines of several processes may stand between.
const OPEN_MAX: usize = 32;

/// A message whose lines are not all read.
struct Open<'a> {
    head: Record<'a>,
    /// Part that the last line of this message belonged to, and where that part begins.
    part: Part,
    from: usize,
}

/// Calls `each` with every record of `text` in about their order; how many lines belonged to
/// none.
pub(crate) fn each<'a>(
    text: &'a str,
    prefix: &Prefix,
    clock: &mut Clock,
    each: &mut dyn FnMut(&Record<'a>),
) -> u64 {
    let mut open: VecDeque<Open<'a>> = VecDeque::with_capacity(OPEN_MAX + 1);
    // Index from the back of the message whose line was the last.
    let mut last: Option<usize> = None;
    let mut n_foreign = 0;
    let mut at = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len()));
    for end in ends {
        let begin = std::mem::replace(&mut at, end + 1);
        let Some(line) = text.get(begin..end).filter(|l| !l.is_empty()) else { continue };
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.starts_with('\t') {
            n_foreign += extend(&mut open, last, text, begin + line.len());
            continue;
        }
        let mut head = Record::default();
        match prefix.read(line, clock, &mut head) {
            Some((Tag::Message(level), from)) => {
                close_same(&mut open, head.pid, each);
                if open.len() >= OPEN_MAX
                    && let Some(oldest) = open.pop_front()
                {
                    each(&oldest.head);
                }
                head.level = level;
                head.message = line.get(from..).unwrap_or("");
                open.push_back(Open { head, part: Part::Message, from: begin + from });
                last = Some(open.len() - 1);
            }
            Some((Tag::Part(part), from)) => {
                last = open.iter().rposition(|o| o.head.pid == head.pid);
                match last.and_then(|i| open.get_mut(i)) {
                    Some(found) => {
                        found.part = part;
                        found.from = begin + from;
                        put(found, line.get(from..).unwrap_or(""));
                    }
                    None => n_foreign += 1,
                }
            }
            // A message under another prefix than that of the log.
            None if head_of(line).is_some() => {
                n_foreign += 1;
                last = None;
            }
            // Written past the logger, or its tab was lost on the way.
            None => n_foreign += extend(&mut open, last, text, begin + line.len()),
        }
    }
    open.iter().for_each(|o| each(&o.head));
    n_foreign
}

/// The last line's part goes on up to `end`.
fn extend<'a>(
    open: &mut VecDeque<Open<'a>>,
    last: Option<usize>,
    text: &'a str,
    end: usize,
) -> u64 {
    let Some(found) = last.and_then(|i| open.get_mut(i)) else { return 1 };
    let longer = text.get(found.from..end).unwrap_or("");
    put(found, longer);
    0
}

/// A process that begins a new message has finished the one before.
fn close_same<'a>(open: &mut VecDeque<Open<'a>>, pid: i32, each: &mut dyn FnMut(&Record<'a>)) {
    if let Some(i) = open.iter().rposition(|o| o.head.pid == pid)
        && let Some(done) = open.remove(i)
    {
        each(&done.head);
    }
}

fn put<'a>(open: &mut Open<'a>, text: &'a str) {
    let head = &mut open.head;
    match open.part {
        Part::Message => head.message = text,
        Part::Detail => head.detail = text,
        Part::Hint => head.hint = text,
        Part::Context => head.context = text,
        Part::Statement => head.statement = text,
        Part::Other => {}
    }
}

/// Where the last message of `text` begins: what lies before it is complete.
pub(crate) fn last_begin(text: &[u8], prefix: &Prefix) -> Option<usize> {
    let mut clock = Clock::default();
    let mut begins = |at: usize| {
        let rest = text.get(at..).unwrap_or(&[]);
        let end = memchr::memchr(b'\n', rest)?;
        let line = String::from_utf8_lossy(rest.get(..end.min(HEAD_MAX))?);
        let tag = prefix.read(&line, &mut clock, &mut Record::default());
        matches!(tag, Some((Tag::Message(_), _))).then_some(())
    };
    memchr::memrchr_iter(b'\n', text).map(|end| end + 1).find(|at| begins(*at).is_some())
}

/// Bytes of a line in which its prefix and tag must stand.
const HEAD_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Level;

    /// Process, level, message, detail, statement.
    type Read = (i32, Level, String, String, String);

    fn read(text: &str) -> (Vec<Read>, u64) {
        let prefix = Prefix::parse("%m [%p] ").unwrap();
        let mut found = Vec::new();
        let n = each(text, &prefix, &mut Clock::default(), &mut |r| {
            let part = |t: &str| t.to_owned();
            found.push((r.pid, r.level, part(r.message), part(r.detail), part(r.statement)));
        });
        found.sort_by_key(|(pid, ..)| *pid);
        (found, n)
    }

    const AT: &str = "2026-11-21 03:24:38.257 UTC";

    #[test]
    fn messages_are_joined_with_their_parts_also_when_processes_interleave() {
        let (found, n) = read(&format!(
            "{AT} [7] ERROR:  deadlock detected\n{AT} [8] LOG:  other\n\
             {AT} [7] DETAIL:  Process 7 waits\n\tProcess 9 waits\n{AT} [7] HINT:  See\n\
             {AT} [7] STATEMENT:  update a\n\tset b = 1\n"
        ));
        assert_eq!(n, 0);
        let (pid, level, message, detail, statement) = found.first().unwrap();
        assert_eq!((*pid, *level, message.as_str()), (7, Level::Error, "deadlock detected"));
        assert_eq!(detail, "Process 7 waits\n\tProcess 9 waits");
        assert_eq!(statement, "update a\n\tset b = 1");
        assert_eq!(found.get(1).unwrap().2, "other");
    }

    #[test]
    fn what_belongs_to_no_message_is_counted() {
        let (found, n) = read(&format!(
            "\ttail of a message\nforeign\n{AT} [7] DETAIL:  of whom?\n{AT} [7] LOG:  a\nloose"
        ));
        assert_eq!((found.len(), n), (1, 3));
        assert_eq!(found.first().unwrap().2, "a\nloose");
        let (found, n) =
            read(&format!("{AT} [7] LOG:  a\n{AT} (8) u LOG:  of another\n\tprefix\n"));
        assert_eq!((found.len(), n), (1, 2));
        assert_eq!(found.first().unwrap().2, "a");
    }

    #[test]
    fn complete_messages_end_where_the_last_begins() {
        let prefix = Prefix::parse("%m [%p] ").unwrap();
        let first = format!("{AT} [7] ERROR:  a\n{AT} [7] STATEMENT:  b\n");
        let text = format!("{first}{AT} [7] LOG:  c\n\td\n");
        assert_eq!(last_begin(text.as_bytes(), &prefix), Some(first.len()));
        assert_eq!(last_begin(first.as_bytes(), &prefix), None);
    }
}
