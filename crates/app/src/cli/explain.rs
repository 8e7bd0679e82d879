//! `pgward explain`: what a lint, detector, cause, action, check, log class, fault, sink or
//! scenario is.

use super::Exit;
use crate::face;
use anyhow::bail;
use pgward_incident::{causes::CAUSES, detectors::DETECTORS};
use pgward_model::near;
use pgward_render::view::{self, Example, Explanation};

/// Explain a lint, detector, cause, action, check, log class, fault, sink or scenario
#[derive(clap::Args)]
pub struct Explain {
    /// Its id; without it, all are listed
    id: Option<String>,
}

impl Explain {
    pub fn run(self) -> anyhow::Result<Exit> {
        let all = all();
        let Some(id) = self.id else {
            for e in &all {
                face::line(&format!("{:<9} {:<34} {}", e.kind, e.id, e.title))?;
            }
            return Ok(Exit::Quiet);
        };
        let found: Vec<&Explanation> = all.iter().filter(|e| e.id == id).collect();
        if found.is_empty() {
            let near = nearest(&id, all.iter().map(|e| e.id.as_str()));
            let meant = match near.as_slice() {
                [] => String::new(),
                near => format!(" did you mean {}?", near.join(" or ")),
            };
            bail!("{id}: nothing of that id;{meant} `pgward explain` lists all");
        }
        for explanation in found {
            face::show(&view::explanation(explanation))?;
        }
        Ok(Exit::Quiet)
    }
}

/// More would be a list, and there is one.
const NEAR_MAX: usize = 3;

/// The ids that may be meant, most alike first: spelled nearly so, or holding all of it.
fn nearest<'a>(id: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let id = id.to_lowercase().replace('-', "_");
    let alike = |k: &str| {
        let holds = id.len() >= 4 && k.contains(&id);
        near::alike(&id, k).max(if holds { near::ALIKE_MIN } else { 0.0 })
    };
    let mut near: Vec<(f64, &str)> =
        known.map(|k| (alike(k), k)).filter(|(alike, _)| *alike >= near::ALIKE_MIN).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    near.dedup_by_key(|(_, k)| *k);
    // One that is all but right leaves no doubt about the others.
    let best = near.first().map_or(0.0, |(alike, _)| *alike);
    let margin = if best >= 0.95 { 0.02 } else { 1.0 };
    near.retain(|(alike, _)| best - alike <= margin);
    near.into_iter().take(NEAR_MAX).map(|(_, k)| k).collect()
}

/// Everything that has an id.
pub fn all() -> Vec<Explanation> {
    let mut all: Vec<Explanation> = pgward_lint::lints::LINTS.iter().map(|l| lint(l)).collect();
    all.extend(DETECTORS.iter().map(|d| Explanation {
        sections: vec![said("speaks when", d.rule)],
        links: vec![(
            "explained by".to_owned(),
            ids(CAUSES.iter().filter(|c| c.explains.contains(&d.id)).map(|c| c.id)),
        )],
        ..named("detector", d.id, d.title)
    }));
    all.extend(CAUSES.iter().map(|c| Explanation {
        sections: vec![
            said("must hold", c.necessary),
            said("prevention", &c.prevention.join("; ")),
        ],
        links: vec![
            ("explains".to_owned(), ids(c.explains.iter().copied())),
            ("actions".to_owned(), ids(c.actions.iter().copied())),
        ],
        ..named("cause", c.id, c.name)
    }));
    all.extend(pgward_recover::actions::ACTIONS.iter().map(|a| Explanation {
        sections: vec![said("price", a.price)],
        ..named("action", a.id, a.title)
    }));
    all.extend(pgward_integrity::checks::CHECKS.iter().map(|c| Explanation {
        sections: vec![said("means", c.doc), said("rights", c.rights), said("cost", c.cost)],
        ..named("check", c.id, c.title)
    }));
    all.extend(pgward_logs::classes().iter().map(|c| log_class(c)));
    all.extend(pgward_sandbox::faults::FAULTS.iter().map(|f| Explanation {
        sections: f.params.iter().map(|p| said(p.name, p.doc)).collect(),
        ..named("fault", f.id, f.title)
    }));
    all.extend(crate::alert::SINKS.iter().map(|s| Explanation {
        sections: vec![said("needs", &s.needs.join(", ")), said("may have", &s.may.join(", "))],
        ..named("sink", s.id, s.title)
    }));
    all.extend(pgward_drill::scenario::ids().iter().filter_map(|id| {
        let scenario = pgward_drill::scenario::built_in(id).ok()?;
        Some(Explanation {
            links: vec![
                ("cause".to_owned(), vec![scenario.expect.cause.clone()]),
                ("ruled out".to_owned(), scenario.expect.ruled_out.clone()),
                ("actions".to_owned(), scenario.expect.action.clone()),
            ],
            ..named("scenario", id, &scenario.about)
        })
    }));
    all
}

fn lint(lint: &pgward_lint::Lint) -> Explanation {
    Explanation {
        sections: vec![said("harm", lint.harm), said("instead", lint.instead)],
        examples: lint
            .examples
            .iter()
            .map(|e| Example {
                caption: if e.finds.is_empty() { "fine" } else { "found" }.to_owned(),
                sql: e.sql.to_owned(),
            })
            .collect(),
        source: lint.source.to_owned(),
        ..named("lint", lint.id, lint.title)
    }
}

fn log_class(class: &pgward_logs::Class) -> Explanation {
    let mut sections = Vec::new();
    for (question, answers) in
        [("SQLSTATE", class.codes), ("begins", class.says), ("beside", class.beside)]
    {
        if !answers.is_empty() {
            sections.push(said(question, &answers.join("; ")));
        }
    }
    Explanation {
        sections,
        links: vec![("speaks for".to_owned(), ids(class.causes.iter().copied()))],
        ..named("class", class.id, class.means)
    }
}

fn named(kind: &str, id: &str, title: &str) -> Explanation {
    Explanation {
        kind: kind.to_owned(),
        id: id.to_owned(),
        title: title.to_owned(),
        ..Explanation::default()
    }
}

fn said(question: &str, answer: &str) -> (String, String) {
    (question.to_owned(), answer.to_owned())
}

fn ids<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    ids.map(str::to_owned).collect()
}
