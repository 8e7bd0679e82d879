//! A block does not read.

use super::Detector;
use crate::facts::{cut, is_damage, logged, sampled, toasted};
use pgward_model::prelude::*;
use std::collections::BTreeMap;

pub(super) static DETECTOR: Detector = Detector {
    id: "damaged_block",
    title: "A page of a table or an index is damaged",
    rule: "one statement failed with XX001 or XX002, the integrity scan met a block it cannot \
           read, or checksum failures were counted: one is enough",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let mut blocks: BTreeMap<(String, u32), (Timestamp, Timestamp, &DamagedBlock)> =
        BTreeMap::new();
    for sample in window.recent() {
        for damaged in &sample.damage {
            blocks
                .entry((damaged.path.clone(), damaged.block))
                .and_modify(|seen| seen.1 = sample.at)
                .or_insert((sample.at, sample.at, damaged));
        }
    }
    let mut found: Vec<Symptom> = blocks.values().map(unreadable).collect();
    found.extend(from_log(window));
    found.extend(from_counter(window));
    found
}

fn unreadable((since, last_seen, d): &(Timestamp, Timestamp, &DamagedBlock)) -> Symptom {
    Symptom::new(
        DETECTOR.id,
        *since,
        *last_seen,
        Weight::Harm,
        format!("block {} of {} does not read", d.block, d.relation),
        Evidence::measured(
            cut(&d.message, 120),
            f64::from(d.block),
            "block",
            Source::new(SourceKind::Integrity, format!("{} block {}", d.path, d.block)),
        )
        .at(*since),
    )
    .on([d.relation.clone()])
}

fn from_log(window: &Window) -> Option<Symptom> {
    let mut entries = window.recent().iter().flat_map(|s| &s.log).filter(|e| is_damage(e));
    let first = entries.next()?;
    let (n, last) = entries.fold((1, first), |(n, _), e| (n + 1, e));
    let table = toasted(window.catalog.as_ref(), &first.message);
    let symptom = Symptom::new(
        DETECTOR.id,
        first.at,
        last.at,
        Weight::Harm,
        format!("statements meet damaged data: {}", cut(&first.message, 100)),
        Evidence::measured(
            format!("{n} statements failed with {}", first.sqlstate),
            n as f64,
            "errors",
            logged(first),
        )
        .against(0.0)
        .at(first.at),
    );
    Some(symptom.on(table.cloned()))
}

/// A long value with a piece missing that statements met and no block explains, so that nobody can
/// look whether it reads again. The first message of it.
pub fn met_and_not_found(window: &Window) -> Option<&str> {
    let recent = window.recent();
    let found =
        |e: &LogEntry| recent.iter().any(|s| s.damage.iter().any(|d| d.message == e.message));
    let mut met = recent.iter().flat_map(|s| &s.log).filter(|e| is_damage(e));
    met.find(|e| e.message.contains("pg_toast_") && !found(e)).map(|e| e.message.as_str())
}

fn from_counter(window: &Window) -> Option<Symptom> {
    let failures = |s: &Sample| s.database.and_then(|d| d.checksum_failures);
    let before = window.baseline().iter().filter_map(failures).next_back()?;
    let after = window.recent().iter().filter_map(failures).next_back()?;
    let grown = window.recent().iter().find(|s| failures(s) == Some(after))?;
    (after > before).then(|| {
        Symptom::new(
            DETECTOR.id,
            grown.at,
            grown.at,
            Weight::Harm,
            format!("{} pages failed their checksum", after - before),
            Evidence::measured(
                "pages that failed verification",
                after as f64,
                "checksum failures",
                sampled("database: pg_stat_database.checksum_failures"),
            )
            .against(before as f64)
            .at(window.now()),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, log};

    #[test]
    fn one_unreadable_page_is_enough() {
        let mut samples = healthy(30);
        samples.last_mut().unwrap().log =
            vec![log(29, "ERROR", "XX001", "invalid page in block 7 of relation base/5/16384")];
        let window = Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(detect(&window).len(), 1);
    }
}
