//! The known word that somebody may have meant who wrote one that is not.

/// How alike a word must be to be offered, from 0 to 1: two letters changed places reach 0.98,
/// and words that mean nothing here stay below.
const ALIKE_MIN: f64 = 0.8;

/// The known word most like `word`, if one is like enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A short word with one slip is less alike than that, and meant all the same.
    let alike = |k: &str| {
        let slip = strsim::osa_distance(word, k) <= 1;
        strsim::jaro_winkler(word, k).max(if slip { 0.9 } else { 0.0 })
    };
    known
        .into_iter()
        .map(|k| (alike(k), k))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_forgiven_and_another_word_is_not() {
        let known = ["relation_vanished", "lock_queue", "to"];
        assert_eq!(nearest("relation_vanish", known), Some("relation_vanished"));
        assert_eq!(nearest("lokc_queue", known), Some("lock_queue"));
        assert_eq!(nearest("too", known), Some("to"));
        assert_eq!(nearest("no_such_id", known), None);
    }
}
