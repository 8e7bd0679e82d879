//! PagerDuty, Events API v2: trigger and resolve by the incident's id.

use super::{Failure, Route, Sink, post};
use pgward_model::alert::{AlertNews, Delivery};
use pgward_render::view;
use serde_json::json;

pub(super) static SINK: Sink = Sink {
    id: "pagerduty",
    title: "a service of PagerDuty, by its Events API v2",
    needs: &["key"],
    may: &["url"],
    gathers: true,
    send,
};

const EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";
/// Longer summaries are cut by the receiver (Events API v2, payload.summary).
const SUMMARY_CHARS: usize = 1_024;

fn send(route: &Route, delivery: &Delivery) -> Result<(), Failure> {
    let alert = &delivery.alert;
    let url = if route.url.is_empty() { EVENTS } else { route.url.as_str() };
    let mut event = json!({
        "routing_key": route.key,
        "event_action": if alert.news == AlertNews::Closed { "resolve" } else { "trigger" },
        "dedup_key": format!("pgward {} {}", alert.server, alert.incident),
    });
    if alert.news != AlertNews::Closed {
        let summary: String = view::alert_subject(alert).chars().take(SUMMARY_CHARS).collect();
        event["payload"] = json!({
            "summary": summary,
            "source": alert.server,
            "severity": "critical",
            "timestamp": alert.since,
            "component": "postgresql",
            "class": alert.cause,
            "custom_details": alert,
        });
    }
    post(url, &[], &event)
}
