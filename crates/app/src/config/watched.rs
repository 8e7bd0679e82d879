//! `[[server]]`, `[[alert]]`, `[daemon]` and `[otlp]` of `pgward.toml`: what is watched, and who is
//! told.

use super::{NAME, parsed, text_of, wrong_at};
use crate::alert::{Route, SINKS, Sink};
use crate::cli::{Respond, seconds};
use crate::otlp::Collector;
use anyhow::Context;
use pgward_pg::prelude::Target;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Servers of one configuration; beyond, another process is needed anyway.
const SERVERS_MAX: usize = 1_000;
/// How often a collector is told where nobody says it.
const SENT_EVERY_S: f64 = 10.0;

/// What is watched, and who is told.
#[derive(Debug, Default)]
pub struct Watched {
    pub servers: Vec<Server>,
    pub routes: Vec<Route>,
    /// Where the daemon listens, where it is said.
    pub listen: Option<String>,
    /// What whoever posts to the daemon must know.
    pub token: Option<String>,
    /// Who gets the metrics.
    pub collector: Option<Collector>,
}

/// One server.
#[derive(Debug, Clone)]
pub struct Server {
    /// As in events and files.
    pub name: String,
    pub target: Target,
    pub probe: Option<Target>,
    pub responder: Option<Target>,
    pub respond: Option<Respond>,
    pub migrations: Option<PathBuf>,
    /// Read all pages in the background.
    pub scan: Option<bool>,
}

impl Server {
    /// # Errors
    /// A text that is no connection URL.
    pub fn new(url: &str) -> anyhow::Result<Server> {
        let target = Target::parse(url)?;
        Ok(Server {
            name: target.to_string(),
            target,
            probe: None,
            responder: None,
            respond: None,
            migrations: None,
            scan: None,
        })
    }

    /// The same role on the same database?
    pub fn is_same(&self, other: &Server) -> bool {
        self.target.to_string() == other.target.to_string()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    name: Option<Spanned<String>>,
    database: Spanned<String>,
    probe: Option<Spanned<String>>,
    responder: Option<Spanned<String>>,
    respond: Option<Respond>,
    migrations: Option<PathBuf>,
    scan: Option<bool>,
}

/// Every key that some sink has; which one needs which is said by the sink.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRoute {
    sink: Spanned<String>,
    name: Option<String>,
    url: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<Vec<String>>>,
    command: Option<Spanned<Vec<String>>>,
    after: Option<Spanned<String>>,
    repeat: Option<Spanned<String>>,
    servers: Option<Spanned<Vec<String>>>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDaemon {
    listen: Option<String>,
    token: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOtlp {
    url: Spanned<String>,
    every: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
}

/// Names a place of the configuration and what is wrong there.
type Wrong<'a> = dyn Fn(usize, &str) -> anyhow::Error + 'a;

/// The servers and routes of the given configuration, else of the one in this directory; none
/// where there is none.
///
/// # Errors
/// A file that cannot be read, and whatever in it is not understood, with line and column.
pub fn of_servers(given: Option<&Path>) -> anyhow::Result<Watched> {
    let here = PathBuf::from(NAME);
    match given {
        Some(path) => read(path, &text_of(path)?),
        None if here.is_file() => read(&here, &text_of(&here)?),
        None => Ok(Watched::default()),
    }
}

fn read(path: &Path, text: &str) -> anyhow::Result<Watched> {
    let document = parsed(path, text)?;
    let wrong = |at: usize, what: &str| wrong_at(path, text, at, what);
    let mut watched = Watched { listen: document.daemon.listen, ..Watched::default() };
    watched.token = document.daemon.token.map(|t| secret(&t, &wrong)).transpose()?;
    watched.collector = document.otlp.map(|raw| collector(&raw, &wrong)).transpose()?;
    if document.server.len() > SERVERS_MAX {
        anyhow::bail!("{}: more than {SERVERS_MAX} servers", path.display());
    }
    let mut names = BTreeSet::new();
    for raw in document.server {
        let at = raw.database.span().start;
        let server = server(raw, path, &wrong)?;
        if !names.insert(server.name.clone()) {
            return Err(wrong(at, &format!("`{}` is the name of two servers", server.name)));
        }
        watched.servers.push(server);
    }
    for raw in document.alert {
        let at = raw.sink.span().start;
        let route = route(raw, &names, &wrong)?;
        if watched.routes.iter().any(|r| r.name == route.name) {
            let what = format!("`{}` is the name of two alerts: give each a `name`", route.name);
            return Err(wrong(at, &what));
        }
        watched.routes.push(route);
    }
    Ok(watched)
}

fn server(raw: RawServer, path: &Path, wrong: &Wrong<'_>) -> anyhow::Result<Server> {
    let target = |url: &Spanned<String>| {
        let text = secret(url, wrong)?;
        Target::parse(&text)
            .map_err(|_| wrong(url.span().start, "not a connection URL: postgres://user@host/db"))
    };
    let database = target(&raw.database)?;
    let name = match &raw.name {
        Some(name) if name.get_ref().trim().is_empty() => {
            return Err(wrong(name.span().start, "a server without a name"));
        }
        Some(name) => name.get_ref().clone(),
        None => database.to_string(),
    };
    // A path in the configuration begins where the configuration is.
    let base = path.parent().unwrap_or(Path::new(""));
    Ok(Server {
        name,
        target: database,
        probe: raw.probe.as_ref().map(target).transpose()?,
        responder: raw.responder.as_ref().map(target).transpose()?,
        respond: raw.respond,
        migrations: raw.migrations.map(|dir| base.join(dir)),
        scan: raw.scan,
    })
}

fn route(raw: RawRoute, names: &BTreeSet<String>, wrong: &Wrong<'_>) -> anyhow::Result<Route> {
    let (id, at) = (raw.sink.get_ref().as_str(), raw.sink.span().start);
    let sink: &'static Sink = SINKS.iter().find(|s| s.id == id).copied().ok_or_else(|| {
        let known: Vec<&str> = SINKS.iter().map(|s| s.id).collect();
        wrong(at, &format!("`{id}` is no sink; there are {}", known.join(", ")))
    })?;
    let given = [
        ("url", raw.url.as_ref().map(Spanned::span)),
        ("key", raw.key.as_ref().map(Spanned::span)),
        ("from", raw.from.as_ref().map(Spanned::span)),
        ("to", raw.to.as_ref().map(Spanned::span)),
        ("command", raw.command.as_ref().map(Spanned::span)),
    ];
    for (key, span) in given {
        let (needs, may) = (sink.needs.contains(&key), sink.may.contains(&key));
        match span {
            None if needs => return Err(wrong(at, &format!("sink `{id}` needs `{key}`"))),
            Some(span) if !needs && !may => {
                return Err(wrong(span.start, &format!("sink `{id}` has no `{key}`")));
            }
            _ => {}
        }
    }
    if let Some(of) = &raw.servers
        && let Some(name) = of.get_ref().iter().find(|n| !names.contains(*n))
    {
        let what = format!("`{name}` is no server of this configuration");
        return Err(wrong(of.span().start, &what));
    }
    let secret_of = |text: Option<&Spanned<String>>| match text {
        Some(text) => secret(text, wrong),
        None => Ok(String::new()),
    };
    Ok(Route {
        name: raw.name.unwrap_or_else(|| id.to_owned()),
        sink,
        url: secret_of(raw.url.as_ref())?,
        key: secret_of(raw.key.as_ref())?,
        from: secret_of(raw.from.as_ref())?,
        to: raw.to.map(Spanned::into_inner).unwrap_or_default(),
        command: raw.command.map(Spanned::into_inner).unwrap_or_default(),
        after_s: time(raw.after.as_ref(), 0.0, wrong)?,
        repeat_s: time(raw.repeat.as_ref(), f64::INFINITY, wrong)?,
        servers: raw.servers.map(Spanned::into_inner).unwrap_or_default(),
    })
}

fn collector(raw: &RawOtlp, wrong: &Wrong<'_>) -> anyhow::Result<Collector> {
    let url = secret(&raw.url, wrong)?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(wrong(raw.url.span().start, "not an address: http://collector:4318"));
    }
    let header = |(name, value): (&String, &Spanned<String>)| {
        secret(value, wrong).map(|value| (name.clone(), value))
    };
    let headers = raw.headers.iter().map(header).collect::<anyhow::Result<Vec<_>>>()?;
    let every_s = time(raw.every.as_ref(), SENT_EVERY_S, wrong)?;
    match &raw.every {
        Some(every) if every_s < 1.0 => {
            Err(wrong(every.span().start, "metrics change once a second"))
        }
        _ => Ok(Collector::new(&url, headers, every_s)),
    }
}

/// A time such as `10m`, in seconds.
fn time(text: Option<&Spanned<String>>, default: f64, wrong: &Wrong<'_>) -> anyhow::Result<f64> {
    match text {
        None => Ok(default),
        Some(text) => seconds(text.get_ref()).map_err(|why| wrong(text.span().start, &why)),
    }
}

/// A text, or with `env:NAME` what the environment says, so that no secret need stand in a file.
fn secret(text: &Spanned<String>, wrong: &Wrong<'_>) -> anyhow::Result<String> {
    let Some(name) = text.get_ref().strip_prefix("env:") else {
        return Ok(text.get_ref().clone());
    };
    std::env::var_os(name)
        .and_then(|value| value.into_string().ok())
        .with_context(|| format!("the environment has no {name}"))
        .map_err(|error| wrong(text.span().start, &error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[daemon]
listen = "127.0.0.1:0"

[[server]]
name = "shop"
database = "postgres://pgward:secret@db.example/shop"
respond = "ask"
migrations = "migrations"

[[server]]
database = "postgres://pgward@other.example:6543/books"

[[alert]]
sink = "webhook"
url = "http://127.0.0.1:1/hook"

[[alert]]
sink = "command"
command = ["logger", "pgward"]
after = "10m"
servers = ["shop"]

[otlp]
url = "http://127.0.0.1:4318"
headers = { x-key = "secret" }
every = "1m"
"#;

    #[test]
    fn servers_and_routes_are_read() {
        let watched = read(Path::new("etc/pgward.toml"), GOOD).unwrap();
        let names: Vec<&str> = watched.servers.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["shop", "pgward@other.example:6543/books"]);
        let shop = watched.servers.first().unwrap();
        assert_eq!(shop.migrations.as_deref(), Some(Path::new("etc/migrations")));
        assert_eq!(shop.respond, Some(Respond::Ask));
        let [first, second] = watched.routes.as_slice() else { panic!("{:?}", watched.routes) };
        assert_eq!((first.sink.id, first.after_s), ("webhook", 0.0));
        assert_eq!((second.sink.id, second.after_s), ("command", 600.0));
        assert_eq!(second.servers, ["shop"]);
        let collector = watched.collector.unwrap();
        assert_eq!((collector.every_s, collector.headers.len()), (60.0, 1));
    }

    #[track_caller]
    fn wrong(text: &str, says: &[&str]) {
        let error = read(Path::new("pgward.toml"), text).unwrap_err().to_string();
        for word in says {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn what_is_not_understood_is_named_with_line_column_and_the_nearest_key() {
        wrong(&GOOD.replace("respond", "repsond"), &["pgward.toml:8:1:", "mean `respond`?"]);
        wrong(&GOOD.replace("\"ask\"", "\"aks\""), &["pgward.toml:8:11:", "`aks`", "mean `ask`?"]);
        wrong(&GOOD.replace("[[server]]", "[[sever]]"), &["pgward.toml:5:3:", "mean `server`?"]);
        wrong(&GOOD.replace("\"webhook\"", "\"webhok\""), &["pgward.toml:15:8:", "`webhok`"]);
        wrong(&GOOD.replace("url = ", "command = "), &["pgward.toml:16:11:", "sequence"]);
        wrong(&GOOD.replace("\"10m\"", "\"soon\""), &["pgward.toml:21:9:", "`soon`"]);
        wrong(&GOOD.replace("[\"shop\"]", "[\"shp\"]"), &["pgward.toml:22:11:", "`shp`"]);
        wrong(&GOOD.replace("postgres://pg", "postgres//pg"), &["pgward.toml:7:12:", "not a conn"]);
        wrong(&GOOD.replace("\"shop\"\nd", "\"\"\nd"), &["pgward.toml:6:8:", "without a name"]);
        wrong(&GOOD.replace("\"1m\"", "\"10ms\""), &["pgward.toml:27:9:", "once a second"]);
        wrong(&GOOD.replace("http://127.0.0.1:4318", "collector"), &["pgward.toml:25:7:"]);
        wrong(&GOOD.replace("every", "evry"), &["pgward.toml:27:1:", "mean `every`?"]);
        let twice =
            format!("{GOOD}\n[[alert]]\nsink = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\n");
        wrong(&twice, &["`webhook` is the name of two alerts"]);
        let no_env = GOOD.replace("http://127.0.0.1:1/hook", "env:PGWARD_NO_SUCH_NAME");
        wrong(&no_env, &["pgward.toml:16:7:", "PGWARD_NO_SUCH_NAME"]);
    }
}
