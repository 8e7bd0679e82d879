//! The known word that somebody may have meant who wrote one that is not.

/// How alike a word must be to be offered: two letters changed places reach 0.98, and words that
/// mean nothing here, such as `no_such_id`, stay below.
pub const ALIKE_MIN: f64 = 0.8;

/// How alike two words are, from 0 to 1, whatever their case. A short word with one slip is less
/// alike than that by its letters, and meant all the same.
pub fn alike(word: &str, known: &str) -> f64 {
    let (word, known) = (word.to_lowercase(), known.to_lowercase());
    let slip = strsim::osa_distance(&word, &known) <= 1;
    strsim::jaro_winkler(&word, &known).max(if slip { 0.9 } else { 0.0 })
}

/// The known word most like `word`, if one is like enough.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|k| (alike(word, k), k))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// `; did you mean lock_queue?` for the end of a message, or nothing.
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map(|k| format!("; did you mean {k}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_forgiven_and_another_word_is_not() {
        let known = ["relation_vanished", "lock_queue", "to"];
        assert_eq!(nearest("relation_vanish", known), Some("relation_vanished"));
        assert_eq!(nearest("Lokc_queue", known), Some("lock_queue"));
        assert_eq!(nearest("too", known), Some("to"));
        assert_eq!(nearest("no_such_id", known), None);
        assert_eq!(meant("lock_que", known), "; did you mean lock_queue?");
        assert_eq!(meant("no_such_id", known), "");
    }
}
