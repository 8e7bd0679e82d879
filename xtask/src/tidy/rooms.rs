//! The table of rooms in ARCHITECTURE.md, and whether the manifests keep to it.

use super::MAP;
use super::manifests::Manifest;
use crate::finding::Finding;
use std::collections::BTreeSet;

/// Rooms that think: no socket, no clock, no disk, hence no runtime to wait with.
const PURE: [&str; 3] = ["WORDS", "MIND", "FACE"];

/// What a room that thinks may import.
const PURE_IMPORTS: [&str; 2] = ["WORDS", "MIND"];

/// The one room that holds a PostgreSQL client.
const CLIENT_ROOM: &str = "pg";

/// PostgreSQL clients.
const CLIENTS: [&str; 8] = [
    "tokio-postgres",
    "postgres",
    "postgres-protocol",
    "deadpool-postgres",
    "bb8-postgres",
    "sqlx",
    "diesel",
    "pq-sys",
];

/// The one room that holds the engine of SQL over the history, which takes minutes to compile.
const ENGINE_ROOM: &str = "history";

/// Async runtimes and what only makes sense with one.
const RUNTIMES: [&str; 8] =
    ["tokio", "tokio-util", "async-std", "smol", "futures", "futures-util", "async-trait", "hyper"];

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) line: usize,
    /// `None` for what stands beside the house.
    pub(crate) floor: Option<u32>,
    pub(crate) name: String,
    /// First word of "what it is": `WORDS`, `MIND`, `HAND`, ...
    pub(crate) nature: String,
    pub(crate) imports: BTreeSet<String>,
    pub(crate) test_imports: BTreeSet<String>,
}

/// Reads the table: the first one with the columns `room` and `imports`.
///
/// # Errors
/// A finding that names the line which cannot be read.
pub(crate) fn parse(markdown: &str) -> Result<Vec<Room>, Finding> {
    let mut lines = markdown.lines().enumerate().map(|(i, line)| (i + 1, cells(line)));
    let header = lines
        .by_ref()
        .find(|(_, cells)| column(cells, "room").is_some() && column(cells, "imports").is_some())
        .map(|(_, cells)| cells)
        .ok_or_else(|| {
            Finding::error(
                MAP,
                "no table of rooms",
                "give it a table with the columns floor, room, what it is, imports, tests also",
            )
        })?;
    let mut rooms = Vec::new();
    for (line, cells) in lines.skip(1) {
        if cells.is_empty() {
            break;
        }
        rooms.push(row(&header, line, &cells)?);
    }
    // "all" is short for every room below.
    let names: BTreeSet<String> = rooms.iter().map(|r: &Room| r.name.clone()).collect();
    for room in &mut rooms {
        if room.imports.remove("all") {
            let others = names.iter().filter(|n| **n != room.name && *n != "xtask");
            room.imports.extend(others.cloned());
        }
        let known = |n: &&String| !names.contains(*n);
        if let Some(unknown) = room.imports.union(&room.test_imports).find(known) {
            return Err(Finding::error(
                format!("{MAP}:{}", room.line),
                format!("`{}` imports `{unknown}`, which is no room of the table", room.name),
                "name rooms as their directories are named, separated by spaces",
            ));
        }
    }
    Ok(rooms)
}

fn row(header: &[String], line: usize, cells: &[String]) -> Result<Room, Finding> {
    let cell =
        |name: &str| column(header, name).and_then(|at| cells.get(at)).map_or("", String::as_str);
    let floor = match cell("floor") {
        "–" | "-" => None,
        number => Some(number.parse().map_err(|_| {
            Finding::error(
                format!("{MAP}:{line}"),
                format!("floor '{number}' is no number"),
                "give the floor as a number, or – for what stands beside the house",
            )
        })?),
    };
    let nature = cell("what it is").split(|c: char| !c.is_alphabetic()).next().unwrap_or("");
    Ok(Room {
        line,
        floor,
        name: cell("room").trim_matches('`').to_owned(),
        nature: nature.to_owned(),
        imports: names(cell("imports")),
        test_imports: names(cell("tests also")),
    })
}

/// Trimmed cells of a table's line; none when it is not one.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let Some(inner) = line.strip_prefix('|').and_then(|l| l.strip_suffix('|')) else {
        return Vec::new();
    };
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

fn column(header: &[String], name: &str) -> Option<usize> {
    header.iter().position(|cell| cell.eq_ignore_ascii_case(name))
}

fn names(cell: &str) -> BTreeSet<String> {
    cell.split_whitespace()
        .map(|name| name.trim_matches(|c| c == '`' || c == ','))
        .filter(|name| !name.is_empty() && *name != "–" && *name != "-")
        .map(str::to_owned)
        .collect()
}

/// Where manifests and table, or manifests and the rules of the floors, disagree.
pub(crate) fn compare(rooms: &[Room], manifests: &[Manifest]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in manifests {
        match rooms.iter().find(|r| r.name == manifest.room) {
            Some(room) => {
                same_imports(room, manifest, &mut findings);
                downwards(room, manifest, rooms, &mut findings);
                foreign(room, manifest, &mut findings);
            }
            None => findings.push(Finding::error(
                &manifest.path,
                format!("room `{}` is not in the table of {MAP}", manifest.room),
                "add its row: floor, room, what it is, imports",
            )),
        }
    }
    for room in rooms {
        if !manifests.iter().any(|m| m.room == room.name) {
            findings.push(Finding::error(
                format!("{MAP}:{}", room.line),
                format!("there is no package for room `{}`", room.name),
                "remove the row, or name it as its package: pgward-ROOM",
            ));
        }
    }
    findings
}

fn same_imports(room: &Room, manifest: &Manifest, findings: &mut Vec<Finding>) {
    for import in manifest.imports.difference(&room.imports) {
        findings.push(Finding::error(
            &manifest.path,
            format!(
                "imports `{import}`, which its row in {MAP} (line {}) does not list",
                room.line
            ),
            format!("remove the dependency, or write `{import}` into the row and say why it must"),
        ));
    }
    for import in room.imports.difference(&manifest.imports) {
        findings.push(Finding::error(
            format!("{MAP}:{}", room.line),
            format!("`{}` is said to import `{import}`, but {} does not", room.name, manifest.path),
            format!("take `{import}` out of the row"),
        ));
    }
    for import in room.test_imports.difference(&manifest.test_imports) {
        findings.push(Finding::error(
            format!("{MAP}:{}", room.line),
            format!("the tests of `{}` are said to import `{import}`, but do not", room.name),
            format!("take `{import}` out of the column 'tests also'"),
        ));
    }
}

fn downwards(room: &Room, manifest: &Manifest, rooms: &[Room], findings: &mut Vec<Finding>) {
    let find = |name: &String| rooms.iter().find(|r| r.name == *name);
    // Beside the house there is no floor to look down from.
    let is_below = |other: &Room| match (other.floor, room.floor) {
        (Some(other), Some(own)) => other < own,
        _ => false,
    };
    for import in manifest.imports.iter().filter_map(find) {
        if !is_below(import) {
            findings.push(Finding::error(
                &manifest.path,
                format!("imports `{}`, which lies on no lower floor", import.name),
                "imports go down only: move what is shared to a lower room, or the room up",
            ));
        }
        if PURE.contains(&room.nature.as_str()) && !PURE_IMPORTS.contains(&import.nature.as_str()) {
            findings.push(Finding::error(
                &manifest.path,
                format!("is a {} and imports `{}`, a {}", room.nature, import.name, import.nature),
                "take words as arguments instead, and let a room above fetch them",
            ));
        }
    }
    for import in manifest.test_imports.iter().filter_map(find) {
        let listed = room.test_imports.contains(&import.name) || import.name == room.name;
        if !is_below(import) && !listed {
            findings.push(Finding::error(
                &manifest.path,
                format!("its tests import `{}`, which lies on no lower floor", import.name),
                format!(
                    "move the test up, or write `{}` into the column 'tests also'",
                    import.name
                ),
            ));
        }
    }
}

fn foreign(room: &Room, manifest: &Manifest, findings: &mut Vec<Finding>) {
    for package in &manifest.foreign {
        let is = |list: &[&str]| list.contains(&package.as_str());
        if is(&CLIENTS) && room.name != CLIENT_ROOM {
            findings.push(Finding::error(
                &manifest.path,
                format!("depends on {package}, a PostgreSQL client"),
                "there is one door to PostgreSQL: ask crates/pg, and extend it where it falls short",
            ));
        }
        if package.starts_with("datafusion") && room.name != ENGINE_ROOM {
            findings.push(Finding::error(
                &manifest.path,
                format!("depends on {package}, a heavy engine"),
                "ask crates/history, and extend it where it falls short",
            ));
        }
        if is(&RUNTIMES) && PURE.contains(&room.nature.as_str()) {
            findings.push(Finding::error(
                &manifest.path,
                format!("is a {} and depends on {package}, an async runtime", room.nature),
                "a room that thinks waits for nothing: take words as arguments",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
# Map

| floor | room | what it is | imports | tests also |
|---|---|---|---|---|
| 1 | `model` | WORDS. The vocabulary | – | – |
| 2 | `sql` | MIND. Reads | model | – |
| 2 | `pg` | HAND. The door | model | sql |
| 3 | `app` | DOOR. The binary | all | – |
| – | `xtask` | chores | – | – |

More text | with a bar |.
";

    fn manifest(room: &str, imports: &[&str], test_imports: &[&str], foreign: &[&str]) -> Manifest {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        Manifest {
            room: room.to_owned(),
            path: format!("crates/{room}/Cargo.toml"),
            imports: set(imports),
            test_imports: set(test_imports),
            foreign: set(foreign),
        }
    }

    fn good() -> Vec<Manifest> {
        vec![
            manifest("app", &["model", "pg", "sql"], &[], &["clap"]),
            manifest("model", &[], &[], &["serde"]),
            manifest("pg", &["model"], &["sql"], &["tokio", "tokio-postgres"]),
            manifest("sql", &["model"], &[], &["pg_query"]),
            manifest("xtask", &[], &[], &["anyhow"]),
        ]
    }

    /// The good manifests with one replaced; each finding must contain its words, in order.
    #[track_caller]
    fn check(replacement: Manifest, expected: &[&str]) {
        let mut manifests = good();
        manifests.retain(|m| m.room != replacement.room);
        manifests.push(replacement);
        let findings = compare(&parse(TABLE).unwrap(), &manifests);
        let said: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn the_table_is_read() {
        let rooms = parse(TABLE).unwrap();
        assert_eq!(rooms.len(), 5);
        assert_eq!(rooms[1].nature, "MIND");
        assert_eq!(rooms[1].line, 6);
        assert_eq!(rooms[3].imports, ["model", "pg", "sql"].map(str::to_owned).into());
        assert_eq!(compare(&rooms, &good()), []);
    }

    #[test]
    fn a_wrong_table_is_found() {
        assert!(parse("# Map\n").unwrap_err().what.contains("no table of rooms"));
        let unknown = TABLE.replace("Reads | model", "Reads | modle");
        let finding = parse(&unknown).unwrap_err();
        assert_eq!(finding.place, "ARCHITECTURE.md:6");
        assert!(finding.what.contains("`modle`"), "{finding}");
        let floor = TABLE.replace("| 2 | `sql`", "| two | `sql`");
        assert!(parse(&floor).unwrap_err().what.contains("'two' is no number"));
    }

    #[test]
    fn manifest_and_row_must_agree() {
        let row = "which its row in ARCHITECTURE.md (line 5)";
        check(manifest("model", &["sql"], &[], &[]), &[row, "lies on no lower floor"]);
        check(manifest("sql", &[], &[], &[]), &["`sql` is said to import `model`"]);
        check(
            manifest("pg", &["model"], &[], &[]),
            &["the tests of `pg` are said to import `sql`"],
        );
        check(manifest("new", &[], &[], &[]), &["crates/new/Cargo.toml: room `new` is not in"]);
    }

    #[test]
    fn a_row_needs_a_package() {
        let mut manifests = good();
        manifests.retain(|m| m.room != "pg");
        let findings = compare(&parse(TABLE).unwrap(), &manifests);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].place, "ARCHITECTURE.md:7");
    }

    #[test]
    fn tests_may_look_up_only_where_the_table_says_so() {
        check(manifest("sql", &["model"], &["pg"], &[]), &["its tests import `pg`"]);
        check(manifest("sql", &["model"], &["model", "sql"], &[]), &[]);
    }

    #[test]
    fn a_mind_imports_no_hand_and_no_runtime() {
        let table = TABLE.replace("| 3 | `app` | DOOR", "| 3 | `app` | MIND");
        let findings = compare(&parse(&table).unwrap(), &good());
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.contains("is a MIND and imports `pg`, a HAND"));
        check(
            manifest("sql", &["model"], &[], &["tokio"]),
            &["depends on tokio, an async runtime"],
        );
    }

    #[test]
    fn one_room_holds_the_client_and_one_the_engine() {
        check(
            manifest("app", &["model", "pg", "sql"], &[], &["tokio-postgres"]),
            &["crates/app/Cargo.toml: depends on tokio-postgres, a PostgreSQL client"],
        );
        check(
            manifest("app", &["model", "pg", "sql"], &[], &["datafusion-sql"]),
            &["crates/app/Cargo.toml: depends on datafusion-sql, a heavy engine"],
        );
    }
}
