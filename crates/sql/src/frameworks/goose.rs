//! goose: up and down in one file, between annotations, statement by statement.

use super::{Example, Framework, Migration, Role, Script, Sending};
use super::{chain_of, lines, n_statements, name, number, sql_files};
use crate::template::Style;
use std::ops::Range;

/// Annotations are read as goose 3.12 and later do: whatever their case, on lines that begin
/// with dashes, inside of constants and comments too. Variables `${x}` are replaced between
/// `-- +goose ENVSUB ON` and `OFF` only.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "goose",
    title: "goose",
    source: "goose, README.md, SQL migrations, and documentation, Annotations",
    no_transaction: "put it into a file of its own that has the line `-- +goose NO TRANSACTION`",
    placeholders: &[Style::Shell],
    recognises: |scripts| {
        let goes_up = |text| lines(text).any(|l| annotation(l.text) == Some(Annotation::Up));
        sql_files(scripts).any(|s| s.text.contains("+goose") && goes_up(&s.text))
    },
    chain: |scripts| chain_of(scripts, place),
    examples: &[
        Example {
            files: &[
                (
                    "10_index.sql",
                    "-- +goose NO TRANSACTION\n-- +goose Up\nCREATE INDEX CONCURRENTLY i;\n\
                     -- +goose Down\nDROP INDEX i;\n",
                ),
                (
                    "00002_init.sql",
                    "-- +goose Up\n-- +goose StatementBegin\nSELECT ';';\n-- +goose \
                     StatementEnd\n-- +goose Down\nDROP TABLE t;\n",
                ),
                ("0_never.sql", "-- +goose Up\nSELECT 1;\n"),
                ("00003_code.go", "package migrations\n"),
            ],
            chain: &[("00002_init.sql", Sending::Wrapped), ("10_index.sql", Sending::Statements)],
        },
        Example {
            files: &[
                ("1_a.sql", "-- +goose up\nSELECT '-- +goose NO TRANSACTION';\n"),
                ("2_b.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\n-- +goose no transaction\n"),
            ],
            chain: &[("1_a.sql", Sending::Wrapped), ("2_b.sql", Sending::Statements)],
        },
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Annotation {
    Up,
    Down,
    NoTransaction,
    StatementBegin,
    StatementEnd,
    Envsub,
    /// Nothing goose knows: it refuses the file.
    Unknown,
}

/// The annotation of a line; `None` for all other lines.
fn annotation(line: &str) -> Option<Annotation> {
    if !line.trim_start().starts_with("--") || !line.contains("+goose") {
        return None;
    }
    let word = line.replace("--", "").replacen("+goose", "", 1).trim().to_ascii_lowercase();
    Some(match word.as_str() {
        _ if line.starts_with(char::is_whitespace) => Annotation::Unknown,
        "up" => Annotation::Up,
        "down" => Annotation::Down,
        "no transaction" => Annotation::NoTransaction,
        "statementbegin" => Annotation::StatementBegin,
        "statementend" => Annotation::StatementEnd,
        "envsub on" | "envsub off" => Annotation::Envsub,
        _ => Annotation::Unknown,
    })
}

fn place(script: &Script) -> Result<(u64, Migration), Role> {
    match number(name(&script.path)) {
        Some(0) => Err(Role::Stray("its version is 0, which goose refuses")),
        Some(version) => Ok((version, migration(script))),
        None => Err(Role::Stray("its name is not VERSION_TITLE.sql")),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Before,
    Up,
    /// Between StatementBegin and StatementEnd.
    Block,
    Down,
}

fn migration(script: &Script) -> Migration {
    let mut part = Part::Before;
    let mut up = Vec::new();
    let mut queries: Vec<Range<usize>> = Vec::new();
    let mut open: Option<usize> = None;
    let mut sending = Sending::Wrapped;
    let mut refused = None;
    for line in lines(&script.text) {
        let Some(annotation) = annotation(line.text) else {
            let has_code = !line.text.trim().is_empty() && !line.text.trim().starts_with("--");
            if part == Part::Before && has_code {
                refused.get_or_insert("something stands before `-- +goose Up`");
            }
            if matches!(part, Part::Up | Part::Block) {
                up.push(line.range.clone());
                if has_code {
                    open.get_or_insert(line.range.start);
                }
            }
            if part == Part::Up && ends_statement(line.text) {
                queries.extend(open.take().map(|start| start..line.range.end));
            }
            continue;
        };
        match annotation {
            Annotation::Up if part == Part::Before => part = Part::Up,
            Annotation::Down if part == Part::Up => part = Part::Down,
            Annotation::StatementBegin if part == Part::Up => part = Part::Block,
            Annotation::StatementEnd if part == Part::Block => {
                part = Part::Up;
                queries.extend(open.take().map(|start| start..line.range.start));
            }
            Annotation::NoTransaction => sending = Sending::Statements,
            Annotation::Unknown => {
                refused.get_or_insert("goose does not know an annotation in it");
            }
            Annotation::Envsub => {}
            Annotation::StatementBegin | Annotation::StatementEnd if part == Part::Down => {}
            _ => {
                refused.get_or_insert("its annotations are out of order");
            }
        }
    }
    if part == Part::Before {
        refused.get_or_insert("it has no line `-- +goose Up`");
    }
    if open.is_some() {
        refused.get_or_insert("its last statement has no end");
    }
    if sending == Sending::Wrapped {
        queries.clear();
    }
    let mut found = Migration { refused, ..Migration::parts(script, &up, sending) };
    queries.retain(|query| n_statements(&found.text, query) > 1);
    found.one_query = queries;
    found
}

/// Is the last word of the line, comment left out, ended by a semicolon? goose cuts there and
/// nowhere else, so what shares a line shares a query.
fn ends_statement(line: &str) -> bool {
    let words = line.split_whitespace().take_while(|word| !word.starts_with("--"));
    words.last().is_some_and(|word| word.ends_with(';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Migration {
        migration(&Script { path: "1_a.sql".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn the_up_part_keeps_its_place() {
        let found = read("-- é\n-- +goose Up\nSELECT 1; -- a\n-- +goose Down\nDROP TABLE t;\n");
        assert_eq!(
            found.text,
            "     \n            \nSELECT 1; -- a\n              \n             \n"
        );
        assert_eq!((found.refused, found.one_query.len()), (None, 0));
    }

    #[test]
    fn what_goose_sends_as_one_is_known() {
        let text = "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\nSELECT 2; SELECT 3;\n\
                    -- +goose StatementBegin\nSELECT 4;\nSELECT 5;\n-- +goose StatementEnd\n\
                    SELECT\n6; -- x\n";
        let found = read(text);
        let queries: Vec<&str> = found.one_query.iter().map(|r| &text[r.clone()]).collect();
        assert_eq!(queries, ["SELECT 2; SELECT 3;\n", "SELECT 4;\nSELECT 5;\n"]);
        assert_eq!(found.sending, Sending::Statements);
        assert!(read(&text.replace("NO TRANSACTION", "ENVSUB ON")).one_query.is_empty());
    }

    #[test]
    fn what_goose_refuses_is_said() {
        assert_eq!(read("-- +goose Up\nSELECT 1;\n").refused, None);
        for text in [
            "SELECT 1;",
            "SELECT 1;\n-- +goose Up\n",
            " -- +goose Up\n",
            "-- +goose Up\n-- +goose DOWNWARDS\n",
            "-- +goose Up\nSELECT 1\n-- +goose Down\n",
            "-- +goose Down\nSELECT 1;\n-- +goose Up\n-- +goose Up\n",
        ] {
            assert!(read(text).refused.is_some(), "{text}");
        }
    }
}
