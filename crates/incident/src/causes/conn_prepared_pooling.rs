//! Prepared statements or session state do not survive the way connections are shared.

use super::Cause;
use crate::counted::log_lines;
use crate::facts::cut;
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "conn_prepared_pooling",
    name: "Prepared statements broken by pooling or DDL",
    necessary: "statements fail with 26000, 42P05 or 'cached plan must not change result type'",
    explains: &["error_burst"],
    actions: &[],
    prevention: &[
        "Let the pooler carry prepared statements (PgBouncer from 1.21: max_prepared_statements)",
        "Name columns instead of SELECT *, and reconnect pools after DDL",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let broken = |e: &LogEntry| {
        matches!(e.sqlstate.as_str(), "26000" | "42P05")
            || e.message.contains("cached plan must not change result type")
    };
    let what = "errors of prepared statements (26000, 42P05, 0A000 cached plan)";
    log_lines(case, what, broken, 0.75, 3, |e, n| {
        let who = if e.application.is_empty() { &e.role } else { &e.application };
        format!(
            "{n} statements of {who} fail for what their session had prepared: {}",
            cut(&e.message, 120)
        )
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        let message = "prepared statement \"S_1\" does not exist";
        crate::counted::tests::check_log(super::judge, "ERROR", "26000", message, 3);
    }
}
