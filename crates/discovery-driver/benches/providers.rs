//! CPU time of a TLS handshake for a client, by provider: `cargo bench -p discovery-driver --features
//! ring,aws-lc-rs,graviola --bench providers`.
//!
//! Each handshake is TLS 1.3 with another server, whose ECDSA certificate is from the same authority. The server uses ring
//! and is not counted.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use std::sync::Arc;
use std::time::Duration;

use discovery_driver::discovery_wire::client_config;
use nix::time::{ClockId, clock_gettime};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

const SERVERS: usize = 200;
/// Runs of which the best counts: other load on the machine only ever adds.
const RUNS: usize = 10;

/// A provider, by its name.
type Provider = (&'static str, fn() -> CryptoProvider);

const PROVIDERS: [Provider; 3] = [
    ("ring", ring::default_provider),
    ("aws-lc-rs", aws_lc_rs::default_provider),
    ("graviola", rustls_graviola::default_provider),
];

fn main() {
    let (roots, servers) = servers();
    println!("| provider | AES-128-GCM with SHA-256 | in the provider's order |\n|---|--:|--:|");
    for (name, provider) in PROVIDERS {
        let preferred = || client_config(provider(), roots.clone()).unwrap();
        let own_order = || {
            ClientConfig::builder_with_provider(Arc::new(provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots.clone())
                .with_no_client_auth()
        };
        let [first, second] = [best(preferred, &servers), best(own_order, &servers)];
        println!("| `{name}` | {} µs | {} µs |", first.as_micros(), second.as_micros());
    }
}

/// One authority, and servers with certificates from it.
fn servers() -> (RootCertStore, Vec<Arc<ServerConfig>>) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(params.self_signed(&key).unwrap().der().clone()).unwrap();
    let issuer = Issuer::new(params, key);
    let server = |_| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["example.org".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            );
        Arc::new(config.unwrap())
    };
    (roots, (0..SERVERS).map(server).collect())
}

/// The time of one handshake, in the best run.
fn best(config: impl Fn() -> ClientConfig, servers: &[Arc<ServerConfig>]) -> Duration {
    let run = |_| {
        // A new configuration each time, because verified signatures are cached.
        let config = Arc::new(config());
        let all: Duration = servers.iter().map(|server| handshake(&config, server)).sum();
        all / SERVERS as u32
    };
    (0..RUNS).map(run).min().unwrap()
}

/// The client's time for one handshake.
fn handshake(config: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Duration {
    let name = "example.org".try_into().unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let began = now();
    let mut client = ClientConnection::new(Arc::clone(config), name).unwrap();
    let mut spent = now() - began;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        let began = now();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        spent += now() - began;
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let began = now();
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            client.read_tls(&mut left).unwrap();
            client.process_new_packets().unwrap();
        }
        spent += now() - began;
    }
    spent
}

/// CPU time of this thread.
fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}
