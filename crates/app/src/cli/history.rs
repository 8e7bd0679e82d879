//! `pgward history`: answers SQL from what `pgward watch` has kept.

use super::{Exit, VaultDir};
use crate::face;
use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use pgward_history::Limits;
use pgward_model::prelude::*;
use pgward_render::{rows, view};
use std::sync::Arc;

/// Answer SQL from the history that `pgward watch` keeps
///
/// One SELECT, in the words of PostgreSQL as far as DataFusion knows them; without one, the
/// tables are listed with their columns. It may be asked while a watch writes, and writes
/// nothing. Times are UTC.
///
///   pgward history "SELECT fingerprint, sum(calls) FROM statements GROUP BY 1 ORDER BY 2 DESC"
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct History {
    /// The question; without it, tables, columns and what is kept in them are listed
    #[arg(value_name = "SQL")]
    sql: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Most rows of the answer
    #[arg(long, value_name = "N", default_value_t = Limits::default().n_rows)]
    limit: usize,
    /// End the query after this time
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = super::seconds)]
    timeout: f64,
    /// Most megabytes that its sorts, joins and groups may take
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000))]
    memory: usize,
    #[command(flatten)]
    vault: VaultDir,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// a table for eyes
    Text,
    /// one object a line
    Json,
    /// a header, then one record a row
    Csv,
}

impl History {
    pub fn run(self) -> anyhow::Result<Exit> {
        let history = Arc::new(self.vault.history()?);
        let limits =
            Limits { seconds: self.timeout, memory_bytes: self.memory << 20, n_rows: self.limit };
        let Some(sql) = &self.sql else {
            let tables = pgward_history::tables(&history, limits)?;
            self.list(&tables)?;
            return Ok(Exit::Quiet);
        };
        let answer = pgward_history::query(&history, sql, limits)?;
        match self.format {
            Format::Text => face::show_wide(&view::answer(&answer))?,
            Format::Json => face::raw(&rows::json_lines(&answer))?,
            Format::Csv => face::raw(&rows::csv(&answer))?,
        }
        if answer.is_cut && self.format != Format::Text {
            let n_rows = answer.rows.len();
            face::progress(&format!("only the first {n_rows} rows; --limit N gives more"));
        }
        Ok(Exit::Quiet)
    }

    fn list(&self, tables: &[KeptTable]) -> anyhow::Result<()> {
        match self.format {
            Format::Text => face::show(&view::kept_tables(tables)),
            Format::Json => tables.iter().try_for_each(|t| face::line(&serde_json::to_string(t)?)),
            Format::Csv => face::raw(&rows::csv(&columns(tables))),
        }
    }
}

/// The columns of all tables, one a row.
fn columns(tables: &[KeptTable]) -> Answer {
    let names = ["table", "column", "type", "about"];
    let text = |text: &String| Cell::Text(text.clone());
    let rows = tables.iter().flat_map(|table| {
        let row = |c: &KeptColumn| [&table.name, &c.name, &c.kind, &c.about].map(text).to_vec();
        table.columns.iter().map(row).collect::<Vec<_>>()
    });
    Answer { columns: names.map(str::to_owned).to_vec(), rows: rows.collect(), is_cut: false }
}
