//! A replication slot keeps more WAL than checkpoints would.

use super::Detector;
use crate::facts::sampled;
use crate::forecast::{SEEN_S, newest};
use crate::retained::{full_in_s, worst_slot};
use pgward_model::prelude::*;

pub(super) static DETECTOR: Detector = Detector {
    id: "wal_kept",
    title: "A replication slot keeps WAL from being removed",
    rule: "a slot keeps more than max_wal_size, which checkpoints alone would keep. Harm when \
           nobody uses it and its growth fills the volume within an hour; else a notice: a \
           consumer that is connected may come after",
    detect,
};

const SOON_S: f64 = 3600.0;

fn detect(window: &Window) -> Vec<Symptom> {
    let Some(wal) = newest(window.last_seconds(SEEN_S), |s| s.wal.clone()) else {
        return Vec::new();
    };
    let Some(slot) = worst_slot(&wal) else { return Vec::new() };
    let full_in_s = full_in_s(window, &slot.name);
    let soon = !slot.active && full_in_s.is_some_and(|s| s <= SOON_S);
    let reader = if slot.active { "its consumer is connected" } else { "nobody reads it" };
    let when = full_in_s.map(|s| format!("; the volume is full in {}", human_duration(s)));
    vec![Symptom::new(
        DETECTOR.id,
        window.now(),
        window.now(),
        if soon { Weight::Harm } else { Weight::Notice },
        format!(
            "slot {} keeps {} of WAL and {reader}{}",
            slot.name,
            human_bytes(slot.retained_bytes),
            when.unwrap_or_default()
        ),
        Evidence::measured(
            format!("WAL that slot {} keeps", slot.name),
            slot.retained_bytes,
            "bytes",
            sampled("wal: pg_replication_slots.restart_lsn"),
        )
        .against(wal.wal_bytes_max)
        .at(window.now()),
    )]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retained::tests::kept;

    #[test]
    fn an_orphan_above_the_servers_own_limit_is_told() {
        let weight = |mb: f64, free_gb: f64| {
            let window = kept(mb, free_gb * 1e9).window;
            detect(&window).first().map(|s| s.weight)
        };
        assert_eq!(weight(100.0, 1.0), Some(Weight::Harm));
        assert_eq!(weight(100.0, 1e6), Some(Weight::Notice));
        assert_eq!(weight(50.0, 1.0), None); // max_wal_size is 64 MB there
        // A volume of its own has room, however full that of the data is.
        let mut window = kept(100.0, 1e9).window;
        let hosts = window.samples.iter_mut().filter_map(|s| s.host.as_mut());
        hosts.for_each(|h| h.wal_free_bytes = Some(1e15));
        assert_eq!(detect(&window).first().map(|s| s.weight), Some(Weight::Notice));
    }

    #[test]
    fn one_in_use_is_noticed_and_may_come_after() {
        let mut window = kept(100.0, 1e9).window;
        let slots = window.samples.iter_mut().flat_map(|s| &mut s.wal.as_mut().unwrap().slots);
        slots.for_each(|s| s.active = true);
        let found = detect(&window);
        let symptom = found.first().unwrap();
        assert_eq!(symptom.weight, Weight::Notice);
        assert!(symptom.title.contains("its consumer is connected"), "{}", symptom.title);
    }
}
