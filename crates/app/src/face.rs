//! Prints: documents in the width and colours of the terminal, errors with their way out.

use pgward_render::document::Document;
use pgward_render::format;
use std::io::Write;

/// Columns of text that read well; a wider terminal leaves the rest free.
const WIDTH: usize = 100;

/// Prints a document to standard output.
///
/// # Errors
/// When standard output is closed.
pub fn show(document: &Document) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    write!(out, "{}", format::terminal(document, width()))?;
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

/// Prints one line of progress to standard error, when somebody may be reading it.
pub fn progress(text: &str) {
    let mut err = anstream::stderr().lock();
    // Nobody reads it, nobody misses it.
    let _ = writeln!(err, "{text}");
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
