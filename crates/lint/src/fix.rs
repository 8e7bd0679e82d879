//! Writes exact fixes into a file's text.

use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// A text with fixes written into it, and which lints they answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    pub text: String,
    /// Lint and line, from 1, in the order of the file.
    pub lints: Vec<(String, u32)>,
}

/// `text` with the exact fixes of these findings, one for a statement; `None` where there is none.
///
/// `findings` are those of this text. What stands outside of the statements stays byte for byte.
pub fn fixed(text: &str, findings: &[&Finding]) -> Option<Fixed> {
    let mut first: BTreeMap<usize, (&Finding, &str)> = BTreeMap::new();
    for finding in findings {
        let Some(sql) = finding.fix.as_ref().filter(|f| f.exact).and_then(|f| f.sql.as_deref())
        else {
            continue;
        };
        let held = first.entry(finding.span.start).or_insert((finding, sql));
        if finding.severity > held.0.severity {
            *held = (finding, sql);
        }
    }
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let mut lints = Vec::new();
    for (start, (finding, sql)) in first {
        let (Some(before), Some(rest)) = (text.get(at..start), text.get(finding.span.end..)) else {
            continue;
        };
        out.push_str(before);
        // The file has the semicolon of the last one.
        let sql = if pgward_sql::has_semicolon(rest) {
            sql.trim_end().trim_end_matches(';')
        } else {
            sql
        };
        out.push_str(&sql.lines().collect::<Vec<_>>().join(newline));
        at = finding.span.end;
        lints.push((finding.lint.clone(), finding.span.line));
    }
    out.push_str(text.get(at..)?);
    (!lints.is_empty()).then_some(Fixed { text: out, lints })
}

#[cfg(test)]
mod tests {
    use crate::{Options, check};

    fn fixed(text: &str) -> Option<String> {
        let change = pgward_sql::change(vec![pgward_sql::read("a.sql", text)]);
        let findings = check(&change, None, &Options::default());
        super::fixed(text, &findings.iter().collect::<Vec<_>>()).map(|f| f.text)
    }

    #[test]
    fn only_the_statement_changes() {
        let text = "-- Orders\r\nCREATE /* index */ INDEX i ON t (a) ;  -- fast\r\nSELECT 1";
        let after =
            "-- Orders\r\nCREATE /* index */ INDEX CONCURRENTLY i ON t (a) ;  -- fast\r\nSELECT 1";
        assert_eq!(fixed(text).as_deref(), Some(after));
        let text = "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) -- of old\n;";
        let after = "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID;\n\
                     ALTER TABLE t VALIDATE CONSTRAINT c -- of old\n;";
        assert_eq!(fixed(text).as_deref(), Some(after));
        assert_eq!(
            fixed("DROP INDEX IF EXISTS i").unwrap(),
            "DROP INDEX CONCURRENTLY IF EXISTS i;"
        );
    }

    #[test]
    fn what_would_not_be_the_same_is_left() {
        for text in [
            "BEGIN; CREATE INDEX i ON t (a); COMMIT;",
            "CREATE INDEX i ON \"${PREFIX}t\" (a);",
            "DROP INDEX a, b;",
            "DROP INDEX a CASCADE;",
            "DO $$ BEGIN CREATE INDEX i ON t (a); END $$;",
            "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0), ADD COLUMN b int;",
            "ALTER TABLE t ADD CONSTRAINT c UNIQUE NULLS NOT DISTINCT (a);",
            "ALTER TABLE t ADD CONSTRAINT c PRIMARY KEY (a);",
            "CREATE TABLE n (a int); CREATE INDEX i ON n (a);",
            "CREATE TABLE p (a int) PARTITION BY LIST (a); COMMIT; CREATE INDEX i ON p (a);",
        ] {
            assert_eq!(fixed(text), None, "{text}");
        }
    }
}
