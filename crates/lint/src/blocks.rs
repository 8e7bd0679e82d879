//! Points a finding at the statement inside of a DO block that it is about.

use crate::context::{Context, is_block};
use crate::lints::LINTS;
use pgward_model::prelude::*;
use pgward_sql::Inner;
use std::borrow::Cow;

/// A block with more statements is looked at as a whole; those written by hand have some ten.
const STEPS_MAX: usize = 200;

/// Moves each finding of a block to the first statement in it of which, were it alone, the lint
/// would say the same. What several of them say together stays with the block.
pub(crate) fn point_into(cx: &mut Context<'_>, findings: &mut [Finding]) {
    for at in 0..cx.sites.len() {
        let Some(site) = cx.sites.get(at) else { continue };
        let of_site = |f: &Finding| f.file == site.file.path && f.span == site.statement.span;
        // Where a value stands for a variable, places are no longer those of the file.
        let is_written = site.placeholders.is_empty() && is_block(&site.statement);
        if !is_written || !findings.iter().any(of_site) {
            continue;
        }
        let steps = pgward_sql::inner_statements(site.file, &site.statement);
        if steps.len() <= STEPS_MAX {
            // What is said by what a statement itself touches first, then by all that the block does.
            let whole = site.effects.clone();
            point(cx, findings, at, &steps, |step| touched(&whole, &step.effects));
            point(cx, findings, at, &steps, |_| whole.clone());
        }
    }
}

fn point(
    cx: &mut Context<'_>,
    findings: &mut [Finding],
    at: usize,
    steps: &[Inner],
    effects: impl Fn(&Inner) -> Vec<Effect>,
) {
    for step in steps.iter().filter(|s| !s.actions.is_empty()) {
        let Some(site) = cx.sites.get_mut(at) else { return };
        let (file, block) = (site.file, site.statement.span);
        let alone =
            Statement { effects: step.effects.clone(), ..site.statement.clone().into_owned() };
        let actions = std::mem::replace(&mut site.actions, step.actions.clone());
        let whole = std::mem::replace(&mut site.effects, effects(step));
        let statement = std::mem::replace(&mut site.statement, Cow::Owned(alone));
        let here = |f: &&mut Finding| f.file == file.path && f.span == block;
        for finding in findings.iter_mut().filter(here) {
            if says(cx, finding) {
                finding.span = step.span;
            }
        }
        if let Some(site) = cx.sites.get_mut(at) {
            (site.actions, site.effects, site.statement) = (actions, whole, statement);
        }
    }
}

/// Those of the effects that are on a relation which the statement names.
fn touched(whole: &[Effect], own: &[Effect]) -> Vec<Effect> {
    let names = |e: &&Effect| own.iter().any(|o| o.relation.same_as(&e.relation));
    whole.iter().filter(names).cloned().collect()
}

/// Does its lint say the same of the sites as they are?
fn says(cx: &Context<'_>, finding: &Finding) -> bool {
    let Some(lint) = LINTS.iter().find(|l| l.id == finding.lint) else { return false };
    let mut found = Vec::new();
    (lint.check)(cx, &mut found);
    let same = |f: &Finding| {
        f.file == finding.file && f.span == finding.span && f.message == finding.message
    };
    found.iter().any(same)
}

#[cfg(test)]
mod tests {
    use crate::{Options, check};

    #[test]
    fn findings_of_a_block_point_at_the_statement_in_it() {
        let sql = "DO $$\nBEGIN\n  IF EXISTS (SELECT FROM c) THEN\n    DROP TABLE a;\n  END IF;\n  \
                   EXECUTE 'DROP TABLE b';\nEND $$;";
        let change = pgward_sql::change(vec![pgward_sql::read("f.sql", sql)]);
        let found = check(&change, None, &Options::default());
        let places: Vec<(u32, u32)> = found
            .iter()
            .filter(|f| f.lint == "drop_table" || f.lint == "lock_timeout_missing")
            .map(|f| (f.span.line, f.span.column))
            .collect();
        assert_eq!(places, [(4, 5), (4, 5), (6, 11)]);
    }
}
