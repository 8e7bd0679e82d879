//! `--format` of a check: for eyes, as words in JSON, or as another program reads it.

use crate::cli::explanations;
use crate::face;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use pgward_model::prelude::*;
use pgward_render::outputs::{OUTPUTS, Output, Report};
use std::collections::BTreeMap;

/// How a check is written down.
#[derive(Clone, Copy)]
pub enum Shape {
    Terminal,
    /// The words themselves.
    Json,
    Output(&'static Output),
}

/// Reads the word after `--format` and knows them all.
pub fn parser() -> impl TypedValueParser<Value = Shape> {
    let own = [("terminal", "for eyes"), ("json", "all that is known, as JSON")];
    let others = OUTPUTS.iter().map(|o| (o.id, o.title));
    let values = own.into_iter().chain(others);
    PossibleValuesParser::new(values.map(|(id, title)| PossibleValue::new(id).help(title)))
        .map(|id| named(&id))
}

fn named(id: &str) -> Shape {
    match OUTPUTS.iter().find(|o| o.id == id) {
        Some(output) => Shape::Output(output),
        None if id == "json" => Shape::Json,
        None => Shape::Terminal,
    }
}

/// Prints a report as another program reads it.
///
/// # Errors
/// When standard output is closed.
pub fn print(
    output: &Output,
    gate: &GateReport,
    sources: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let rules = explanations();
    let report = Report { gate, sources, rules: &rules, version: env!("CARGO_PKG_VERSION") };
    face::raw(&(output.print)(&report))
}
