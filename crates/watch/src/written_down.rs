//! Settings that ALTER SYSTEM has written down and nobody has told the server: no view shows them,
//! and the next restart tries them.

use std::collections::BTreeMap;

/// A setting that only a restart changes, as it is in force.
pub(crate) struct InForce {
    /// In `unit`s.
    pub(crate) value: String,
    /// Of `pg_settings`: `8kB`, `ms`; empty where it has none.
    pub(crate) unit: String,
    /// With its unit, as SHOW has it.
    pub(crate) shown: String,
}

/// Names and values of `name = 'value'` lines of `postgresql.auto.conf`; the last line of a name
/// wins, as in the server.
pub(crate) fn lines(file: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')).unwrap_or(value);
        Some((name.trim().to_owned(), bare.replace("''", "'")))
    };
    file.lines().filter(|l| !l.trim_start().starts_with('#')).filter_map(line).collect()
}

/// Of those lines, what is another value than the one in force: names, with the value as shown.
pub(crate) fn untried<'a>(
    written: &'a BTreeMap<String, String>,
    in_force: &'a BTreeMap<String, InForce>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    written.iter().filter_map(|(name, value)| {
        let now = in_force.get(name)?;
        // What is spelled in a way that we cannot compare is taken for the same.
        let known = now.unit.is_empty() || number(value).is_some_and(|(_, u)| size(u).is_some());
        let alias = name == "wal_level" && ["archive", "hot_standby"].contains(&value.as_str());
        (known && !alias && !is_same(value, now)).then_some((name.as_str(), now.shown.as_str()))
    })
}

fn is_same(written: &str, now: &InForce) -> bool {
    let in_units =
        |value| number(value).map(|(n, own)| (n, if own.is_empty() { &now.unit } else { own }));
    if written.eq_ignore_ascii_case(&now.value) || written.eq_ignore_ascii_case(&now.shown) {
        return true;
    }
    if let (Some(a), Some(b)) = (truth(written), truth(&now.value)) {
        return a == b;
    }
    let base = |value| in_units(value).and_then(|(n, unit)| Some(n * size(unit)?));
    match (base(written), base(&now.value)) {
        // The server rounds to whole units.
        (Some(a), Some(b)) => (a - b).abs() <= 0.5 * size(&now.unit).unwrap_or(1.0),
        _ => false,
    }
}

/// Source: manual, 20.1.1 Parameter Names and Values.
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
    let end =
        value.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
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
    fn settings_are_read_as_alter_system_writes_them() {
        let file = "# Do not edit\nshared_buffers = '64GB'\nx = 'it''s'\nshared_buffers = '1GB'\n";
        let found = lines(file);
        assert_eq!(found.get("shared_buffers").map(String::as_str), Some("1GB"));
        assert_eq!(found.get("x").map(String::as_str), Some("it's"));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn only_another_value_is_untried() {
        let differs = |written: &str, (value, unit, shown): (&str, &str, &str)| {
            let now = InForce { value: value.into(), unit: unit.into(), shown: shown.into() };
            let written = BTreeMap::from([("x".to_owned(), written.to_owned())]);
            untried(&written, &BTreeMap::from([("x".to_owned(), now)])).count() == 1
        };
        assert!(!differs("128MB", ("16384", "8kB", "128MB")));
        assert!(!differs("16384", ("16384", "8kB", "128MB")));
        assert!(!differs("0.125GB", ("16384", "8kB", "128MB")));
        assert!(differs("64GB", ("16384", "8kB", "128MB")));
        assert!(!differs("true", ("on", "", "on")));
        assert!(differs("minimal", ("replica", "", "replica")));
        assert!(differs("12", ("8", "", "8")));
        assert!(!differs("1min", ("60000", "ms", "1min")));
        assert!(differs("auto_explain", ("", "", "")));
    }

    #[test]
    fn what_is_not_known_to_wait_for_a_restart_is_left_out() {
        let written = BTreeMap::from([("work_mem".to_owned(), "1MB".to_owned())]);
        assert_eq!(untried(&written, &BTreeMap::new()).count(), 0);
    }
}
