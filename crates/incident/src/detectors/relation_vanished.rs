//! A relation that was in use is gone.

use super::Detector;
use crate::facts::{ddl_source, mentions, sampled};
use crate::written::LATE_S;
use pgward_model::prelude::*;
use std::collections::HashMap;

pub(super) static DETECTOR: Detector = Detector {
    id: "relation_vanished",
    title: "A table in use has been dropped, emptied or put aside",
    rule: "DROP TABLE or TRUNCATE since the baseline, of a table that had rows; or another table \
           with less than half of its rows has its name, and it has another: a notice. Harm when \
           one that is gone was read or written in the baseline, or when statements fail for \
           want of it, whoever did it; else, and for what went through pgward with its reason, a \
           notice",
    detect,
};

fn detect(window: &Window) -> Vec<Symptom> {
    let recent = window.recent();
    let gone = recent
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
        });
    gone.chain(put_aside(window)).collect()
}

/// Tables in use whose name another table has since: a swap that is daily life brings as many rows.
/// On the name, and on the one that the table with the rows has now. A notice: a table of a month is
/// put aside for an empty one each month.
fn put_aside(window: &Window) -> Vec<Symptom> {
    let names = |s: &Sample| s.ddl.iter().any(gives_a_name);
    if !window.recent().iter().any(names) {
        return Vec::new();
    }
    let (Some(before), Some((at, now))) = (
        window.baseline().iter().rev().find_map(|s| s.tables.as_ref()),
        window.recent().iter().rev().find_map(|s| Some((s.at, s.tables.as_ref()?))),
    ) else {
        return Vec::new();
    };
    let by_oid: HashMap<u32, &TableCounters> = now.iter().map(|t| (t.oid, t)).collect();
    let by_name: HashMap<(&str, &str), &TableCounters> =
        now.iter().map(|t| ((&*t.relation.schema, &*t.relation.name), t)).collect();
    let moved = before.iter().filter_map(|old| {
        let aside = by_oid.get(&old.oid).filter(|t| !t.relation.same_as(&old.relation))?;
        let instead = *by_name.get(&(&*old.relation.schema, &*old.relation.name))?;
        let since = first_seen(window, instead)?;
        // What was just written into it is counted some seconds later, but for ANALYZE.
        let is_counted = instead.planner_rows >= 0.0 || seconds_between(since, at) >= LATE_S;
        let is_less = instead.rows() * 2 < old.rows();
        (is_counted && is_less && uses(window, &old.relation) > 0)
            .then(|| aside_symptom(window, old, aside, instead, since))
    });
    moved.take(ASIDE_MAX).collect()
}

/// A schema may hold hundreds.
const ASIDE_MAX: usize = 20;

fn aside_symptom(
    window: &Window,
    old: &TableCounters,
    aside: &TableCounters,
    instead: &TableCounters,
    since: Timestamp,
) -> Symptom {
    let title =
        format!("{} is another table now; the one of before is {}", old.relation, aside.relation);
    let evidence = Evidence::measured(
        format!("rows of what is named {} now, and of what was before", old.relation),
        instead.rows() as f64,
        "rows",
        sampled("tables: pg_stat_user_tables by OID and name"),
    );
    let evidence = evidence.against(old.rows() as f64).at(window.now());
    Symptom::new(DETECTOR.id, since, window.now(), Weight::Notice, title, evidence)
        .on([old.relation.clone(), aside.relation.clone()])
}

/// Does it give a table or a schema another name, or a table another schema?
pub fn gives_a_name(event: &DdlEvent) -> bool {
    let words: Vec<&str> = event.statement.split_whitespace().collect();
    let text = words.join(" ").to_ascii_uppercase();
    ["ALTER TABLE", "ALTER SCHEMA"].contains(&event.command.as_str())
        && ([" RENAME TO ", " SET SCHEMA "].iter().any(|words| text.contains(words)))
}

/// When a table was first seen under its name.
fn first_seen(window: &Window, table: &TableCounters) -> Option<Timestamp> {
    let same = |t: &TableCounters| t.oid == table.oid && t.relation.same_as(&table.relation);
    let seen = |s: &&Sample| s.tables.as_ref().is_some_and(|all| all.iter().any(same));
    window.recent().iter().find(seen).map(|s| s.at)
}

/// An event trigger knows who dropped it; who emptied it is found out later.
fn title(event: &DdlEvent, relation: &Relation) -> String {
    let by = if event.role.is_empty() { String::new() } else { format!(" by role {}", event.role) };
    let what = if event.dropped { "is gone" } else { "was emptied" };
    format!("{relation} {what}: {}{by}", event.command)
}

/// Is the table there again, with rows, in a sample after it went? One that held none itself is
/// back with its name. One that was emptied never left and has been filled since by its clients:
/// it is back with half of its rows.
fn is_back(window: &Window, relation: &Relation, gone: &DdlEvent, n_rows: i64) -> bool {
    let newest = window.samples.iter().rev().find(|s| s.tables.is_some());
    let held_none = holds_none(window, relation);
    let has_rows = |t: &TableCounters| match gone.dropped {
        true => held_none || t.n_live + t.inserted > 0,
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
        ["CREATE TABLE AS", "SELECT INTO"].contains(&d.command.as_str())
            || (d.command == "ALTER TABLE" && gives_a_name(d))
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

/// Did the table hold no row of its own before it went? The counters of a partitioned table stay
/// at zero: its rows are those of its partitions, each of which is missed by itself.
fn holds_none(window: &Window, relation: &Relation) -> bool {
    let known = window.catalog.as_ref().and_then(|c| c.relation(relation));
    let counted = last_counted(window, relation);
    known.is_some_and(|r| r.kind == 'p')
        || counted.is_some_and(|t| t.rows() == 0 && t.planner_rows == 0.0)
}

/// The table's counters as the baseline saw them last.
fn last_counted<'a>(window: &'a Window, relation: &Relation) -> Option<&'a TableCounters> {
    let mut counted = window.baseline().iter().rev().filter_map(|s| s.tables.as_ref());
    counted.find_map(|t| t.iter().find(|t| t.relation.same_as(relation)))
}

/// Rows of the table when it was last counted.
fn rows_before(window: &Window, relation: &Relation) -> Option<i64> {
    last_counted(window, relation).map(TableCounters::rows).or_else(|| {
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
    fn a_partitioned_table_is_back_with_its_name_and_a_partition_with_its_rows() {
        let present = |booking: bool, rows: i64| {
            let mut samples = healthy(60);
            let counted = |n: i64| vec![table("booking", 0), table("booking_s1", n)];
            for (i, scans) in [(10, 5), (15, 9)] {
                let mut tables = counted(1000);
                tables.last_mut().unwrap().idx_scans = scans;
                samples.get_mut(i).unwrap().tables = Some(tables);
            }
            let error = log(30, "ERROR", "42P01", "relation \"booking\" does not exist");
            let seen = samples.get_mut(29).unwrap();
            seen.log = vec![error];
            seen.ddl = ["booking", "booking_s1"].map(|t| ddl(29, "DROP TABLE", "table", t)).into();
            let mut now = counted(rows);
            now.retain(|t| booking || t.relation.name != "booking");
            samples.last_mut().unwrap().tables = Some(now);
            let window = Window { samples, baseline_until: at(20), catalog: None };
            let harms = detect(&window).into_iter().filter(|s| s.weight == Weight::Harm);
            let names = harms.filter(|s| s.is_present(window.now()));
            names.map(|s| s.relations.first().unwrap().name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(present(true, 1000), Vec::<String>::new());
        assert_eq!(present(false, 1000), ["booking"]);
        assert_eq!(present(true, 0), ["booking_s1"]);
    }

    #[test]
    fn a_partitioned_table_that_was_analyzed_is_told_by_the_catalog() {
        let is_back = |kind: char| {
            let mut samples = healthy(60);
            let parent = || TableCounters { planner_rows: 1000.0, ..table("booking", 0) };
            samples.get_mut(15).unwrap().tables = Some(vec![parent()]);
            samples.last_mut().unwrap().tables = Some(vec![parent()]);
            let mut catalog = Catalog::new(at(0), 150_000, "shop");
            let booking = Relation::new("public", "booking");
            catalog.relations = vec![RelationInfo::new(1, booking.clone(), kind)];
            let window = Window { samples, baseline_until: at(20), catalog: Some(catalog) };
            is_back(&window, &booking, &ddl(29, "DROP TABLE", "table", "booking"), 0)
        };
        assert_eq!((is_back('p'), is_back('r')), (true, false));
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
    fn a_table_that_was_put_aside_for_an_empty_one_is_told_with_its_new_name() {
        let told = |rows: i64| {
            let mut samples = healthy(40);
            for (i, scans) in [(10, 5), (15, 9)] {
                let mut fares = table("fares", 1000);
                (fares.oid, fares.idx_scans) = (7, scans);
                samples.get_mut(i).unwrap().tables = Some(vec![fares]);
            }
            let mut rename = ddl(29, "ALTER TABLE", "table", "fares_old");
            rename.statement = "ALTER TABLE fares RENAME TO fares_old".to_owned();
            samples.get_mut(29).unwrap().ddl = vec![rename];
            let old = TableCounters { oid: 7, ..table("fares_old", 1000) };
            let new = TableCounters { oid: 8, planner_rows: rows as f64, ..table("fares", rows) };
            samples.last_mut().unwrap().tables = Some(vec![old, new]);
            detect(&Window { samples, baseline_until: at(20), catalog: None })
        };
        let symptoms = told(0);
        let title = "fares is another table now; the one of before is fares_old";
        assert_eq!(symptoms.first().map(|s| s.title.as_str()), Some(title));
        assert!(told(900).is_empty());
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
