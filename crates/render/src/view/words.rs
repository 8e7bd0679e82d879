//! Small phrases that several views share.

use crate::document::{Text, Tone};
use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use pgward_model::evidence::{Evidence, human, human_bytes, human_duration};

/// The claim, with its number and its baseline where the sentence does not tell them.
pub(crate) fn evidence_text(evidence: &Evidence) -> Text {
    let mut text = Text::prose(&evidence.claim);
    let unit = evidence.unit.as_str();
    let with_unit = |v: f64| match unit {
        "" => human(v),
        "%" => format!("{}%", human(v)),
        _ => format!("{} {unit}", human(v)),
    };
    let nothing = evidence.value == Some(0.0);
    if let Some(value) = evidence.value.filter(|v| !tells(&evidence.claim, *v, unit)) {
        text = text.then(format!(": {}", with_unit(value)), Tone::Plain);
    }
    // "None now, none before" needs no second zero.
    let same = nothing && evidence.baseline == Some(0.0);
    let base = evidence.baseline.filter(|_| !same && !evidence.claim.contains("baseline"));
    if let Some(base) = base {
        text = text.then(format!(" (baseline {})", with_unit(base)), Tone::Plain);
    }
    text
}

/// Does the sentence say the number itself? A pid or an SQLSTATE in it is another number.
fn tells(claim: &str, value: f64, unit: &str) -> bool {
    let in_words = match unit {
        "s" => human_duration(value),
        "ms" => human_duration(value / 1000.0),
        "bytes" => human_bytes(value),
        _ => human(value),
    };
    if value != 0.0 && in_words.contains(' ') && claim.contains(&in_words) {
        return true;
    }
    let number = human(value);
    let mut words = claim.split([' ', ':', ';', '(', ')', '%']).map(|w| w.trim_end_matches(','));
    match value == 0.0 {
        true => words.any(|w| matches!(w, "0" | "no" | "No" | "none" | "nothing" | "nobody")),
        false => words.any(|w| w == number),
    }
}

/// The zone by its IANA name from the tables inside the program; UTC where it is unknown.
pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap_or(TimeZone::UTC)
}

/// `05:00:03`.
pub(crate) fn clock(at: Timestamp, tz: &TimeZone) -> String {
    at.to_zoned(tz.clone()).strftime("%H:%M:%S").to_string()
}

/// `2026-11-21 05:00:03`.
pub(crate) fn day_and_clock(at: Timestamp, tz: &TimeZone) -> String {
    at.to_zoned(tz.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `+01`, `SAST`: how the zone calls itself at that moment.
pub(crate) fn abbreviation(at: Timestamp, tz: &TimeZone) -> String {
    at.to_zoned(tz.clone()).strftime("%Z").to_string()
}

/// Milliseconds as people read them; 0 stands for "none".
pub(crate) fn limit_ms(ms: u64) -> String {
    match ms {
        0 => "none".to_owned(),
        ms if ms < 1000 => format!("{ms} ms"),
        ms => human_duration(ms as f64 / 1000.0),
    }
}

/// First letter in capitals.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A statement on one line, at most `n` characters of it.
pub(crate) fn cut(statement: &str, n: usize) -> String {
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(n) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or("").trim_end()),
        None => line,
    }
}

/// `one, two and 7 more`.
pub(crate) fn folded(names: &[&str], most: usize) -> String {
    let shown = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
