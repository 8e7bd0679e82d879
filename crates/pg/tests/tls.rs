//! Encrypted connections to a real server, and whom we believe to be it.
#![allow(clippy::unwrap_used)]

#[path = "common/installation.rs"]
mod installation;

use pgward_pg::prelude::*;
use pgward_pg::server::{PrivateServer, ServerOptions, give_to_server_user};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};

/// A server that speaks TLS as `localhost`, and the authority that says so.
struct Stage {
    server: PrivateServer,
    authority: PathBuf,
    _dir: tempfile::TempDir,
}

fn stage() -> Stage {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let cert_file = file("server.pem", certificate.pem());
    let key_file = file("server.key", key.serialize_pem());
    give_to_server_user(&key_file, 0o600).unwrap();
    let shown = |path: &Path| path.display().to_string();
    let options = ServerOptions::new(installation::installation())
        .set("ssl", "on")
        .set("ssl_cert_file", &shown(&cert_file))
        .set("ssl_key_file", &shown(&key_file));
    let server = PrivateServer::create(&options).unwrap();
    let admin = Session::connect(&server.target(), Purpose::Private).unwrap();
    admin.simple("CREATE ROLE app LOGIN PASSWORD 'secret'").unwrap();
    let authority = file("authority.pem", authority.pem());
    Stage { server, authority, _dir: dir }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The error with all its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = error.source().map_or(String::new(), told);
    format!("{error}: {causes}")
}

impl Stage {
    /// Is the connection encrypted, or why there is none.
    fn connect(&self, host: &str, tls: &str) -> Result<bool, String> {
        let port = self.server.port();
        let text = format!(
            "host={host} hostaddr=127.0.0.1 port={port} user=app password=secret dbname=postgres {tls}"
        );
        let session = Target::parse(&text)
            .and_then(|target| Session::connect(&target, Purpose::Inspect))
            .map_err(|e| told(&e))?;
        let sql = "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";
        Ok(session.query_one::<bool>(sql, &[]).unwrap())
    }
}

#[test]
fn sslmode_means_what_it_means_to_psql() {
    let stage = stage();
    let root = format!("sslrootcert={}", stage.authority.display());
    assert_eq!(stage.connect("localhost", ""), Ok(true), "TLS is preferred");
    assert_eq!(stage.connect("localhost", "sslmode=disable"), Ok(false));
    assert_eq!(stage.connect("db.example", "sslmode=require"), Ok(true), "no name is looked at");
    assert_eq!(stage.connect("db.example", &format!("sslmode=verify-ca {root}")), Ok(true));
    assert_eq!(stage.connect("localhost", &format!("sslmode=verify-full {root}")), Ok(true));
    let named = stage.connect("db.example", &format!("sslmode=verify-full {root}")).unwrap_err();
    assert!(named.contains("db.example"), "{named}");
    // Signed by nobody this machine knows.
    for mode in ["verify-ca", "verify-full"] {
        let unknown = stage.connect("localhost", &format!("sslmode={mode}")).unwrap_err();
        assert!(unknown.contains("certificate"), "{unknown}");
    }
    let other = stage.authority.with_file_name("other.pem");
    std::fs::write(&other, authority().pem()).unwrap();
    let both = format!("sslmode=require sslrootcert={}", other.display());
    assert!(stage.connect("localhost", &both).is_err(), "a root certificate at hand is used");
}

#[test]
fn a_server_without_tls_is_to_get_it() {
    let options = ServerOptions::new(installation::installation()).set("fsync", "off");
    let server = PrivateServer::create(&options).unwrap();
    for mode in ["require", "verify-full"] {
        let text = format!("host=127.0.0.1 port={} user=app sslmode={mode}", server.port());
        let target = Target::parse(&text).unwrap();
        let hint = Session::connect(&target, Purpose::Inspect).err().unwrap().hint().unwrap();
        assert!(hint.starts_with("the server has no TLS: set ssl = on there"), "{mode}: {hint}");
    }
}

#[test]
fn a_statement_is_cancelled_through_tls_too() {
    let stage = stage();
    let text = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=app password=secret dbname=postgres sslmode=require",
        stage.server.port()
    );
    let session = Session::connect(&Target::parse(&text).unwrap(), Purpose::Act).unwrap();
    let cancel = session.canceller();
    let asleep = std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| session.simple("SELECT pg_catalog.pg_sleep(60)"));
        while !sleeper.is_finished() {
            cancel().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        sleeper.join().unwrap()
    });
    assert!(asleep.unwrap_err().to_string().contains("57014"));
}
