//! The server's rules or certificates turn clients away before they may log in.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::cut;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "auth_hba_tls",
    name: "pg_hba, TLS or certificate failure",
    necessary: "connections are refused by pg_hba.conf, or TLS cannot be agreed upon",
    explains: &["login_failures", "connection_resets", "throughput_drop", "server_unreachable"],
    actions: &[],
    prevention: &[
        "Read pg_hba_file_rules for errors before each reload",
        "Alarm 30 days before a certificate ends",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let what = "connections refused by pg_hba.conf or TLS (28000, 08P01)";
    log_lines(case, what, is_refused, 0.85, 3, |e, n| {
        format!("{n} connections were refused before login: {}", cut(&e.message, 160))
    })
}

/// A wrong password is 28P01, and another cause.
fn is_refused(entry: &LogEntry) -> bool {
    let says = |words: &str| entry.message.contains(words);
    (entry.sqlstate == "28000" && says("pg_hba.conf"))
        || says("could not accept SSL connection")
        || says("certificate has expired")
        || says("certificate authentication failed")
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "no pg_hba.conf entry for host \"10.0.0.1\", user \"site\", no encryption";
        crate::counted::tests::check_log(super::judge, "FATAL", "28000", message, 3);
    }
}
