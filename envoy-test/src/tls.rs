//! TLS between a client and a listener, with certificates made for the test.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use rcgen::{CertificateParams, CertifiedKey, KeyPair, SanType};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsConnector, rustls};

/// What a host is called that can have no certificate of its own.
const FALLBACK: &str = "localhost";

/// Both ends' certificates. Each signs itself, and the other end trusts nothing but it.
pub struct Tls {
    listener: CertifiedKey<KeyPair>,
    client: Option<CertifiedKey<KeyPair>>,
}

impl Tls {
    /// For a listener of these hosts: names or addresses.
    pub fn new<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut names = vec![FALLBACK.to_owned()];
        names.extend(hosts.into_iter().filter(|host| ServerName::try_from(*host).is_ok()).map(str::to_owned));
        Ok(Self { listener: certified(CertificateParams::new(names)?)?, client: None })
    }

    /// Mutual TLS: the client has to show a certificate, and the one it has names it by this URI.
    pub fn client(mut self, uri: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.subject_alt_names.push(SanType::URI(uri.try_into()?));
        self.client = Some(certified(params)?);
        Ok(self)
    }

    /// The listener's `transport_socket`.
    pub(crate) fn transport_socket(&self) -> Value {
        let mut context = json!({
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "tls_certificates": [{
                    "certificate_chain": {"inline_string": self.listener.cert.pem()},
                    "private_key": {"inline_string": self.listener.signing_key.serialize_pem()},
                }],
            },
        });
        if let Some(client) = &self.client {
            context["require_client_certificate"] = json!(true);
            context["common_tls_context"]["validation_context"] =
                json!({"trusted_ca": {"inline_string": client.cert.pem()}});
        }
        json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
    }

    /// The client's end of a connection, which asks for this host (SNI).
    pub(crate) async fn connect(&self, stream: TcpStream, host: &str) -> Result<TlsStream<TcpStream>> {
        let mut trusted = RootCertStore::empty();
        trusted.add(self.listener.cert.der().clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
            .with_root_certificates(trusted);
        let config = match &self.client {
            None => config.with_no_client_auth(),
            Some(client) => config.with_client_auth_cert(vec![client.cert.der().clone()], key(client))?,
        };
        let host = ServerName::try_from(host.to_owned()).or_else(|_| ServerName::try_from(FALLBACK))?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(host, stream).await.map_err(|error| anyhow!("no TLS: {error}"))
    }
}

fn certified(params: CertificateParams) -> Result<CertifiedKey<KeyPair>> {
    let signing_key = KeyPair::generate()?;
    Ok(CertifiedKey { cert: params.self_signed(&signing_key)?, signing_key })
}

fn key(of: &CertifiedKey<KeyPair>) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(of.signing_key.serialize_der()).into()
}
