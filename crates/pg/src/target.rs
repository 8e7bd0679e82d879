//! Which database is meant: a connection string that never shows its password.

use crate::error::Error;
use std::fmt;
use std::str::FromStr;

/// A database to connect to.
#[derive(Clone)]
pub struct Target {
    config: tokio_postgres::Config,
}

/// Where a server on this machine is looked for when no host is named: the unix socket's place
/// on Debian, Ubuntu and Fedora.
const SOCKET_DIR: &str = "/var/run/postgresql";

impl Target {
    /// Reads a `postgres://` URL or a `key=value` list.
    ///
    /// # Errors
    /// [`Error::BadUrl`] when it is neither; the message does not repeat the text,
    /// which may hold a password.
    pub fn parse(url: &str) -> Result<Target, Error> {
        let mut config = tokio_postgres::Config::from_str(url)
            .map_err(|source| Error::BadUrl { what: "--database".to_owned(), source })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let socket_dir = std::path::Path::new(SOCKET_DIR);
            config.host(if socket_dir.is_dir() { SOCKET_DIR } else { "localhost" });
        }
        Ok(Target { config })
    }

    /// The same server and role, another database.
    pub fn with_database(&self, database: &str) -> Target {
        let mut config = self.config.clone();
        config.dbname(database);
        Target { config }
    }

    /// The same server and database, another role without password.
    pub fn with_role(&self, role: &str) -> Target {
        let mut config = self.config.clone();
        config.user(role);
        Target { config }
    }

    /// The same, with a password.
    pub fn with_password(&self, password: &str) -> Target {
        let mut config = self.config.clone();
        config.password(password);
        Target { config }
    }

    /// The same, through another port on the loopback interface.
    pub fn through_port(&self, port: u16) -> Target {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(port);
        if let Some(user) = self.config.get_user() {
            config.user(user);
        }
        if let Some(dbname) = self.config.get_dbname() {
            config.dbname(dbname);
        }
        if let Some(password) = self.config.get_password() {
            config.password(password);
        }
        Target { config }
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
}
