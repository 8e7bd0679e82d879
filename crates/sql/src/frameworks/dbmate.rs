//! dbmate: up and down in one file, `transaction:false` on the line that begins the up part.

use super::{Example, Framework, Line, Migration, Role, Script, Sending};
use super::{in_order, lines, name, sql_files};

/// Assumes that files are sorted by name as text, as its reader does; its manual says that the
/// order is numerical, which is the same for the timestamps it writes. A file may have several
/// up parts, each with a down part behind it, which run one by one; older versions of dbmate
/// take all behind the first down line as its down part.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "dbmate",
    title: "dbmate",
    source: "dbmate, README.md, Creating Migrations and Migration Options",
    no_transaction: "put it into a file of its own and begin its up part with \
                     `-- migrate:up transaction:false`",
    placeholders: &[],
    recognises: |scripts| {
        let goes_up = |text| lines(text).any(|l| is_up(l.text));
        sql_files(scripts).any(|s| s.text.contains("migrate:up") && goes_up(&s.text))
    },
    chain,
    examples: &[
        Example {
            files: &[
                (
                    "db/migrations/20240110_b.sql",
                    "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY i ON t (a);\n\n\
                     -- migrate:down\nDROP INDEX i;\n",
                ),
                (
                    "db/migrations/20240102_a.sql",
                    "--migrate:up\n-- transaction:false\nCREATE TABLE t (a int);\n\
                     -- migrate:down transaction:false\nDROP TABLE t;\n",
                ),
                ("db/schema.sql", "-- Dbmate schema migrations\n"),
            ],
            chain: &[
                ("db/migrations/20240102_a.sql", Sending::Wrapped),
                ("db/migrations/20240110_b.sql", Sending::OneQuery),
            ],
        },
        Example {
            files: &[("1_a.sql", "  -- migrate:up\n-- migrate:up   foo:bar  transaction:true\n")],
            chain: &[("1_a.sql", Sending::Wrapped)],
        },
    ],
};

fn chain(scripts: &[Script]) -> Vec<Migration> {
    let mut steps = Vec::new();
    let mut outside = Vec::new();
    for script in sql_files(scripts) {
        let name = name(&script.path);
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            steps.extend(sections(script).into_iter().map(|m| (name, m)));
        } else {
            outside.push(Migration::outside(
                script,
                Role::Stray("its name does not begin with a version"),
            ));
        }
    }
    in_order(steps, outside)
}

/// Each up part of a file: from its line to the next down or up line. Lines count wherever they
/// stand, in a constant too.
fn sections(script: &Script) -> Vec<Migration> {
    let ups: Vec<Line> = lines(&script.text).filter(|line| is_up(line.text)).collect();
    let Some(first) = ups.first() else {
        let refused = Some("it has no line `-- migrate:up`");
        return vec![Migration { refused, ..Migration::parts(script, &[], Sending::Wrapped) }];
    };
    let is_preceded = lines(&script.text)
        .take_while(|line| line.range.start < first.range.start)
        .map(|line| line.text.trim())
        .any(|line| !line.is_empty() && !line.starts_with("--"));
    let downs: Vec<usize> = lines(&script.text)
        .filter(|line| is_down(line.text))
        .map(|line| line.range.start)
        .collect();
    let ends = ups.iter().skip(1).map(|up| up.range.start).chain([script.text.len()]);
    let found = ups.iter().zip(ends).enumerate().map(|(i, (up, end))| {
        let start = up.range.start;
        let mut downs = downs.iter().copied().filter(|at| (start..end).contains(at));
        let down = downs.next();
        let sending = if has_transaction(up.text) { Sending::Wrapped } else { Sending::OneQuery };
        let refused = if is_preceded {
            Some("something stands before `-- migrate:up`")
        } else if down.is_none() {
            Some("an up part of it has no line `-- migrate:down`")
        } else if downs.next().is_some() {
            Some("an up part of it has two down parts")
        } else {
            None
        };
        let part = (ups.len() > 1).then(|| format!("section {}", i + 1));
        let kept = start..down.unwrap_or(end);
        let found = Migration::parts(script, std::slice::from_ref(&kept), sending);
        Migration { part, refused, ..found }
    });
    found.collect()
}

fn is_up(line: &str) -> bool {
    directive(line, "migrate:up").is_some()
}

fn is_down(line: &str) -> bool {
    directive(line, "migrate:down").is_some()
}

/// The options behind a directive; dashes must begin the line.
fn directive<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("--")?.trim_start().strip_prefix(word)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some(rest)
}

fn has_transaction(up_line: &str) -> bool {
    let mut options = up_line.split_whitespace().filter_map(|option| option.split_once(':'));
    options.rfind(|(key, _)| *key == "transaction").is_none_or(|(_, value)| value != "false")
}

#[cfg(test)]
mod tests {
    use super::Sending::{OneQuery, Wrapped};
    use super::*;

    fn read(text: &str) -> Vec<Migration> {
        sections(&Script { path: "1_a.sql".to_owned(), text: text.to_owned() })
    }

    #[track_caller]
    fn check(text: &str, up: &str, sending: Sending) {
        let found = read(text).remove(0);
        assert_eq!((found.text.as_str(), found.sending), (up, sending));
    }

    #[test]
    fn the_up_part_keeps_its_place() {
        check(
            "-- é\n-- migrate:up\nSELECT 1;\n-- migrate:down\nDROP\tTABLE t;\n",
            "     \n-- migrate:up\nSELECT 1;\n               \n             \n",
            Wrapped,
        );
        check("-- migrate:up transaction:false", "-- migrate:up transaction:false", OneQuery);
        check("--migrate:up\n-- migrate:downwards", "--migrate:up\n-- migrate:downwards", Wrapped);
        check(
            "-- migrate:up\n-- transaction:false\n",
            "-- migrate:up\n-- transaction:false\n",
            Wrapped,
        );
        // dbmate reads lines, not SQL.
        check(
            "-- migrate:up\nSELECT '\n-- migrate:down\n'",
            "-- migrate:up\nSELECT '\n               \n ",
            Wrapped,
        );
    }

    #[test]
    fn several_up_parts_run_one_by_one() {
        let found = read(
            "-- migrate:up\nSELECT 1;\n-- migrate:down\n-- migrate:up transaction:false\n\
             SELECT 2;\n-- migrate:down\nSELECT 3;\n",
        );
        let [first, second] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((first.sending, second.sending), (Wrapped, OneQuery));
        assert_eq!(first.text.trim(), "-- migrate:up\nSELECT 1;");
        assert_eq!(second.text.trim(), "-- migrate:up transaction:false\nSELECT 2;");
        assert_eq!(second.part.as_deref(), Some("section 2"));
    }

    #[test]
    fn what_dbmate_refuses_is_said() {
        let refused = |text: &str| read(text).remove(0).refused;
        assert_eq!(refused("-- a\n\n-- migrate:up\n-- migrate:down"), None);
        for text in [
            "SELECT 1;",
            "SELECT 1;\n-- migrate:up\n-- migrate:down\n",
            "-- migrate:up\nSELECT 1;\n",
            "-- migrate:up\n-- migrate:down\n-- migrate:down\n",
        ] {
            assert!(refused(text).is_some(), "{text}");
        }
    }
}
