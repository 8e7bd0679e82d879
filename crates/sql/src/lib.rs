//! Reads SQL and says what each statement locks, rewrites, scans, destroys, and how to undo it.

pub mod action;
mod chain;
mod effects;
pub mod expect;
mod fingerprint;
pub mod frameworks;
pub mod history;
mod lex;
mod predicate;
mod split;
pub mod template;
mod tree;
mod understand;
mod undo;
mod walk;

use action::{Action, Transaction};
use effects::Created;
use pgward_model::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ops::Range;
use understand::Understood;

pub use chain::{Chain, Refusal};
pub use effects::{base_type, effects_with, existed, takes_every_table};
pub use fingerprint::{fingerprint, shape};
pub use lex::{has_semicolon, insert_after, words};
pub use undo::inverse;

/// The statements of a file, each with its exact place and its effects.
///
/// Never fails: what PostgreSQL's grammar does not know becomes
/// [`StatementKind::Unparsed`], the others are read all the same.
pub fn read(path: &str, text: &str) -> ChangeFile {
    read_actions(path, text).file
}

/// A file and what each of its statements asks for: what [`actions`] would say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    pub file: ChangeFile,
    pub actions: Vec<Vec<Action>>,
}

/// As [`read`], for who needs the actions too: parsing is most of the work.
pub fn read_actions(path: &str, text: &str) -> Read {
    read_after(path, text, &mut Created::default())
}

fn read_after(path: &str, text: &str, created: &mut Created) -> Read {
    let all = split::pieces(text).into_iter().map(|piece| statement(text, &piece, created));
    let (statements, actions) = all.unzip();
    let (path, text) = (path.to_owned(), text.to_owned());
    let file = ChangeFile { path, text, statements, inside: None, refused: None, framework: None };
    Read { file, actions }
}

/// The first statement that a server would not even parse, and why. Unlike for [`read`], nobody
/// puts values into variables: it is for text that is sent as it stands.
pub fn unparsed(text: &str) -> Option<(Span, String)> {
    split::pieces(text).into_iter().find_map(|piece| {
        let why = match piece.kind {
            split::PieceKind::Sql => {
                tree::refusal(text.get(piece.span.start..piece.span.end).unwrap_or(""))?
            }
            split::PieceKind::Opaque => "a command of psql, which no server knows".to_owned(),
        };
        Some((piece.span, why))
    })
}

/// Files that go to production together. Relations that an earlier file creates are not
/// counted as existing before in a later one.
pub fn change(files: Vec<ChangeFile>) -> Change {
    let mut created = Created::default();
    let id = change_id(&files);
    let read = |file: ChangeFile| ChangeFile {
        inside: file.inside,
        refused: file.refused,
        framework: file.framework,
        ..read_after(&file.path, &file.text, &mut created).file
    };
    Change { id, files: files.into_iter().map(read).collect() }
}

/// The first 12 hex digits of the SHA-256 of each path and text, in order.
pub fn change_id<'a>(files: impl IntoIterator<Item = &'a ChangeFile>) -> String {
    let mut hash = Sha256::new();
    for file in files {
        for part in [&file.path, &file.text] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>()
        .chars()
        .take(12)
        .collect()
}

fn statement(text: &str, piece: &split::Piece, created: &mut Created) -> (Statement, Vec<Action>) {
    let written = text.get(piece.span.start..piece.span.end).unwrap_or("");
    let read = match piece.kind {
        split::PieceKind::Sql => understood(written),
        split::PieceKind::Opaque => None,
    };
    let Some(Understood { kind, actions }) = read else {
        let statement = Statement {
            text: written.to_owned(),
            span: piece.span,
            kind: StatementKind::Unparsed,
            effects: Vec::new(),
            in_transaction: true,
        };
        return (statement, Vec::new());
    };
    let effects = effects::effects(&actions, created);
    created.learn(&actions);
    let statement = Statement {
        text: written.to_owned(),
        span: piece.span,
        kind,
        effects,
        in_transaction: actions.iter().all(effects::may_run_in_transaction)
            && !commits_inside(kind, &actions),
    };
    (statement, actions)
}

/// A block that commits by itself fails inside a transaction.
fn commits_inside(kind: StatementKind, actions: &[Action]) -> bool {
    !matches!(kind, StatementKind::Begin | StatementKind::Commit | StatementKind::Rollback)
        && actions.iter().any(|a| matches!(a, Action::Transaction(Transaction::Commit)))
}

fn understood(text: &str) -> Option<Understood> {
    let as_written = tree::parse_one(text);
    let node = match as_written {
        Some(node) => node,
        None => tree::parse_one(&template::parseable(text))?,
    };
    Some(understand::understand(&node, text))
}

/// What a statement asks for, in few words; empty where it is not understood.
pub fn actions(statement: &Statement) -> Vec<Action> {
    understood(&statement.text).map(|u| u.actions).unwrap_or_default()
}

/// A statement inside of a DO block.
#[derive(Debug, Clone, PartialEq)]
pub struct Inner {
    /// In the file.
    pub span: Span,
    pub actions: Vec<Action>,
    /// By the text alone.
    pub effects: Vec<Effect>,
}

/// The statements inside of a DO block.
pub fn inner_statements(file: &ChangeFile, block: &Statement) -> Vec<Inner> {
    let lines = split::Lines::new(&file.text);
    let from = block.span.start;
    let steps = understand::placed_steps(&block.text).into_iter();
    let inner = steps.map(|(at, actions)| Inner {
        span: lines.span(from + at.start, from + at.end),
        effects: effects::effects(&actions, &Created::default()),
        actions,
    });
    inner.collect()
}

/// Every relation a statement touches, by name, without CTEs; empty where it does not parse.
pub fn relations(sql: &str) -> Vec<Relation> {
    let Some(nodes) = tree::parse_all(sql) else { return Vec::new() };
    let mut found = BTreeSet::new();
    for node in &nodes {
        found.extend(tree::mentions_of(node).relations);
        let actions = understand::understand(node, sql).actions;
        let touched = effects::effects(&actions, &Created::default());
        found.extend(touched.into_iter().map(|e| e.relation));
    }
    found.into_iter().collect()
}

/// What a statement mentions: used to see whether a query still works after a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uses {
    pub relations: Vec<Relation>,
    /// The last part of each column name; `*` where it takes all.
    pub columns: BTreeSet<String>,
    /// `[schema.]name` of each function called.
    pub functions: BTreeSet<String>,
    /// Did PostgreSQL's grammar know the text?
    pub parsed: bool,
}

/// Relations, columns and functions that a query names.
pub fn uses(sql: &str) -> Uses {
    let Some(nodes) = tree::parse_all(sql) else { return Uses::default() };
    let found = tree::mentions(&nodes);
    let star = nodes.iter().any(tree::takes_all_columns);
    let mut columns = found.columns;
    if star {
        columns.insert("*".to_owned());
    }
    columns.remove("");
    Uses { relations: found.relations, columns, functions: found.functions, parsed: true }
}

/// What a call of the function does that this CREATE FUNCTION makes.
pub fn function_body(sql: &str) -> Vec<Action> {
    understand::body(sql)
}

/// The columns that a view has, by its definition or by the query alone; `None` where the text
/// does not say them all.
pub fn view_columns(sql: &str) -> Option<Vec<String>> {
    match tree::parse_one(sql)? {
        pg_query::NodeEnum::ViewStmt(v) => {
            let named = tree::strings(&v.aliases);
            let query = tree::output_names(v.query.as_ref()?.node.as_ref()?)?;
            let rest = query.get(named.len()..).unwrap_or(&[]).to_vec();
            Some([named, rest].concat())
        }
        query => tree::output_names(&query),
    }
}

/// Names longer than the 63 bytes that PostgreSQL keeps of them, as they are written.
pub fn long_names(sql: &str) -> Vec<String> {
    const NAME_BYTES_MAX: usize = 63; // NAMEDATALEN - 1
    let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | 128..);
    let any_long = sql.as_bytes().split(|b| !is_word(*b)).any(|word| word.len() > NAME_BYTES_MAX)
        || sql.contains("\"\"")
        || sql.split('"').skip(1).any(|quoted| quoted.len() > NAME_BYTES_MAX);
    if !any_long {
        return Vec::new(); // the usual statement is not worth its tokens
    }
    let name = |token: &lex::Token| match token.kind {
        lex::TokenKind::Word => sql.get(token.start..token.end),
        lex::TokenKind::QuotedIdent => sql.get(token.start + 1..token.end.checked_sub(1)?),
        _ => None,
    };
    let all: BTreeSet<&str> = lex::tokens(sql).iter().filter_map(name).collect();
    all.into_iter().filter(|n| n.len() > NAME_BYTES_MAX).map(str::to_owned).collect()
}

/// The statement with its constants replaced by `$1`, `$2`, ..., as `pg_stat_statements`
/// keeps it; the text itself where it does not parse.
pub fn normalize(sql: &str) -> String {
    pg_query::normalize(sql).unwrap_or_else(|_| sql.to_owned())
}

/// How a file deals with transactions itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transactions {
    /// Statements that begin one.
    pub begins: Vec<Span>,
    /// Statements that commit or roll back one.
    pub ends: Vec<Span>,
    /// The BEGIN whose transaction is still open at the end of the file.
    pub left_open: Option<Span>,
    /// For each statement of the file, is it inside a transaction the file has begun?
    pub inside: Vec<bool>,
}

impl Transactions {
    /// Does the file say itself where transactions begin or end?
    pub fn own(&self) -> bool {
        !self.begins.is_empty() || !self.ends.is_empty()
    }
}

/// Where the file begins and ends transactions.
pub fn splits_transactions(file: &ChangeFile) -> Transactions {
    let mut found = Transactions::default();
    for s in &file.statements {
        let was_open = found.left_open.is_some();
        found.inside.push(was_open && s.kind != StatementKind::Begin);
        match s.kind {
            StatementKind::Begin => {
                found.begins.push(s.span);
                found.left_open.get_or_insert(s.span);
            }
            StatementKind::Commit | StatementKind::Rollback => {
                found.ends.push(s.span);
                let chained = s.text.to_lowercase().split_whitespace().any(|w| w == "chain")
                    && !s.text.to_lowercase().contains("no chain");
                found.left_open = chained.then_some(s.span);
            }
            _ => {}
        }
    }
    found
}

/// Statements that leave nothing, each range up to the ROLLBACK or ROLLBACK TO that takes it back.
///
/// `inside` says of each statement of the file whether it is in a transaction, whoever began it.
pub fn taken_back(file: &ChangeFile, inside: &[bool]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begun = 0;
    // Names, and the statement that sets each.
    let mut savepoints: Vec<(String, usize)> = Vec::new();
    for (i, s) in file.statements.iter().enumerate() {
        if !inside.get(i).copied().unwrap_or(false) {
            begun = i;
            savepoints.clear();
        }
        match s.kind {
            StatementKind::Commit | StatementKind::Rollback => {
                if s.kind == StatementKind::Rollback {
                    found.push(begun..i);
                }
                begun = i + 1;
                savepoints.clear();
            }
            StatementKind::Other => match savepoint(&s.text) {
                Some((Savepoint::Set, name)) => savepoints.push((name, i)),
                Some((verb, name)) => {
                    let Some(at) = savepoints.iter().rposition(|(n, _)| *n == name) else {
                        continue;
                    };
                    if let (Savepoint::BackTo, Some((_, set))) = (verb, savepoints.get(at)) {
                        found.push(set + 1..i);
                    }
                    savepoints.truncate(if verb == Savepoint::BackTo { at + 1 } else { at });
                }
                None => {}
            },
            _ => {}
        }
    }
    found.retain(|range| !range.is_empty());
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Savepoint {
    Set,
    Release,
    BackTo,
}

/// What a statement does with which savepoint; `None` for any other.
fn savepoint(text: &str) -> Option<(Savepoint, String)> {
    let verb = lex::words(text.get(..text.len().min(20)).unwrap_or("")).into_iter().next()?;
    let verb = match verb.as_str() {
        "savepoint" => Savepoint::Set,
        "release" => Savepoint::Release,
        "rollback" | "abort" => Savepoint::BackTo,
        _ => return None,
    };
    let last = lex::tokens(text).pop()?;
    let name = text.get(last.start..last.end)?;
    let name = match last.kind {
        lex::TokenKind::QuotedIdent => name.trim_matches('"').to_owned(),
        _ => name.to_lowercase(),
    };
    Some((verb, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str) -> Vec<Statement> {
        read("t.sql", text).statements
    }

    #[test]
    fn one_bad_statement_hides_no_other() {
        let all = statements("DROP TABLE a; FROBNICATE b; -- c\nDROP TABLE d");
        let kinds: Vec<_> = all.iter().map(|s| s.kind).collect();
        assert_eq!(kinds, [StatementKind::Ddl, StatementKind::Unparsed, StatementKind::Ddl]);
        assert_eq!(all[2].effects[0].destroys, Destroys::Table);
        assert_eq!((all[2].span.line, all[2].span.column), (2, 1));
        let cut = statements("DROP TABLE a; SELECT 'open");
        assert_eq!(cut.len(), 2);
        assert_eq!(cut[0].kind, StatementKind::Ddl);
    }

    #[test]
    fn what_is_sent_as_it_stands_must_parse() {
        assert_eq!(unparsed("SELECT no_such($1);\n-- :x\nDROP TABLE nowhere"), None);
        for (text, line, why) in [
            ("SELECT 1;\nCREATE TABEL t (a int);", 2, "\"TABEL\""),
            ("SELECT :scale", 1, "\":\""),
            ("SELECT 1;\n\n\\i other.sql\n", 3, "psql"),
        ] {
            let (span, said) = unparsed(text).unwrap();
            assert_eq!(span.line, line, "{text}");
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn what_a_file_makes_existed_not_before() {
        let all = statements(
            "CREATE TABLE n (a int); CREATE INDEX i ON n (a); DROP INDEX i;
             ALTER TABLE n RENAME TO m; UPDATE m SET a = 1; UPDATE o SET a = 1;",
        );
        let before: Vec<bool> =
            all.iter().map(|s| s.effects.iter().all(|e| e.existed_before)).collect();
        assert_eq!(before, [false, false, false, false, false, true]);
        let second = change(vec![read("1", "CREATE TABLE n (a int)"), read("2", "DROP TABLE n")]);
        assert!(!second.files[1].statements[0].effects[0].existed_before);
    }

    #[test]
    fn blocks_are_looked_into() {
        let all = statements(
            "DO $$ DECLARE r record; BEGIN
               FOR r IN SELECT * FROM q LOOP EXECUTE 'TRUNCATE z'; END LOOP;
               IF EXISTS (SELECT FROM k) THEN DELETE FROM l; COMMIT; END IF;
             END $$",
        );
        let names: Vec<_> = all[0].effects.iter().map(|e| e.relation.name.as_str()).collect();
        assert_eq!(names, ["z", "q", "k", "l"]);
        assert!(!all[0].in_transaction);
        let dropped = |text: &str| statements(text)[0].effects[0].relation.name.clone();
        assert_eq!(dropped("DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'a'); END $$"), "a");
        assert_eq!(dropped("DO $$ BEGIN EXECUTE 'DROP TABLE log_' || y; END $$"), "log_…");
        let dynamic = statements("DO $$ DECLARE q text; BEGIN EXECUTE q; END $$");
        assert!(matches!(actions(&dynamic[0])[..], [Action::Unknown { .. }]));
    }

    #[test]
    fn statements_of_a_block_have_their_own_places() {
        let file = read(
            "t.sql",
            "SELECT 1;\nDO $x$\nDECLARE n int;\nBEGIN\n  DROP TABLE a; DROP TABLE b;\n  \
             SELECT count(*) INTO n\n  FROM c;\n  EXECUTE 'TRUNCATE z';\nEND $x$;",
        );
        let found = inner_statements(&file, &file.statements[1]);
        let told: Vec<(u32, u32, &str)> = found
            .iter()
            .filter(|i| !i.actions.is_empty())
            .map(|i| (i.span.line, i.span.column, &file.text[i.span.start..i.span.end]))
            .collect();
        let expected = [
            (5, 3, "DROP TABLE a"),
            (5, 17, "DROP TABLE b"),
            (6, 3, "SELECT count(*) INTO n"),
            (8, 11, "'TRUNCATE z'"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn some_statements_must_run_alone() {
        for alone in [
            "CREATE INDEX CONCURRENTLY i ON a (b)",
            "DROP INDEX CONCURRENTLY i",
            "REINDEX (CONCURRENTLY) TABLE a",
            "REINDEX DATABASE d",
            "VACUUM a",
            "CREATE DATABASE d",
            "ALTER SYSTEM SET work_mem = '1MB'",
            "ALTER TABLE a DETACH PARTITION b CONCURRENTLY",
            "CLUSTER",
        ] {
            assert!(!statements(alone)[0].in_transaction, "{alone}");
        }
        for inside in
            ["CREATE INDEX i ON a (b)", "REINDEX TABLE a", "CLUSTER a", "ANALYZE", "COMMIT"]
        {
            assert!(statements(inside)[0].in_transaction, "{inside}");
        }
    }

    #[test]
    fn relations_are_found_wherever_they_stand() {
        let found = relations(
            "WITH c AS (SELECT * FROM s.a) INSERT INTO b SELECT (SELECT 1 FROM d) FROM c",
        );
        let names: Vec<String> = found.iter().map(Relation::quoted).collect();
        assert_eq!(names, ["b", "d", "s.a"]);
        assert_eq!(relations("DROP TABLE x, y").len(), 2);
        assert_eq!(relations("no sql"), []);
    }

    #[test]
    fn what_a_rollback_takes_back_ends_at_its_begin_or_savepoint() {
        let ranges = |file: &ChangeFile, inside: &[bool]| -> Vec<(usize, usize)> {
            taken_back(file, inside).into_iter().map(|r| (r.start, r.end)).collect()
        };
        let check = |text: &str, expected: &[(usize, usize)]| {
            let file = read("t.sql", text);
            let inside = splits_transactions(&file).inside;
            assert_eq!(ranges(&file, &inside), expected, "{text}");
        };
        check("SELECT 0; BEGIN; SELECT 2; SELECT 3; ROLLBACK; SELECT 5;", &[(1, 4)]);
        check("BEGIN; SELECT 1; COMMIT; SELECT 3; ROLLBACK;", &[]);
        check(
            "BEGIN; SAVEPOINT a; SELECT 2; SAVEPOINT b; SELECT 4; ROLLBACK TO SAVEPOINT \"a\"; \
             SELECT 6; COMMIT;",
            &[(2, 5)],
        );
        check("BEGIN; SAVEPOINT a; SELECT 2; RELEASE a; ROLLBACK TO a; COMMIT;", &[]);
        check("BEGIN; SAVEPOINT a; SELECT 2; ROLLBACK TO a; ROLLBACK;", &[(2, 3), (0, 4)]);
        let wrapped = read("t.sql", "SELECT 0; ROLLBACK; SELECT 2;");
        assert_eq!(ranges(&wrapped, &[true, true, false]), [(0, 1)]);
    }

    #[test]
    fn a_change_is_named_by_its_content() {
        let one = change(vec![read("a", "SELECT 1")]);
        assert_eq!(one.id.len(), 12);
        assert_eq!(one.id, change(vec![read("a", "SELECT 1")]).id);
        assert_ne!(one.id, change(vec![read("a", "SELECT 2")]).id);
    }

    #[test]
    fn large_files_are_read() {
        let row = "(1, 'some text here', now(), NULL, 2.5)";
        let rows = vec![row; 20_000].join(", ");
        let all = statements(&format!("INSERT INTO a VALUES {rows}; DROP TABLE b"));
        assert_eq!(all.len(), 2);
        // Deeper than the parse tree may be: not understood, but no crash.
        let deep = vec!["a"; 20_000].join(" || ");
        assert_eq!(statements(&format!("SELECT {deep} FROM t"))[0].kind, StatementKind::Unparsed);
    }
}
