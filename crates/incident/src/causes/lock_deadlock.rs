//! Transactions deadlock again and again.

use super::Cause;
use crate::counted::counter;
use crate::facts::{cut, logged};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "lock_deadlock",
    name: "Deadlock storm",
    necessary: "the deadlock counter grows",
    explains: &["error_burst", "lock_queue"],
    actions: &[],
    prevention: &["Lock rows in one global order (ORDER BY the key in bulk changes)"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    match counter(case, "deadlocks", "deadlocks", |d| d.deadlocks, 3, 0.7) {
        Verdict::Likely(mut likely) => {
            let lines = case.window.recent().iter().flat_map(|s| &s.log);
            if let Some(line) = lines.into_iter().find(|e| e.sqlstate == "40P01") {
                likely.says.push_str(&format!(
                    "; one of them was role {} with {}: {}",
                    line.role,
                    cut(&line.statement, 120),
                    cut(&line.detail, 200)
                ));
                likely =
                    likely.and(Evidence::stated(cut(&line.message, 80), logged(line)).at(line.at));
            }
            Verdict::Likely(likely)
        }
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn likely_ruled_out_and_unknown() {
        crate::counted::tests::check_counter(super::judge, |d| d.deadlocks = 5);
    }
}
