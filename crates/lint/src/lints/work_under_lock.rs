//! Long work while a lock of an earlier statement is held.

use crate::context::{Context, Site};
use crate::transaction::before;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::action::{Action, Alter};

pub(super) static LINT: Lint = Lint {
    id: "work_under_lock",
    severity: Severity::Warning,
    title: "long work while a lock of an earlier statement is held",
    harm: "a lock is kept until the commit: reads and writes of the first table wait until the \
           later work is done",
    instead: "commit after the statement that takes the lock, and do the work in another \
              transaction",
    source: "Explicit Locking",
    guards_rows: false,
    examples: &[
        Example {
            sql: "BEGIN; ALTER TABLE a ADD COLUMN x int; CREATE INDEX i ON b (y); COMMIT;",
            catalog: "",
            finds: &[Severity::Warning],
        },
        Example {
            sql: "BEGIN; ALTER TABLE a ADD COLUMN x int; UPDATE a SET x = 1 WHERE y = 2; COMMIT;",
            catalog: "",
            finds: &[Severity::Note],
        },
        Example {
            sql: "ALTER TABLE a ADD COLUMN x int; UPDATE a SET x = 1 WHERE y = 2;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; CREATE TABLE n (x int); UPDATE a SET x = 1 WHERE y = 2; COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; ALTER TABLE a ADD COLUMN x int; ALTER TABLE a ALTER y TYPE bigint; \
                  COMMIT;",
            catalog: "",
            finds: &[],
        },
        Example {
            sql: "BEGIN; ALTER TABLE t ADD COLUMN x int; CREATE INDEX i ON u (a); COMMIT;",
            catalog: "CREATE TABLE t (a int); CREATE TABLE u (a int); ANALYZE;",
            finds: &[Severity::Note],
        },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for file in cx.files {
        // The first work says it all.
        let here = cx.sites.iter().filter(|s| s.file.path == file.path);
        let mut all: Vec<Finding> = here.filter_map(|site| of_site(cx, site)).collect();
        all.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.span.start));
        found.extend(all.into_iter().next());
    }
}

fn of_site(cx: &Context, site: &Site) -> Option<Finding> {
    let (severity, work, doing) = work(cx, site)?;
    // A lock of its own that is as strong is told where it is taken.
    let exclusive = |e: &&Effect| {
        let own = work.lock == LockMode::AccessExclusive && e.relation.same_as(&work.relation);
        e.lock == LockMode::AccessExclusive && !own
    };
    let held = before(cx, site).find_map(|s| {
        s.effects.iter().filter(exclusive).find(|e| cx.existed(s, &e.relation)).map(|e| (s, e))
    });
    let (holder, e) = held?;
    let message = format!(
        "{doing} {} while ACCESS EXCLUSIVE on {} of line {} is held",
        work.relation, e.relation, holder.statement.span.line
    );
    let severity = cx.weigh(&work.relation, severity);
    Some(cx.sized(site.finding(&LINT, severity, message), &work.relation))
}

/// What takes its time in proportion to a table that is there.
fn work<'a>(cx: &Context, site: &'a Site) -> Option<(Severity, &'a Effect, &'static str)> {
    use StatementKind::{Delete, Update};
    let existing = || site.effects.iter().filter(|e| cx.existed(site, &e.relation));
    // VALIDATE after its own ADD CONSTRAINT is a lint of its own.
    let validates = site
        .actions
        .iter()
        .any(|a| matches!(a, Action::Alter { command: Alter::ValidateConstraint { .. }, .. }));
    let by_ddl = matches!(site.statement.kind, StatementKind::Ddl | StatementKind::Maintenance)
        && !validates;
    let works = |e: &&Effect| {
        by_ddl && (e.rewrites || e.scans || e.builds_index) && e.destroys == Destroys::Nothing
    };
    if let Some(e) = existing().find(works) {
        let doing = if e.rewrites { "rewrites" } else { "reads" };
        return Some((Severity::Warning, e, doing));
    }
    let rows = existing().find(|e| matches!(e.destroys, Destroys::Rows { .. }))?;
    matches!(site.statement.kind, Update | Delete).then_some((
        Severity::Note,
        rows,
        "changes rows of",
    ))
}
