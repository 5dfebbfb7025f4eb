//! TLS connections that record what is wrong with a certificate and go on.
//!
//! What is read behind a certificate that was not verified is shown to people and never trusted: no cookie, token or signature
//! of ours is sent.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::{Certificate, MAX_CHAIN, VerifyError, verify_error};

/// How a TLS handshake went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TlsProbe {
    /// The version, such as `TLSv1.3`.
    pub version: Option<String>,
    /// The cipher suite.
    pub cipher: Option<String>,
    /// Why there is no connection; None: there is one.
    pub error: Option<TlsFailure>,
    /// What is wrong with the certificate; None: it was verified, or none was presented.
    pub verify_error: Option<VerifyError>,
    /// The certificates that were presented, that of the server first; at most 10.
    pub chain: Vec<Certificate>,
}

/// Why there is no TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TlsFailure {
    /// The server speaks only versions before 1.2.
    OldVersion,
    /// What answers does not speak TLS.
    NotTls,
    /// Nothing came in time.
    Timeout,
    /// The connection ended during the handshake.
    Closed,
    /// Another reason.
    Other {
        /// The reason.
        message: String,
    },
}

/// Makes TLS connections whose certificates are judged and not insisted on.
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl Tls {
    pub(crate) fn new(
        provider: Arc<CryptoProvider>,
        roots: Arc<RootCertStore>,
    ) -> Result<Self, String> {
        let builder = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let verifier = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { provider, verifier })
    }

    /// A handshake over a connection, and what it showed.
    pub(crate) async fn connect(
        &self,
        tcp: TcpStream,
        name: ServerName<'static>,
    ) -> (Option<TlsStream<TcpStream>>, TlsProbe) {
        let recorder =
            Arc::new(Recorder { verifier: Arc::clone(&self.verifier), seen: Mutex::default() });
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions();
        let config = match config {
            Ok(config) => config,
            Err(error) => return (None, failed(TlsFailure::Other { message: error.to_string() })),
        };
        let mut config = config
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connected = TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
        let (chain, verdict) = recorder.take();
        let chain: Vec<Certificate> =
            chain.iter().take(MAX_CHAIN).filter_map(Certificate::read).collect();
        let verify_error = verdict.map(|error| verify_error(&error, &chain));
        match connected {
            Ok(stream) => {
                let (_, session) = stream.get_ref();
                let version = session.protocol_version().and_then(|version| version.as_str());
                let cipher = session.negotiated_cipher_suite();
                let probe = TlsProbe {
                    version: version
                        .map(|version| version.replace('_', ".").replace("TLSv", "TLS ")),
                    cipher: cipher.and_then(|suite| suite.suite().as_str()).map(str::to_owned),
                    error: None,
                    verify_error,
                    chain,
                };
                (Some(stream), probe)
            }
            Err(error) => (None, TlsProbe { verify_error, chain, ..failed(failure(&error)) }),
        }
    }
}

pub(crate) fn failed(error: TlsFailure) -> TlsProbe {
    TlsProbe {
        version: None,
        cipher: None,
        error: Some(error),
        verify_error: None,
        chain: Vec::new(),
    }
}

fn failure(error: &std::io::Error) -> TlsFailure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::AlertReceived(rustls::AlertDescription::ProtocolVersion)) => {
            TlsFailure::OldVersion
        }
        Some(Error::PeerIncompatible(
            rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13
            | rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )) => TlsFailure::OldVersion,
        Some(Error::InvalidMessage(_)) => TlsFailure::NotTls,
        Some(other) => TlsFailure::Other { message: other.to_string() },
        None => match error.kind() {
            std::io::ErrorKind::UnexpectedEof
            | std::io::ErrorKind::ConnectionReset
            | std::io::ErrorKind::BrokenPipe
            | std::io::ErrorKind::ConnectionAborted => TlsFailure::Closed,
            _ => TlsFailure::Other { message: error.to_string() },
        },
    }
}

/// The certificates of a handshake, and what the verifier said.
type Seen = (Vec<CertificateDer<'static>>, Option<Error>);

#[derive(Debug)]
struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    seen: Mutex<Seen>,
}

impl Recorder {
    fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        // A chain that is longer than any that is needed is not checked: each certificate costs time.
        let checked = intermediates.get(..MAX_CHAIN).unwrap_or(intermediates);
        let verified =
            self.verifier.verify_server_cert(end_entity, checked, server_name, ocsp_response, now);
        let all = std::iter::once(end_entity).chain(checked);
        let chain = all.map(|certificate| certificate.clone().into_owned()).collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = (chain, verified.err());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
