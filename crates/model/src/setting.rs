//! Values of settings: as somebody writes them (`8MB`, `on`), and as the server has them in its own
//! units (`1024`).
//!
//! Source: manual, 20.1.1 Parameter Names and Values.

/// Units in which the server counts: bytes, kB, 8 kB, MB; µs, ms, s, min.
const OWN_UNITS: [&str; 8] = ["B", "kB", "8kB", "MB", "us", "ms", "s", "min"];

/// Is what somebody wrote the value in force? `unit` is that of `pg_settings` (`8kB`, `ms`, or empty);
/// `None` where it is not known, and any may be it.
pub fn is_same(written: &str, in_force: &str, unit: Option<&str>) -> bool {
    if written.eq_ignore_ascii_case(in_force) {
        return true;
    }
    if let (Some(a), Some(b)) = (truth(written), truth(in_force)) {
        return a == b;
    }
    let (Some((a, own)), Some((b, ""))) = (number(written), number(in_force)) else { return false };
    let of = |unit: &str| {
        let Some(one) = size(unit) else { return false };
        let each = if own.is_empty() { Some(one) } else { size(own) };
        // The server rounds to whole units.
        each.is_some_and(|each| (a * each - b * one).abs() <= 0.5 * one)
    };
    match unit {
        Some(unit) => of(unit),
        None if own.is_empty() => a == b,
        None => OWN_UNITS.iter().any(|unit| of(unit)),
    }
}

/// Is it a number with a unit that is known, or none?
pub fn is_number(written: &str) -> bool {
    number(written).is_some_and(|(_, unit)| size(unit).is_some())
}

fn truth(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "t" | "true" | "y" | "yes" | "1" => Some(true),
        "off" | "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// `64MB` → 64 and its unit.
fn number(value: &str) -> Option<(f64, &str)> {
    let value = value.trim();
    let end = value.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c)));
    let (digits, unit) = value.split_at(end.unwrap_or(value.len()));
    Some((digits.parse().ok()?, unit.trim()))
}

/// Bytes or microseconds of a unit, which may have a number before it: `8kB`.
fn size(unit: &str) -> Option<f64> {
    let (n, name) = number(unit).unwrap_or((1.0, unit));
    let each = match name {
        "" | "B" | "us" => 1.0,
        "kB" => 1024.0,
        "MB" => 1024.0 * 1024.0,
        "GB" => 1024.0 * 1024.0 * 1024.0,
        "TB" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "ms" => 1e3,
        "s" => 1e6,
        "min" => 60e6,
        "h" => 3600e6,
        "d" => 86400e6,
        _ => return None,
    };
    Some(n * each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_in_the_servers_units() {
        for (written, in_force, unit, same) in [
            ("128MB", "16384", Some("8kB"), true),
            ("16384", "16384", Some("8kB"), true),
            ("0.125GB", "16384", Some("8kB"), true),
            ("64GB", "16384", Some("8kB"), false),
            ("true", "on", Some(""), true),
            ("minimal", "replica", Some(""), false),
            ("12", "8", Some(""), false),
            ("1min", "60000", Some("ms"), true),
            ("8MB", "1024", None, true),
            ("1h", "3600", None, true),
            ("on", "on", None, true),
            ("64GB", "262144", None, false),
            ("12", "8", None, false),
        ] {
            assert_eq!(is_same(written, in_force, unit), same, "{written} {in_force} {unit:?}");
        }
    }
}
