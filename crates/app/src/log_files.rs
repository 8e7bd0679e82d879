//! Reads server logs in blocks: files, compressed files, standard input, of any size.

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use pgward_logs::{Clock, Layout, Record, Tally};
use pgward_model::prelude::*;
use std::fs::File;
use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

/// Bytes read at a time: large enough that threads seldom meet, small enough for many of them.
const BLOCK: usize = 4 << 20;
/// Of a message that is longer than a block, as a statement with bulk data may be, so much is
/// read and the rest passed over.
const HEAD: usize = 64 << 10;
/// Bytes in which the beginning of a line is looked for across two reads.
const OVERLAP: usize = 4 << 10;
/// Threads that read blocks; one more reads files.
const THREADS_MAX: usize = 16;
/// Blocks that wait for a thread.
const WAITING_MAX: usize = 2;

/// What of the logs is wanted.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `log_line_prefix` of stderr logs; found out where it is not given.
    pub prefix: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

impl Options {
    fn wants(&self, record: &Record<'_>) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Some(at) = record.at_ms else { return false };
        self.since.is_none_or(|since| at >= since.as_millisecond())
            && self.until.is_none_or(|until| at <= until.as_millisecond())
    }
}

/// Everything the logs tell, summed up.
///
/// # Errors
/// A file that cannot be read, or is no server log; a prefix that its lines do not have.
pub fn report(paths: &[String], options: &Options) -> anyhow::Result<LogReport> {
    let mut all = Sum::default();
    let mut files = Vec::new();
    let mut n_cut = 0;
    for path in paths {
        let mut source = Source::open(path, options)?;
        if let Some(layout) = source.layout.clone() {
            all.merge(in_threads(&mut source, &layout, options)?);
        }
        n_cut += source.n_cut;
        files.push(source.file());
    }
    let mut report = all.tally.unwrap_or_else(Tally::new).report();
    report.bytes = files.iter().map(|f| f.bytes).sum();
    report.files = files;
    report.n_lines_unread = all.n_unread;
    report.n_records_cut = n_cut;
    report.notes.extend(all.zone.map(|zone| {
        format!("times are taken for UTC, since what `{zone}` means differs from place to place")
    }));
    Ok(report)
}

/// Calls `each` with every record in the order of the logs.
///
/// # Errors
/// As [`report`].
pub fn each(
    paths: &[String],
    options: &Options,
    each: &mut dyn FnMut(&Record<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for path in paths {
        let mut source = Source::open(path, options)?;
        let Some(layout) = source.layout.clone() else { continue };
        let mut clock = Clock::default();
        let mut failed = None;
        while let Some(block) = source.next(&layout)? {
            let text = String::from_utf8_lossy(&block);
            pgward_logs::read(&text, &layout, &mut clock, &mut |record| {
                if failed.is_none() && options.wants(record) {
                    failed = each(record).err();
                }
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// What one thread, or all of them, counted.
#[derive(Default)]
struct Sum {
    tally: Option<Tally>,
    n_unread: u64,
    /// A zone's name that was not understood.
    zone: Option<String>,
}

impl Sum {
    fn merge(&mut self, other: Sum) {
        self.n_unread += other.n_unread;
        self.zone = self.zone.take().or(other.zone);
        match (self.tally.as_mut(), other.tally) {
            (Some(own), Some(other)) => own.merge(other),
            (None, other) => self.tally = other,
            (Some(_), None) => {}
        }
    }
}

fn in_threads(source: &mut Source, layout: &Layout, options: &Options) -> anyhow::Result<Sum> {
    let n_threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(THREADS_MAX);
    let (blocks, waiting) = sync_channel::<Vec<u8>>(WAITING_MAX);
    let waiting = Mutex::new(waiting);
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..n_threads).map(|_| scope.spawn(|| counted(&waiting, layout, options))).collect();
        let sent = send(source, layout, |block| blocks.send(block).is_ok());
        drop(blocks);
        let mut all = Sum::default();
        for thread in threads {
            let sum = thread.join().map_err(|_| anyhow::anyhow!("a reading thread failed"))?;
            all.merge(sum);
        }
        sent.map(|()| all)
    })
}

fn send(
    source: &mut Source,
    layout: &Layout,
    mut send: impl FnMut(Vec<u8>) -> bool,
) -> anyhow::Result<()> {
    while let Some(block) = source.next(layout)? {
        if !send(block) {
            break; // the threads are gone; their failure is told
        }
    }
    Ok(())
}

/// Counts blocks until there are no more.
fn counted(waiting: &Mutex<Receiver<Vec<u8>>>, layout: &Layout, options: &Options) -> Sum {
    let mut tally = Tally::new();
    let mut clock = Clock::default();
    let mut n_unread = 0;
    loop {
        let block = match waiting.lock() {
            Ok(blocks) => blocks.recv(),
            Err(_) => break,
        };
        let Ok(block) = block else { break };
        let text = String::from_utf8_lossy(&block);
        n_unread += pgward_logs::read(&text, layout, &mut clock, &mut |record| {
            if options.wants(record) {
                tally.add(record);
            }
        });
    }
    Sum { tally: Some(tally), n_unread, zone: clock.unknown_zone().map(str::to_owned) }
}

/// A log that is being read.
struct Source {
    path: String,
    input: Box<dyn Read>,
    /// `None`: the file is empty.
    layout: Option<Layout>,
    rest: Vec<u8>,
    ended: bool,
    /// In the middle of a message that is too long.
    passing: bool,
    bytes: u64,
    n_cut: u64,
}

impl Source {
    fn open(path: &str, options: &Options) -> anyhow::Result<Source> {
        let mut source = Source {
            path: path.to_owned(),
            input: input(path)?,
            layout: None,
            rest: Vec::new(),
            ended: false,
            passing: false,
            bytes: 0,
            n_cut: 0,
        };
        source.fill()?;
        let head = String::from_utf8_lossy(
            source.rest.get(..source.rest.len().min(BLOCK / 4)).unwrap_or(&[]),
        );
        if head.trim().is_empty() {
            return Ok(source);
        }
        let layout = match &options.prefix {
            Some(prefix) => Some(Layout::given(&head, prefix).with_context(|| path.to_owned())?),
            None => Layout::of(&head),
        };
        let Some(layout) = layout else {
            let first = head.lines().find(|l| !l.trim().is_empty()).unwrap_or("");
            bail!(
                "{path}: no server log that can be read; it begins with `{}`. A stderr log is \
                 read with the prefix of its lines: give --prefix with what `SHOW \
                 log_line_prefix` says on the server",
                first.chars().take(80).collect::<String>()
            );
        };
        drop(head);
        source.layout = Some(layout);
        Ok(source)
    }

    fn file(self) -> LogFile {
        LogFile {
            path: self.path,
            format: self.layout.as_ref().map_or("empty", Layout::id).to_owned(),
            prefix: match &self.layout {
                Some(Layout::Stderr(prefix)) => prefix.written().to_owned(),
                _ => String::new(),
            },
            bytes: self.bytes,
        }
    }

    /// Complete messages, at most about a block of them; `None` at the end.
    fn next(&mut self, layout: &Layout) -> anyhow::Result<Option<Vec<u8>>> {
        loop {
            self.fill()?;
            if self.rest.is_empty() {
                return Ok(None);
            }
            if self.passing && !self.pass(layout) {
                continue;
            }
            let cut = if self.ended { self.rest.len() } else { layout.complete(&self.rest) };
            if cut > 0 {
                let rest = self.rest.split_off(cut);
                return Ok(Some(std::mem::replace(&mut self.rest, rest)));
            }
            self.n_cut += 1;
            self.passing = true;
            let mut rest = self.rest.split_off(HEAD.min(self.rest.len()));
            std::mem::swap(&mut rest, &mut self.rest);
            return Ok(Some(rest));
        }
    }

    /// Passes over the rest of a message; true at the beginning of the next one.
    fn pass(&mut self, layout: &Layout) -> bool {
        let begin = layout.next_begin(&self.rest);
        self.passing = begin.is_none();
        let keep = if self.ended { 0 } else { OVERLAP };
        let n = begin.unwrap_or(self.rest.len().saturating_sub(keep));
        self.rest.drain(..n);
        begin.is_some()
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        if self.ended || self.rest.len() >= BLOCK {
            return Ok(());
        }
        let wanted = (BLOCK - self.rest.len()) as u64;
        let n = (&mut self.input)
            .take(wanted)
            .read_to_end(&mut self.rest)
            .with_context(|| format!("{} cannot be read", self.path))?;
        self.bytes += n as u64;
        self.ended = (n as u64) < wanted;
        Ok(())
    }
}

fn input(path: &str) -> anyhow::Result<Box<dyn Read>> {
    if path == "-" {
        return Ok(Box::new(std::io::stdin()));
    }
    let metadata = std::fs::metadata(path)
        .with_context(|| format!("{path}: no such log; give the path of a file, or -"))?;
    if metadata.is_dir() {
        bail!("{path} is a directory: give the logs in it, for example {path}/*.log");
    }
    let file = File::open(path).with_context(|| format!("{path} cannot be opened"))?;
    let packed = path.ends_with(".gz");
    Ok(if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const AT: &str = "2026-11-21 03:24:38.257 UTC";

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let path = path.to_string_lossy().into_owned();
        (dir, path)
    }

    fn read(path: &str) -> LogReport {
        report(&[path.to_owned()], &Options::default()).unwrap()
    }

    #[test]
    fn a_message_longer_than_a_block_hides_no_other() {
        let mut log = format!("{AT} [7] ERROR:  deadlock detected\n");
        log += &format!("{AT} [8] LOG:  statement: INSERT INTO a VALUES ");
        log += &"(1, 'some text'),\n\t".repeat(3 * BLOCK / 19);
        log += &format!("(2)\n{AT} [9] FATAL:  sorry, too many clients already\n");
        let (_dir, path) = file("a.log", log.as_bytes());
        let found = read(&path);
        let n = |class: &str| found.classes.iter().find(|c| c.class == class).map_or(0, |c| c.n);
        assert_eq!((n("deadlock"), n("statement_logged"), n("connection_slots_full")), (1, 1, 1));
        assert_eq!((found.n_records, found.n_records_cut, found.n_lines_unread), (3, 1, 0));
        assert_eq!(found.bytes, log.len() as u64);
    }

    #[test]
    fn a_log_cut_at_both_ends_is_read() {
        let log =
            format!("of a message\n\tthat was cut\n{AT} [7] ERROR:  out of memory\n{AT} [7] DETA");
        let (_dir, path) = file("a.log", log.as_bytes());
        let found = read(&path);
        assert_eq!((found.n_records, found.n_lines_unread), (1, 2));
        assert_eq!(found.troubles.first().unwrap().class, "out_of_memory");
    }

    #[test]
    fn many_blocks_packed_or_not_are_counted_to_the_last_message() {
        let one = format!("{AT} [7] LOG:  duration: 2.000 ms  statement: SELECT 1\n");
        let n = 3 * BLOCK / one.len();
        let log = one.repeat(n);
        let (_dir, plain) = file("a.log", log.as_bytes());
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(log.as_bytes()).unwrap();
        let (_other, packed) = file("a.log.gz", &packer.finish().unwrap());
        for path in [plain, packed] {
            let found = read(&path);
            assert_eq!((found.n_statements, found.n_lines_unread), (n as u64, 0));
            let statement = found.statements.first().unwrap();
            assert_eq!((statement.calls, statement.p95_ms), (n as u64, 2.0));
        }
    }

    #[test]
    fn what_lies_outside_of_the_time_is_left_out() {
        let log = format!("{AT} [7] ERROR:  a\n2026-11-21 04:00:00.000 UTC [7] ERROR:  b\n");
        let (_dir, path) = file("a.log", log.as_bytes());
        let since = Some("2026-11-21T03:30:00Z".parse().unwrap());
        let options = Options { since, ..Options::default() };
        let found = report(&[path], &options).unwrap();
        assert_eq!((found.n_records, found.errors.len()), (1, 1));
    }
}
