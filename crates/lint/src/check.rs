//! Runs all lints over a change and honours what its author declares.

use crate::Options;
use crate::allow;
use crate::blocks;
use crate::context::{Context, Site};
use crate::lints::LINTS;
use crate::standing::Standing;
use pgward_model::prelude::*;
use pgward_sql::action::Action;
use pgward_sql::{Chain, Read};

/// What all lints say of a change, in the order of the text, strongest first at one place.
///
/// A finding's layer is `Static` where the text alone shows it and `Catalog` where the live
/// catalog was needed, so that either can stand without the other.
pub fn check(change: &Change, catalog: Option<&Catalog>, options: &Options) -> Vec<Finding> {
    judge(change, catalog, options).findings
}

/// Findings, those that somebody has answered for, and what each statement does.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judged {
    pub findings: Vec<Finding>,
    /// In the order of the text.
    pub silenced: Vec<Silenced>,
    pub statements: Vec<StatementEffects>,
}

/// As [`check`], with what was silenced or lowered: the files go to production together.
pub fn judge(change: &Change, catalog: Option<&Catalog>, options: &Options) -> Judged {
    let mut chain = Chain::new(catalog);
    let standing = Standing::of(change.files.iter().collect(), catalog, options);
    let mut cx = Context::new(&change.files, &[], catalog, &mut chain, options, &standing);
    let judged = judged(&mut cx);
    let statements = cx.sites.into_iter().map(|site| done(site).said).collect();
    Judged { statements, ..judged }
}

/// Judges migrations that build on each other, each a change of its own: it meets what `live`
/// and the files before it have left.
pub fn judge_chain(files: &[Read], live: Option<&Catalog>, options: &Options) -> Judged {
    let begin = || match options.partial {
        true => Chain::new(live).of_some_files(),
        false => Chain::new(live),
    };
    let (mut before, mut after) = (begin(), begin());
    let all_files = files.iter().map(|r| &r.file).collect();
    let standing = Standing::of(all_files, live, options);
    let mut all = Judged::default();
    for Read { file, actions } in files {
        before.begin_file();
        after.begin_file();
        let known = (live.is_some() || after.is_whole()).then(|| before.catalog());
        let (file, read) = (std::slice::from_ref(file), std::slice::from_ref(actions));
        let mut cx = Context::new(file, read, known, &mut after, options, &standing);
        let mut here = judged(&mut cx);
        if live.is_none() {
            // The state comes from the text of other files, not from a server.
            here.findings.iter_mut().for_each(|f| f.layer = Layer::Static);
            here.silenced.iter_mut().for_each(|s| s.layer = Layer::Static);
        }
        all.findings.append(&mut here.findings);
        all.silenced.append(&mut here.silenced);
        let done: Vec<Done> = cx.sites.into_iter().map(done).collect();
        for Done { said, actions, unread, stays } in done {
            match unread {
                Some(text) => before.run_unread(&text),
                None if stays => before.learn_all(&actions),
                None => {}
            }
            all.statements.push(said);
        }
    }
    all
}

/// Findings alone.
fn judged(cx: &mut Context<'_>) -> Judged {
    let mut judged = Judged::default();
    for lint in LINTS {
        let mut here = Vec::new();
        (lint.check)(cx, &mut here);
        let here = here.into_iter().filter(|f| cx.options.judges(&f.file));
        let silenced = &mut judged.silenced;
        judged.findings.extend(here.filter_map(|f| allow::answered(cx, lint, f, silenced)));
    }
    blocks::point_into(cx, &mut judged.findings);
    let place = |file: &str| cx.files.iter().position(|f| f.path == file);
    judged.findings.sort_by_key(|f| {
        let severity = std::cmp::Reverse(f.severity);
        (place(&f.file), f.span.start, severity, f.lint.clone(), f.layer)
    });
    judged.silenced.sort_by_key(|s| (place(&s.file), s.span.start));
    judged
}

/// What stays of a statement once the lints have seen it.
struct Done {
    said: StatementEffects,
    actions: Vec<Action>,
    /// The text of one that was not understood.
    unread: Option<String>,
    /// No ROLLBACK takes it back.
    stays: bool,
}

fn done(site: Site<'_>) -> Done {
    let said = StatementEffects {
        file: site.file.path.clone(),
        line: site.statement.span.line,
        column: site.statement.span.column,
        error: unclear(&site),
        effects: site.effects,
    };
    let is_unread = site.statement.kind == StatementKind::Unparsed;
    let unread = is_unread.then(|| site.statement.text.clone());
    let stays = site.taken_back.is_none();
    Done { said, actions: site.actions, unread, stays }
}

/// Why not all of its effects are told.
fn unclear(site: &Site<'_>) -> Option<String> {
    if site.statement.kind == StatementKind::Unparsed {
        return Some("not understood".to_owned());
    }
    site.actions.iter().find_map(|action| match action {
        Action::Unknown { why } => Some(why.clone()),
        Action::Call { function, procedure: true } if !site.knows(function) => {
            Some(format!("the text of {} is not here", function.quoted()))
        }
        _ => None,
    })
}
