//! Names of files and batches, and which of them count.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use object_store::path::Path;

/// Folder of batches.
pub(super) const RECENT: &str = "recent";
/// Seconds of the first files.
pub(super) const SLOT_S: i64 = 300;
/// Seconds of the files they become.
pub(super) const HOUR_S: i64 = 3600;

/// A part of a UTC day: `0500-0600` are the seconds 18,000 to 21,600.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) from_s: i64,
    pub(crate) to_s: i64,
}

impl Span {
    /// The span of `seconds` that begins with or before the second `at_s` of the day.
    pub(super) fn around(at_s: i64, seconds: i64) -> Span {
        let from_s = at_s - at_s.rem_euclid(seconds);
        Span { from_s, to_s: from_s + seconds }
    }

    pub(super) fn covers(self, other: Span) -> bool {
        self.from_s <= other.from_s && other.to_s <= self.to_s && self != other
    }

    pub(super) fn name(self) -> String {
        let hm = |s: i64| format!("{:02}{:02}", s / 3600, s / 60 % 60);
        format!("{}-{}.parquet", hm(self.from_s), hm(self.to_s))
    }

    /// The span of a file of ours.
    pub(super) fn of(name: &str) -> Option<Span> {
        let (from, to) = name.strip_suffix(".parquet")?.split_once('-')?;
        let s = |hm: &str| {
            let (h, m) = (hm.get(..2)?.parse::<i64>().ok()?, hm.get(2..4)?.parse::<i64>().ok()?);
            (hm.len() == 4 && h <= 24 && m < 60).then_some(h * 3600 + m * 60)
        };
        let (from_s, to_s) = (s(from)?, s(to)?);
        (from_s < to_s).then_some(Span { from_s, to_s })
    }
}

/// Of these files of one day, those that no other makes superfluous, in order.
pub(super) fn counting(names: &[String]) -> Vec<(Span, &str)> {
    let all: Vec<(Span, &str)> =
        names.iter().filter_map(|n| Span::of(n).map(|s| (s, n.as_str()))).collect();
    let counts = |span: Span| !all.iter().any(|(other, _)| other.covers(span));
    let mut counting: Vec<(Span, &str)> =
        all.iter().copied().filter(|(span, _)| counts(*span)).collect();
    counting.sort();
    counting
}

/// Day and second of the day, UTC.
pub(crate) fn day(at: Timestamp) -> (String, i64) {
    let zoned = at.to_zoned(TimeZone::UTC);
    let time = zoned.time();
    let second =
        i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second());
    (zoned.date().to_string(), second)
}

/// The moment of a second of a day; `None` where that is no day.
pub(super) fn moment(day: &str, second: i64) -> Option<Timestamp> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let midnight = date.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC).ok()?.timestamp();
    midnight.checked_add(jiff::SignedDuration::from_secs(second)).ok()
}

pub(super) fn folder(series: &str, server: &str, day: &str) -> Path {
    Path::from_iter([series, server, day])
}

/// The name of the `n`th batch written at that moment.
pub(super) fn batch(at: Timestamp, n: u32) -> String {
    let time = at.to_zoned(TimeZone::UTC).strftime("%H%M%S.%3f").to_string();
    format!("{time}-{n:04}.jsonl.zst")
}

/// The second of the day in which a batch was written.
pub(super) fn batch_second(name: &str) -> Option<i64> {
    if !name.ends_with(".jsonl.zst") {
        return None;
    }
    let part = |from: usize| name.get(from..from + 2)?.parse::<i64>().ok();
    Some(part(0)? * 3600 + part(2)? * 60 + part(4)?)
}

/// A name as it was before it became part of a path.
pub(super) fn decoded(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|h| std::str::from_utf8(h).ok());
        match (first, hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or(&[]);
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_file_makes_those_within_it_superfluous() {
        let names = ["0500-0505.parquet", "0500-0600.parquet", "0600-0605.parquet", "x", "0500"];
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let counting: Vec<&str> = counting(&names).into_iter().map(|(_, n)| n).collect();
        assert_eq!(counting, ["0500-0600.parquet", "0600-0605.parquet"]);
    }

    #[test]
    fn names_say_when() {
        let at: Timestamp = "2026-11-21T23:59:58.5Z".parse().unwrap();
        assert_eq!(day(at), ("2026-11-21".to_owned(), 86_398));
        let span = Span::around(86_398, SLOT_S);
        assert_eq!(span.name(), "2355-2400.parquet");
        assert_eq!(Span::of("2355-2400.parquet"), Some(span));
        assert_eq!(batch(at, 7), "235958.500-0007.jsonl.zst");
        assert_eq!(batch_second("235958.500-0007.jsonl.zst"), Some(86_398));
        assert_eq!(batch_second("235958.500-0007.jsonl.zst#1"), None);
        assert_eq!(moment("2026-11-21", 86_398).unwrap().to_string(), "2026-11-21T23:59:58Z");
    }
}
