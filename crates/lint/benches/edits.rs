//! Millions of random edits of real SQL, read or judged in a process of its own: counts those
//! that crash, hang or eat the memory, and goes on behind them.
//!
//! `cargo bench -p pgward-lint --bench edits -- [read | judge] [EDITS] [FIRST] [DIR]...`
//! `cargo bench -p pgward-lint --bench edits -- show NUMBER [DIR]...` prints the edited text.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a measurement prints its table")]
#![allow(clippy::unwrap_used, reason = "a measurement ends by a panic")]

#[path = "../tests/common/edits.rs"]
mod edits;
#[path = "../tests/common/reader.rs"]
mod reader;

use edits::{Corpus, Edited};
use pgward_pg::clock;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};
use std::time::Duration;

/// An edit of some KiB takes less than a second by far, also where the machine is busy.
const HANGS_AFTER: Duration = Duration::from_secs(10);
/// A check of thousands of files stays below a tenth of it.
const MEMORY_MAX_KIB: u64 = 2 << 20;
/// Enough to see what is wrong.
const FAULTS_MAX: usize = 20;
const LOOK_EVERY: Duration = Duration::from_millis(250);
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/corpus");

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let mut words = args.iter().map(String::as_str).peekable();
    let what = words.next().unwrap_or("judge");
    let numbers: Vec<u64> =
        std::iter::from_fn(|| words.next_if(|w| w.parse::<u64>().is_ok())).map(number).collect();
    let n = numbers.first().copied().unwrap_or(2_000);
    let first = numbers.get(1).copied().unwrap_or(0);
    let mut rest: Vec<&str> = words.collect();
    let beat = (what == "work").then(|| (rest.remove(0), rest.remove(0)));
    if rest.is_empty() {
        rest.push(CORPUS);
    }
    match (what, beat) {
        ("show", _) => print!("{}", Corpus::read(&rest).edited(n).text),
        ("work", Some((level, beat))) => work(level, n, first, &rest, beat),
        ("read" | "judge", _) => watch(what, n, first, &rest),
        _ => panic!("no such level: {what}; there are read and judge"),
    }
}

fn number(word: &str) -> u64 {
    word.parse().unwrap()
}

/// The process that may die: writes down the number of each edit before it looks at it.
fn work(level: &str, n: u64, first: u64, dirs: &[&str], beat: &str) {
    let corpus = Corpus::read(dirs);
    let beat = File::options().write(true).open(beat).unwrap();
    let (mut n_bytes, mut slowest) = (0, (Duration::ZERO, 0));
    for number in first..first + n {
        beat.write_all_at(&number.to_le_bytes(), 0).unwrap();
        let Edited { path, before, text } = corpus.edited(number);
        n_bytes += text.len();
        let begin = clock::instant();
        match level {
            "read" => drop(reader::read(&text)),
            _ => reader::judge(path, &before, &text),
        }
        slowest = slowest.max((begin.elapsed(), number));
    }
    println!(
        "edits {first} to {}: {} MB, slowest {:.3} s (edit {})",
        first + n - 1,
        n_bytes / 1_000_000,
        slowest.0.as_secs_f64(),
        slowest.1
    );
}

/// Lets the edits be looked at, and says what went wrong.
fn watch(level: &str, n: u64, first: u64, dirs: &[&str]) {
    let beat = tempfile::NamedTempFile::new().unwrap();
    println!("{n} edits from {first} on, level {level}, files below {}", dirs.join(" "));
    let begin = clock::instant();
    let (mut next, mut faults, mut memory_kib) = (first, Vec::new(), 0);
    while next < first + n && faults.len() < FAULTS_MAX {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["work", &(first + n - next).to_string(), &next.to_string(), level])
            .arg(beat.path())
            .args(dirs)
            .spawn()
            .unwrap();
        let Some(fault) = fault_of(child, beat.as_file(), &mut memory_kib) else { break };
        let at = seen(beat.as_file());
        println!("edit {at}: {fault}");
        faults.push(at);
        next = at + 1;
    }
    println!(
        "{} of {n} edits went wrong at level {level} in {:.0} s; at most {} MiB of memory",
        faults.len(),
        begin.elapsed().as_secs_f64(),
        memory_kib >> 10
    );
    std::process::exit(i32::from(!faults.is_empty()));
}

/// How the process ended; `None`: well.
fn fault_of(mut child: Child, beat: &File, memory_kib: &mut u64) -> Option<String> {
    let (mut at, mut since) = (u64::MAX, clock::instant());
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return (!status.success()).then(|| format!("crash, {status}"));
        }
        let now = seen(beat);
        if now != at {
            (at, since) = (now, clock::instant());
        }
        let used_kib = peak_kib(child.id());
        *memory_kib = used_kib.max(*memory_kib);
        let fault = match (since.elapsed() > HANGS_AFTER, used_kib > MEMORY_MAX_KIB) {
            (true, _) => Some(format!("hangs for {HANGS_AFTER:?}")),
            (_, true) => Some(format!("takes {} MiB", used_kib >> 10)),
            _ => None,
        };
        if fault.is_some() {
            child.kill().unwrap();
            child.wait().unwrap();
            return fault;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The number of the edit that is looked at.
fn seen(beat: &File) -> u64 {
    let mut bytes = [0; 8];
    match beat.read_exact_at(&mut bytes, 0) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => 0, // nothing written yet
    }
}

/// `VmHWM`: the most memory it had.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
