//! Chores of the workspace: hold the walls of the house, and start a new member of a kind.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod finding;
mod kinds;
mod matrix;
mod new;
mod tidy;
mod tree;

use anyhow::{Result, bail};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask tidy          compare ARCHITECTURE.md, manifests and files with the rules of the house
cargo xtask new KIND ID   start a lint, detector, cause, action, check or scenario from its template
cargo xtask matrix [MAJOR | DIR | ROOM]...
                          run the tests that need a server on each major of PostgreSQL

Exit codes: 0 nothing to say, 1 findings, 2 the chore itself could not be done.
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask failed: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("cause: {cause}");
            }
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = tree::root();
    match args.as_slice() {
        ["tidy"] => {
            let findings = tidy::tidy(&root)?;
            Ok(finding::print(&findings))
        }
        ["new", kind, id] => {
            print!("{}", new::new(&root, kind, id)?);
            Ok(ExitCode::SUCCESS)
        }
        ["matrix", args @ ..] => {
            let all_good = matrix::matrix(&root, args)?;
            Ok(if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        other => bail!("no such chore: {}\n{HELP}", other.join(" ")),
    }
}
