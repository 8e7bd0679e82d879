//! The PostgreSQL installation that the tests of every room run on, whatever its major.
#![allow(dead_code, clippy::print_stderr, reason = "each test uses its part; skipped is said")]

use pgward_pg::tools::{self, Installation};

/// The directory of the installation to test on; `cargo xtask matrix` sets it for each major.
const VARIABLE: &str = "PGWARD_TEST_POSTGRES";

/// The installation [`VARIABLE`] names, else the newest on this machine.
pub(crate) fn installation() -> Installation {
    let Some(dir) = std::env::var_os(VARIABLE) else {
        return tools::newest(&[]).expect("PostgreSQL is installed");
    };
    tools::installation_at(dir.as_ref()).expect("the installation to test on is there")
}

/// Whether a test cannot run since the installation we were pointed at lacks one of `programs`,
/// as packages of the bare server do; says so in a line that the matrix counts. On the machine's
/// own installation nothing is skipped: there a missing program fails the test.
#[allow(clippy::print_stderr)] // a skipped test must be seen to be one
pub(crate) fn lacks(programs: &[&str]) -> bool {
    let on = installation();
    let missing = |name: &&&str| !on.program(name).is_file();
    let Some(name) = programs.iter().find(missing) else { return false };
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    eprintln!("skipped: {test}: {} of PostgreSQL {} has no {name}", on.bin_dir.display(), on.major);
    true
}
