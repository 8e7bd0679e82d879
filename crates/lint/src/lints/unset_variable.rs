//! A variable in the statement has no value.

use crate::context::{Context, Site};
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::template::{self, Place, Placeholder, Style};
use std::collections::BTreeSet;

pub(super) static LINT: Lint = Lint {
    id: "unset_variable",
    severity: Severity::Error,
    title: "a variable in the statement has no value",
    harm: "unset, it becomes nothing: \"${PREFIX}orders\" is then the live table orders",
    instead: "give its value with --var NAME=VALUE, and let the script stop when it is empty \
              (set -u, ${NAME:?}). A variable that three files or more share is filled by whoever \
              runs them: it is told once, as a note, unless the statement destroys something",
    source: "psql, SQL Interpolation; POSIX shell, Parameter Expansion",
    guards_rows: false,
    examples: &[
        Example {
            sql: "DROP TABLE \"${PREFIX}orders\" CASCADE;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example { sql: "DROP TABLE :prefix;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "TRUNCATE {{ schema }}.orders;", catalog: "", finds: &[Severity::Error] },
        Example { sql: "\\set prefix orders_old\nDROP TABLE :prefix;", catalog: "", finds: &[] },
        Example {
            sql: "-- file 1.sql\nALTER TABLE :app.a ADD x int;\n-- file 2.sql\nALTER TABLE :app.a \
                  ADD y int;\n-- file 3.sql\nALTER TABLE :app.a ADD z int;\nDROP TABLE :app.b;",
            catalog: "",
            finds: &[Severity::Error, Severity::Note],
        },
        Example {
            sql: "-- file 1.sql\nALTER TABLE :app.a ADD x int;\n-- file 2.sql\nSELECT 1::app;\n\
                  -- file 3.sql\nSELECT 2::app;",
            catalog: "",
            finds: &[Severity::Error],
        },
        Example { sql: "SELECT a::text, '${not_a_name}' FROM t;", catalog: "", finds: &[] },
    ],
    check,
};

/// Files of one chain that have a variable by accident are fewer.
const SHARED: usize = 3;

fn check(cx: &Context, found: &mut Vec<Finding>) {
    let mut told = BTreeSet::new();
    for site in &cx.sites {
        if site.placeholders.is_empty() {
            continue;
        }
        let own = template::definitions(&site.file.text);
        let given = cx.options.vars_of(&site.file.path);
        let mut seen = BTreeSet::new();
        for p in site.placeholders.iter().filter(|p| p.place == Place::Code) {
            let value = given.get(&p.name).or(own.get(&p.name));
            let state = match value {
                Some(value) if !value.trim().is_empty() => continue,
                Some(_) => "is empty",
                None => "has no value",
            };
            if !seen.insert(&p.name) {
                continue;
            }
            let shared = shared_by(cx, site, p);
            if shared.len() == SHARED && !destroys(site) {
                if shared.first().is_some_and(|f| f.path == site.file.path) && told.insert(&p.name)
                {
                    let message = format!(
                        "variable {} {state}, and {SHARED} files or more share it: whoever runs \
                         them must fill it",
                        p.name
                    );
                    found.push(site.finding(&LINT, Severity::Note, message));
                }
                continue;
            }
            let becomes = match p.style {
                Style::Psql if value.is_none() => "psql sends it as it stands".to_owned(),
                _ => format!("the server would get: {}", one_line(&site.statement.text)),
            };
            let message = format!("variable {} {state}: {becomes}", p.name);
            found.push(site.finding(&LINT, Severity::Error, message));
        }
    }
}

/// The first files that have the same variable.
fn shared_by<'a>(cx: &Context<'a>, site: &Site, variable: &Placeholder) -> Vec<&'a ChangeFile> {
    let (begin, span) = (site.statement.span.start, variable.span);
    let written = site.file.text.get(begin + span.start..begin + span.end);
    written.map(|w| cx.standing.with_variable(w, SHARED)).unwrap_or_default()
}

fn destroys(site: &Site) -> bool {
    site.effects.iter().any(|e| e.destroys != Destroys::Nothing)
}

/// The statement on one line, at most 120 characters of it.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(120) {
        Some((cut, _)) => format!("{} …", words.get(..cut).unwrap_or("")),
        None => words,
    }
}
