//! Who keeps vacuum from removing rows, for how long, and what has piled up meanwhile.

use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// Horizons of a busy server move within seconds; one that stands for longer than detectors
/// need to speak is held.
pub(crate) const HELD_S: f64 = 10.0;

/// Twice the default threshold and scale factor of autovacuum, which starts at 50 + 20% of live
/// rows; at twice that it has not come, or not through.
const THRESHOLD: f64 = 2.0 * 50.0;
const SCALE: f64 = 2.0 * 0.2;
/// A few pages of dead rows slow nothing down.
const DEAD_MIN: f64 = 1_000.0;
/// Dead rows that have grown so many times within the window have piled up in it.
const DEAD_TIMES: f64 = 3.0;

/// One that holds a snapshot, and for how long.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) holder: XminHolder,
    pub(crate) seconds: f64,
    /// Was it held before the first sample of the window?
    pub(crate) all_along: bool,
}

/// The holder that has been seen for longest since the onset, also one that is gone by now.
pub(crate) fn held(window: &Window) -> Option<Held> {
    held_of(window, |h| h.kind != HolderKind::CatalogSlot)
}

/// Likewise of those that keep rows of the system catalogs, which every holder does.
pub(crate) fn held_catalogs(window: &Window) -> Option<Held> {
    held_of(window, |_| true)
}

fn held_of(window: &Window, keeps: fn(&XminHolder) -> bool) -> Option<Held> {
    let first = window.samples.iter().find(|s| s.horizon.is_some())?.at;
    let seen = window.recent().iter().filter_map(|s| Some((s.at, s.horizon.as_ref()?)));
    let oldest = seen.filter_map(|(at, h)| {
        let holder = h.holders.iter().filter(|h| keeps(h)).max_by_key(|h| h.age_xids)?;
        let seconds = held_s(window, holder, at);
        let all_along = seconds >= seconds_between(first, at);
        Some(Held { holder: holder.clone(), seconds, all_along })
    });
    oldest.max_by(|a, b| a.seconds.total_cmp(&b.seconds))
}

/// Seconds for which it has held its snapshot until then: by its own account, or by ours where
/// it has none, as far back as its snapshot was the same.
pub(crate) fn held_s(window: &Window, holder: &XminHolder, at: Timestamp) -> f64 {
    if let Some(since) = holder.since {
        return seconds_between(since, at);
    }
    let until = window.samples.iter().filter(|s| s.at <= at);
    let looks = until.rev().filter_map(|s| Some((s.at, s.horizon.as_ref()?)));
    let mut later: Option<(i64, i64)> = None;
    let same = |(_, h): &(Timestamp, &Horizon)| {
        let of = h.holders.iter().find(|x| (x.kind, &x.name) == (holder.kind, &holder.name));
        let Some(xmin) = of.map(|x| h.next_xid - x.age_xids) else { return false };
        let (later_xmin, later_next) = later.replace((xmin, h.next_xid)).unwrap_or((xmin, 0));
        let (moved, passed) = (later_xmin - xmin, later_next - h.next_xid);
        moved <= XIDS_BLUR || moved * 2 <= passed
    };
    looks.take_while(same).last().map_or(0.0, |(first, _)| seconds_between(first, at))
}

/// The age of a snapshot and the next id are read one after the other, and ids pass in between.
const XIDS_BLUR: i64 = 10;

/// A table at the moment since the onset when it had most dead rows.
#[derive(Debug, Clone)]
pub(crate) struct Dead {
    pub(crate) table: TableCounters,
    /// Its dead rows in the first sample that has them; 0 where it was not there.
    pub(crate) before: i64,
    /// Vacuums of it that had come to an end since the onset.
    pub(crate) n_vacuums: i64,
}

impl Dead {
    /// Dead rows as a multiple of what autovacuum leaves behind in its worst moments.
    pub(crate) fn over(&self) -> f64 {
        self.table.n_dead as f64 / (THRESHOLD + SCALE * self.table.n_live as f64).max(DEAD_MIN)
    }

    /// Have they piled up in the window?
    pub(crate) fn has_grown(&self) -> bool {
        let n = self.table.n_dead as f64;
        n >= DEAD_MIN && n >= DEAD_TIMES * self.before as f64
    }

    fn grown(&self) -> i64 {
        self.table.n_dead - self.before
    }
}

/// At what number of dead rows autovacuum starts, by its defaults.
pub(crate) fn tolerated(table: &TableCounters) -> f64 {
    (THRESHOLD + SCALE * table.n_live as f64) / 2.0
}

/// The table whose dead rows have grown most in the window.
pub(crate) fn most_grown(window: &Window) -> Option<Dead> {
    dead(window).into_iter().max_by_key(Dead::grown)
}

/// The table with most dead rows for its size, however long they have been there.
pub(crate) fn most_dead(window: &Window) -> Option<Dead> {
    dead(window).into_iter().max_by(|a, b| a.over().total_cmp(&b.over()))
}

/// The system catalog whose dead rows have grown most in the window.
pub(crate) fn most_grown_catalog(window: &Window) -> Option<Dead> {
    dead_of(window, |s| s.horizon.as_ref().map(|h| &h.catalogs)).into_iter().max_by_key(Dead::grown)
}

fn dead(window: &Window) -> Vec<Dead> {
    dead_of(window, |s| s.tables.as_ref())
}

fn dead_of(window: &Window, counted: fn(&Sample) -> Option<&Vec<TableCounters>>) -> Vec<Dead> {
    let mut most: BTreeMap<u32, &TableCounters> = BTreeMap::new();
    for table in window.recent().iter().filter_map(counted).flatten() {
        let known = most.entry(table.oid).or_insert(table);
        if table.n_dead >= known.n_dead {
            *known = table;
        }
    }
    let first = window.samples.iter().find_map(counted);
    let onset = window.baseline().iter().rev().find_map(counted);
    let of = |all: Option<&Vec<TableCounters>>, oid: u32, count: fn(&TableCounters) -> i64| {
        all.and_then(|all| all.iter().find(|t| t.oid == oid)).map_or(0, count)
    };
    let with_past = |table: &TableCounters| Dead {
        before: of(first, table.oid, |t| t.n_dead),
        n_vacuums: table.vacuums - of(onset, table.oid, |t| t.vacuums),
        table: table.clone(),
    };
    most.into_values().map(with_past).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, healthy, slot, table};

    #[test]
    fn a_slot_is_held_for_as_long_as_its_snapshot_stood() {
        let mut samples = healthy(40);
        for (s, sample) in (0..).zip(&mut samples) {
            let holder = slot(if s < 25 { 7 } else { 100 * (s - 25) });
            let next_xid = 100 * s + [0, 3, 1].get(s as usize % 3).unwrap(); // read a bit later
            sample.horizon =
                Some(Horizon { holders: vec![holder], next_xid, ..Horizon::default() });
        }
        let window = Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(held(&window).unwrap().seconds, 14.0);
    }

    #[test]
    fn a_small_table_of_dead_rows_is_worse_than_a_large_one_with_more() {
        let mut samples = healthy(40);
        for (s, sample) in (0..).zip(&mut samples) {
            let mut large = table("history", 100_000_000);
            large.n_dead = 600_000 + 1_000 * s;
            let mut queue = TableCounters { oid: 2, ..table("jobs", 500) };
            queue.n_dead = 500_000 + 10 * s;
            sample.tables = Some(vec![large, queue]);
        }
        let window = Window { samples, baseline_until: at(20), catalog: None };
        assert_eq!(most_dead(&window).unwrap().table.relation.name, "jobs");
        assert_eq!(most_grown(&window).unwrap().table.relation.name, "history");
        assert_eq!(most_dead(&window).unwrap().before, 500_000);
    }
}
