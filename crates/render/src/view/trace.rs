//! What PostgreSQL said that statements did, those that others could feel.

use crate::document::*;
use pgward_model::prelude::{Destroys, Effect, LockMode, StatementEffects};

/// One line for each statement that locks what existed before its file, or that failed.
pub fn trace(statements: &[StatementEffects]) -> Document {
    let mut document = Document::new("trace");
    let columns = ["statement", "relation", "lock", "and"];
    let column = |head: &str| Column { head: head.into(), align: Align::Left };
    let mut rows = Vec::new();
    for statement in statements {
        let place = format!("{}:{}", statement.file, statement.line);
        if let Some(error) = &statement.error {
            rows.push(TableRow::Cells(vec![
                Text::code(&place),
                Text::new("failed", Tone::Bad),
                Text::default(),
                Text::plain(error),
            ]));
        }
        let felt = |e: &&Effect| e.existed_before && e.lock >= LockMode::ShareUpdateExclusive;
        for effect in statement.effects.iter().filter(felt) {
            rows.push(TableRow::Cells(vec![
                Text::code(&place),
                Text::code(effect.relation.to_string()),
                Text::plain(effect.lock.to_string()),
                Text::plain(done(effect).join(", ")),
            ]));
        }
    }
    let n_failed = statements.iter().filter(|s| s.error.is_some()).count();
    if !rows.is_empty() {
        document.push(Block::Table(Table { columns: columns.map(column).to_vec(), rows }));
    }
    document.push(Block::Paragraph(Text::plain(format!(
        "{} statements traced, {n_failed} failed or were not run",
        statements.len()
    ))));
    document
}

fn done(effect: &Effect) -> Vec<String> {
    let work = [
        (effect.rewrites, "rewrites it"),
        (effect.scans, "reads all of it"),
        (effect.builds_index, "builds an index"),
    ];
    let mut words: Vec<String> =
        work.into_iter().filter(|(does, _)| *does).map(|(_, word)| word.to_owned()).collect();
    words.extend(match &effect.destroys {
        Destroys::Nothing => None,
        Destroys::Table => Some("drops the table".to_owned()),
        Destroys::AllRows => Some("empties it".to_owned()),
        Destroys::Rows { .. } => Some("changes rows".to_owned()),
        Destroys::Column(name) => Some(format!("drops column {name}")),
        Destroys::Index(name) => Some(format!("drops index {name}")),
        Destroys::Constraint(name) => Some(format!("drops constraint {name}")),
        Destroys::Object(what) => Some(format!("drops {what}")),
    });
    words
}
