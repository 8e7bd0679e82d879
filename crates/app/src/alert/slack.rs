//! Slack, and whatever takes its incoming webhooks: a subject and the message in mrkdwn.

use super::{Failure, Route, Sink, post};
use pgward_model::alert::Delivery;
use pgward_render::{format, view};
use serde_json::json;

pub(super) static SINK: Sink = Sink {
    id: "slack",
    title: "a channel of Slack or of a chat that takes its incoming webhooks",
    needs: &["url"],
    may: &[],
    gathers: false,
    send,
};

/// Slack cuts a section's text here (Block Kit reference, section block).
const TEXT_CHARS: usize = 3_000;

fn send(route: &Route, delivery: &Delivery) -> Result<(), Failure> {
    let document = view::alert(&delivery.alert, &delivery.with);
    let plain = format::plain(&document, 80);
    let body: String = escaped(&plain).chars().take(TEXT_CHARS - 8).collect();
    post(
        &route.url,
        &[],
        &json!({
            "text": escaped(&view::alert_subject(&delivery.alert)),
            "blocks": [{
                "type": "section",
                "text": { "type": "mrkdwn", "text": format!("```\n{body}\n```") },
            }],
        }),
    )
}

/// The three characters that Slack reads as its own; a statement must not mention a channel.
/// Backticks would end the block.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("```", "'''")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_statement_mentions_nobody_and_ends_no_block() {
        assert_eq!(escaped("<!channel> ``` & x"), "&lt;!channel&gt; ''' &amp; x");
    }
}
