//! Prometheus Alertmanager, API v2: one alert an incident; silences and groups are its business.

use super::{Failure, Route, Sink, post};
use pgward_model::alert::{AlertNews, Delivery};
use pgward_render::{format, view};
use serde_json::json;

pub(super) static SINK: Sink = Sink {
    id: "alertmanager",
    title: "Prometheus Alertmanager, by its API v2",
    needs: &["url"],
    may: &[],
    gathers: true,
    send,
};

/// An alert that is not told again is resolved by then: longer than any incident without a
/// watcher should stand, shorter than a night.
const ENDS_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_hours(4);

fn send(route: &Route, delivery: &Delivery) -> Result<(), Failure> {
    let alert = &delivery.alert;
    let ends = match alert.news {
        AlertNews::Closed => alert.at,
        _ => alert.at.checked_add(ENDS_AFTER).unwrap_or(alert.at),
    };
    // Labels are the identity: what changes while the incident is open is an annotation.
    let body = json!([{
        "labels": {
            "alertname": "PgwardIncident",
            "server": alert.server,
            "incident": alert.incident,
            "severity": "critical",
        },
        "annotations": {
            "summary": view::alert_subject(alert),
            "description": format::plain(&view::alert(alert, &[]), format::WIDTH),
            "cause": alert.cause.clone().unwrap_or_default(),
            "next": alert.next,
        },
        "startsAt": alert.since,
        "endsAt": ends,
    }]);
    post(&format!("{}/api/v2/alerts", route.url.trim_end_matches('/')), &[], &body)
}
