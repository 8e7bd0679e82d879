//! A large share of a table's rows changed at once.

use super::Detector;
use crate::facts::sampled;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "mass_write",
    title: "A large share of a table's rows was updated or deleted at once",
    rule: "updates and deletes between two samples reach 10% of the live rows, and 20 times what \
           the busiest interval of the baseline had: a batch that belongs to daily life is in its \
           baseline. A notice, no alarm: the change may be meant",
    detect,
};

const SHARE: f64 = 0.10; // the share from which a change must be declared to pass the gate

fn detect(window: &Window) -> Vec<Symptom> {
    let counted: Vec<&Sample> = window.samples.iter().filter(|s| s.tables.is_some()).collect();
    let pairs: Vec<(&Sample, &Sample)> =
        counted.windows(2).filter_map(|w| Some((*w.first()?, *w.last()?))).collect();
    let mut found: Vec<Symptom> = Vec::new();
    for (before, after) in pairs.iter().filter(|(_, after)| after.at > window.baseline_until) {
        for table in after.tables.iter().flatten() {
            let Some(n) = written(before, table) else { continue };
            let usual = pairs
                .iter()
                .filter(|(_, b)| b.at <= window.baseline_until)
                .filter_map(|(a, b)| {
                    let same = b.tables.iter().flatten().find(|t| t.oid == table.oid)?;
                    written(a, same)
                })
                .max()
                .unwrap_or(0);
            let share = n as f64 / (table.n_live.max(n) as f64).max(1.0);
            if share >= SHARE && n > 20 * usual.max(1) {
                found.push(symptom(window, before.at, after.at, table, n, share, usual));
            }
        }
    }
    found
}

fn written(before: &Sample, now: &TableCounters) -> Option<i64> {
    let old = before.tables.iter().flatten().find(|t| t.oid == now.oid)?;
    Some((now.updated - old.updated).max(0) + (now.deleted - old.deleted).max(0))
}

fn symptom(
    window: &Window,
    since: Timestamp,
    at: Timestamp,
    table: &TableCounters,
    n: i64,
    share: f64,
    usual: i64,
) -> Symptom {
    Symptom::new(
        DETECTOR.id,
        since,
        window.now(),
        Weight::Notice,
        format!(
            "{} rows of {} written at once, {}% of the table",
            human(n as f64),
            table.relation,
            human(share * 100.0)
        ),
        Evidence::measured(
            format!("rows of {} updated or deleted between two samples", table.relation),
            n as f64,
            "rows",
            sampled("tables: pg_stat_user_tables"),
        )
        .against(usual as f64)
        .at(at),
    )
    .on([table.relation.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, table};

    #[test]
    fn half_a_table_at_once_is_noticed_and_a_daily_trickle_is_not() {
        for (n_updated, n_symptoms) in [(5_000, 1), (5, 0)] {
            let mut samples = healthy(30);
            for (i, s) in samples.iter_mut().enumerate() {
                let mut t = table("accounts", 10_000);
                t.updated = 5 * i as i64 + if i == 29 { n_updated } else { 0 };
                s.tables = Some(vec![t]);
            }
            let window = Window { samples, baseline_until: at(25), catalog: None };
            assert_eq!(detect(&window).len(), n_symptoms);
        }
    }
}
