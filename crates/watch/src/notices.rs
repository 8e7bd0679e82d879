//! What will hurt soon is told while nothing hurts yet, and not told again every second.

use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// Notices told while no incident was open, by detector and relations.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<(String, Vec<Relation>), Timestamp>);

/// Who has read it knows for a shift; what gets worse becomes harm, which is told at once.
const AGAIN_S: f64 = 8.0 * 3600.0;
/// A database has more keys than anybody reads notices.
const TOLD_MAX: usize = 1_000;

impl Told {
    /// Those that are new, or were told so long ago that they are worth a line again.
    pub(crate) fn news<'a>(&mut self, at: Timestamp, symptoms: &'a [Symptom]) -> Vec<&'a Symptom> {
        self.0.retain(|_, told| seconds_between(*told, at) < AGAIN_S);
        let mut news = Vec::new();
        for symptom in symptoms.iter().filter(|s| s.weight == Weight::Notice) {
            let key = (symptom.detector.clone(), symptom.relations.clone());
            if self.0.len() < TOLD_MAX && !self.0.contains_key(&key) {
                self.0.insert(key, at);
                news.push(symptom);
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_told_once_a_shift_and_harm_is_none() {
        let at = |s: i64| Timestamp::from_second(1_795_219_200 + s).unwrap();
        let of = |weight| {
            let evidence = Evidence::measured("x", 1.0, "%", Source::new(SourceKind::Sample, ""));
            vec![Symptom::new("key_overflow", at(0), at(0), weight, "x", evidence)]
        };
        let mut told = Told::default();
        assert_eq!(told.news(at(0), &of(Weight::Harm)).len(), 0);
        assert_eq!(told.news(at(0), &of(Weight::Notice)).len(), 1);
        assert_eq!(told.news(at(3600), &of(Weight::Notice)).len(), 0);
        assert_eq!(told.news(at(9 * 3600), &of(Weight::Notice)).len(), 1);
    }
}
