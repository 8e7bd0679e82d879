//! `pgward logs`: what a server log tells.

use super::Exit;
use crate::{face, log_files};
use pgward_model::prelude::Timestamp;
use pgward_render::document::Block;
use pgward_render::{format, view};

/// Say what server logs tell: what went wrong, slow statements, errors, locks, checkpoints
///
/// Reads stderr logs with any log_line_prefix, csvlog and jsonlog, of any size, also packed
/// with gzip. Passwords and keys are taken out of whatever is shown. Needs no server.
#[derive(clap::Args)]
pub struct Logs {
    /// Server logs, or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// log_line_prefix of the server; otherwise found out from the lines
    #[arg(long)]
    prefix: Option<String>,
    /// Leave out what was written before, such as 2026-11-21T03:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Leave out what was written after
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Rows of each list
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=50))]
    top: u16,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// for eyes
    #[value(alias = "text")]
    Terminal,
    /// all that was counted, as JSON
    Json,
    /// for a page or a pull request
    Markdown,
    /// one page with its pictures
    Html,
    /// every message, classified, as one JSON object a line
    Records,
}

impl Logs {
    pub fn run(self) -> anyhow::Result<Exit> {
        let options = log_files::Options {
            prefix: self.prefix.clone(),
            since: self.since,
            until: self.until,
        };
        if self.format == Format::Records {
            log_files::each(&self.files, &options, &mut |record| {
                face::raw(&(serde_json::to_string(&record.entry())? + "\n"))
            })?;
            return Ok(Exit::Quiet);
        }
        let report = log_files::report(&self.files, &options)?;
        let mut document = view::logs(&report, usize::from(self.top));
        if self.format != Format::Html {
            document.blocks.retain(|block| !matches!(block, Block::Figure(_))); // one text
        }
        match self.format {
            Format::Terminal => face::show(&document)?,
            Format::Json => face::line(&serde_json::to_string(&report)?)?,
            Format::Markdown => face::raw(&format::markdown(&document).text)?,
            Format::Html => face::raw(&format::html(&document))?,
            Format::Records => {}
        }
        Ok(Exit::Quiet)
    }
}

/// A moment; without a zone it is UTC.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{text}` is no time such as 2026-11-21T03:00:00Z");
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let civil: jiff::civil::DateTime = text.replace(' ', "T").parse().map_err(|_| wrong())?;
    let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp())
}
