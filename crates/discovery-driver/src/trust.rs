//! A TLS configuration that trusts the certificate authorities of the operating system, as far as features build them in.

#[cfg(feature = "platform-verifier")]
use std::sync::Arc;

use rustls::ClientConfig;
#[cfg(not(feature = "platform-verifier"))]
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;

use crate::builder::BuildError;

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs", feature = "graviola")))]
compile_error!(
    "`with_system_roots` needs a TLS provider: feature `ring`, `aws-lc-rs` or `graviola`"
);

/// The configuration of [`Builder::with_system_roots`](crate::Builder::with_system_roots).
pub(crate) fn config() -> Result<ClientConfig, BuildError> {
    with_authorities(provider())
}

#[cfg(feature = "graviola")]
fn provider() -> CryptoProvider {
    rustls_graviola::default_provider()
}

#[cfg(all(feature = "aws-lc-rs", not(feature = "graviola")))]
fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

#[cfg(all(feature = "ring", not(any(feature = "aws-lc-rs", feature = "graviola"))))]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

#[cfg(feature = "platform-verifier")]
fn with_authorities(provider: CryptoProvider) -> Result<ClientConfig, BuildError> {
    discovery_wire::client_config_with_verifier(provider, |provider| {
        Ok(Arc::new(rustls_platform_verifier::Verifier::new(provider)?))
    })
    .map_err(|why| BuildError::NoTls(why.into()))
}

#[cfg(not(feature = "platform-verifier"))]
fn with_authorities(provider: CryptoProvider) -> Result<ClientConfig, BuildError> {
    discovery_wire::client_config(provider, roots()?).map_err(|why| BuildError::NoTls(why.into()))
}

#[cfg(all(feature = "native-roots", not(feature = "platform-verifier")))]
fn roots() -> Result<RootCertStore, BuildError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |why| format!(" ({why})"));
        let why = format!("this machine has no trusted certificate authorities{why}");
        return Err(BuildError::NoTls(why.into()));
    }
    Ok(roots)
}

#[cfg(not(any(feature = "native-roots", feature = "platform-verifier")))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature with every feature")]
fn roots() -> Result<RootCertStore, BuildError> {
    Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use rustls::CipherSuite;

    use super::*;

    #[test]
    fn aes_128_is_preferred_whatever_the_provider() {
        match config() {
            Ok(config) => {
                let first = config.crypto_provider().cipher_suites.first().unwrap().suite();
                assert_eq!(first, CipherSuite::TLS13_AES_128_GCM_SHA256);
            }
            // This machine has no certificate authorities.
            Err(error) => assert!(matches!(error, BuildError::NoTls(_)), "{error}"),
        }
    }
}
