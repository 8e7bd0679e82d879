//! The commands: one file each.

pub use self::diagnose::seconds;
pub use self::drill::{Respond, ask, told};
use crate::config::{Server, Watched};
use clap::{Args, Parser, Subcommand};
use pgward_pg::prelude::*;
use pgward_pg::tools;
use std::path::PathBuf;
use std::process::ExitCode;

mod ack;
mod apply;
mod backup;
mod catalog;
mod check;
mod diagnose;
mod doctor;
mod drill;
mod event;
mod explain;
mod history;
mod incidents;
mod install;
mod logs;
mod postmortem;
mod restore;
mod status;
mod top;
mod trace;
mod undo;
mod uninstall;
mod watch;

/// Stands between a PostgreSQL database and whatever changes it: tries every change before
/// production does, names the cause of trouble with evidence, brings service and data back,
/// and writes the post-mortem.
#[derive(Parser)]
#[command(name = "pgward", version, arg_required_else_help = true)]
#[command(after_help = "Exit status: 0 nothing to say, 1 findings or an open incident, \
                        2 pgward could not do its work.")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Drill(drill::Drill),
    Watch(watch::Watch),
    Status(status::Status),
    Top(top::Top),
    Diagnose(diagnose::Diagnose),
    Incidents(incidents::Incidents),
    History(history::History),
    Logs(logs::Logs),
    Check(check::Check),
    Catalog(catalog::Catalog),
    Trace(trace::Trace),
    Apply(apply::Apply),
    Undo(undo::Undo),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Postmortem(postmortem::Postmortem),
    Explain(explain::Explain),
    Install(install::Install),
    Uninstall(uninstall::Uninstall),
    Doctor(doctor::Doctor),
    Event(event::Tell),
    Ack(ack::Ack),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// When pgward could not do its work.
    pub fn run(self) -> anyhow::Result<Exit> {
        match self.command {
            Command::Drill(command) => command.run(),
            Command::Watch(command) => command.run(),
            Command::Status(command) => command.run(),
            Command::Top(command) => command.run(),
            Command::Diagnose(command) => command.run(),
            Command::Incidents(command) => command.run(),
            Command::History(command) => command.run(),
            Command::Logs(command) => command.run(),
            Command::Check(command) => command.run(),
            Command::Catalog(command) => command.run(),
            Command::Trace(command) => command.run(),
            Command::Apply(command) => command.run(),
            Command::Undo(command) => command.run(),
            Command::Backup(command) => command.run(),
            Command::Restore(command) => command.run(),
            Command::Postmortem(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Install(command) => command.run(),
            Command::Uninstall(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Event(command) => command.run(),
            Command::Ack(command) => command.run(),
        }
    }
}

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing to say.
    Quiet,
    /// Findings, an open incident, a drill below its mark.
    Findings,
    /// pgward could not do its work.
    Failed,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Quiet => 0,
            Exit::Findings => 1,
            Exit::Failed => 2,
        })
    }
}

/// Everything that has an id, in words.
pub fn explanations() -> Vec<pgward_render::view::Explanation> {
    explain::all()
}

/// Which database.
#[derive(Args, Clone)]
pub struct Database {
    /// Database to work on: postgres://user@host:port/dbname; the password is taken from the
    /// URL or from PGPASSWORD
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database: Option<String>,
}

impl Database {
    fn target(&self) -> anyhow::Result<Target> {
        self.given()?
            .ok_or_else(|| anyhow::anyhow!("no database: give --database URL or set DATABASE_URL"))
    }

    fn given(&self) -> anyhow::Result<Option<Target>> {
        let given = self.database.as_deref().filter(|url| !url.trim().is_empty());
        let target = given.map(Target::parse).transpose()?;
        let password = std::env::var_os("PGPASSWORD").and_then(|p| p.into_string().ok());
        Ok(target.map(|t| match password {
            Some(password) if t.password().is_none() => t.with_password(&password),
            _ => t,
        }))
    }
}

/// Which servers, one or many.
#[derive(Args, Clone)]
pub struct Servers {
    /// Database of a server: postgres://user@host:port/dbname; may be given several times.
    /// Without it, the servers of the configuration
    #[arg(long = "database", value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    databases: Vec<String>,
    /// Configuration with the servers; otherwise the pgward.toml of this directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Servers {
    /// What is given on the command line, else in the configuration; alerts are the
    /// configuration's in both cases.
    fn watched(&self) -> anyhow::Result<Watched> {
        let mut watched = crate::config::of_servers(self.config.as_deref())?;
        let given: Vec<&String> = self.databases.iter().filter(|u| !u.trim().is_empty()).collect();
        if !given.is_empty() {
            let named = |url: &&String| {
                let server = Server::new(url)?;
                let known = watched.servers.iter().find(|s| s.is_same(&server));
                Ok(known.cloned().unwrap_or(server))
            };
            watched.servers = given.iter().map(named).collect::<anyhow::Result<_>>()?;
        }
        let password = std::env::var_os("PGPASSWORD").and_then(|p| p.into_string().ok());
        for server in &mut watched.servers {
            if let Some(password) = password.as_ref().filter(|_| server.target.password().is_none())
            {
                server.target = server.target.with_password(password);
            }
        }
        anyhow::ensure!(
            !watched.servers.is_empty(),
            "no database: give --database URL, set DATABASE_URL, or write [[server]] in pgward.toml"
        );
        Ok(watched)
    }
}

/// Where backups, WAL, incidents and post-mortems are kept.
#[derive(Args, Clone)]
pub struct VaultDir {
    /// Directory of backups, WAL, incidents and post-mortems
    #[arg(long, value_name = "DIR", env = "PGWARD_VAULT", default_value = "pgward-vault")]
    vault: PathBuf,
}

impl VaultDir {
    /// The vault as it is; reading makes none.
    fn existing(&self) -> anyhow::Result<pgward_store::Vault> {
        anyhow::ensure!(
            self.vault.is_dir(),
            "{}: no vault here; give --vault DIR, the one that `pgward watch` or `pgward drill` \
             wrote to",
            self.vault.display()
        );
        self.store()
    }

    /// The history in it, if anything was ever kept there.
    fn history(&self) -> anyhow::Result<pgward_store::history::History> {
        crate::look_back::history(&self.existing()?)
    }

    fn store(&self) -> anyhow::Result<pgward_store::Vault> {
        Ok(pgward_store::Vault::open(&self.vault)?)
    }

    /// The vault as a place of backups, if it exists.
    fn backups(&self) -> anyhow::Result<Option<pgward_sandbox::backup::Vault>> {
        if !self.vault.exists() {
            return Ok(None);
        }
        Ok(Some(pgward_sandbox::backup::Vault::open(&self.vault)?))
    }
}

/// Which PostgreSQL programs on this machine.
#[derive(Args, Clone, Default)]
pub struct Programs {
    /// PostgreSQL installation on this machine (the directory with bin/postgres)
    #[arg(long, value_name = "DIR")]
    postgres: Option<PathBuf>,
}

impl Programs {
    /// The given installation, else the newest found.
    fn installation(&self) -> anyhow::Result<Installation> {
        Ok(match &self.postgres {
            Some(dir) => tools::installation_at(dir)?,
            None => tools::newest(&path_dirs())?,
        })
    }

    /// The installation that fits a server: same major, else the newest.
    pub fn fitting(&self, major: u32) -> anyhow::Result<Option<Installation>> {
        if let Some(dir) = &self.postgres {
            return Ok(Some(tools::installation_at(dir)?));
        }
        let all = tools::installations(&path_dirs());
        let same = all.iter().find(|i| i.major == major);
        Ok(same.or(all.first()).cloned())
    }
}

fn path_dirs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

/// `NAME=VALUE` of a template variable.
fn variable(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not of the form NAME=VALUE"))
}

/// A layer by its id.
fn layer(text: &str) -> Result<pgward_model::finding::Layer, String> {
    use pgward_model::finding::Layer;
    Layer::from_id(text).ok_or_else(|| {
        let known: Vec<&str> = Layer::ALL.iter().map(|l| l.id()).collect();
        format!("`{text}` is no layer; there are {}", known.join(", "))
    })
}
