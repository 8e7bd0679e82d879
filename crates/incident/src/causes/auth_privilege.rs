//! A role lost a right it needs.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::is_statement_error;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "auth_privilege",
    name: "Privileges lost",
    necessary: "statements fail with 42501",
    explains: &["error_burst"],
    actions: &[],
    prevention: &["Compare rights before and after each migration; set default privileges"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let denied = |e: &LogEntry| is_statement_error(e) && e.sqlstate == "42501";
    log_lines(case, "statements refused for want of a right (42501)", denied, 0.85, 3, |e, n| {
        format!("{n} statements of role {} were refused: {}", e.role, e.message)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "permission denied for table orders";
        crate::counted::tests::check_log(super::judge, "ERROR", "42501", message, 3);
    }
}
