//! A relation that was in use is gone.

use super::Detector;
use crate::facts::{ddl_source, mentions};
use crate::written::LATE_S;
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "relation_vanished",
    title: "A table in use has been dropped or emptied",
    rule: "DROP TABLE or TRUNCATE since the baseline, of a table that had rows. Harm when it was \
           read or written in the baseline, or when statements fail for want of it, whoever did \
           it; else, and for what went through pgward with its reason, a notice",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let recent = window.recent();
    recent
        .iter()
        .flat_map(|s| &s.ddl)
        .filter(|d| (d.dropped && d.object_kind == "table") || d.command.starts_with("TRUNCATE"))
        .filter_map(|d| {
            let relation = d.relation.clone()?;
            let n_rows = rows_before(window, &relation)?;
            let is_missed = is_missed(recent, &relation);
            if !is_missed && is_replaced(window, &relation, d, n_rows) {
                return None;
            }
            let in_use = is_missed || uses(window, &relation) > 0;
            (n_rows > 0 || in_use).then(|| {
                Symptom::new(
                    DETECTOR.id,
                    d.at,
                    if is_back(window, &relation, d, n_rows) { d.at } else { window.now() },
                    if is_missed || (in_use && !is_ours(d)) {
                        Weight::Harm
                    } else {
                        Weight::Notice
                    },
                    title(d, &relation),
                    Evidence::measured(
                        format!(
                            "{relation} held {} rows before {}",
                            human(n_rows as f64),
                            d.command
                        ),
                        0.0,
                        "rows",
                        ddl_source(d),
                    )
                    .against(n_rows as f64)
                    .at(d.at),
                )
                .on([relation])
                .by([d.pid])
            })
        })
        .collect()
}

/// An event trigger knows who dropped it; who emptied it is found out later.
fn title(event: &DdlEvent, relation: &Relation) -> String {
    let by = if event.role.is_empty() { String::new() } else { format!(" by role {}", event.role) };
    let what = if event.dropped { "is gone" } else { "was emptied" };
    format!("{relation} {what}: {}{by}", event.command)
}

/// Is the table there again, with rows, in a sample after it went? One that was emptied never
/// left and has been filled since by its clients: it is back with half of its rows.
fn is_back(window: &Window, relation: &Relation, gone: &DdlEvent, n_rows: i64) -> bool {
    let newest = window.samples.iter().rev().find(|s| s.tables.is_some());
    let has_rows = |t: &TableCounters| match gone.dropped {
        true => t.n_live + t.inserted > 0,
        false => t.n_live * 2 >= n_rows,
    };
    newest.is_some_and(|s| {
        let mut tables = s.tables.iter().flatten();
        s.at > gone.at && tables.any(|t| t.relation.same_as(relation) && has_rows(t))
    })
}

/// Has a table that was there already been given its name since, or one that was made with its
/// rows? Unless it is counted with fewer than half of them: that is another table. What a session
/// has just written is counted some seconds later.
fn is_replaced(window: &Window, relation: &Relation, gone: &DdlEvent, n_rows: i64) -> bool {
    let with_rows = |d: &DdlEvent| {
        let text = d.statement.to_ascii_uppercase();
        ["CREATE TABLE AS", "SELECT INTO"].contains(&d.command.as_str())
            || (d.command == "ALTER TABLE"
                && [" RENAME ", " SET SCHEMA "].iter().any(|words| text.contains(words)))
    };
    let came = window.recent().iter().flat_map(|s| &s.ddl).any(|d| {
        !d.dropped
            && d.at >= gone.at
            && d.relation.as_ref().is_some_and(|r| r.same_as(relation))
            && with_rows(d)
    });
    let newest = window.samples.iter().rev().find(|s| s.tables.is_some() && s.at > gone.at);
    let counted = newest.and_then(|s| {
        s.tables.iter().flatten().find(|t| t.relation.same_as(relation)).map(TableCounters::rows)
    });
    let is_fresh = seconds_between(gone.at, window.now()) < LATE_S;
    came && gone.dropped && counted.map_or(is_fresh, |n| n * 2 >= n_rows || (n == 0 && is_fresh))
}

/// Rows of the table when it was last counted.
fn rows_before(window: &Window, relation: &Relation) -> Option<i64> {
    let counted = window
        .baseline()
        .iter()
        .rev()
        .filter_map(|s| s.tables.as_ref())
        .find_map(|t| t.iter().find(|t| t.relation.same_as(relation)))
        .map(TableCounters::rows);
    counted.or_else(|| {
        let known = window.catalog.as_ref()?.relation(relation)?;
        Some(known.n_rows.unwrap_or(0.0) as i64)
    })
}

/// Scans and writes of the table during the baseline.
fn uses(window: &Window, relation: &Relation) -> i64 {
    let mut counts = window
        .baseline()
        .iter()
        .filter_map(|s| s.tables.as_ref()?.iter().find(|t| t.relation.same_as(relation)))
        .map(|t| t.seq_scans + t.idx_scans + t.inserted + t.updated + t.deleted);
    let first = counts.next().unwrap_or(0);
    counts.next_back().unwrap_or(first) - first
}

/// Do statements fail because it is not there?
fn is_missed(samples: &[Sample], relation: &Relation) -> bool {
    samples
        .iter()
        .flat_map(|s| &s.log)
        .any(|e| e.sqlstate == "42P01" && mentions(&e.message, &relation.name))
}

/// Did it go through pgward, which asked for a reason?
fn is_ours(event: &DdlEvent) -> bool {
    event.application.starts_with("pgward act")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, ddl, healthy, log, table};

    #[test]
    fn a_used_table_is_missed_and_an_empty_one_is_not() {
        for (rows, n_symptoms) in [(1000, 1), (0, 0)] {
            let mut samples = healthy(30);
            for (i, scans) in [(10, 5), (15, 9 * rows.min(1) + 5 * (1 - rows.min(1)))] {
                let mut orders = table("orders", rows);
                orders.idx_scans = scans;
                samples.get_mut(i).unwrap().tables = Some(vec![orders]);
            }
            samples.last_mut().unwrap().ddl = vec![ddl(29, "DROP TABLE", "table", "orders")];
            let window = Window { samples, baseline_until: at(20), catalog: None };
            assert_eq!(detect(&window).len(), n_symptoms, "{rows}");
        }
    }

    #[test]
    fn a_table_that_another_took_the_name_of_is_gone_only_with_its_rows() {
        let gone = |rename: &str, rows: i64, second: i64| {
            let mut samples = healthy(second + 1);
            let counted = |n: i64| {
                let mut orders = table("orders", n);
                (orders.planner_rows, orders.inserted) = (n as f64, n);
                vec![orders]
            };
            for (i, scans) in [(10, 5), (15, 9)] {
                let mut orders = table("orders", 1000);
                orders.idx_scans = scans;
                samples.get_mut(i).unwrap().tables = Some(vec![orders]);
            }
            let mut came = ddl(29, "ALTER TABLE", "table", "orders");
            came.statement = rename.to_owned();
            samples.get_mut(29).unwrap().ddl = vec![ddl(29, "DROP TABLE", "table", "orders"), came];
            samples.last_mut().unwrap().tables = Some(counted(rows));
            let window = Window { samples, baseline_until: at(20), catalog: None };
            detect(&window).len()
        };
        let rename = "ALTER TABLE shop.orders_new RENAME TO orders";
        assert_eq!([gone(rename, 900, 31), gone(rename, 0, 31), gone(rename, 0, 50)], [0, 0, 1]);
        assert_eq!(gone(rename, 90, 31), 1);
        assert_eq!(gone("ALTER TABLE orders ADD note text", 900, 31), 1);
    }

    #[test]
    fn a_name_like_ours_does_not_hide_that_statements_miss_the_table() {
        for (missed, weight) in [(false, Weight::Notice), (true, Weight::Harm)] {
            let mut samples = healthy(30);
            for (i, scans) in [(10, 5), (15, 9)] {
                let mut orders = table("orders", 1000);
                orders.idx_scans = scans;
                samples.get_mut(i).unwrap().tables = Some(vec![orders]);
            }
            let last = samples.last_mut().unwrap();
            last.ddl = vec![ddl(29, "DROP TABLE", "table", "orders")];
            last.ddl.iter_mut().for_each(|d| d.application = "pgward act 7".to_owned());
            if missed {
                last.log = vec![log(29, "ERROR", "42P01", "relation \"orders\" does not exist")];
            }
            let window = Window { samples, baseline_until: at(20), catalog: None };
            assert_eq!(detect(&window).first().unwrap().weight, weight);
        }
    }
}
