//! A variable in the statement has no value.

use crate::context::Context;
use crate::{Example, Lint};
use pgward_model::prelude::*;
use pgward_sql::template::{self, Place, Style};

pub(super) static LINT: Lint = Lint {
    id: "unset_variable",
    severity: Severity::Error,
    title: "a variable in the statement has no value",
    harm: "unset, it becomes nothing: \"${PREFIX}orders\" is then the live table orders",
    instead: "give its value with --var NAME=VALUE, and let the script stop when it is empty \
              (set -u, ${NAME:?})",
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
        Example { sql: "SELECT a::text, '${not_a_name}' FROM t;", catalog: "", finds: &[] },
    ],
    check,
};

fn check(cx: &Context, found: &mut Vec<Finding>) {
    for site in &cx.sites {
        if site.placeholders.is_empty() {
            continue;
        }
        let own = template::definitions(&site.file.text);
        let given = cx.options.vars_of(&site.file.path);
        let mut seen = std::collections::BTreeSet::new();
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
            let becomes = match p.style {
                Style::Psql if value.is_none() => "psql sends it as it stands".to_owned(),
                _ => format!("the server would get: {}", one_line(&site.statement.text)),
            };
            let message = format!("variable {} {state}: {becomes}", p.name);
            found.push(site.finding(&LINT, Severity::Error, message));
        }
    }
}

/// The statement on one line, at most 120 characters of it.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(120) {
        Some((cut, _)) => format!("{} …", words.get(..cut).unwrap_or("")),
        None => words,
    }
}
