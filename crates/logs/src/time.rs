//! Times as the server writes them: `2026-11-21 03:24:37.457 UTC`.

use jiff::tz::TimeZone;

/// Reads times; remembers the last minute, since a log hardly ever changes it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// The zone of the log where it is known; else its abbreviation decides, and UTC where that
    /// is not known either.
    zone: Option<TimeZone>,
    minute: [u8; 16],
    minute_ms: i64,
    abbreviation: String,
    offset_s: i64,
    unknown_zone: Option<String>,
}

impl Clock {
    /// Reads times as `log_timezone` has them, whatever their abbreviation.
    pub fn in_zone(zone: TimeZone) -> Clock {
        Clock { zone: Some(zone), ..Clock::default() }
    }

    /// A zone's abbreviation that was not understood.
    pub fn unknown_zone(&self) -> Option<&str> {
        self.unknown_zone.as_deref()
    }

    /// Milliseconds since 1970 UTC, and the bytes that were read, zone included.
    pub(crate) fn read(&mut self, text: &str) -> Option<(i64, usize)> {
        let bytes = text.as_bytes();
        let minute: [u8; 16] = bytes.get(..16)?.try_into().ok()?;
        if minute != self.minute {
            self.minute_ms = minute_ms(&minute, self.zone.as_ref())?;
            self.minute = minute;
        }
        if bytes.get(16) != Some(&b':') {
            return None;
        }
        let mut ms = 1000 * digits(bytes.get(17..19)?)?;
        let mut end = 19;
        if bytes.get(19) == Some(&b'.') {
            let n = bytes.get(20..)?.iter().take_while(|b| b.is_ascii_digit()).count();
            let part = digits(bytes.get(20..20 + n.min(3))?)?;
            ms += part * [1000, 100, 10, 1].get(n.min(3)).copied().unwrap_or(1);
            end = 20 + n;
        }
        let zone = text.get(end..)?.strip_prefix(' ').map_or("", zone);
        if !zone.is_empty() {
            end += 1 + zone.len();
        }
        if zone != self.abbreviation {
            self.learn(zone);
        }
        Some((self.minute_ms + ms - 1000 * self.offset_s, end))
    }

    fn learn(&mut self, zone: &str) {
        zone.clone_into(&mut self.abbreviation);
        if self.zone.is_some() || zone.is_empty() {
            return;
        }
        self.offset_s = offset_of(zone).unwrap_or_else(|| {
            self.unknown_zone.get_or_insert_with(|| zone.to_owned());
            0
        });
    }
}

fn zone(text: &str) -> &str {
    let signed = text.starts_with(['+', '-']);
    let ok = |b: u8| if signed { b.is_ascii_digit() || b == b':' } else { b.is_ascii_alphabetic() };
    let skip = usize::from(signed);
    let n = text.bytes().skip(skip).take_while(|b| ok(*b)).count();
    let all = text.get(..skip + n).unwrap_or("");
    if n == 0 { "" } else { all.trim_end_matches(':') }
}

/// Seconds east of Greenwich of what zones commonly call themselves. Some names mean several
/// places (CST, IST): those are left out, so that they are told rather than guessed.
fn offset_of(zone: &str) -> Option<i64> {
    if let Some(east) = zone.strip_prefix('+') {
        return signed(east);
    }
    if let Some(west) = zone.strip_prefix('-') {
        return signed(west).map(|s| -s);
    }
    let hours = match zone {
        "UTC" | "GMT" | "WET" | "Z" | "UCT" => 0,
        "CET" | "WEST" | "WAT" | "MEZ" => 1,
        "CEST" | "EET" | "SAST" | "CAT" | "MESZ" => 2,
        "MSK" | "EEST" | "EAT" => 3,
        "PKT" => 5,
        "WIB" => 7,
        "HKT" | "SGT" | "AWST" => 8,
        "JST" | "KST" => 9,
        "AEST" => 10,
        "AEDT" => 11,
        "NZST" => 12,
        "NZDT" => 13,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" | "AKDT" => -8,
        "AKST" => -9,
        "HST" => -10,
        _ => return None,
    };
    Some(3600 * hours)
}

/// `02`, `0530`, `05:30`.
fn signed(text: &str) -> Option<i64> {
    let plain: String = text.chars().filter(char::is_ascii_digit).collect();
    let hours: i64 = plain.get(..2)?.parse().ok()?;
    let minutes: i64 = plain.get(2..4).map_or(Ok(0), str::parse).ok()?;
    Some(3600 * hours + 60 * minutes)
}

/// `2026-11-21 03:24` in that zone, else in UTC, as milliseconds since 1970.
fn minute_ms(text: &[u8; 16], zone: Option<&TimeZone>) -> Option<i64> {
    let at = |i: usize, mark: u8| text.get(i) == Some(&mark);
    if !(at(4, b'-') && at(7, b'-') && (at(10, b' ') || at(10, b'T')) && at(13, b':')) {
        return None;
    }
    let year = i16::try_from(digits(text.get(..4)?)?).ok()?;
    let small = |from: usize| i8::try_from(digits(text.get(from..from + 2)?)?).ok();
    let civil =
        jiff::civil::DateTime::new(year, small(5)?, small(8)?, small(11)?, small(14)?, 0, 0);
    let zoned = civil.ok()?.to_zoned(zone.cloned().unwrap_or(TimeZone::UTC)).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

fn digits(bytes: &[u8]) -> Option<i64> {
    let mut value = 0;
    for byte in bytes {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = 10 * value + i64::from(byte - b'0');
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_zones() {
        let mut clock = Clock::default();
        let (utc, n) = clock.read("2026-11-21 03:24:37.457 UTC [7]").unwrap();
        assert_eq!(n, 27);
        assert_eq!(clock.read("2026-11-21 04:24:37.457 CET:x").unwrap(), (utc, 27));
        assert_eq!(clock.read("2026-11-21 08:54:37.457 +0530 x").unwrap().0, utc);
        assert_eq!(clock.read("2026-11-21 03:24:37 UTC").unwrap(), (utc - 457, 23));
        assert_eq!(clock.read("2026-11-21 03:24:37.4").unwrap().0, utc - 57);
        assert!(clock.read("2026-13-21 03:24:37 UTC").is_none());
        assert!(clock.read("no time at all here").is_none());
        assert!(clock.unknown_zone().is_none());
        clock.read("2026-11-21 03:24:37 XYZT").unwrap();
        assert_eq!(clock.unknown_zone(), Some("XYZT"));
        let shanghai = TimeZone::fixed(jiff::tz::offset(8));
        let known = Clock::in_zone(shanghai).read("2026-11-21 11:24:37.457 CST [7]");
        assert_eq!(known.unwrap(), (utc, 27));
    }
}
