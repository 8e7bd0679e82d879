//! Which database is meant: a connection string that never shows its password.

use crate::error::Error;
use crate::tls::{self, Tls};
use std::fmt;
use std::str::FromStr;

/// A database to connect to.
#[derive(Clone)]
pub struct Target {
    config: tokio_postgres::Config,
    tls: Tls,
}

/// Where a server on this machine is looked for when no host is named: the unix socket's place
/// on Debian, Ubuntu and Fedora.
const SOCKET_DIR: &str = "/var/run/postgresql";

impl Target {
    /// Reads a `postgres://` URL or a `key=value` list; `sslmode`, `sslrootcert`, `sslcert` and
    /// `sslkey` mean what they mean to psql.
    ///
    /// # Errors
    /// [`Error::BadUrl`] when it is neither; the message does not repeat the text,
    /// which may hold a password. [`Error::Tls`] for an unknown `sslmode` and for certificates
    /// that cannot be read.
    pub fn parse(url: &str) -> Result<Target, Error> {
        let (rest, settings) = without_tls(url);
        let mut config = tokio_postgres::Config::from_str(&rest)
            .map_err(|source| Error::BadUrl { what: "--database".to_owned(), source })?;
        let tls = Tls::new(settings)?;
        config.ssl_mode(tls.mode);
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let socket_dir = std::path::Path::new(SOCKET_DIR);
            config.host(if socket_dir.is_dir() { SOCKET_DIR } else { "localhost" });
        }
        Ok(Target { config, tls })
    }

    /// The same server and role, another database.
    pub fn with_database(&self, database: &str) -> Target {
        let mut config = self.config.clone();
        config.dbname(database);
        Target { config, tls: self.tls.clone() }
    }

    /// The same server and database, another role without password.
    pub fn with_role(&self, role: &str) -> Target {
        let mut config = self.config.clone();
        config.user(role);
        Target { config, tls: self.tls.clone() }
    }

    /// The same, with a password.
    pub fn with_password(&self, password: &str) -> Target {
        let mut config = self.config.clone();
        config.password(password);
        Target { config, tls: self.tls.clone() }
    }

    /// The same, through another port on the loopback interface.
    pub fn through_port(&self, port: u16) -> Target {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port).ssl_mode(self.tls.mode);
        if let Some(user) = self.config.get_user() {
            config.user(user);
        }
        if let Some(dbname) = self.config.get_dbname() {
            config.dbname(dbname);
        }
        if let Some(password) = self.config.get_password() {
            config.password(password);
        }
        Target { config, tls: self.tls.clone() }
    }

    pub fn role(&self) -> &str {
        self.config.get_user().unwrap_or("")
    }

    pub fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or("postgres")
    }

    /// Host name or socket directory, as programs like `pg_dump -h` take it.
    pub fn host(&self) -> String {
        match self.config.get_hosts().first() {
            Some(tokio_postgres::config::Host::Tcp(host)) => host.clone(),
            Some(tokio_postgres::config::Host::Unix(dir)) => dir.display().to_string(),
            None => "localhost".to_owned(),
        }
    }

    pub fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    /// For the environment of PostgreSQL's own programs only; never print it.
    pub fn password(&self) -> Option<String> {
        self.config.get_password().map(|p| String::from_utf8_lossy(p).into_owned())
    }

    pub(crate) fn config(&self) -> tokio_postgres::Config {
        self.config.clone()
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }
}

/// A connection string without what it says of TLS, and that.
fn without_tls(text: &str) -> (String, Vec<(&'static str, String)>) {
    let known = |key: &str| tls::SETTINGS.into_iter().find(|name| *name == key.trim());
    let mut settings = Vec::new();
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let Some((base, query)) = text.split_once('?') else { return (text.to_owned(), settings) };
        let others: Vec<&str> = query
            .split('&')
            .filter(|pair| {
                let Some((key, value)) = pair.split_once('=') else { return true };
                let Some(name) = known(key) else { return true };
                let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                settings.push((name, value.into_owned()));
                false
            })
            .collect();
        let rest = if others.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", others.join("&"))
        };
        return (rest, settings);
    }
    let mut kept = String::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (pair, after) = rest.split_at(pair_end(rest));
        match pair.split_once('=').and_then(|(key, value)| Some((known(key)?, value))) {
            Some((name, value)) => settings.push((name, unquoted(value.trim()))),
            None => kept.extend([pair, " "]),
        }
        rest = after.trim_start();
    }
    (kept, settings)
}

/// Where the first `key = value` of a list ends; a value with spaces stands in quotes.
fn pair_end(list: &str) -> usize {
    let Some(equals) = list.find('=') else { return list.len() };
    let value = list.get(equals + 1..).unwrap_or("");
    let start = list.len() - value.trim_start().len();
    let (mut quoted, mut escaped) = (false, false);
    for (i, c) in list.char_indices().skip_while(|(i, _)| *i < start) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => return i,
            _ => {}
        }
    }
    list.len()
}

/// The value without its quotes and escapes.
fn unquoted(value: &str) -> String {
    let mut escaped = false;
    let keeps = |c: &char| {
        let mark = !escaped && (*c == '\'' || *c == '\\');
        escaped = !escaped && *c == '\\';
        !mark
    };
    value.chars().filter(keeps).collect()
}

/// `role@host:port/database`, without password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}/{}", self.role(), self.host(), self.port(), self.database())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let target = Target::parse("postgres://app:secret@db.example:6543/shop").unwrap();
        assert_eq!(format!("{target} {target:?}").matches("secret").count(), 0);
        assert_eq!(target.to_string(), "app@db.example:6543/shop");
    }

    #[test]
    fn what_is_said_of_tls_is_told_from_the_rest() {
        let settings = |text: &str| {
            let (rest, settings) = without_tls(text);
            (rest.trim().to_owned(), settings)
        };
        let root = |path: &str| {
            vec![("sslmode", "verify-full".to_owned()), ("sslrootcert", path.to_owned())]
        };
        assert_eq!(
            settings(
                "postgres://a:b@h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fmy%20ca.pem"
            ),
            ("postgres://a:b@h/d?connect_timeout=3".to_owned(), root("/my ca.pem"))
        );
        assert_eq!(
            settings(
                "host=h password='x sslmode=disable' sslmode = verify-full sslrootcert='/it\\'s.pem'"
            ),
            ("host=h password='x sslmode=disable'".to_owned(), root("/it's.pem"))
        );
        let error = Target::parse("host=h sslmode=verify-fully").unwrap_err();
        assert!(error.to_string().starts_with("sslmode=verify-fully: not one of disable"));
        let error = Target::parse("host=h sslmode=verify-ca sslrootcert=/none.pem").unwrap_err();
        assert!(error.to_string().starts_with("/none.pem: "));
    }
}
