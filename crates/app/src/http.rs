//! What the daemon answers over HTTP: `/healthz`, `/metrics`, `/status`, and events that are
//! posted to `/event`. It listens on the loopback interface unless it is told otherwise.

use crate::board::Board;
use anyhow::{Context, ensure};
use pgward_model::prelude::*;
use pgward_pg::clock;
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use tiny_http::{Header, Method, Request, Response, Server};

/// Where it listens unless it is told otherwise; [`crate::client::WATCHER`] asks there.
pub const LISTEN: &str = "127.0.0.1:9633";
/// An event is a line.
const BODY_BYTES_MAX: u64 = 64 << 10;
/// Threads that answer; one that reads slowly must not stop `/healthz`.
const N_THREADS: usize = 4;

/// Takes an event in; `Err` says why not.
pub type Take = Arc<dyn Fn(Event) -> Result<(), String> + Send + Sync>;

/// An event as it is posted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posted {
    pub what: String,
    pub at: Option<Timestamp>,
    /// Name of a server; without it, every one.
    pub server: Option<String>,
    /// What it touches: relations, or a role.
    #[serde(default)]
    pub on: Vec<String>,
    pub role: Option<String>,
    /// The role that did it.
    pub by: Option<String>,
}

impl Posted {
    /// The event of one server.
    pub fn event(&self, server: &str, now: Timestamp) -> Event {
        let subject = match (&self.role, self.on.as_slice()) {
            (Some(role), _) => format!("role {role}"),
            (None, []) => String::new(),
            (None, on) => format!("relation {}", on.join(", ")),
        };
        Event {
            at: self.at.unwrap_or(now),
            server: server.to_owned(),
            kind: EventKind::Change,
            subject,
            actor: self.by.clone().unwrap_or_else(|| "unknown role".to_owned()),
            what: self.what.trim().to_owned(),
            source: Source::new(SourceKind::Ledger, "told to pgward"),
        }
    }
}

/// Starts to answer; returns where, for a port 0.
///
/// # Errors
/// An address that is taken or none; one beyond the loopback interface without a token.
pub fn serve(
    listen: &str,
    token: Option<String>,
    board: Arc<Board>,
    take: Take,
) -> anyhow::Result<SocketAddr> {
    let wanted: SocketAddr = listen
        .parse()
        .with_context(|| format!("--listen {listen}: not an address such as {LISTEN}"))?;
    ensure!(
        wanted.ip().is_loopback() || token.is_some(),
        "--listen {listen}: beyond the loopback interface whoever posts an event must know a \
         token; write it in pgward.toml, token under [daemon]"
    );
    let server =
        Server::http(wanted).map_err(|error| anyhow::anyhow!("{error}")).with_context(|| {
            format!("--listen {listen}: cannot listen there; `none` listens nowhere")
        })?;
    let bound = server.server_addr().to_ip().unwrap_or(wanted);
    let server = Arc::new(server);
    for _ in 0..N_THREADS {
        let (server, board, take) = (Arc::clone(&server), Arc::clone(&board), Arc::clone(&take));
        let token = token.clone();
        std::thread::spawn(move || {
            while let Ok(mut request) = server.recv() {
                let (status, kind, text) = answer(&mut request, token.as_deref(), &board, &take);
                let mut response = Response::from_string(text).with_status_code(status);
                if let Ok(header) = Header::from_bytes("content-type", kind) {
                    response.add_header(header);
                }
                // Who has gone away misses nothing.
                let _ = request.respond(response);
            }
        });
    }
    Ok(bound)
}

type Answer = (u16, &'static str, String);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// Prometheus, exposition formats.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

fn answer(request: &mut Request, token: Option<&str>, board: &Board, take: &Take) -> Answer {
    let now = clock::now();
    let path = request.url().split('?').next().unwrap_or("").to_owned();
    match (request.method(), path.as_str()) {
        (Method::Get, "/healthz") => match board.stale(now).as_slice() {
            [] => (200, TEXT, "well\n".to_owned()),
            stale => (503, TEXT, format!("not looked at any more: {}\n", stale.join(", "))),
        },
        (Method::Get, "/metrics") => (200, METRICS, board.metrics(now).prometheus()),
        (Method::Get, "/status") => {
            (200, JSON, serde_json::json!({ "servers": board.statuses() }).to_string())
        }
        (Method::Post, "/event") => match posted(request, token, board, take, now) {
            Ok(n) => (200, JSON, serde_json::json!({ "servers": n }).to_string()),
            Err((status, why)) => (status, TEXT, format!("{why}\n")),
        },
        (_, "/healthz" | "/metrics" | "/status" | "/event") => {
            (405, TEXT, "another method: GET, or POST for /event\n".to_owned())
        }
        _ => (404, TEXT, "there are /healthz, /metrics, /status and /event\n".to_owned()),
    }
}

/// Takes an event; says for how many servers.
fn posted(
    request: &mut Request,
    token: Option<&str>,
    board: &Board,
    take: &Take,
    now: Timestamp,
) -> Result<usize, (u16, String)> {
    let header = |name: &'static str| {
        request.headers().iter().find(|h| h.field.equiv(name)).map(|h| h.value.to_string())
    };
    // A page in somebody's browser can post here; it cannot leave this header out.
    if header("Origin").is_some() {
        return Err((403, "events are not taken from web pages".to_owned()));
    }
    if token.is_some_and(|t| header("Authorization") != Some(format!("Bearer {t}"))) {
        return Err((401, "Authorization: Bearer TOKEN is missing or wrong".to_owned()));
    }
    let mut text = String::new();
    let read = request.as_reader().take(BODY_BYTES_MAX + 1).read_to_string(&mut text);
    if read.is_err() || text.len() as u64 > BODY_BYTES_MAX {
        return Err((413, format!("not text of at most {BODY_BYTES_MAX} bytes")));
    }
    let posted: Posted = serde_json::from_str(&text).map_err(|error| {
        (400, format!("not an event such as {{\"what\": \"deploy 4711\"}}: {error}"))
    })?;
    if posted.what.trim().is_empty() {
        return Err((400, "`what` is empty".to_owned()));
    }
    let known: Vec<String> = board.statuses().into_iter().map(|s| s.server).collect();
    let wanted: Vec<&String> =
        known.iter().filter(|s| posted.server.as_ref().is_none_or(|w| w == *s)).collect();
    if wanted.is_empty() {
        return Err((404, format!("no such server here; there are {}", known.join(", "))));
    }
    for server in &wanted {
        take(posted.event(server, now)).map_err(|why| (500, why))?;
    }
    Ok(wanted.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::agent;
    use std::sync::Mutex;
    use std::time::Duration;

    const WITHIN: Duration = Duration::from_secs(10);

    struct Daemon {
        url: String,
        taken: Arc<Mutex<Vec<Event>>>,
        board: Arc<Board>,
    }

    fn daemon(token: Option<&str>) -> Daemon {
        let board = Arc::new(Board::default());
        for server in ["shop", "books"] {
            let status = ServerStatus::empty(server, clock::now());
            board.write(status, 1.0, false, clock::now());
        }
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&taken);
        let take: Take = Arc::new(move |event| {
            sink.lock().unwrap().push(event);
            Ok(())
        });
        let token = token.map(str::to_owned);
        let bound = serve("127.0.0.1:0", token, Arc::clone(&board), take).unwrap();
        Daemon { url: format!("http://{bound}"), taken, board }
    }

    fn get(daemon: &Daemon, path: &str) -> (u16, String) {
        let mut answer = agent(WITHIN).get(format!("{}{path}", daemon.url)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    fn post(daemon: &Daemon, header: Option<(&str, &str)>, body: &str) -> (u16, String) {
        let mut request = agent(WITHIN).post(format!("{}/event", daemon.url));
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut answer = request.send(body).unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    #[test]
    fn it_tells_how_it_and_its_servers_are() {
        let daemon = daemon(None);
        assert_eq!(get(&daemon, "/healthz"), (200, "well\n".to_owned()));
        assert!(get(&daemon, "/metrics?x=1").1.contains("pgward_ticks_total{server=\"shop\"} 1"));
        let seen = crate::client::status(&daemon.url, WITHIN).unwrap();
        assert_eq!(seen, daemon.board.statuses());
        assert_eq!(get(&daemon, "/etc/passwd").0, 404);
    }

    #[test]
    fn events_are_taken_for_one_server_or_all() {
        let daemon = daemon(None);
        let one = r#"{"what": "deploy 4711", "server": "shop", "on": ["orders"], "by": "ci"}"#;
        assert_eq!(post(&daemon, None, one).0, 200);
        let said = |e: &Event| (e.server.clone(), e.subject.clone(), e.actor.clone());
        let taken = daemon.taken.lock().unwrap().iter().map(said).collect::<Vec<_>>();
        assert_eq!(taken, [("shop".to_owned(), "relation orders".to_owned(), "ci".to_owned())]);
        assert_eq!(post(&daemon, None, r#"{"what": "cron"}"#).1, r#"{"servers":2}"#);
        assert_eq!(daemon.taken.lock().unwrap().len(), 3);
    }

    #[test]
    fn what_is_no_event_is_refused_with_the_reason() {
        let daemon = daemon(Some("s3cret"));
        let bearer = Some(("authorization", "Bearer s3cret"));
        let event = r#"{"what": "deploy"}"#;
        assert_eq!(post(&daemon, None, event).0, 401);
        assert_eq!(post(&daemon, Some(("origin", "http://evil.example")), event).0, 403);
        assert_eq!(post(&daemon, bearer, event).0, 200);
        let typo = post(&daemon, bearer, r#"{"waht": "deploy"}"#);
        assert!(typo.0 == 400 && typo.1.contains("waht"), "{typo:?}");
        assert_eq!(post(&daemon, bearer, r#"{"what": " "}"#).0, 400);
        let other = post(&daemon, bearer, r#"{"what": "x", "server": "shp"}"#);
        assert!(other.0 == 404 && other.1.contains("books, shop"), "{other:?}");
        assert_eq!(post(&daemon, bearer, &"x".repeat(70_000)).0, 413);
    }

    #[test]
    fn the_world_is_not_listened_to_without_a_token() {
        let take: Take = Arc::new(|_| Ok(()));
        let error = serve("0.0.0.0:0", None, Arc::default(), Arc::clone(&take)).unwrap_err();
        assert!(error.to_string().contains("token"), "{error}");
        let error = serve("localhost", None, Arc::default(), take).unwrap_err();
        assert!(error.to_string().contains("not an address"), "{error}");
    }
}
