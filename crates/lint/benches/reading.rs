//! What a megabyte of migrations costs: PostgreSQL's parser alone, the reader around it, all
//! lints behind it. `cargo bench -p pgward-lint --bench reading` prints MiB per second of each.
#![allow(clippy::unwrap_used, reason = "a measurement ends by a panic")]

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use pgward_lint::{Options, judge_chain};
use pgward_sql::Read;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/corpus");

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion.benchmark_group("corpus"));
    criterion.final_summary();
}

fn measure(group: &mut BenchmarkGroup<WallTime>) {
    let chains = corpus();
    let texts: Vec<&(String, String)> = chains.values().flatten().collect();
    let n_bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    group.throughput(Throughput::Bytes(n_bytes as u64));
    group.bench_function("parse only", |b| {
        b.iter(|| {
            for (_, text) in &texts {
                let parsed = pg_query::parse(text, pg_query::ParserOptions::default());
                let _ = black_box(parsed); // some hold what only a template engine knows
            }
        });
    });
    group.bench_function("read", |b| {
        b.iter(|| {
            for (path, text) in &texts {
                black_box(pgward_sql::read_actions(path, text));
            }
        });
    });
    group.bench_function("judge", |b| {
        b.iter(|| {
            for files in chains.values() {
                let read = files.iter().map(|(path, text)| pgward_sql::read_actions(path, text));
                let read: Vec<Read> = read.collect();
                black_box(judge_chain(&read, None, &Options::default()));
            }
        });
    });
}

/// Path and text of every SQL file, by its folder.
fn corpus() -> BTreeMap<PathBuf, Vec<(String, String)>> {
    let mut chains: BTreeMap<PathBuf, Vec<(String, String)>> = BTreeMap::new();
    for entry in walkdir::WalkDir::new(CORPUS).sort_by_file_name() {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|e| e == "sql") {
            let text = std::fs::read_to_string(&path).unwrap();
            let folder = path.parent().unwrap().to_path_buf();
            chains.entry(folder).or_default().push((path.display().to_string(), text));
        }
    }
    chains
}
