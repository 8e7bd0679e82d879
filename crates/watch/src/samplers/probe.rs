//! The path to the server: handshake, new connections, round trip.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::clock;
use pgward_pg::prelude::*;
use std::io::ErrorKind;
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

pub(super) static SAMPLER: Sampler = Sampler { id: "probe", period_s: 1.0, rights: "LOGIN", take };

/// More than one while an incident is open, so that a loss of some percent shows within ten seconds.
const TRIES_ALARMED: u32 = 4;
/// A connection costs the server a process, more than all else that a tick asks: one in four
/// seconds (ticks come a little early or late) while nothing is wrong; after one that failed the
/// next comes with the next tick.
const CONNECT_EVERY: Duration = Duration::from_millis(3_500);
/// Users call a second without connection an outage.
const PATIENCE: Duration = Duration::from_secs(1);

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let target = eyes.probe_target.clone();
    let tries = match eyes.alarmed {
        true => TRIES_ALARMED,
        false => u32::from(eyes.next_probe.passed()),
    };
    let (dns_ms, dns_failed) = resolve(&target);
    let (mut failed, mut refused, mut not_begun) = (0, 0, 0);
    let mut connects = Vec::new();
    for _ in 0..tries {
        let start = clock::instant();
        match Session::connect_within(&target, Purpose::Watch, PATIENCE) {
            Ok(_) => connects.push(ms_since(start)),
            Err(error) => {
                let n = match &error {
                    // For want of files of our own: that says nothing of the path.
                    pgward_pg::error::Error::Begin { .. } => &mut not_begun,
                    error if is_refusal(error) => &mut refused,
                    _ => &mut failed,
                };
                *n += 1;
                sample.probe_error = pgward_pg::error::links(&error).join(": ");
            }
        }
    }
    if tries > 0 {
        let pause = if failed > 0 { Duration::ZERO } else { CONNECT_EVERY };
        eyes.next_probe = clock::Deadline::after(pause);
    }
    let closed = failed > 0 && is_closed(&eyes.target);
    sample.probe = Some(NetworkProbe {
        tried: tries - not_begun,
        failed,
        refused,
        tcp_ms: if tries > 0 { handshake(&target) } else { None },
        connect_ms: mean(&connects),
        round_trip_ms: round_trip(eyes),
        dns_ms,
        dns_failed,
        closed,
    });
    Ok(())
}

/// A server that has no slot or no lock for us, or does not let us in, answers; it is not
/// unreachable.
fn is_refusal(error: &pgward_pg::error::Error) -> bool {
    let is_answer = |state: &str| ["53300", "53200"].contains(&state) || state.starts_with("28");
    error.sqlstate().is_some_and(is_answer)
}

/// Time to resolve the server's name, and whether that failed; an address needs none.
fn resolve(target: &Target) -> (Option<f64>, bool) {
    let host = target.host();
    if host.starts_with('/') || host.parse::<IpAddr>().is_ok() {
        return (None, false);
    }
    let start = clock::instant();
    match (host.as_str(), target.port()).to_socket_addrs() {
        Ok(_) => (Some(ms_since(start)), false),
        Err(_) => (None, true),
    }
}

/// Does the host answer that nobody listens there? It is reachable then, the server is not.
fn is_closed(target: &Target) -> bool {
    let host = target.host();
    let refused =
        |e: std::io::Error| matches!(e.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound);
    if host.starts_with('/') {
        let socket = format!("{host}/.s.PGSQL.{}", target.port());
        return UnixStream::connect(socket).is_err_and(refused);
    }
    let resolved = (host.as_str(), target.port()).to_socket_addrs();
    let Some(address) = resolved.ok().and_then(|mut all| all.next()) else { return false };
    TcpStream::connect_timeout(&address, PATIENCE).is_err_and(refused)
}

fn handshake(target: &Target) -> Option<f64> {
    let host = target.host();
    if host.starts_with('/') {
        return None;
    }
    let address = (host.as_str(), target.port()).to_socket_addrs().ok()?.next()?;
    let start = clock::instant();
    TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    Some(ms_since(start))
}

fn round_trip(eyes: &mut Eyes) -> Option<f64> {
    let session = eyes.session().ok()?;
    let start = clock::instant();
    session.query_one::<i32>("SELECT 1", &[]).ok()?;
    Some(ms_since(start))
}

fn ms_since(start: std::time::Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
