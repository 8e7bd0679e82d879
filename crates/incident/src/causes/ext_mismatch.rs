//! An extension and its library do not fit, or the library is not there.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::cut;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "ext_mismatch",
    name: "Extension or library mismatch",
    necessary: "the server cannot load a library, or a function is not in it",
    explains: &["error_burst", "server_unreachable"],
    actions: &[],
    prevention: &[
        "Install the same packages on every node before an upgrade, and compare pg_available_extensions",
        "Run ALTER EXTENSION ... UPDATE after each update of a package",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let what = "statements for which a library or a function in it is missing";
    log_lines(case, what, is_mismatch, 0.85, 1, |e, n| {
        let behind = behind(case);
        format!("{n} times: {}{behind}", cut(&e.message, 160))
    })
}

fn is_mismatch(entry: &LogEntry) -> bool {
    let says = |words: &str| entry.message.contains(words);
    (entry.sqlstate == "58P01" && says("could not access file"))
        || (entry.sqlstate == "0A000" && says("extension \"") && says("is not available"))
        || (entry.sqlstate == "42883" && says("could not find function") && says("in file"))
        || says("could not load library")
}

/// Extensions whose version is not the installed one, where that was read.
fn behind(case: &Case) -> String {
    let newest = case.window.samples.iter().rev().find_map(|s| s.planner.as_ref());
    let behind = newest.map(|p| p.extensions_behind.as_slice()).unwrap_or_default();
    if behind.is_empty() { String::new() } else { format!("; behind: {}", behind.join(", ")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "could not access file \"$libdir/postgis-3\": No such file or directory";
        crate::counted::tests::check_log(super::judge, "ERROR", "58P01", message, 1);
    }
}
