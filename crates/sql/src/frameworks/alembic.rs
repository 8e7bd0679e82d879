//! Alembic: what `alembic upgrade --sql` prints, with its own BEGIN and COMMIT.

use super::{Example, Framework, Migration, Role, Script, Sending, in_order, lines, sql_files};

/// Knows printed SQL only: Alembic's own files are Python. Assumes that the printed file is given
/// to psql. Files are put in the order in which their revisions follow each other.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "alembic",
    title: "Alembic, printed SQL",
    source: "Alembic documentation, Generating SQL Scripts, and MigrationContext.autocommit_block",
    no_transaction: "put it under `with op.get_context().autocommit_block():` in the revision and \
                     print it again",
    placeholders: &[],
    recognises: |scripts| {
        let says_so = |text| lines(text).any(|l| l.text.starts_with(UPGRADE));
        sql_files(scripts).any(|s| s.text.contains(UPGRADE) && says_so(&s.text))
    },
    chain,
    examples: &[Example {
        files: &[
            (
                "a_second.sql",
                "BEGIN;\n\n-- Running upgrade 1975ea83b712 -> ae1027a6acf\n\nDROP TABLE t;\n\n\
                 COMMIT;\n\n",
            ),
            (
                "b_first.sql",
                "BEGIN;\n\nCREATE TABLE alembic_version (v int);\n\n-- Running upgrade  -> \
                 1975ea83b712\n\nCREATE TABLE t (a int);\n\nCOMMIT;\n\n",
            ),
            ("c_down.sql", "BEGIN;\n\n-- Running downgrade ae1027a6acf -> 1975ea83b712\n\n"),
            ("d_other.sql", "SELECT '-- Running upgrade a -> b';\n"),
        ],
        chain: &[("b_first.sql", Sending::Statements), ("a_second.sql", Sending::Statements)],
    }],
};

const UPGRADE: &str = "-- Running upgrade ";
const DOWNGRADE: &str = "-- Running downgrade ";

fn chain(scripts: &[Script]) -> Vec<Migration> {
    let files: Vec<(&Script, Option<(&str, &str)>)> =
        sql_files(scripts).map(|s| (s, revisions(&s.text))).collect();
    let mut steps = Vec::new();
    let mut outside = Vec::new();
    for (script, revisions) in &files {
        match revisions {
            Some((from, _)) => {
                let n_before = n_before(&files, from);
                steps.push((n_before, Migration::whole(script, Sending::Statements)));
            }
            None if lines(&script.text).any(|l| l.text.starts_with(DOWNGRADE)) => {
                outside.push(Migration::outside(script, Role::Outside("a downgrade")));
            }
            None => outside
                .push(Migration::outside(script, Role::Stray("not printed by alembic upgrade"))),
        }
    }
    in_order(steps, outside)
}

/// How many files lead to a revision, one after the other.
fn n_before(files: &[(&Script, Option<(&str, &str)>)], revision: &str) -> usize {
    let mut at = revision;
    let mut found = 0;
    // A circle is cut where each file has been seen once.
    while found < files.len() {
        let before = files.iter().filter_map(|(_, r)| *r).find(|(_, to)| *to == at);
        let Some((from, _)) = before else { break };
        at = from;
        found += 1;
    }
    found
}

/// Where the upgrades of a file begin and end.
fn revisions(text: &str) -> Option<(&str, &str)> {
    let all = lines(text).filter_map(|line| line.text.strip_prefix(UPGRADE)?.split_once("->"));
    let all: Vec<(&str, &str)> = all.map(|(from, to)| (from.trim(), to.trim())).collect();
    let (from, _) = all.first()?;
    let (_, to) = all.last()?;
    // A merge has several revisions before it; any of them leads back to the start.
    Some((first_word(from), first_word(to)))
}

fn first_word(text: &str) -> &str {
    text.split([',', ' ']).next().unwrap_or(text)
}
