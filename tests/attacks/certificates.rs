//! A certificate authority, and the certificates that an attacker gets from it or makes.
//!
//! The tests of each attack use them.

use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Authority { certificate, issuer: Issuer::new(params, key) }
    })
}

/// A client that trusts the authority alone.
pub fn client() -> Arc<ClientConfig> {
    static CLIENT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let make = || {
        let mut roots = RootCertStore::empty();
        roots.add(authority().certificate.clone()).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        Arc::new(discovery_wire::client_config(provider, roots).unwrap())
    };
    Arc::clone(CLIENT.get_or_init(make))
}

/// A server with a certificate of the authority for these names.
pub fn server(names: &[&str]) -> Arc<ServerConfig> {
    server_with(names, |_| {})
}

/// The same with a certificate changed before it is signed.
pub fn server_with(
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let params = params(names, change);
    let certificate = params.signed_by(&key, &authority().issuer).unwrap();
    config(certificate.der().clone(), &key)
}

/// Like [`server`], with other cipher suites and only these versions of TLS.
pub fn server_by(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
    names: &[&str],
) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let certificate = params(names, |_| {}).signed_by(&key, &authority().issuer).unwrap();
    configured(provider, versions, certificate.der().clone(), &key)
}

/// A server whose certificate is signed by the last of a chain of authorities. Each authority has several certificates with
/// one name, all signed by the one above; the first is signed by the trusted authority if `trusted`.
pub fn server_behind(rows: usize, each: usize, trusted: bool) -> Arc<ServerConfig> {
    let mut chain = Vec::new();
    let mut above: Option<Issuer<'static, KeyPair>> = None;
    for row in 0..rows {
        let mut last = None;
        for _ in 0..each {
            let mut params = CertificateParams::new([]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, format!("row {row}"));
            let key = KeyPair::generate().unwrap();
            let made = match &above {
                Some(above) => params.signed_by(&key, above),
                None if trusted => params.signed_by(&key, &authority().issuer),
                None => params.self_signed(&key),
            };
            chain.push(made.unwrap().der().clone());
            last = Some(Issuer::new(params, key));
        }
        above = last;
    }
    let key = KeyPair::generate().unwrap();
    let params = params(&["a.host.example"], |_| {});
    chain.push(params.signed_by(&key, &above.unwrap()).unwrap().der().clone());
    chain.reverse();
    with_chain(rustls::crypto::ring::default_provider(), rustls::DEFAULT_VERSIONS, chain, &key)
}

/// A server with a good certificate followed by a number of bytes that are no certificate.
pub fn server_with_ballast(bytes: usize) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let certificate = params(&["a.host.example"], |_| {}).signed_by(&key, &authority().issuer);
    let chain = vec![certificate.unwrap().der().clone(), vec![0; bytes].into()];
    with_chain(rustls::crypto::ring::default_provider(), rustls::DEFAULT_VERSIONS, chain, &key)
}

/// A server with a self-signed certificate.
pub fn self_signed(names: &[&str]) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let certificate = params(names, |_| {}).self_signed(&key).unwrap();
    config(certificate.der().clone(), &key)
}

fn params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "somebody");
    change(&mut params);
    params
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let provider = rustls::crypto::ring::default_provider();
    configured(provider, rustls::DEFAULT_VERSIONS, certificate, key)
}

fn configured(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
    certificate: CertificateDer<'static>,
    key: &KeyPair,
) -> Arc<ServerConfig> {
    with_chain(provider, versions, vec![certificate], key)
}

fn with_chain(
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.send_tls13_tickets = 0;
    Arc::new(config)
}
