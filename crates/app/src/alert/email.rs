//! E-mail by SMTP: `url = "smtps://user@host"` or `smtp://host`, the password in `key`.

use super::{Failure, Route, Sink, WITHIN};
use lettre::message::{Mailbox, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Message, SmtpTransport, Transport};
use pgward_model::alert::Delivery;
use pgward_render::{format, view};

pub(super) static SINK: Sink = Sink {
    id: "email",
    title: "mailboxes, by SMTP",
    needs: &["url", "from", "to"],
    may: &["key"],
    gathers: false,
    send,
};

fn send(route: &Route, delivery: &Delivery) -> Result<(), Failure> {
    let message = message(route, delivery).map_err(Failure::Never)?;
    let never = |error: &dyn std::fmt::Display| Failure::Never(format!("smtp: {error}"));
    let mut transport =
        SmtpTransport::from_url(&route.url).map_err(|e| never(&e))?.timeout(Some(WITHIN));
    if !route.key.is_empty() {
        let user = user_of(&route.url).unwrap_or(&route.from).to_owned();
        transport = transport.credentials(Credentials::new(user, route.key.clone()));
    }
    match transport.build().send(&message) {
        Ok(_) => Ok(()),
        Err(error) if error.is_permanent() => Err(never(&error)),
        Err(error) => Err(Failure::Later(format!("smtp: {error}"))),
    }
}

/// Messages of one incident have one thread: each refers to the first.
fn message(route: &Route, delivery: &Delivery) -> Result<Message, String> {
    let mailbox = |text: &String| {
        text.parse::<Mailbox>().map_err(|error| format!("`{text}` is no mailbox: {error}"))
    };
    let alert = &delivery.alert;
    let subject: String = view::alert_subject(alert).chars().filter(|c| !c.is_control()).collect();
    let mut builder = Message::builder()
        .from(mailbox(&route.from)?)
        .subject(subject)
        .references(format!("<{}@pgward.invalid>", alert.incident));
    for to in &route.to {
        builder = builder.to(mailbox(to)?);
    }
    let text = format::plain(&view::alert(alert, &delivery.with), format::WIDTH);
    builder.singlepart(SinglePart::plain(text)).map_err(|error| error.to_string())
}

fn user_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split(':').next()
}
