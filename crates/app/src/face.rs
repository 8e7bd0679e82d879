//! Prints: documents in the width and colours of the terminal, errors with their way out.

use pgward_render::document::Document;
use pgward_render::format;
use std::io::Write;

/// Columns of text that read well; a wider terminal leaves the rest free.
const WIDTH: usize = 100;
/// Columns where there is no terminal: a statement's text is one cell.
const WIDE: usize = 100_000;

/// Prints a document to standard output.
///
/// # Errors
/// When standard output is closed.
pub fn show(document: &Document) -> anyhow::Result<()> {
    let coloured = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    match coloured {
        true => raw(&format::terminal(document, width())),
        false => raw(&format::plain(document, width())),
    }
}

/// Prints a document whose lines are not to wrap before the terminal ends: rows of data.
///
/// # Errors
/// When standard output is closed.
pub fn show_wide(document: &Document) -> anyhow::Result<()> {
    let width = terminal_size::terminal_size().map_or(WIDE, |(w, _)| usize::from(w.0));
    let mut out = anstream::stdout().lock();
    write!(out, "{}", format::terminal(document, width))?;
    out.flush()?;
    Ok(())
}

/// Prints one line to standard output.
///
/// # Errors
/// When standard output is closed.
pub fn line(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Prints a text that another program reads, byte for byte.
///
/// # Errors
/// When standard output is closed.
pub fn raw(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints a value as one line of JSON, written as it comes: a large one is never whole in memory.
///
/// # Errors
/// When standard output is closed.
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    serde_json::to_writer(&mut out, value).map_err(std::io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Prints one line of progress to standard error, when somebody may be reading it.
pub fn progress(text: &str) {
    let mut err = anstream::stderr().lock();
    // Nobody reads it, nobody misses it.
    let _ = writeln!(err, "{text}");
}

/// A line on standard error that counts, shown on a terminal and only when it takes longer than
/// a second.
pub struct Progress {
    what: &'static str,
    n: usize,
    began: std::time::Instant,
    bar: Option<indicatif::ProgressBar>,
    done: usize,
}

impl Progress {
    pub fn new(what: &'static str, n: usize) -> Progress {
        Progress { what, n, began: pgward_pg::clock::instant(), bar: None, done: 0 }
    }

    /// One more is done.
    pub fn step(&mut self) {
        self.done += 1;
        if self.bar.is_none() && self.began.elapsed().as_secs_f64() > 1.0 {
            let style =
                indicatif::ProgressStyle::with_template("{msg} {pos} of {len} {wide_bar} {eta}");
            let bar = indicatif::ProgressBar::new(self.n as u64).with_message(self.what);
            self.bar = Some(style.map_or(bar.clone(), |s| bar.with_style(s)));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done as u64);
        }
    }

    /// Takes the line away.
    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `pgward failed`, a line for each cause, and the way out.
pub fn failed(error: &anyhow::Error) {
    let mut err = anstream::stderr().lock();
    let bold = anstyle::Style::new().bold().fg_color(Some(anstyle::AnsiColor::Red.into()));
    let links = pgward_pg::error::links(error.as_ref());
    let mut links = links.iter();
    let first = links.next().map_or("", String::as_str);
    let _ = writeln!(err, "{bold}pgward failed{bold:#}: {first}");
    for cause in links {
        let _ = writeln!(err, "cause: {cause}");
    }
    if let Some(hint) = hint(error) {
        let _ = writeln!(err, "way out: {hint}");
    }
}

/// The first hint that an error of any room gives.
fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(e) = cause.downcast_ref::<pgward_drill::error::Error>() {
            e.hint()
        } else if let Some(e) = cause.downcast_ref::<pgward_recover::error::Error>() {
            e.hint()
        } else if let Some(e) = cause.downcast_ref::<pgward_change::Error>() {
            e.hint()
        } else if let Some(e) = cause.downcast_ref::<pgward_watch::error::Error>() {
            e.hint()
        } else if let Some(e) = cause.downcast_ref::<pgward_sandbox::error::Error>() {
            e.hint()
        } else if let Some(e) = cause.downcast_ref::<pgward_history::Error>() {
            Some(e.hint())
        } else if let Some(e) = cause.downcast_ref::<pgward_store::Error>() {
            Some(e.hint())
        } else if let Some(e) = cause.downcast_ref::<pgward_pg::error::Error>() {
            e.hint()
        } else {
            None
        }
    })
}

fn width() -> usize {
    terminal_size::terminal_size().map_or(WIDTH, |(w, _)| usize::from(w.0).clamp(60, WIDTH))
}
