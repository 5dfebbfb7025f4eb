//! Bounds on the work that a server's certificate message can cause.
//!
//! rustls' verifier tries up to 200,000 paths through the certificates that the server sends, parsing every one of them again at each
//! step: a message of 33 kB with certificates that all issue each other costs seconds of CPU within one call. The checks here come
//! before that, and cost one pass over the certificates.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    OtherError, RootCertStore, SignatureScheme,
};
use webpki::EndEntityCert;

use crate::signature_cache::{remembering_signatures, with_signatures};

/// Certificates in one chain, at most. Chains in use have two to five.
const MAX_CERTIFICATES: usize = 10;
/// Bytes of all certificates of one chain, at most. The bound of rustls for one handshake message is one byte less.
const MAX_BYTES: usize = 64 * 1024;
/// Steps of path building, at most: how often a certificate of the chain is tried as the issuer of another one. A chain of n
/// certificates in a row takes n - 1.
const MAX_STEPS: usize = 32;
/// Authorities between the server's certificate and a root, at most, as in rustls-webpki.
const MAX_DEPTH: usize = 6;

/// Signatures verified for one chain, at most. The slowest that ring verifies (P-384, RSA with 8192 bits) take about 2 ms each.
const MAX_SIGNATURES: usize = 16;

/// A chain was refused because checking it would be too much work. rustls reports it as [`CertificateError::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainTooLong(());

/// A client configuration that trusts `roots`, with both protections of this crate: signatures that were verified before are
/// [remembered](remembering_signatures), and the work that a certificate message can cause is [bounded](bounded_verification).
///
/// AES-128-GCM with SHA-256 is preferred: most processors have instructions for both, and a short connection's cost is mostly
/// in the hashing of its handshake. Sessions are not kept, as hosts are rarely visited twice.
///
/// It makes tables that live as long as the process: call it once, not for each connection.
///
/// # Errors
/// When there is no root, or the provider supports neither TLS 1.2 nor TLS 1.3.
pub fn client_config(
    provider: CryptoProvider,
    roots: RootCertStore,
) -> Result<ClientConfig, Error> {
    client_config_with_verifier(provider, |provider| {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        Ok(verifier.map_err(|error| Error::General(error.to_string()))?)
    })
}

/// As [`client_config`], with a verifier other than rustls' own, such as that of the operating system. `verifier` makes it
/// from the provider that remembers signatures.
///
/// # Errors
/// When the verifier cannot be made, or the provider supports neither TLS 1.2 nor TLS 1.3.
pub fn client_config_with_verifier(
    provider: CryptoProvider,
    verifier: impl FnOnce(Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error>,
) -> Result<ClientConfig, Error> {
    let mut provider = remembering_signatures(provider);
    provider.cipher_suites.sort_by_key(|suite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    });
    let provider = Arc::new(provider);
    let verifier = verifier(Arc::clone(&provider))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(bounded_verification(verifier))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Bounds the work of a verifier. A chain is refused before the verifier sees it if it has more than 10 certificates or more than
/// 64 KiB, or if its certificates issue each other in so many ways that more than 32 steps of path building may be needed. All other
/// chains are judged by `verifier` alone; where it computes by a provider with [`remembering_signatures`], it may verify 16 signatures
/// that are not remembered.
///
/// A [`ClientConfig`] does not reveal its verifier, so a configuration made by `with_root_certificates` does not have these bounds:
/// use [`client_config`], or `ClientConfig::builder().dangerous().with_custom_certificate_verifier(…)` with this.
#[must_use]
pub fn bounded_verification(verifier: Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier> {
    Arc::new(Bounded { verifier })
}

#[derive(Debug)]
struct Bounded {
    verifier: Arc<dyn ServerCertVerifier>,
}

impl ServerCertVerifier for Bounded {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let too_much = || {
            let why = OtherError(Arc::new(ChainTooLong(())));
            Error::InvalidCertificate(CertificateError::Other(why))
        };
        let bytes =
            intermediates.iter().fold(end_entity.len(), |sum, it| sum.saturating_add(it.len()));
        if intermediates.len() >= MAX_CERTIFICATES || bytes > MAX_BYTES {
            return Err(too_much());
        }
        let distinct = distinct(intermediates);
        if is_too_branched(end_entity, &distinct) {
            return Err(too_much());
        }
        let judge = || {
            self.verifier.verify_server_cert(end_entity, &distinct, server_name, ocsp_response, now)
        };
        match with_signatures(MAX_SIGNATURES, judge) {
            (Err(_), true) => Err(too_much()),
            (said, _) => said,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.verifier.requires_raw_public_keys()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.verifier.root_hint_subjects()
    }
}

/// The certificates without twins: some servers send the same one twice, and each would double the paths.
fn distinct<'a>(all: &'a [CertificateDer<'_>]) -> Vec<CertificateDer<'a>> {
    let mut distinct: Vec<CertificateDer<'a>> = Vec::with_capacity(all.len());
    for certificate in all {
        if !distinct.contains(certificate) {
            distinct.push(CertificateDer::from(certificate.as_ref()));
        }
    }
    distinct
}

fn is_too_branched(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> bool {
    // What cannot be parsed issues nothing: the verifier skips it, or refuses the end entity.
    let Ok(end_entity) = EndEntityCert::try_from(end_entity) else { return false };
    let parsed: Vec<EndEntityCert<'_>> =
        intermediates.iter().filter_map(|it| EndEntityCert::try_from(it).ok()).collect();
    let authorities: Vec<Names<'_>> =
        parsed.iter().map(|it| Names { subject: it.subject(), issuer: it.issuer() }).collect();
    let mut left = MAX_STEPS;
    !walk(end_entity.issuer(), &authorities, &mut Vec::new(), &mut left)
}

struct Names<'a> {
    subject: &'a [u8],
    issuer: &'a [u8],
}

/// Walks all paths that a verifier may try from a certificate with this issuer, each certificate once on a path. Whether the steps
/// sufficed.
fn walk(issuer: &[u8], all: &[Names<'_>], path: &mut Vec<usize>, left: &mut usize) -> bool {
    for (index, authority) in all.iter().enumerate() {
        if authority.subject != issuer || path.contains(&index) {
            continue;
        }
        let Some(fewer) = left.checked_sub(1) else { return false };
        *left = fewer;
        if path.len() < MAX_DEPTH {
            path.push(index);
            let sufficed = walk(authority.issuer, all, path, left);
            path.pop();
            if !sufficed {
                return false;
            }
        }
    }
    true
}

impl fmt::Display for ChainTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the certificate chain is too long, too large or too branched to be checked")
    }
}

impl std::error::Error for ChainTooLong {}

#[cfg(test)]
#[path = "bounded_tests.rs"]
mod tests;
