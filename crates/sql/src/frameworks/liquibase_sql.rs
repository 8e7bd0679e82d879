//! Liquibase: formatted SQL, cut into changesets that run one by one.

use super::{Example, Framework, Line, Migration, Role, Script, Sending};
use super::{in_order, lines, n_statements, name, sql_files};
use crate::template::Style;
use std::ops::Range;

/// Lines are read wherever they stand, in a constant too, as Liquibase does. Assumes that files
/// run in the order in which the folder's changelog of another format names them, else by path
/// (`includeAll`), that contexts and labels leave nothing out, and that preconditions hold. An
/// `endDelimiter` is taken literally and at the end of a line only.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "liquibase_sql",
    title: "Liquibase, formatted SQL",
    source: "Liquibase documentation, SQL Changelog Example and changeset attributes",
    no_transaction: "put it into a changeset of its own with `runInTransaction:false`",
    placeholders: &[Style::Shell],
    recognises: |scripts| sql_files(scripts).any(is_formatted),
    chain,
    examples: &[
        Example {
            files: &[
                ("db/changelog.xml", "<include file=\"b.sql\"/><include file=\"a.sql\"/>\n"),
                (
                    "db/a.sql",
                    "--liquibase formatted sql\n\n--changeset ann:1\nCREATE TABLE t (a int);\n\
                     --rollback DROP TABLE t;\n\n--changeset ann:2 runInTransaction:false\n\
                     CREATE INDEX CONCURRENTLY i ON t (a);\n--rollback DROP INDEX i;\n",
                ),
                (
                    "db/b.sql",
                    "-- liquibase formatted sql\n-- changeset \"bo b\":x-1 splitStatements:false \
                     runintransaction:FALSE\nSELECT 1; SELECT 2;\n--changeset b:2 dbms:oracle\n\
                     SELECT 1 FROM dual;\n",
                ),
                ("db/c.sql", "SELECT 1;\n"),
            ],
            chain: &[
                ("db/b.sql", Sending::OneQuery),
                ("db/a.sql", Sending::Wrapped),
                ("db/a.sql", Sending::Statements),
            ],
        },
        Example {
            files: &[
                (
                    "2.sql",
                    "--liquibase formatted sql\n--changeset a:1 runOnChange:true\nSELECT 1;\n",
                ),
                ("10.sql", "--liquibase formatted sql\n--changeset a:1\nSELECT 1;\n"),
            ],
            chain: &[("10.sql", Sending::Wrapped), ("2.sql", Sending::Wrapped)],
        },
    ],
};

/// The first line that is not empty says it.
fn is_formatted(script: &Script) -> bool {
    let first = lines(&script.text).map(|l| l.text.trim()).find(|l| !l.is_empty());
    let rest = first.and_then(|l| directive(l, "liquibase"));
    rest.is_some_and(|r| starts_with(r.trim_start(), "formatted"))
}

fn chain(scripts: &[Script]) -> Vec<Migration> {
    let mut steps = Vec::new();
    let mut outside = Vec::new();
    for script in sql_files(scripts) {
        if !is_formatted(script) {
            let role = Role::Stray("its first line is not `--liquibase formatted sql`");
            outside.push(Migration::outside(script, role));
            continue;
        }
        let place = place(scripts, script);
        for changeset in changesets(script) {
            if changeset.runs() {
                steps.push((place, changeset));
            } else {
                outside.push(changeset);
            }
        }
    }
    in_order(steps, outside)
}

/// Where a changelog of another format names the file; at the end where none does.
fn place(scripts: &[Script], script: &Script) -> usize {
    let formats = [".xml", ".yaml", ".yml", ".json"];
    let is_log = |s: &&Script| formats.iter().any(|f| s.path.ends_with(f));
    let name = name(&script.path);
    let named = |log: &Script| {
        log.text.match_indices(name).find_map(|(at, _)| {
            let before = log.text.get(..at)?.chars().next_back()?;
            (!before.is_alphanumeric() && !matches!(before, '_' | '-' | '.')).then_some(at)
        })
    };
    scripts.iter().filter(is_log).find_map(named).unwrap_or(usize::MAX)
}

/// A changeset while its lines are read.
struct Open<'a> {
    /// What stands behind `--changeset`.
    head: &'a str,
    kept: Vec<Range<usize>>,
}

/// Every changeset of a file, in order.
fn changesets(script: &Script) -> Vec<Migration> {
    let mut found = Vec::new();
    let mut open: Option<Open> = None;
    let mut all = lines(&script.text);
    while let Some(line) = all.next() {
        if let Some(head) = directive(line.text, "changeset") {
            found.extend(open.take().map(|o| migration(script, &o)));
            open = Some(Open { head, kept: Vec::new() });
        } else if let Some(ignored) = directive(line.text, "ignoreLines:") {
            skip_ignored(ignored.trim(), &mut all);
        } else if is_rollback_block(line.text) {
            all.by_ref().find(|l| l.text.trim_end().ends_with("*/"));
        } else if let Some(open) = open.as_mut()
            && !is_told_apart(line.text)
        {
            open.kept.push(line.range);
        }
    }
    found.extend(open.map(|o| migration(script, &o)));
    found
}

/// `--ignoreLines:start` … `--ignoreLines:end`, or that many lines.
fn skip_ignored<'a>(ignored: &str, rest: &mut impl Iterator<Item = Line<'a>>) {
    if ignored == "start" {
        let is_end =
            |l: &Line| directive(l.text, "ignoreLines:").is_some_and(|i| i.trim() == "end");
        rest.by_ref().find(is_end);
    } else {
        let n_lines: usize = ignored.parse().unwrap_or(0);
        rest.by_ref().take(n_lines).for_each(drop);
    }
}

/// `/* liquibase rollback`, alone on its line.
fn is_rollback_block(line: &str) -> bool {
    let words: Option<Vec<&str>> =
        line.trim().strip_prefix("/*").map(|rest| rest.split_whitespace().collect());
    words.is_some_and(|w| {
        matches!(w.as_slice(), [a, b] if a.eq_ignore_ascii_case("liquibase")
            && b.eq_ignore_ascii_case("rollback"))
    })
}

/// Lines of a changeset that Liquibase takes out of its SQL.
fn is_told_apart(line: &str) -> bool {
    ["rollback ", "precondition", "comment", "validCheckSum", "property "]
        .iter()
        .any(|word| directive(line, word).is_some())
}

/// What stands behind a directive, whatever its case: `--word …` or `-- word …`.
fn directive<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.trim_start().strip_prefix("--")?.trim_start();
    if starts_with(rest, word) { rest.get(word.len()..) } else { None }
}

fn starts_with(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn migration(script: &Script, open: &Open) -> Migration {
    let is_false = |key| attribute(open.head, key).is_some_and(|v| v.eq_ignore_ascii_case("false"));
    let is_true = |key| attribute(open.head, key).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    // What is not split goes to the driver whole, which sends it up to one Sync: together.
    let sending = match (is_false("runInTransaction"), is_false("splitStatements")) {
        (false, _) => Sending::Wrapped,
        (true, false) => Sending::Statements,
        (true, true) => Sending::OneQuery,
    };
    let mut found = Migration::parts(script, &open.kept, sending);
    found.part = Some(identity(open.head));
    found.role = if is_true("ignore") {
        Role::Outside("its changeset says ignore:true")
    } else if attribute(open.head, "dbms").is_some_and(|dbms| !is_for_postgresql(dbms)) {
        Role::Outside("its changeset is for another database")
    } else if is_true("runOnChange") || is_true("runAlways") {
        Role::Repeatable
    } else {
        Role::Step
    };
    found.refused = if !open.head.contains(':') {
        Some("its changeset is not named AUTHOR:ID")
    } else if found.text.trim().is_empty() {
        Some("its changeset holds no SQL")
    } else {
        None
    };
    if let Some(delimiter) = attribute(open.head, "endDelimiter").filter(|d| !is_semicolon(d)) {
        cut_at(&mut found, delimiter);
    }
    found
}

fn is_semicolon(delimiter: &str) -> bool {
    delimiter.is_empty() || delimiter == ";"
}

/// `author:id`, quotes left out.
fn identity(head: &str) -> String {
    let head = head.trim_start();
    let (author, rest) = head.split_once(':').unwrap_or((head, ""));
    let rest = rest.trim_start();
    let id = match rest.strip_prefix('"').and_then(|r| r.split_once('"')) {
        Some((id, _)) => id,
        None => rest.split_whitespace().next().unwrap_or(""),
    };
    format!("{}:{id}", author.trim().trim_matches('"'))
}

/// `value` of `key:value` behind the identity, whatever the key's case.
fn attribute<'a>(head: &'a str, key: &str) -> Option<&'a str> {
    let mut words = head.split_whitespace().filter_map(|word| word.split_once(':'));
    let (_, value) = words.rfind(|(k, _)| k.eq_ignore_ascii_case(key))?;
    Some(value.trim_matches('"'))
}

/// `postgresql,h2`, `!oracle`, `all` or `none`.
fn is_for_postgresql(dbms: &str) -> bool {
    let mut names = dbms.split(',').map(str::trim);
    let (mut wanted, mut other) = (false, false);
    for name in names.by_ref() {
        match name {
            "postgresql" | "all" => wanted = true,
            "!postgresql" => return false,
            "" => {}
            name => other |= !name.starts_with('!'),
        }
    }
    wanted || !other
}

/// Blanks the delimiters and notes what stands between them as one query each, where it holds
/// several statements. Within a transaction that makes no difference.
fn cut_at(found: &mut Migration, delimiter: &str) {
    let mark = delimiter.trim_start_matches("\\n").trim_end_matches('$');
    if mark.is_empty() {
        return;
    }
    let mut marks = Vec::new();
    for line in lines(&found.text) {
        let code = line.text.trim_end();
        let start = code.len().checked_sub(mark.len());
        if let Some(at) =
            start.filter(|at| code.get(*at..).is_some_and(|end| end.eq_ignore_ascii_case(mark)))
        {
            marks.push(line.range.start + at..line.range.start + code.len());
        }
    }
    let starts = std::iter::once(0).chain(marks.iter().map(|m| m.end));
    let ends = marks.iter().map(|m| m.start).chain(std::iter::once(found.text.len()));
    let between: Vec<Range<usize>> = starts.zip(ends).map(|(start, end)| start..end).collect();
    found.text = super::keep(&found.text, &between);
    if found.sending == Sending::Statements {
        let several = |r: &Range<usize>| n_statements(&found.text, r) > 1;
        found.one_query = between.into_iter().filter(several).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Migration> {
        let text = format!("--liquibase formatted sql\n{text}");
        chain(&[Script { path: "a.sql".to_owned(), text }])
    }

    /// What is left of each changeset, blank lines left out, and its place in the file.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = read(text);
        let texts: Vec<&str> = found.iter().map(|m| m.text.trim()).collect();
        assert_eq!(texts, expected);
        let whole = format!("--liquibase formatted sql\n{text}");
        for migration in &found {
            assert_eq!(migration.text.len(), whole.len());
            let kept = migration.text.bytes().zip(whole.bytes()).all(|(a, b)| a == b || a == b' ');
            assert!(kept, "{migration:?}");
        }
    }

    #[test]
    fn a_changeset_is_what_stands_below_its_line() {
        check(
            "SELECT 0;\n--changeset a:1\nSELECT 'é';\n--rollback SELECT 2;\n\
             /* liquibase rollback\nSELECT 3;\n*/\n  -- CHANGESET a:2\nSELECT 4;",
            &["SELECT 'é';", "SELECT 4;"],
        );
        check(
            "--changeset a:1\n--ignoreLines:start\nSELECT 1;\n--ignoreLines:end\nSELECT 2;\n\
             --ignoreLines:1\nSELECT 3;\n--comment: x\n--preconditions onFail:HALT\n\
             --precondition-sql-check expectedResult:0 SELECT 0\n",
            &["SELECT 2;"],
        );
        // Liquibase reads lines, not SQL.
        check("--changeset a:1\nSELECT '\n--changeset b:2\n';", &["SELECT '", "';"]);
    }

    #[test]
    fn attributes_decide_how_a_changeset_runs() {
        let role = |head: &str| read(&format!("--changeset a:1 {head}\nSELECT 1;")).remove(0).role;
        assert_eq!(role("runOnChange:true"), Role::Repeatable);
        assert_eq!(role("dbms:h2,postgresql"), Role::Step);
        assert_eq!(role("dbms:!h2"), Role::Step);
        assert!(matches!(role("dbms:h2"), Role::Outside(_)));
        assert!(matches!(role("dbms:!postgresql"), Role::Outside(_)));
        assert!(matches!(role("ignore:true"), Role::Outside(_)));
        assert_eq!(
            read("--changeset \"an n\":x-1 a:b\nSELECT 1;")[0].part.as_deref(),
            Some("an n:x-1")
        );
        assert!(read("--changeset a:1\n--changeset a:2\nSELECT 1;")[0].refused.is_some());
        // The transaction is that of the changeset above, not of the text.
        let text = "--changeset a:1\nSELECT 1;\n-- runInTransaction:false\n";
        assert_eq!(read(text)[0].sending, Sending::Wrapped);
    }

    #[test]
    fn another_end_delimiter_cuts_queries() {
        let head = "--changeset a:1 runInTransaction:false endDelimiter:\\nGO\n";
        let found = read(&format!("{head}SELECT 1; SELECT 2;\nGO\nSELECT 3;\ngo\n")).remove(0);
        assert_eq!(found.text.split_whitespace().collect::<String>(), "SELECT1;SELECT2;SELECT3;");
        let [query] = found.one_query.as_slice() else { panic!("{found:?}") };
        assert_eq!(found.text[query.clone()].trim(), "SELECT 1; SELECT 2;");
    }
}
