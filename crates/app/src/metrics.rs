//! Metrics: gauges and counters, as Prometheus reads them and as OTLP takes them.

use pgward_model::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Metrics by name, each with all of its points.
#[derive(Debug, Default)]
pub struct Metrics {
    metrics: BTreeMap<&'static str, Metric>,
}

#[derive(Debug)]
struct Metric {
    help: &'static str,
    kind: Kind,
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge,
    /// Grows from our start on.
    Counter,
}

#[derive(Debug)]
struct Point {
    labels: Vec<(&'static str, String)>,
    value: f64,
}

impl Metrics {
    pub fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        of: &[(&'static str, &str)],
        value: f64,
    ) {
        self.add(name, help, Kind::Gauge, of, value);
    }

    pub fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        of: &[(&'static str, &str)],
        value: f64,
    ) {
        self.add(name, help, Kind::Counter, of, value);
    }

    fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        of: &[(&'static str, &str)],
        value: f64,
    ) {
        let new = || Metric { help, kind, points: Vec::new() };
        let labels = of.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let metric = self.metrics.entry(name).or_insert_with(new);
        metric.points.push(Point { labels, value });
    }

    /// The text format 0.0.4 of Prometheus.
    pub fn prometheus(&self) -> String {
        let mut text = String::new();
        for (name, Metric { help, kind, points }) in &self.metrics {
            let kind = match kind {
                Kind::Gauge => "gauge",
                Kind::Counter => "counter",
            };
            // A string takes whatever is written to it.
            let _ = writeln!(text, "# HELP pgward_{name} {help}\n# TYPE pgward_{name} {kind}");
            for Point { labels, value } in points {
                let labels: Vec<String> =
                    labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escaped(v))).collect();
                let _ = writeln!(text, "pgward_{name}{{{}}} {value}", labels.join(","));
            }
        }
        text
    }

    /// `ExportMetricsServiceRequest` in the JSON encoding of OTLP/HTTP 1.x; counters are
    /// cumulative since `start`.
    pub fn otlp(&self, start: Timestamp, now: Timestamp) -> Value {
        let metrics: Vec<Value> =
            self.metrics.iter().map(|(name, metric)| metric.otlp(name, start, now)).collect();
        let version = env!("CARGO_PKG_VERSION");
        json!({ "resourceMetrics": [{
            "resource": { "attributes": attributes(&[("service.name", "pgward".to_owned())]) },
            "scopeMetrics": [{
                "scope": { "name": "pgward", "version": version },
                "metrics": metrics,
            }],
        }]})
    }
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE` of OTLP.
const CUMULATIVE: u8 = 2;

impl Metric {
    fn otlp(&self, name: &str, start: Timestamp, now: Timestamp) -> Value {
        // A number of 64 bits is a string in protobuf's JSON.
        let nanos = |at: Timestamp| at.as_nanosecond().to_string();
        let point = |p: &Point| {
            let mut point = json!({
                "attributes": attributes(&p.labels),
                "timeUnixNano": nanos(now),
                "asDouble": p.value,
            });
            if self.kind == Kind::Counter {
                point["startTimeUnixNano"] = json!(nanos(start));
            }
            point
        };
        let points: Vec<Value> = self.points.iter().map(point).collect();
        let mut metric = json!({ "name": format!("pgward_{name}"), "description": self.help });
        match self.kind {
            Kind::Gauge => metric["gauge"] = json!({ "dataPoints": points }),
            Kind::Counter => {
                metric["sum"] = json!({
                    "aggregationTemporality": CUMULATIVE,
                    "isMonotonic": true,
                    "dataPoints": points,
                });
            }
        }
        metric
    }
}

fn attributes(labels: &[(&str, String)]) -> Vec<Value> {
    let one =
        |(key, value): &(&str, String)| json!({ "key": key, "value": { "stringValue": value } });
    labels.iter().map(one).collect()
}

/// The three characters that the format of Prometheus escapes in a label.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        let mut metrics = Metrics::default();
        metrics.counter("ticks_total", "Samples taken", &[("server", "a")], 1.0);
        metrics.gauge("limit_used", "What is used", &[("of", "all \"roles\"")], 97.5);
        metrics.counter("ticks_total", "Samples taken", &[("server", "b")], 2.0);
        metrics
    }

    #[test]
    fn points_of_one_metric_stand_together_with_their_help() {
        let expected = "# HELP pgward_limit_used What is used\n\
                        # TYPE pgward_limit_used gauge\n\
                        pgward_limit_used{of=\"all \\\"roles\\\"\"} 97.5\n\
                        # HELP pgward_ticks_total Samples taken\n\
                        # TYPE pgward_ticks_total counter\n\
                        pgward_ticks_total{server=\"a\"} 1\n\
                        pgward_ticks_total{server=\"b\"} 2\n";
        assert_eq!(metrics().prometheus(), expected);
    }

    #[test]
    fn a_collector_gets_cumulative_counters_since_our_start() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let sent = metrics().otlp(at(10), at(70));
        let told = &sent["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        assert_eq!(told[0]["name"], "pgward_limit_used");
        assert_eq!(told[0]["gauge"]["dataPoints"][0]["asDouble"], 97.5);
        let sum = &told[1]["sum"];
        assert_eq!(
            (&sum["aggregationTemporality"], &sum["isMonotonic"]),
            (&json!(2), &json!(true))
        );
        let point = &sum["dataPoints"][1];
        assert_eq!(point["startTimeUnixNano"], "10000000000");
        assert_eq!(point["timeUnixNano"], "70000000000");
        assert_eq!(point["attributes"], json!([{"key": "server", "value": {"stringValue": "b"}}]));
    }
}
