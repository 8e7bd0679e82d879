//! Groups by key in bounded memory: when there are too many, the lighter half is forgotten.

use std::collections::HashMap;

/// What groups are made of.
pub(crate) trait Merge: Default {
    fn merge(&mut self, other: Self);
    /// The heavier are kept.
    fn weight(&self) -> f64;
}

/// At most so many groups.
///
/// What was forgotten may come again and begins anew then: numbers of the heaviest groups are
/// exact unless a group was light for long, and never too high.
#[derive(Debug, Default)]
pub(crate) struct Bounded<T> {
    groups: HashMap<Vec<u8>, T>,
    most: usize,
    n_forgotten: u64,
}

impl<T: Merge> Bounded<T> {
    pub(crate) fn new(most: usize) -> Bounded<T> {
        Bounded { groups: HashMap::new(), most, n_forgotten: 0 }
    }

    /// The group of that key, new where there is none.
    pub(crate) fn entry(&mut self, key: &[u8]) -> &mut T {
        if !self.groups.contains_key(key) {
            if self.groups.len() >= self.most.max(2) {
                self.forget();
            }
            self.groups.insert(key.to_vec(), T::default());
        }
        self.groups.get_mut(key).expect("it is there or was put there")
    }

    pub(crate) fn merge(&mut self, other: Bounded<T>) {
        self.most = self.most.max(other.most);
        self.n_forgotten += other.n_forgotten;
        for (key, group) in other.groups {
            self.entry(&key).merge(group);
        }
    }

    pub(crate) fn n_forgotten(&self) -> u64 {
        self.n_forgotten
    }

    /// All groups with their keys, heaviest first; of equals, by key.
    pub(crate) fn into_heaviest(self) -> Vec<(Vec<u8>, T)> {
        let mut all: Vec<(Vec<u8>, T)> = self.groups.into_iter().collect();
        all.sort_by(|(a, x), (b, y)| y.weight().total_cmp(&x.weight()).then_with(|| a.cmp(b)));
        all
    }

    fn forget(&mut self) {
        let mut weights: Vec<f64> = self.groups.values().map(T::weight).collect();
        weights.sort_by(f64::total_cmp);
        let median = weights.get(weights.len() / 2).copied().unwrap_or(0.0);
        let before = self.groups.len();
        self.groups.retain(|_, group| group.weight() > median);
        self.n_forgotten += (before - self.groups.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_stay_however_many_pass() {
        let mut groups: Bounded<u64> = Bounded::new(100);
        for i in 0..100_000_u32 {
            *groups.entry(&i.to_le_bytes()) += 1;
            *groups.entry(b"often") += 1;
        }
        assert!(groups.groups.len() <= 100);
        assert!(groups.n_forgotten() > 90_000);
        let heaviest = groups.into_heaviest();
        assert_eq!(heaviest.first().unwrap(), &(b"often".to_vec(), 100_000));
    }
}
