//! The memory of a GET during its TLS handshake and the cost of the handshake, compared with rustls alone, which is the
//! lower bound.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a benchmark"
)]

use std::sync::Arc;

use discovery_core::{DnsName, HttpGet, HttpId, TlsName};
use discovery_wire::{Exchange, Want};
use peak_alloc::PeakAlloc;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const GETS: usize = 500;
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n{\"m.server\":\"fed.example.net:443\"}";

/// Bytes allocated and CPU time, in total.
#[derive(Default)]
struct Sums {
    begun: usize,
    up: usize,
    most: usize,
    nanos: usize,
}

impl Sums {
    fn print(&self, what: &str, target: &str) {
        let each = |sum: usize| sum / GETS;
        println!(
            "{what:<26}{:>10} B{:>10} B{:>10} B{:>10} us   {target}",
            each(self.begun),
            each(self.up),
            self.most,
            each(self.nanos) / 1000,
        );
    }
}

fn main() {
    let (client, server) = tls();
    println!(
        "{:<26}{:>12}{:>12}{:>12}{:>13}",
        "a GET each", "TLS begun", "TLS up", "at most", "CPU time"
    );
    gets(&client, &server).print("discovery-wire", "(target: under 16384 B)");
    bare(&client, &server).print("rustls alone, no HTTP", "");
}

/// Exchanges in sequence, without the memory and CPU time of the server.
fn gets(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Sums {
    let mut sums = Sums::default();
    for number in 0..GETS {
        let mut peer = ServerConnection::new(Arc::clone(server)).unwrap();
        let mut away = (ALLOCATED.current_usage(), 0);
        let count = |most: &mut usize, away: &(usize, usize)| {
            let now = ALLOCATED.current_usage().saturating_sub(away.0);
            *most = (*most).max(now);
            now
        };
        let started = processor_nanos();
        let mut exchange = Exchange::http(&get(number as u64), Arc::clone(client));
        exchange.opened();
        sums.nanos += processor_nanos() - started;
        sums.begun += count(&mut sums.most, &away);
        let mut up = false;
        loop {
            let sent = match exchange.wants() {
                Want::Write(bytes) => bytes.to_vec(),
                Want::Read => Vec::new(),
                _ => break,
            };
            exchange.wrote(sent.len());
            let before = ALLOCATED.current_usage();
            let received = answer(&mut peer, &sent);
            drop(sent);
            // The memory of the server so far.
            away.0 = away.0.saturating_add_signed(
                ALLOCATED.current_usage().cast_signed() - before.cast_signed(),
            );
            if received.is_empty() {
                continue;
            }
            let started = processor_nanos();
            exchange.read(&received, None);
            sums.nanos += processor_nanos() - started;
            if exchange.connected().is_some() && !up {
                up = true;
                sums.up += count(&mut sums.most, &away);
            }
        }
        assert!(up, "TLS came up");
    }
    sums
}

/// Handshakes with rustls and nothing else.
fn bare(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Sums {
    let mut sums = Sums::default();
    for _ in 0..GETS {
        let mut peer = ServerConnection::new(Arc::clone(server)).unwrap();
        let mut away = ALLOCATED.current_usage();
        let started = processor_nanos();
        let name = ServerName::try_from("example.org").unwrap();
        let mut connection = ClientConnection::new(Arc::clone(client), name).unwrap();
        let mut sent = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut sent).unwrap();
        }
        sums.nanos += processor_nanos() - started;
        let begun = ALLOCATED.current_usage().saturating_sub(away);
        sums.begun += begun;
        sums.most = sums.most.max(begun);
        let before = ALLOCATED.current_usage();
        let received = answer(&mut peer, &sent);
        drop(sent);
        away = away
            .saturating_add_signed(ALLOCATED.current_usage().cast_signed() - before.cast_signed());
        let started = processor_nanos();
        connection.read_tls(&mut &*received).unwrap();
        connection.process_new_packets().unwrap();
        let mut sent = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut sent).unwrap();
        }
        sums.nanos += processor_nanos() - started;
        let up = ALLOCATED.current_usage().saturating_sub(away);
        assert!(!connection.is_handshaking());
        sums.up += up;
        sums.most = sums.most.max(up);
    }
    sums
}

/// The bytes that the server sends in response.
fn answer(peer: &mut ServerConnection, mut sent: &[u8]) -> Vec<u8> {
    while !sent.is_empty() {
        peer.read_tls(&mut sent).unwrap();
        let state = peer.process_new_packets().unwrap();
        if state.plaintext_bytes_to_read() > 0 {
            std::io::copy(&mut peer.reader(), &mut std::io::sink()).ok();
            std::io::Write::write_all(&mut peer.writer(), RESPONSE).unwrap();
        }
    }
    let mut said = Vec::new();
    while peer.wants_write() {
        peer.write_tls(&mut said).unwrap();
    }
    said
}

fn get(number: u64) -> HttpGet {
    let mut get = HttpGet::new(
        HttpId::from_number(number),
        "https://example.org/.well-known/matrix/server".parse().unwrap(),
        "192.0.2.1:443".parse().unwrap(),
        TlsName::Dns(DnsName::parse("example.org").unwrap()),
    );
    get.max_body = 51_200;
    get
}

/// A client that trusts one authority, and a server with a certificate from it.
fn tls() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(params.self_signed(&key).unwrap().der().clone()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["example.org".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (Arc::new(client), Arc::new(server))
}

/// CPU time of this thread in nanoseconds; zero on systems that do not report it.
fn processor_nanos() -> usize {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}
