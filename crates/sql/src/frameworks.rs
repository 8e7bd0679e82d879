//! Every migration framework pgward knows, one file each; the file's name is its id.
//!
//! A framework decides which files of a folder run, in which order, which part of a file goes
//! up, and whether a transaction is around it. All this is read from paths and texts alone.

mod alembic;
mod dbmate;
mod diesel;
mod django;
mod drizzle;
mod flyway;
mod golang_migrate;
mod goose;
mod liquibase_sql;
mod plain_sql;
mod prisma;
mod rails_structure;
mod refinery;
mod sqitch;
mod sqlx;

use crate::split::{PieceKind, pieces};
use crate::template::Style;
use pgward_model::prelude::*;
use std::ops::Range;

/// All frameworks, in the order of their ids.
pub static FRAMEWORKS: &[&Framework] = &[
    &alembic::FRAMEWORK,
    &dbmate::FRAMEWORK,
    &diesel::FRAMEWORK,
    &django::FRAMEWORK,
    &drizzle::FRAMEWORK,
    &flyway::FRAMEWORK,
    &golang_migrate::FRAMEWORK,
    &goose::FRAMEWORK,
    &liquibase_sql::FRAMEWORK,
    &plain_sql::FRAMEWORK,
    &prisma::FRAMEWORK,
    &rails_structure::FRAMEWORK,
    &refinery::FRAMEWORK,
    &sqitch::FRAMEWORK,
    &sqlx::FRAMEWORK,
];

/// A tool that carries out a folder of migrations.
pub struct Framework {
    /// The name of its file.
    pub id: &'static str,
    pub title: &'static str,
    /// Where it says what is modelled here.
    pub source: &'static str,
    /// What its user writes so that a statement runs outside of any transaction, in the
    /// imperative, to go behind "to run it outside of a transaction, ".
    pub no_transaction: &'static str,
    /// Variables it replaces itself; they stay in the text of a [`Migration`].
    pub placeholders: &'static [Style],
    /// Is this its folder? Sees side files too.
    pub recognises: fn(&[Script]) -> bool,
    /// What it would do with the folder; what does not run comes last, by path.
    pub chain: fn(&[Script]) -> Vec<Migration>,
    pub examples: &'static [Example],
}

/// A file as it lies in the folder: SQL, or what a framework keeps beside it, such as
/// `sqitch.plan`, `meta/_journal.json`, `metadata.toml` or `V1__x.sql.conf`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// With `/` between folders.
    pub path: String,
    pub text: String,
}

/// How the statements of a migration reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// Each statement by itself; a transaction is where the text begins one.
    Statements,
    /// The framework begins before the text and commits after it.
    Wrapped,
    /// The framework begins before the first pending migration and commits after the last, so
    /// every lock is held until the whole chain is through.
    WrappedTogether,
    /// The whole text as one simple query: an implicit transaction where it holds several
    /// statements, none where it holds one (PostgreSQL manual, Message Flow, Simple Query).
    OneQuery,
}

/// What a migration is to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs once, at its place.
    Step,
    /// Runs again whenever its text has changed.
    Repeatable,
    /// Does not run going up, and why: the way back, a check, what is for another database.
    Outside(&'static str),
    /// The framework does not take it for one of its own, and why. Whoever put it there may run
    /// it by hand.
    Stray(&'static str),
}

/// A file, or a changeset of one, as its framework runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub path: String,
    /// Which part of the file, where each part runs by itself: `author:id` of a changeset.
    pub part: Option<String>,
    /// What runs going up. Everything else is blanked byte by byte and line breaks are kept,
    /// so each place in it is that place in the file. Files outside of the chain are whole.
    pub text: String,
    pub sending: Sending,
    /// Parts of `text`, in bytes, that are one query with several statements although the
    /// migration is sent by [`Sending::Statements`].
    pub one_query: Vec<Range<usize>>,
    pub role: Role,
    /// Why the framework itself would refuse it, as far as its text shows.
    pub refused: Option<&'static str>,
}

/// A folder and what its framework does with it; run as a test.
pub struct Example {
    /// Path and text of each file.
    pub files: &'static [(&'static str, &'static str)],
    /// Path and sending of each migration that runs, in order.
    pub chain: &'static [(&'static str, Sending)],
}

/// The framework of a folder: the first that recognises it, or plain SQL.
///
/// A folder is one framework's. Of a tree that holds several, give each folder by itself.
pub fn recognise(scripts: &[Script]) -> &'static Framework {
    let plain: &'static Framework = &plain_sql::FRAMEWORK;
    let mut others = FRAMEWORKS.iter().copied().filter(|f| f.id != plain.id);
    others.find(|f| (f.recognises)(scripts)).unwrap_or(plain)
}

/// The framework of that id.
pub fn by_id(id: &str) -> Option<&'static Framework> {
    FRAMEWORKS.iter().copied().find(|f| f.id == id)
}

impl Migration {
    /// Does it run going up?
    pub fn runs(&self) -> bool {
        !matches!(self.role, Role::Outside(_) | Role::Stray(_))
    }

    /// For each statement of `file`, which is `text` read, does it run inside of a transaction?
    ///
    /// Counts what the framework does and what the text itself begins and ends. In one query of
    /// several statements each is inside, also behind a COMMIT: the server begins an implicit
    /// transaction for the next.
    pub fn inside(&self, file: &ChangeFile) -> Vec<bool> {
        let n_statements = file.statements.len();
        let mut is_open = matches!(self.sending, Sending::Wrapped | Sending::WrappedTogether);
        let own = crate::splits_transactions(file).inside;
        let inside = file.statements.iter().zip(own).map(|(s, of_own)| {
            let of_query = self.one_query.iter().any(|q| q.contains(&s.span.start));
            let inside = is_open || of_own || of_query;
            is_open &= !matches!(s.kind, StatementKind::Commit | StatementKind::Rollback);
            inside || self.sending == Sending::OneQuery && n_statements > 1
        });
        inside.collect()
    }

    /// The whole file, run once.
    fn whole(script: &Script, sending: Sending) -> Self {
        Self::parts(script, std::slice::from_ref(&(0..script.text.len())), sending)
    }

    /// These bytes of the file, run once.
    fn parts(script: &Script, kept: &[Range<usize>], sending: Sending) -> Self {
        Self {
            path: script.path.clone(),
            part: None,
            text: keep(&script.text, kept),
            sending,
            one_query: Vec::new(),
            role: Role::Step,
            refused: None,
        }
    }

    /// A file that does not run.
    fn outside(script: &Script, role: Role) -> Self {
        Self { role, ..Self::whole(script, Sending::Statements) }
    }
}

/// Steps in the order of their keys, then what stands outside by path.
fn in_order<K: Ord>(mut steps: Vec<(K, Migration)>, mut outside: Vec<Migration>) -> Vec<Migration> {
    steps.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.path.cmp(&b.1.path)));
    outside.sort_by(|a, b| a.path.cmp(&b.path));
    steps.into_iter().map(|(_, migration)| migration).chain(outside).collect()
}

/// The chain of a framework that orders whole files: `place` says where a file stands and how
/// it is sent, or why it does not run.
fn chain_of<K: Ord>(
    scripts: &[Script],
    place: impl Fn(&Script) -> Result<(K, Migration), Role>,
) -> Vec<Migration> {
    let mut steps = Vec::new();
    let mut outside = Vec::new();
    for script in sql_files(scripts) {
        match place(script) {
            Ok(step) => steps.push(step),
            Err(role) => outside.push(Migration::outside(script, role)),
        }
    }
    in_order(steps, outside)
}

fn sql_files(scripts: &[Script]) -> impl Iterator<Item = &Script> {
    scripts.iter().filter(|s| {
        let extension = name(&s.path).rsplit_once('.').map_or("", |(_, e)| e);
        ["sql", "psql", "pgsql"].iter().any(|e| extension.eq_ignore_ascii_case(e))
    })
}

/// The last part of a path.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The path without its last part; empty where it has only one.
fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The file `name` beside `script`.
fn beside<'a>(scripts: &'a [Script], script: &Script, name: &str) -> Option<&'a Script> {
    let path = match folder(&script.path) {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    scripts.iter().find(|s| s.path == path)
}

/// `12` of `12_add_column`; `None` where no number is there or nothing after it.
fn number(name: &str) -> Option<u64> {
    let (digits, _) = name.split_once('_')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A line of a text.
struct Line<'a> {
    /// Without line end and, on the first line, without byte order mark.
    text: &'a str,
    /// All of it, in bytes.
    range: Range<usize>,
}

fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut at = 0;
    text.split_inclusive('\n').map(move |whole| {
        let range = at..at + whole.len();
        at = range.end;
        let text = whole.strip_suffix('\n').unwrap_or(whole);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Line { text: text.strip_prefix(MARK).unwrap_or(text), range }
    })
}

/// The byte order mark that some editors write at the start of a file.
const MARK: char = '\u{feff}';

/// The text with everything outside of `kept` blanked, and the byte order mark too; `kept` is in
/// order and does not overlap.
fn keep(text: &str, kept: &[Range<usize>]) -> String {
    if matches!(kept, [all] if *all == (0..text.len())) && !text.starts_with(MARK) {
        return text.to_owned();
    }
    let mut blanked = String::with_capacity(text.len());
    let mut kept = kept.iter().peekable();
    for (at, c) in text.char_indices() {
        while kept.next_if(|range| range.end <= at).is_some() {}
        let is_kept = kept.peek().is_some_and(|range| range.start <= at);
        if matches!(c, '\n' | '\r') || is_kept && !(at == 0 && c == MARK) {
            blanked.push(c);
        } else {
            blanked.extend(std::iter::repeat_n(' ', c.len_utf8()));
        }
    }
    blanked
}

/// Statements in `range` of a text.
fn n_statements(text: &str, range: &Range<usize>) -> usize {
    let written = text.get(range.clone()).unwrap_or("");
    pieces(written).iter().filter(|p| p.kind == PieceKind::Sql).count()
}

/// The value of `key` in lines of `key = value`, as properties and flat TOML have it; the last
/// one counts. Comments begin with `#`.
fn setting<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let found = lines(text).filter_map(|line| {
        let (name, value) = line.text.split_once('=')?;
        (name.trim() == key).then(|| value.split('#').next().unwrap_or("").trim())
    });
    found.last().map(|value| value.trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn scripts(example: &Example) -> Vec<Script> {
        let file = |(path, text): &(&str, &str)| Script {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        example.files.iter().map(file).collect()
    }

    fn runs(framework: &Framework, scripts: &[Script]) -> Vec<(String, Sending)> {
        let all = (framework.chain)(scripts).into_iter().filter(Migration::runs);
        all.map(|m| (m.path, m.sending)).collect()
    }

    fn examples() -> impl Iterator<Item = (&'static Framework, &'static Example)> {
        FRAMEWORKS.iter().flat_map(|f| f.examples.iter().map(|e| (*f, e)))
    }

    #[test]
    fn every_file_is_a_framework_and_has_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/frameworks");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        let ids: BTreeSet<String> = FRAMEWORKS.iter().map(|f| f.id.to_owned()).collect();
        assert_eq!(files, ids);
        assert!(FRAMEWORKS.is_sorted_by_key(|f| f.id), "ids are out of order, or one is twice");
        assert!(by_id("goose").is_some() && by_id("none").is_none());
    }

    #[test]
    fn each_example_is_recognised_by_its_framework_alone() {
        for (framework, example) in examples() {
            let scripts = scripts(example);
            assert_eq!(recognise(&scripts).id, framework.id);
            for other in FRAMEWORKS {
                let expected = other.id == framework.id || other.id == "plain_sql";
                assert_eq!(
                    (other.recognises)(&scripts),
                    expected,
                    "{} and an example of {}",
                    other.id,
                    framework.id
                );
            }
        }
        assert_eq!(recognise(&[]).id, "plain_sql");
    }

    #[test]
    fn each_example_runs_as_it_says() {
        for (framework, example) in examples() {
            let expected: Vec<(String, Sending)> = example
                .chain
                .iter()
                .map(|(path, sending)| ((*path).to_owned(), *sending))
                .collect();
            let mut given = scripts(example);
            assert_eq!(runs(framework, &given), expected, "{}", framework.id);
            if framework.id != "plain_sql" {
                given.reverse();
                assert_eq!(runs(framework, &given), expected, "{}, reversed", framework.id);
            }
            for script in &mut given {
                script.text = script.text.replace('\n', "\r\n");
            }
            assert_eq!(recognise(&given).id, framework.id);
            assert_eq!(runs(framework, &given).len(), expected.len(), "{}", framework.id);
            let windows: BTreeSet<_> = runs(framework, &given).into_iter().map(key).collect();
            assert_eq!(windows, expected.iter().cloned().map(key).collect(), "{}", framework.id);
        }
    }

    /// Comparable in a set.
    fn key((path, sending): (String, Sending)) -> (String, String) {
        (path, format!("{sending:?}"))
    }

    #[test]
    fn a_byte_order_mark_hides_nothing() {
        // sqlx itself does not see its marker behind one.
        for (framework, example) in examples().filter(|(f, _)| f.id != "sqlx") {
            let mut given = scripts(example);
            let expected = runs(framework, &given);
            for script in &mut given {
                script.text.insert(0, MARK);
            }
            assert_eq!(recognise(&given).id, framework.id);
            assert_eq!(runs(framework, &given), expected, "{}", framework.id);
            for migration in (framework.chain)(&given) {
                assert!(!migration.text.contains(MARK), "{}: {}", framework.id, migration.path);
            }
        }
    }

    #[test]
    fn every_byte_keeps_its_place() {
        for (framework, example) in examples() {
            let given = scripts(example);
            for migration in (framework.chain)(&given) {
                let file = given.iter().find(|s| s.path == migration.path).unwrap();
                assert_eq!(migration.text.len(), file.text.len(), "{}", framework.id);
                for (now, then) in migration.text.bytes().zip(file.text.bytes()) {
                    assert!(now == then || now == b' ' && then != b'\n', "{}", framework.id);
                }
                for query in &migration.one_query {
                    assert!(migration.text.get(query.clone()).is_some(), "{}", framework.id);
                }
            }
        }
    }

    #[test]
    fn what_goes_down_never_runs() {
        // In the examples this stands in down parts only.
        const DOWN: &str = "DROP INDEX i;";
        let mut n_down = 0;
        for (framework, example) in examples() {
            let given = scripts(example);
            n_down += given.iter().filter(|s| s.text.contains(DOWN)).count();
            for migration in (framework.chain)(&given).iter().filter(|m| m.runs()) {
                let statements = pieces(&migration.text).into_iter().map(|p| p.span);
                let mut texts = statements.filter_map(|s| migration.text.get(s.start..s.end));
                assert!(
                    !texts.any(|sql| DOWN.starts_with(sql)),
                    "{}: {}",
                    framework.id,
                    migration.path
                );
            }
        }
        assert!(n_down >= 5, "{n_down} examples have a down part");
    }

    #[test]
    fn what_runs_inside_a_transaction_is_known() {
        let check = |sending, text: &str, expected: &[bool]| {
            let script = Script { path: "a.sql".to_owned(), text: text.to_owned() };
            let mut migration = Migration::whole(&script, sending);
            let queries = text.find("SELECT 8").zip(text.find("SELECT 9"));
            migration.one_query = queries.map(|(start, end)| start..end + 8).into_iter().collect();
            let inside = migration.inside(&crate::read("a.sql", text));
            assert_eq!(inside, expected, "{sending:?}: {text}");
        };
        check(
            Sending::Statements,
            "SELECT 1; BEGIN; SELECT 2; COMMIT;",
            &[false, false, true, true],
        );
        check(Sending::Statements, "SELECT 1; SELECT 8; SELECT 9;", &[false, true, true]);
        check(Sending::Wrapped, "SELECT 1; COMMIT; VACUUM;", &[true, true, false]);
        check(Sending::WrappedTogether, "BEGIN; SELECT 1;", &[true, true]);
        check(Sending::OneQuery, "VACUUM;", &[false]);
        check(Sending::OneQuery, "BEGIN; COMMIT; VACUUM;", &[true, true, true]);
    }

    #[test]
    fn settings_are_read_from_properties_and_toml() {
        assert_eq!(setting("# a=b\na = \"c\" # d\r\n", "a"), Some("c"));
        assert_eq!(setting("a=1\nab=2\na=3", "a"), Some("3"));
        assert_eq!(setting("", "a"), None);
        assert_eq!(number("0012_a"), Some(12));
        assert_eq!((number("a_1"), number("_a"), number("12")), (None, None, None));
    }
}
