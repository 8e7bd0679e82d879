//! What production must still be able to do before a step commits, or right after it has run.

use crate::workload::{self, AppStatement, Inside, Measured};
use pgward_model::prelude::*;
use pgward_pg::prelude::*;
use std::time::Duration;

/// A step's locks are held meanwhile: users give up after about 10 s, a tenth of that is a hiccup.
const WITHIN: Duration = Duration::from_secs(1);
/// Nothing is held before the first step.
const BEFORE_WITHIN: Duration = Duration::from_secs(10);

/// The application's statements as they were planned before the change.
pub(crate) struct Yardstick {
    pub(crate) statements: Vec<AppStatement>,
    before: Measured,
}

impl Yardstick {
    pub(crate) fn take(session: &Session, statements: Vec<AppStatement>) -> Result<Self, Error> {
        let before = workload::measure(session, &statements, Inside::Own, BEFORE_WITHIN)?;
        Ok(Yardstick { statements, before })
    }

    /// What is worse now, as seen by `session`.
    pub(crate) fn findings(
        &self,
        session: &Session,
        inside: Inside,
        span: Span,
    ) -> Result<Vec<Finding>, Error> {
        let after = workload::measure(session, &self.statements, inside, WITHIN)?;
        let worse = workload::compare(&self.statements, &self.before, &after);
        let when = match inside {
            Inside::Open => "production, before COMMIT",
            Inside::Own => "production, after the step",
        };
        let source = Source::new(SourceKind::Catalog, format!("PREPARE and EXPLAIN in {when}"));
        Ok(workload::findings(&worse, Layer::Expectation, span, &source))
    }
}

/// The transactional twin of `DROP INDEX CONCURRENTLY`, to try in a transaction that is rolled
/// back: so it is known before the index is gone what the application loses with it.
pub(crate) fn twin_of_drop(statement: &Statement) -> Option<String> {
    pgward_sql::actions(statement).into_iter().find_map(|action| match action {
        pgward_sql::action::Action::Drop(drop)
            if drop.kind == "index" && drop.concurrently && !drop.names.is_empty() =>
        {
            let names: Vec<String> = drop.names.iter().map(Relation::quoted).collect();
            let if_exists = if drop.if_exists { "IF EXISTS " } else { "" };
            Some(format!("DROP INDEX {if_exists}{}", names.join(", ")))
        }
        _ => None,
    })
}
