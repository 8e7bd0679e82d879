//! `pgward trace`: what PostgreSQL itself says a migration does.

use super::{Exit, Programs, variable};
use crate::face;
use crate::files;
use pgward_change::Tracer;
use pgward_model::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions};
use pgward_render::view;
use std::collections::BTreeMap;

/// Run migrations on an empty private server and say what each statement did
///
/// The locks, rewrites, scans, index builds and losses are those that PostgreSQL reports, not
/// those that `pgward check` predicts. Each directory is a chain of migrations with a database
/// of its own; what fails is told, and the next statement is run. Touches no database of yours.
#[derive(clap::Args)]
pub struct Trace {
    /// SQL files in their order, directories, or - for standard input
    #[arg(required = true)]
    files: Vec<String>,
    /// Value of a template variable
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
    #[command(flatten)]
    programs: Programs,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Terminal,
    Json,
}

impl Trace {
    pub fn run(self) -> anyhow::Result<Exit> {
        let chains = files::chains(&self.files)?;
        let vars: BTreeMap<String, String> = self.vars.iter().cloned().collect();
        let options = ServerOptions::new(self.programs.installation()?)
            .set("fsync", "off")
            .set("full_page_writes", "off")
            .set("synchronous_commit", "off")
            .set("autovacuum", "off")
            .set("jit", "off");
        let server = PrivateServer::create(&options)?;
        let mut tracer = Tracer::new(&server.target())?;
        let mut statements = Vec::new();
        let n_files: usize = chains.iter().map(|c| c.files.len()).sum();
        let mut progress = face::Progress::new("tracing", n_files);
        for chain in &chains {
            let files: Vec<ChangeFile> = chain.files().cloned().collect();
            statements.extend(tracer.chain(&files, &vars, |_| progress.step())?);
        }
        progress.end();
        drop(tracer);
        server.stop();
        self.show(&statements)
    }

    fn show(&self, statements: &[StatementEffects]) -> anyhow::Result<Exit> {
        match self.format {
            Format::Json => {
                face::line(&serde_json::to_string(
                    &serde_json::json!({ "statements": statements }),
                )?)?;
            }
            Format::Terminal => face::show(&view::trace(statements))?,
        }
        Ok(Exit::Quiet)
    }
}
