//! What comments and `pgward.toml` answer for: they silence or lower a finding, and an account
//! of it is kept.

use crate::context::Context;
use crate::{Lint, Options};
use pgward_model::prelude::*;

/// A finding as it weighs after all that was said of it; `None` where nothing is left.
///
/// `pgward.toml` may weigh a lint otherwise. `-- pgward: allow LINT reason` and `allow` in
/// `pgward.toml` make an error a warning and silence the rest. None of them answers for rows at
/// stake: those must be declared by number.
pub(crate) fn answered(
    cx: &Context,
    lint: &Lint,
    mut finding: Finding,
    silenced: &mut Vec<Silenced>,
) -> Option<Finding> {
    let guarded = lint.guards_rows && finding.layer == Layer::Catalog;
    if let Some(severity) = cx.options.severity(&finding) {
        if severity > finding.severity {
            finding.severity = severity;
        } else if severity < finding.severity && !guarded {
            let reason = format!("weighs {} here", word(severity));
            silenced.push(account(&finding, Some(severity), SilencedBy::Config, &reason));
            finding.severity = severity;
        }
    }
    if guarded {
        return Some(finding);
    }
    let at =
        |s: &&crate::context::Site| s.statement.span == finding.span && s.file.path == finding.file;
    let comment = cx.sites.iter().find(at).and_then(|site| site.allowance(lint.id));
    let config = cx.options.allowance(&finding);
    let said = comment.map(|reason| (SilencedBy::Comment, reason));
    let Some((by, reason)) = said.or(config.map(|reason| (SilencedBy::Config, reason))) else {
        return Some(finding);
    };
    lowered(finding, by, reason, silenced)
}

/// An error becomes a warning, anything else is gone.
fn lowered(
    mut finding: Finding,
    by: SilencedBy,
    reason: &str,
    silenced: &mut Vec<Silenced>,
) -> Option<Finding> {
    let now = (finding.severity == Severity::Error).then_some(Severity::Warning);
    silenced.push(account(&finding, now, by, reason));
    finding.severity = now?;
    Some(finding)
}

fn account(finding: &Finding, now: Option<Severity>, by: SilencedBy, reason: &str) -> Silenced {
    Silenced {
        lint: finding.lint.clone(),
        layer: finding.layer,
        file: finding.file.clone(),
        span: finding.span,
        was: finding.severity,
        now,
        reason: reason.to_owned(),
        by,
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

impl Options {
    /// What `pgward.toml` wants a finding to weigh.
    fn severity(&self, finding: &Finding) -> Option<Severity> {
        self.files.get(&finding.file)?.severity.get(&finding.lint).copied()
    }

    /// Why `pgward.toml` allows a finding.
    fn allowance(&self, finding: &Finding) -> Option<&str> {
        let allow = &self.files.get(&finding.file)?.allow;
        allow.iter().find(|a| a.lint == finding.lint).map(|a| a.reason.as_str())
    }
}

#[cfg(test)]
mod tests {
    use crate::{FileOptions, Options, judge};
    use pgward_model::prelude::*;
    use pgward_sql::expect::Allowance;

    /// Severities of `lint` that are left, and what was silenced.
    #[track_caller]
    fn check(sql: &str, lint: &str, said: FileOptions, left: &[Severity], silenced: usize) {
        let change = pgward_sql::change(vec![pgward_sql::read("m/1.sql", sql)]);
        let files = [("m/1.sql".to_owned(), said)].into();
        let judged = judge(&change, None, &Options { files, ..Options::default() });
        let of = |f: &&Finding| f.lint == lint;
        let got: Vec<Severity> = judged.findings.iter().filter(of).map(|f| f.severity).collect();
        assert_eq!((got.as_slice(), judged.silenced.len()), (left, silenced), "{sql}");
        assert!(judged.silenced.iter().all(|s| !s.reason.is_empty()));
    }

    fn allowing(lint: &str) -> FileOptions {
        let allow = vec![Allowance { lint: lint.into(), reason: "agreed".into() }];
        FileOptions { allow, ..FileOptions::default() }
    }

    fn weighing(lint: &str, severity: Severity) -> FileOptions {
        FileOptions { severity: [(lint.to_owned(), severity)].into(), ..FileOptions::default() }
    }

    #[test]
    fn what_is_silenced_is_counted() {
        use Severity::{Error, Note, Warning};
        let none = FileOptions::default;
        let lock = "BEGIN; LOCK TABLE a; COMMIT;";
        check(lock, "lock_table", none(), &[Warning], 0);
        let said = "BEGIN;\n-- pgward: allow lock_table the site is down\nLOCK TABLE a; COMMIT;";
        check(said, "lock_table", none(), &[], 1);
        check(lock, "lock_table", allowing("lock_table"), &[], 1);
        check(lock, "lock_table", allowing("drop_table"), &[Warning], 0);
        check(lock, "lock_table", weighing("lock_table", Error), &[Error], 0);
        check(lock, "lock_table", weighing("lock_table", Note), &[Note], 1);
        check("DROP TABLE a;", "drop_table", allowing("drop_table"), &[Warning], 1);
        let both = "-- pgward: allow drop_table empty since May\nDROP TABLE a;";
        check(both, "drop_table", allowing("drop_table"), &[Warning], 1);
    }

    #[test]
    fn files_have_variables_and_a_transaction_of_their_own() {
        let vars = [("prefix".to_owned(), "old_".to_owned())].into();
        let said = FileOptions { vars, ..FileOptions::default() };
        let sql = "DROP TABLE :prefix;";
        check(sql, "unset_variable", FileOptions::default(), &[Severity::Error], 0);
        check(sql, "unset_variable", said, &[], 0);
        let wrapped = FileOptions { transaction: Some(true), ..FileOptions::default() };
        let sql = "CREATE INDEX CONCURRENTLY i ON a (b);";
        check(sql, "concurrently_in_transaction", FileOptions::default(), &[], 0);
        check(sql, "concurrently_in_transaction", wrapped, &[Severity::Error], 0);
    }

    #[test]
    fn files_that_are_not_judged_still_make_the_state() {
        let read = |path: &str, sql: &str| pgward_sql::read(path, sql);
        let files = vec![
            read("1.sql", "DROP TABLE gone; CREATE TABLE a (b int);"),
            read("2.sql", "ALTER TABLE a DROP COLUMN b;"),
        ];
        let change = pgward_sql::change(files);
        let only = Some(["2.sql".to_owned()].into());
        let judged = judge(&change, None, &Options { only, ..Options::default() });
        assert!(judged.findings.iter().all(|f| f.file == "2.sql" && f.lint != "drop_column"));
        let all = judge(&change, None, &Options::default());
        assert!(all.findings.iter().any(|f| f.file == "1.sql"));
    }
}
