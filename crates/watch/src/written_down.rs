//! Settings that ALTER SYSTEM has written down and nobody has told the server: no view shows them,
//! and the next restart tries them.

use pgward_model::setting;
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
        let known = now.unit.is_empty() || setting::is_number(value);
        let alias = name == "wal_level" && ["archive", "hot_standby"].contains(&value.as_str());
        let same = setting::is_same(value, &now.value, Some(&now.unit));
        (known && !alias && !same).then_some((name.as_str(), now.shown.as_str()))
    })
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
