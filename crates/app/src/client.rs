//! Asks a running `pgward watch`, and posts to the world: HTTP with a limit on everything.

use crate::http::Posted;
use anyhow::Context;
use pgward_model::status::ServerStatus;
use serde::Deserialize;
use std::time::Duration;

/// Where `pgward watch` listens unless it is told otherwise.
pub const WATCHER: &str = "http://127.0.0.1:9633";
/// An answer that is longer is none of ours.
const BYTES_MAX: u64 = 16 << 20;

#[derive(Deserialize)]
struct Servers {
    servers: Vec<ServerStatus>,
}

/// An agent that gives up after `within` and takes no answer for an error.
pub fn agent(within: Duration) -> ureq::Agent {
    // Certificates are trusted as this machine does, so that those of a company's own authority
    // are too.
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier);
    let config = ureq::Agent::config_builder()
        .tls_config(tls.build())
        .timeout_global(Some(within))
        .http_status_as_error(false)
        .user_agent(concat!("pgward/", env!("CARGO_PKG_VERSION")));
    config.build().into()
}

/// What the watcher at `url` sees of its servers.
///
/// # Errors
/// When nobody answers there, or somebody else.
pub fn status(url: &str, within: Duration) -> anyhow::Result<Vec<ServerStatus>> {
    let url = format!("{}/status", url.trim_end_matches('/'));
    let mut answer = agent(within).get(&url).call().with_context(|| format!("{url}: no answer"))?;
    let text = answer.body_mut().with_config().limit(BYTES_MAX).read_to_string()?;
    let told: Servers =
        serde_json::from_str(&text).with_context(|| format!("{url}: not pgward"))?;
    Ok(told.servers)
}

/// Tells a running watcher of an event; `false` when nobody listens there, or one that guards
/// other servers.
///
/// # Errors
/// When it listens and refuses, with its reason.
pub fn tell(
    url: &str,
    token: Option<&str>,
    posted: &Posted,
    within: Duration,
) -> anyhow::Result<bool> {
    let address = format!("{}/event", url.trim_end_matches('/'));
    let mut request = agent(within).post(&address).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let Ok(mut answer) = request.send(serde_json::to_string(posted)?.as_bytes()) else {
        return Ok(false);
    };
    if answer.status().is_success() {
        return Ok(true);
    }
    if answer.status().as_u16() == 404 {
        return Ok(false);
    }
    let why = answer.body_mut().with_config().limit(BYTES_MAX).read_to_string()?;
    anyhow::bail!("{address}: {}: {}", answer.status(), why.trim())
}
