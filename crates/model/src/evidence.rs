//! Evidence, the keystone: no claim of ours stands without a number, its unit and its source.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One measured or documented fact that supports or refutes a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// A sentence without full stop, lower case, complete by itself.
    pub claim: String,
    /// What was measured; `None` only for facts of kind [`SourceKind::Manual`] or `Statement`.
    pub value: Option<f64>,
    /// Unit of `value` and `baseline`: `rows`, `ms`, `calls/s`, `%`, `sessions`, ...
    pub unit: String,
    /// The same quantity before the trouble, where there is a before.
    pub baseline: Option<f64>,
    pub source: Source,
    /// When it was measured; `None` for what has no time (a statement's text, the manual).
    pub at: Option<Timestamp>,
}

/// Where a fact comes from, precise enough to look it up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub kind: SourceKind,
    /// Manual section, view or query, sampler id, log line, LSN, file:line.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    Manual,
    Statement,
    Catalog,
    Sample,
    Log,
    Ddl,
    Rehearsal,
    Probe,
    Integrity,
    Wal,
    Journal,
    Ledger,
}

impl Source {
    pub fn new(kind: SourceKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            SourceKind::Manual => "manual",
            SourceKind::Statement => "statement",
            SourceKind::Catalog => "catalog",
            SourceKind::Sample => "sample",
            SourceKind::Log => "server log",
            SourceKind::Ddl => "DDL log",
            SourceKind::Rehearsal => "rehearsal",
            SourceKind::Probe => "probe",
            SourceKind::Integrity => "integrity scan",
            SourceKind::Wal => "WAL",
            SourceKind::Journal => "journal",
            SourceKind::Ledger => "ledger",
        };
        if self.detail.is_empty() {
            f.write_str(kind)
        } else {
            write!(f, "{kind}: {}", self.detail)
        }
    }
}

impl Evidence {
    /// A measured fact.
    pub fn measured(
        claim: impl Into<String>,
        value: f64,
        unit: impl Into<String>,
        source: Source,
    ) -> Self {
        Self {
            claim: claim.into(),
            value: Some(value),
            unit: unit.into(),
            baseline: None,
            source,
            at: None,
        }
    }

    /// A fact that is no number: what a statement says, what the manual says.
    pub fn stated(claim: impl Into<String>, source: Source) -> Self {
        Self {
            claim: claim.into(),
            value: None,
            unit: String::new(),
            baseline: None,
            source,
            at: None,
        }
    }

    pub fn against(mut self, baseline: f64) -> Self {
        self.baseline = Some(baseline);
        self
    }

    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }
}

/// A number as people read it: three significant digits, thousands grouped, no trailing zeros.
pub fn human(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1000.0 {
        let digits = format!("{:.0}", magnitude);
        let mut grouped = String::new();
        for (i, c) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(c);
        }
        return if value < 0.0 { format!("-{grouped}") } else { grouped };
    }
    let text = match magnitude {
        m if m >= 100.0 || m == 0.0 => format!("{value:.0}"),
        m if m >= 10.0 => format!("{value:.1}"),
        m if m >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    };
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Bytes as people read them: `31 GB`, powers of 1024 as PostgreSQL's `pg_size_pretty`.
pub fn human_bytes(bytes: f64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", human(value), units.get(unit).copied().unwrap_or("TB"))
}

/// Seconds as people read them, in at most two units: `4.2 ms`, `0.42 s`, `4 min 12 s`, `50 h 19 min`.
pub fn human_duration(seconds: f64) -> String {
    let magnitude = seconds.abs();
    if magnitude > 0.0 && magnitude < 0.1 {
        return format!("{} ms", human((seconds * 100_000.0).round() / 100.0));
    }
    if magnitude < 60.0 {
        return format!("{} s", human((seconds * 100.0).round() / 100.0));
    }
    let sign = if seconds < 0.0 { "-" } else { "" };
    let whole = magnitude.round() as u64;
    let (large, small, names) = if whole < 3600 {
        (whole / 60, whole % 60, ["min", "s"])
    } else {
        // Outages are told in hours also beyond a day.
        (whole / 3600, whole % 3600 / 60, ["h", "min"])
    };
    let [first, second] = names;
    if small == 0 {
        format!("{sign}{large} {first}")
    } else {
        format!("{sign}{large} {first} {small} {second}")
    }
}

/// `value unit (baseline b)`, the tail of a line of evidence.
impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(human(84_112_903.0), "84,112,903");
        assert_eq!(human(0.98), "0.98");
        assert_eq!(human(12.34), "12.3");
        assert_eq!(human(0.0), "0");
        assert_eq!(human(-1500.0), "-1,500");
        assert_eq!(human(-0.0001), "0");
        assert_eq!(human_bytes(1536.0), "1.5 kB");
        assert_eq!(human_duration(0.0042), "4.2 ms");
        assert_eq!(human_duration(0.4166), "0.42 s");
        assert_eq!(human_duration(41.0), "41 s");
        assert_eq!(human_duration(252.4), "4 min 12 s");
        assert_eq!(human_duration(181_140.0), "50 h 19 min");
    }
}
