//! TLS towards a server, with the words and the meaning that libpq gives to `sslmode`.

use crate::error::Error;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use std::path::Path;
use std::sync::Arc;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The settings of a connection string that speak of TLS; the driver knows only the first, and of
/// that the first three values.
pub(crate) const SETTINGS: [&str; 4] = ["sslmode", "sslrootcert", "sslcert", "sslkey"];

/// How a server is reached and whose certificate is believed.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) mode: SslMode,
    pub(crate) connector: MakeRustlsConnect,
    /// As written, for PostgreSQL's own programs.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// What of a server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verify {
    /// Nothing: the connection is secret, but towards whom is not known.
    Nothing,
    /// An authority that we believe has signed it.
    Authority,
    /// And it is that of the host we asked for.
    Host,
}

impl Tls {
    /// Reads settings, each at most once.
    ///
    /// # Errors
    /// [`Error::Tls`] for a mode that libpq does not have, and for files that cannot be read.
    pub(crate) fn new(settings: Vec<(&'static str, String)>) -> Result<Tls, Error> {
        let given = |name| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        let roots = given("sslrootcert");
        let (mode, verify) = match given("sslmode").unwrap_or("prefer") {
            "disable" => (SslMode::Disable, Verify::Nothing),
            "allow" | "prefer" => (SslMode::Prefer, Verify::Nothing),
            // A root certificate at hand is a wish that it is used.
            "require" if roots.is_some() => (SslMode::Require, Verify::Authority),
            "require" => (SslMode::Require, Verify::Nothing),
            "verify-ca" => (SslMode::Require, Verify::Authority),
            "verify-full" => (SslMode::Require, Verify::Host),
            other => {
                let why = "not one of disable, allow, prefer, require, verify-ca, verify-full";
                return Err(refused(format!("sslmode={other}"), why));
            }
        };
        let provider = Arc::new(ring::default_provider());
        let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| refused("TLS", e))?;
        let verified = versions
            .dangerous()
            .with_custom_certificate_verifier(verifier(verify, roots, provider)?);
        let config = match (given("sslcert"), given("sslkey")) {
            (None, None) => verified.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let chain = certificates(cert)?;
                let pem = PrivateKeyDer::from_pem_file(key).map_err(|e| refused(key, e))?;
                verified.with_client_auth_cert(chain, pem).map_err(|e| refused(cert, e))?
            }
            _ => return Err(refused("sslcert", "it needs sslkey, and sslkey needs it")),
        };
        Ok(Tls { mode, connector: MakeRustlsConnect::new(config), settings })
    }
}

fn verifier(
    verify: Verify,
    roots: Option<&str>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if verify == Verify::Nothing {
        return Ok(Arc::new(AnyHost { authority: None, provider }));
    }
    let mut store = RootCertStore::empty();
    match roots {
        Some(file) if file != "system" => {
            for certificate in certificates(file)? {
                store.add(certificate).map_err(|e| refused(file, e))?;
            }
        }
        _ => {
            // Those that this machine believes; a broken one among them is left out.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(&provider))
        .build()
        .map_err(|e| refused("sslrootcert", e))?;
    Ok(match verify {
        Verify::Host => inner,
        _ => Arc::new(AnyHost { authority: Some(inner), provider }),
    })
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_file_iter(Path::new(file)).and_then(Iterator::collect);
    match all {
        Ok(certificates) if Vec::is_empty(&certificates) => {
            Err(refused(file, "no certificate in it"))
        }
        Ok(certificates) => Ok(certificates),
        Err(e) => Err(refused(file, e)),
    }
}

fn refused(what: impl Into<String>, why: impl ToString) -> Error {
    Error::Tls { what: what.into(), why: why.to_string() }
}

/// Verifies no more than the authority; nothing where there is none.
#[derive(Debug)]
struct AnyHost {
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        let verified = authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The chain is looked at before the name.
            Err(rustls::Error::InvalidCertificate(
                NotValidForName | NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
