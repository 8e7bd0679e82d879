//! Any program that takes a POST: the alert as JSON, as it is, and the message for people.

use super::{Failure, Route, Sink, post};
use pgward_model::alert::Delivery;
use pgward_render::{format, view};
use serde_json::json;

pub(super) static SINK: Sink = Sink {
    id: "webhook",
    title: "any program that takes a POST",
    needs: &["url"],
    may: &[],
    gathers: false,
    send,
};

fn send(route: &Route, delivery: &Delivery) -> Result<(), Failure> {
    let document = view::alert(&delivery.alert, &delivery.with);
    post(
        &route.url,
        &[],
        &json!({
            "id": delivery.id,
            "subject": view::alert_subject(&delivery.alert),
            "text": format::plain(&document, format::WIDTH),
            "alert": delivery.alert,
            "with": delivery.with,
        }),
    )
}
