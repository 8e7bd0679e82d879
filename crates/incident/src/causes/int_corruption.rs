//! Pages of a table are damaged.

use super::Cause;
use crate::facts::{complete, cut, is_damage, logged, sampled, toasted};
use pgward_model::prelude::*;

pub(super) static CAUSE: Cause = Cause {
    id: "int_corruption",
    name: "Page, heap or TOAST corruption",
    necessary: "a page does not read: XX001, a failed checksum, or a block the scan cannot read",
    explains: &["damaged_block", "error_burst"],
    actions: &["restore_block"],
    prevention: &[
        "Keep data checksums on and let `pgward watch` scan all pages",
        "Prove backups by restoring them, so that a clean copy of every page exists",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let recent = case.window.recent();
    let (of_indexes, blocks): (Vec<&DamagedBlock>, Vec<&DamagedBlock>) =
        recent.iter().flat_map(|s| &s.damage).partition(|d| d.index_of.is_some());
    let of_index = |e: &LogEntry| of_indexes.iter().any(|d| d.message == e.message);
    let errors: Vec<&LogEntry> = recent
        .iter()
        .flat_map(|s| &s.log)
        .filter(|e| is_damage(e))
        .filter(|e| !of_index(e))
        .collect();
    let failures = |s: &Sample| s.database.and_then(|d| d.checksum_failures);
    let before = case.window.baseline().iter().filter_map(failures).next_back();
    let after = recent.iter().filter_map(failures).next_back();
    let grown = before.zip(after).map(|(b, a)| a - b);
    if blocks.is_empty() && errors.is_empty() {
        let by_index = recent.iter().flat_map(|s| &s.log).filter(|e| of_index(e)).count();
        if let Some(verdict) = of_no_table(case, grown, by_index) {
            return verdict;
        }
    }
    let catalog = case.window.catalog.as_ref().or(case.catalog.as_ref());
    let owner = |r: &Relation| toasted(catalog, &r.name).cloned();
    let relations: std::collections::BTreeSet<Relation> = match blocks.is_empty() {
        true => errors.iter().filter_map(|e| toasted(catalog, &e.message)).cloned().collect(),
        false => blocks.iter().map(|b| owner(&b.relation).unwrap_or(b.relation.clone())).collect(),
    };
    let says = told(blocks.first().copied(), errors.first().copied(), relations.first());
    let counted = Evidence::measured(
        "pages that failed verification since the onset",
        grown.unwrap_or(0) as f64,
        "checksum failures",
        sampled("database: pg_stat_database.checksum_failures"),
    )
    .against(0.0)
    .at(case.window.now());
    let first = match (blocks.first(), errors.first()) {
        (Some(b), _) => Evidence::measured(
            format!("damaged block of {}", b.relation),
            f64::from(b.block),
            "block number",
            Source::new(SourceKind::Integrity, format!("{}: {}", b.path, cut(&b.message, 100))),
        ),
        (None, Some(e)) => Evidence::measured(
            "statements that met it",
            errors.len() as f64,
            "errors XX001",
            logged(e),
        ),
        (None, None) => counted.clone(),
    };
    // A block that is not known by number cannot be restored; the log or the scan names it soon.
    let actions = if blocks.is_empty() { &[] } else { CAUSE.actions };
    let mut likely = Likely::new(0.97, says, first).on(relations).act(actions);
    if let (Some(e), false) = (errors.first(), blocks.is_empty()) {
        likely = likely.and(Evidence::measured(
            "statements that met it",
            errors.len() as f64,
            "errors XX001",
            logged(e),
        ));
    }
    Verdict::Likely(if grown.is_some() { likely.and(counted) } else { likely })
}

fn told(block: Option<&DamagedBlock>, met: Option<&LogEntry>, table: Option<&Relation>) -> String {
    if let Some(DamagedBlock { relation, block, path, .. }) = block {
        let of = table.filter(|t| !t.same_as(relation));
        let of = of.map_or(String::new(), |t| format!(", where long values of {t} lie,"));
        return format!(
            "block {block} of {relation} ({path}){of} is damaged on disk; statements that touch its \
             rows fail, all others work"
        );
    }
    let of = table.map_or(String::new(), |table| {
        format!(" in which long values of {table} lie, and statements that read those fail")
    });
    let met = met.map_or("checksum failures were counted".into(), |e| cut(&e.message, 150));
    format!("pages are damaged{of}: {met}")
}

/// Neither a block of a table nor a statement that met one is known: what failed its checksum may
/// all be of indexes, which statements met so many times.
fn of_no_table(case: &Case, grown: Option<i64>, by_index: usize) -> Option<Verdict> {
    let elsewhere = grown.unwrap_or(0) > i64::try_from(by_index).unwrap_or(i64::MAX);
    match (elsewhere, by_index) {
        (false, _) => Some(clean(case, grown)),
        (true, 0) => None,
        (true, _) => Some(Verdict::unknown(
            "whether pages of tables are damaged beside those of an index: more failed their \
             checksum than statements met",
        )),
    }
}

fn clean(case: &Case, grown: Option<i64>) -> Verdict {
    if case.checksums == Some(false) {
        return Verdict::unknown("page checksums are off, so silent damage would not show");
    }
    if let Some(unknown) = complete(case, "database", "checksum failures were not counted") {
        return unknown;
    }
    if let Some(unknown) = complete(case, "log", "errors of damage were not seen") {
        return unknown;
    }
    let Some(grown) = grown else {
        return Verdict::unknown("checksum failures before and after the onset");
    };
    let blocks: u64 = case.window.samples.iter().map(|s| s.blocks_scanned).sum();
    Verdict::ruled_out(
        Evidence::measured(
            format!(
                "checksum failures{}; {} blocks of tables scanned, all read",
                if grown == 0 { "" } else { ", all of them of an index" },
                human(blocks as f64)
            ),
            grown as f64,
            "checksum failures",
            sampled("database: pg_stat_database.checksum_failures; integrity scan"),
        )
        .against(0.0)
        .at(case.window.now()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{case, healthy, log};

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(35);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let mut unsure = case(samples.clone(), 30);
        unsure.checksums = Some(false);
        assert!(matches!(judge(&unsure), Verdict::Unknown { .. }));
        samples.last_mut().unwrap().log =
            vec![log(34, "ERROR", "XX001", "invalid page in block 7 of relation base/5/16384")];
        assert!(judge(&case(samples, 30)).likely().is_some());
    }

    #[test]
    fn the_table_is_named_whose_long_value_lacks_a_piece() {
        let mut samples = healthy(35);
        let message = "missing chunk number 0 for toast value 24437 in pg_toast_16430";
        samples.last_mut().unwrap().log = vec![log(34, "ERROR", "XX001", message)];
        let mut case = case(samples, 30);
        let sheet = RelationInfo::new(16_430, Relation::new("herbarium", "sheet"), 'r');
        let catalog = Catalog::new(crate::testing::at(0), 150_000, "shop");
        case.catalog = Some(Catalog { relations: vec![sheet], ..catalog });
        let verdict = judge(&case);
        let likely = verdict.likely().unwrap();
        assert!(likely.says.contains("long values of herbarium.sheet lie"), "{}", likely.says);
        assert_eq!(likely.relations, [Relation::new("herbarium", "sheet")]);
    }
}
