//! A new index attracts a wrong plan.

use super::{Cause, plan_missing_index};
use crate::facts::{complete, ddl_source, is_recovery, regressions, sampled};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "plan_bad_index",
    name: "A new index attracts a wrong plan",
    necessary: "an index was created on a table of the slow statement, and none was dropped",
    explains: &["statement_slow", "throughput_drop", "sessions_hang"],
    actions: &["drop_new_index"],
    prevention: &["Compare the plans of the busiest statements on a clone before each new index"],
    judge,
};

fn judge(case: &Case) -> Verdict {
    if let Some(unknown) = complete(case, "statements", "statements were not counted") {
        return unknown;
    }
    let created: Vec<&DdlEvent> = case
        .ddl
        .iter()
        .filter(|d| d.object_kind == "index" && !d.dropped && d.command.starts_with("CREATE"))
        .filter(|d| seconds_between(case.onset, d.at) < 30.0 && !is_recovery(d))
        .collect();
    let none = Evidence::measured(
        "indexes created before the onset",
        created.len() as f64,
        "indexes",
        sampled("ddl: DDL log and catalog differences"),
    )
    .against(0.0)
    .at(case.window.now());
    if created.is_empty() {
        return Verdict::ruled_out(none);
    }
    let pairs = regressions(&case.window);
    let Some((now, old)) = plan_missing_index::spoiled(&pairs) else {
        return plan_missing_index::unspoiled(case, &pairs);
    };
    let (dropped, created): (Vec<DdlEvent>, Vec<DdlEvent>) =
        plan_missing_index::blame(case, &now.text).into_iter().partition(|d| d.dropped);
    if !dropped.is_empty() {
        return Verdict::present_not_sufficient(Evidence {
            claim: "an index was created, but one that served was dropped with it".to_owned(),
            value: Some(dropped.len() as f64),
            unit: "indexes dropped on the same table".to_owned(),
            ..none
        });
    }
    let Some(event) = created.last() else {
        return Verdict::ruled_out(Evidence {
            claim: "no statement on a table with a new index reads more blocks per call".to_owned(),
            value: Some(0.0),
            unit: "statements".to_owned(),
            ..none
        });
    };
    let says = format!(
        "{}, and none was dropped. Since then the plan is another one of: {}",
        plan_missing_index::describe(event),
        plan_missing_index::costs(now, old)
    );
    let source = ddl_source(event);
    let made = Evidence::stated(plan_missing_index::describe(event), source).at(event.at);
    Verdict::Likely(
        Likely::new(0.8, says, plan_missing_index::time_per_call(case, now, old))
            .and(made)
            .act(CAUSE.actions)
            .on(event.relation.clone())
            .blaming([event.clone()]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, ddl, healthy};

    #[test]
    fn ruled_out_without_a_new_index_and_unknown_without_statements() {
        let mut samples = healthy(40);
        for s in &mut samples {
            s.statements = Some(Vec::new());
        }
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let mut with_index = case(samples, 30);
        with_index.ddl = vec![ddl(28, "CREATE INDEX", "index", "orders")];
        assert!(matches!(judge(&with_index), Verdict::Unknown { .. }));
    }
}
