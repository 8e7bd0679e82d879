//! Sinks: where alerts go. One file each; the file's name is the word after `sink =`.

use pgward_model::alert::Delivery;
use std::time::Duration;

mod alertmanager;
mod command;
mod email;
mod pagerduty;
mod slack;
mod webhook;

/// One kind of receiver.
pub struct Sink {
    /// File name.
    pub id: &'static str,
    /// Who receives it there.
    pub title: &'static str,
    /// Keys that a route to it must have.
    pub needs: &'static [&'static str],
    /// Keys that it may have besides.
    pub may: &'static [&'static str],
    /// Does the receiver gather alerts by itself? Then each incident is told by its own message.
    pub gathers: bool,
    /// Sends one message, within [`WITHIN`].
    pub send: fn(&Route, &Delivery) -> Result<(), Failure>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sink({})", self.id)
    }
}

/// All sinks.
pub static SINKS: &[&Sink] = &[
    &alertmanager::SINK,
    &command::SINK,
    &email::SINK,
    &pagerduty::SINK,
    &slack::SINK,
    &webhook::SINK,
];

/// An alert goes to a route once its incident has been open for `after_s` without anybody's
/// acknowledgement: routes with a later time are the escalation.
#[derive(Clone)]
pub struct Route {
    pub name: String,
    pub sink: &'static Sink,
    pub url: String,
    /// A routing key or a password.
    pub key: String,
    pub from: String,
    pub to: Vec<String>,
    pub command: Vec<String>,
    pub after_s: f64,
    /// Told again after this time, while nobody has acknowledged it.
    pub repeat_s: f64,
    /// Names of servers; empty: all.
    pub servers: Vec<String>,
}

/// Keys and addresses that hold keys are not shown.
impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Route({} to {})", self.name, self.sink.id)
    }
}

impl Route {
    pub fn is_for(&self, server: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|s| s == server)
    }
}

/// Why a message did not arrive.
#[derive(Debug)]
pub enum Failure {
    /// Trying again may help.
    Later(String),
    /// It will never be taken as it is.
    Never(String),
}

/// One attempt takes no longer.
pub const WITHIN: Duration = Duration::from_secs(10);

/// Posts JSON. The answer counts by its status alone: 2xx is delivered; 408, 425, 429 and 5xx
/// are tried again; other refusals stay refusals.
pub fn post(
    url: &str,
    headers: &[(String, String)],
    body: &serde_json::Value,
) -> Result<(), Failure> {
    let text = body.to_string();
    let mut request =
        crate::client::agent(WITHIN).post(url).header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let sent = request.send(text.as_bytes());
    // An address may hold a key: only its host is told.
    let host = host_of(url);
    match sent.map(|answer| answer.status().as_u16()) {
        Ok(200..=299) => Ok(()),
        Ok(status @ (408 | 425 | 429 | 500..=599)) => {
            Err(Failure::Later(format!("{host} answered {status}")))
        }
        Ok(status) => Err(Failure::Never(format!("{host} answered {status}"))),
        Err(ureq::Error::BadUri(_) | ureq::Error::Http(_)) => {
            Err(Failure::Never(format!("{host}: not an address")))
        }
        Err(error) => Err(Failure::Later(format!("{host}: {error}"))),
    }
}

fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or("");
    authority.rsplit('@').next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_registered_under_its_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/alert");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut ids: Vec<&str> = SINKS.iter().map(|s| s.id).collect();
        ids.sort_unstable();
        assert_eq!(files, ids);
    }

    #[test]
    fn an_address_is_told_by_its_host_alone() {
        assert_eq!(host_of("https://u:p@hooks.example:8443/T0/secret?x=1"), "hooks.example:8443");
    }
}
