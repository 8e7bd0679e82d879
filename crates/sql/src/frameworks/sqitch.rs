//! Sqitch: `deploy/NAME.sql` in the order of `sqitch.plan`, run by psql.

use super::{
    Example, Framework, Migration, Role, Script, Sending, chain_of, lines, name, sql_files,
};
use crate::template::Style;

/// Assumes the standard folders `deploy`, `revert` and `verify`. Without a plan among the files,
/// deploy scripts are taken by path.
pub(super) static FRAMEWORK: Framework = Framework {
    id: "sqitch",
    title: "Sqitch",
    source: "Sqitch manual, sqitchtutorial, sqitch-plan and sqitch-rework",
    no_transaction: "put it into a change of its own whose deploy script has no BEGIN and COMMIT",
    placeholders: &[Style::Psql],
    recognises,
    chain,
    examples: &[
        Example {
            files: &[
                (
                    "sqitch.plan",
                    "%syntax-version=1.0.0\n%project=shop\n\n# the start\n\
                     users 2024-01-01T00:00:00Z Ann <ann@example.org> # Adds users.\n\
                     @v1 2024-01-02T00:00:00Z Ann <ann@example.org> # Tag.\n\
                     index [users] 2024-01-03T00:00:00Z Ann <ann@example.org>\n\
                     users [users@v1] 2024-01-04T00:00:00Z Ann <ann@example.org>\n",
                ),
                ("deploy/users@v1.sql", "-- Deploy shop:users to pg\nBEGIN;\nCOMMIT;\n"),
                ("deploy/users.sql", "-- Deploy shop:users to pg\nBEGIN;\nCOMMIT;\n"),
                ("deploy/index.sql", "-- Deploy shop:index to pg\nCREATE INDEX CONCURRENTLY i;\n"),
                ("deploy/unplanned.sql", "SELECT 1;\n"),
                ("revert/users.sql", "DROP TABLE users;\n"),
                ("verify/users.sql", "SELECT 1 FROM users;\n"),
            ],
            chain: &[
                ("deploy/users@v1.sql", Sending::Statements),
                ("deploy/index.sql", Sending::Statements),
                ("deploy/users.sql", Sending::Statements),
            ],
        },
        Example {
            files: &[
                ("db/deploy/a.sql", "-- Deploy shop:a to pg\n\nBEGIN;\nCOMMIT;\n"),
                ("db/revert/a.sql", "-- Revert shop:a from pg\n"),
            ],
            chain: &[("db/deploy/a.sql", Sending::Statements)],
        },
    ],
};

fn recognises(scripts: &[Script]) -> bool {
    let is_headed = |s: &Script| {
        deployed(&s.path).is_some() && lines(&s.text).any(|l| l.text.starts_with("-- Deploy "))
    };
    scripts.iter().any(|s| name(&s.path) == "sqitch.plan") || sql_files(scripts).any(is_headed)
}

fn chain(scripts: &[Script]) -> Vec<Migration> {
    let plan = scripts.iter().find(|s| name(&s.path) == "sqitch.plan");
    let plan = plan.map(|plan| files_of_plan(&plan.text, scripts));
    chain_of(scripts, |script| {
        let Some(file) = deployed(&script.path) else {
            return Err(if in_folder(&script.path, "revert").is_some() {
                Role::Outside("a revert script")
            } else if in_folder(&script.path, "verify").is_some() {
                Role::Outside("a verify script")
            } else {
                Role::Stray("not a deploy script")
            });
        };
        let place = match &plan {
            Some(files) => files.iter().position(|f| f == file),
            None => Some(0),
        };
        let place = place.ok_or(Role::Stray("sqitch.plan does not name it"))?;
        Ok((place, Migration::whole(script, Sending::Statements)))
    })
}

/// `a/b` of `deploy/a/b.sql`.
fn deployed(path: &str) -> Option<&str> {
    in_folder(path, "deploy")?.strip_suffix(".sql")
}

/// The path below the folder of that name.
fn in_folder<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let mark = format!("{folder}/");
    let inside = path
        .match_indices(&mark)
        .find(|(at, _)| *at == 0 || path.get(..*at).is_some_and(|before| before.ends_with('/')));
    inside.and_then(|(at, _)| path.get(at + mark.len()..))
}

/// The files of the changes of a plan, in order.
///
/// A change that comes again further down was reworked: its earlier file has the name of a tag
/// between the two behind it.
fn files_of_plan(plan: &str, scripts: &[Script]) -> Vec<String> {
    let words: Vec<&str> = lines(plan).filter_map(|line| first_word(line.text)).collect();
    let is_there = |file: &String| scripts.iter().any(|s| deployed(&s.path) == Some(file.as_str()));
    let mut files = Vec::new();
    for (i, word) in words.iter().enumerate().filter(|(_, w)| !w.starts_with('@')) {
        let later = words.get(i + 1..).unwrap_or(&[]);
        let reworked = later.iter().position(|w| w == word);
        let tags = later.get(..reworked.unwrap_or(0)).unwrap_or(&[]).iter().rev();
        let tagged = tags.filter(|w| w.starts_with('@')).map(|tag| format!("{word}{tag}"));
        files.push(tagged.into_iter().find(is_there).unwrap_or_else(|| (*word).to_owned()));
    }
    files
}

/// The name of a change or, with its `@`, of a tag; `None` for pragmas and comments.
fn first_word(line: &str) -> Option<&str> {
    let line = line.trim();
    let word = line.split(char::is_whitespace).next().unwrap_or("");
    let is_entry = !word.is_empty() && !word.starts_with(['%', '#']);
    is_entry.then(|| word.trim_start_matches('+'))
}
