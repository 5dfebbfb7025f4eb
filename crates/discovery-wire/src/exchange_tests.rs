//! Whole GETs against rustls' server side, in memory.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use discovery_core::{DnsName, HttpResponse, TlsName};
use http::{HeaderMap, HeaderValue, Uri};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{NamedGroup, RootCertStore, ServerConfig, ServerConnection, version};

use super::*;

const NOW: Option<UnixTime> = Some(UnixTime(1_700_000_000));
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
const UNTIL_END: &str = "HTTP/1.1 200 OK\r\nX: y\r\n\r\nabc";

/// An authority, and certificates for all that the tests need.
struct World {
    authority: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().der().clone();
        World { authority, issuer: Issuer::new(params, key) }
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn client() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(world().authority.clone()).unwrap();
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn server_for(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> ServerConfig {
    server_with(names, change, rustls::ALL_VERSIONS)
}

fn server_with(
    names: &[&str],
    change: impl FnOnce(&mut CertificateParams),
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &world().issuer).unwrap().der().clone();
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap()
}

fn dns(name: &str) -> TlsName {
    TlsName::Dns(DnsName::parse(name).unwrap())
}

fn get(tls_name: TlsName) -> HttpGet {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", HeaderValue::from_static("test/1"));
    let mut get = HttpGet::new(
        HttpId::from_number(3),
        Uri::from_static("https://example.org/.well-known/matrix/server"),
        SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 443)),
        tls_name,
    );
    get.headers = headers;
    get.max_body = 1000;
    get
}

/// How the server ends the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It says so, then closes.
    CloseNotify,
    /// It just closes.
    Cut,
    /// It keeps the connection.
    Never,
}

/// The other side of the connection, and the network in between.
struct Peer {
    server: ServerConnection,
    response: String,
    end: End,
    request: Vec<u8>,
    /// On its way to the client.
    wire: Vec<u8>,
    responded: bool,
    error: Option<rustls::Error>,
    client_closed: bool,
}

impl Peer {
    fn new(config: ServerConfig, response: &str, end: End) -> Self {
        Self {
            server: ServerConnection::new(Arc::new(config)).unwrap(),
            response: response.to_owned(),
            end,
            request: Vec::new(),
            wire: Vec::new(),
            responded: false,
            error: None,
            client_closed: false,
        }
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.error.is_none() {
            if self.server.read_tls(&mut bytes).unwrap() == 0 {
                break;
            }
            match self.server.process_new_packets() {
                Ok(state) => self.client_closed |= state.peer_has_closed(),
                Err(error) => self.error = Some(error),
            }
            let _ = std::io::Read::read_to_end(&mut self.server.reader(), &mut self.request);
        }
        if !self.responded && self.request.ends_with(b"\r\n\r\n") {
            self.responded = true;
            std::io::Write::write_all(&mut self.server.writer(), self.response.as_bytes()).unwrap();
            if self.end == End::CloseNotify {
                self.server.send_close_notify();
            }
        }
        while self.server.wants_write() {
            self.server.write_tls(&mut self.wire).unwrap();
        }
    }
}

/// Runs to the end, with at most `step` bytes moved at a time; gives the answer and how often TLS was said to be up.
fn run(mut exchange: Exchange, peer: &mut Peer, step: usize) -> (Answer, usize) {
    assert_eq!(exchange.wants(), Want::Open(Transport::Tcp, get(dns("x")).address));
    exchange.opened();
    let mut connected = 0;
    loop {
        match exchange.wants() {
            Want::Open(..) => panic!("opened twice"),
            Want::Write(bytes) => {
                let count = bytes.len().min(step);
                peer.receive(&bytes[..count]);
                exchange.wrote(count);
            }
            Want::Read if peer.wire.is_empty() => {
                assert!(peer.responded && peer.end != End::Never, "nothing more will come");
                exchange.read(&[], NOW);
            }
            Want::Read => {
                let count = peer.wire.len().min(step);
                exchange.read(&peer.wire.drain(..count).collect::<Vec<u8>>(), NOW);
            }
            Want::Finish => break,
        }
        if let Some(id) = exchange.connected() {
            assert_eq!(id, HttpId::from_number(3));
            connected += 1;
        }
    }
    assert_eq!(exchange.connected(), None);
    (exchange.into_answer(), connected)
}

fn result(answer: Answer) -> Result<HttpResponse, HttpError> {
    match answer {
        Answer::Http(id, result) if id.number() == 3 => result,
        other => panic!("{other:?}"),
    }
}

fn body(answer: Answer) -> Result<Vec<u8>, HttpError> {
    result(answer).map(|response| response.body)
}

fn against(peer: &mut Peer, step: usize) -> (Result<Vec<u8>, HttpError>, usize) {
    let exchange = Exchange::http(&get(dns("example.org")), Arc::new(client()));
    let (answer, connected) = run(exchange, peer, step);
    (body(answer), connected)
}

#[test]
fn a_get_is_answered_whatever_the_portions() {
    // R33, R65: a GET like any other, of the host.
    for versions in [&[&version::TLS13][..], &[&version::TLS12]] {
        for step in [1, 2, 3, 5, 16, 100, 1000, usize::MAX] {
            for (response, end) in [(OK, End::Never), (UNTIL_END, End::CloseNotify)] {
                let server = server_with(&["example.org"], |_| {}, versions);
                let mut peer = Peer::new(server, response, end);
                let case = format!("{step} {end:?}");
                assert_eq!(against(&mut peer, step), (Ok(b"abc".to_vec()), 1), "{case}");
                assert!(peer.client_closed, "the client says that it is done: {case}");
                assert_eq!(
                    String::from_utf8(peer.request).unwrap(),
                    "GET /.well-known/matrix/server HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\
                     user-agent: test/1\r\n\r\n"
                );
            }
        }
    }
}

#[test]
fn a_response_carries_the_time_of_its_head() {
    let mut peer = Peer::new(server_for(&["example.org"], |_| {}), OK, End::Never);
    let exchange = Exchange::http(&get(dns("example.org")), Arc::new(client()));
    assert_eq!(result(run(exchange, &mut peer, 1).0).unwrap().received, NOW);
}

#[test]
fn the_end_of_the_stream_ends_a_body_only_if_the_server_says_so() {
    for step in [1, usize::MAX] {
        let mut peer = Peer::new(server_for(&["example.org"], |_| {}), UNTIL_END, End::Cut);
        assert_eq!(against(&mut peer, step), (Err(HttpError::Reset), 1));
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc";
        for end in [End::Cut, End::CloseNotify] {
            let mut peer = Peer::new(server_for(&["example.org"], |_| {}), short, end);
            assert_eq!(against(&mut peer, step), (Err(HttpError::Reset), 1));
        }
    }
}

#[test]
fn a_bad_certificate_is_named_and_the_server_is_told() {
    // R15, R61, R122: whoever has no good certificate for the very name is not talked to.
    let expired = |p: &mut CertificateParams| p.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let future = |p: &mut CertificateParams| p.not_before = rcgen::date_time_ymd(3020, 1, 1);
    let nobody = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    for (server, config, error) in [
        (server_for(&["example.com"], |_| {}), client(), HttpError::CertificateName),
        // R122: a wildcard stands for one label.
        (server_for(&["*.example.net"], |_| {}), client(), HttpError::CertificateName),
        (server_for(&["192.0.2.1"], |_| {}), client(), HttpError::CertificateName),
        (server_for(&["example.org"], expired), client(), HttpError::CertificateExpired),
        (server_for(&["example.org"], future), client(), HttpError::CertificateNotYetValid),
        (server_for(&["example.org"], |_| {}), nobody, HttpError::Certificate),
    ] {
        for step in [1, usize::MAX] {
            let mut peer = Peer::new(server.clone(), OK, End::Never);
            let exchange = Exchange::http(&get(dns("example.org")), Arc::new(config.clone()));
            let (answer, connected) = run(exchange, &mut peer, step);
            assert_eq!((body(answer), connected), (Err(error), 0));
            assert!(
                matches!(peer.error, Some(rustls::Error::AlertReceived(_))),
                "{error:?}: {:?}",
                peer.error
            );
            assert!(peer.request.is_empty(), "nothing is asked of a stranger");
        }
    }
}

#[test]
fn a_name_is_sent_as_sni_and_an_address_is_not() {
    // R19, R20, R125, R126.
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    for (tls_name, sni) in [
        (dns("example.org"), Some("example.org")),
        (dns("Sub.Example.Net"), Some("sub.example.net")),
        (TlsName::Ip(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), None),
        (TlsName::Ip(v6), None),
    ] {
        let server = server_for(&["example.org", "*.example.net", "192.0.2.1", "::1"], |_| {});
        let mut peer = Peer::new(server, OK, End::Never);
        let exchange = Exchange::http(&get(tls_name), Arc::new(client()));
        assert_eq!(body(run(exchange, &mut peer, 50).0), Ok(b"abc".to_vec()));
        assert_eq!(peer.server.server_name(), sni);
    }
}

#[test]
fn a_name_that_tls_cannot_express_is_never_connected_to() {
    for name in ["-a.example", "a-.example", "1.2.3"] {
        let exchange = Exchange::http(&get(dns(name)), Arc::new(client()));
        assert_eq!(exchange.wants(), Want::Finish);
        assert_eq!(body(exchange.into_answer()), Err(HttpError::Tls), "{name}");
    }
}

/// A key exchange that never begins, because there is no randomness for it.
#[derive(Debug)]
struct NoKeys;

impl SupportedKxGroup for NoKeys {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        Err(rustls::Error::FailedToGetRandomBytes)
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[test]
fn keys_are_made_only_for_who_listens() {
    let provider = CryptoProvider { kx_groups: vec![&NoKeys], ..(*provider()).clone() };
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let client = Arc::new(client);
    let mut refused = Exchange::http(&get(dns("example.org")), Arc::clone(&client));
    refused.failed(ErrorKind::ConnectionRefused);
    assert_eq!(result(refused.into_answer()), Err(HttpError::Refused));
    let mut open = Exchange::http(&get(dns("example.org")), client);
    open.opened();
    assert_eq!(open.wants(), Want::Finish);
    assert_eq!(result(open.into_answer()), Err(HttpError::Local));
}

#[test]
fn the_callers_offers_are_kept_and_only_http_1_1_is_spoken() {
    for (offered, taken, outcome) in [
        (&[&b"http/1.1"[..]][..], &[&b"http/1.1"[..], b"h2"][..], Ok(b"abc".to_vec())),
        (&[b"h2", b"http/1.1"], &[b"h2"], Err(HttpError::Protocol)),
        (&[], &[b"h2"], Ok(b"abc".to_vec())),
        (&[b"http/1.1"], &[b"h2"], Err(HttpError::Tls)),
    ] {
        for step in [1, usize::MAX] {
            let mut config = client();
            config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
            let mut server = server_for(&["example.org"], |_| {});
            server.alpn_protocols = taken.iter().map(|name| name.to_vec()).collect();
            let mut peer = Peer::new(server, OK, End::Never);
            let exchange = Exchange::http(&get(dns("example.org")), Arc::new(config));
            assert_eq!(body(run(exchange, &mut peer, step).0), outcome, "{offered:?} {taken:?}");
        }
    }
}

#[test]
fn what_does_not_speak_tls_is_told_so() {
    for text in ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.6\r\n"] {
        let mut exchange = Exchange::http(&get(dns("example.org")), Arc::new(client()));
        exchange.opened();
        while let Want::Write(bytes) = exchange.wants() {
            let count = bytes.len();
            exchange.wrote(count);
        }
        exchange.read(text.as_bytes(), NOW);
        let Want::Write(alert) = exchange.wants() else { panic!("no alert") };
        assert_eq!(alert[0], 21);
        exchange.failed(ErrorKind::BrokenPipe);
        assert_eq!(exchange.wants(), Want::Finish);
        assert_eq!(body(exchange.into_answer()), Err(HttpError::Tls));
    }
}

/// Runs until `stop` moves of one step each have been made; false if it ended before.
fn run_for(exchange: &mut Exchange, peer: &mut Peer, step: usize, stop: usize) -> bool {
    exchange.opened();
    for _ in 0..stop {
        match exchange.wants() {
            Want::Write(bytes) => {
                let count = bytes.len().min(step);
                peer.receive(&bytes[..count]);
                exchange.wrote(count);
            }
            Want::Read => {
                let count = peer.wire.len().min(step);
                exchange.read(&peer.wire.drain(..count).collect::<Vec<u8>>(), NOW);
            }
            Want::Open(..) | Want::Finish => return false,
        }
    }
    true
}

#[test]
fn a_connection_that_breaks_in_any_phase_is_a_reset() {
    let server = server_for(&["example.org"], |_| {});
    let mut phases = 0;
    for stop in 0.. {
        let start = || {
            let mut peer = Peer::new(server.clone(), UNTIL_END, End::CloseNotify);
            let mut exchange = Exchange::http(&get(dns("example.org")), Arc::new(client()));
            let running = run_for(&mut exchange, &mut peer, 60, stop);
            // Once the answer is there only parting words are left, and they do not change it.
            let answered = matches!(exchange.phase, Phase::Ended(_));
            (exchange, running && !answered)
        };
        let (mut reset, running) = start();
        let (mut ended, _) = start();
        reset.failed(ErrorKind::ConnectionReset);
        ended.read(&[], NOW);
        if !running {
            assert_eq!(body(reset.into_answer()), Ok(b"abc".to_vec()));
            assert_eq!(body(ended.into_answer()), Ok(b"abc".to_vec()));
            break;
        }
        phases += 1;
        assert_eq!(body(reset.into_answer()), Err(HttpError::Reset), "after {stop}");
        assert_eq!(body(ended.into_answer()), Err(HttpError::Reset), "after {stop}");
    }
    assert!(phases > 20, "{phases}");
}

#[test]
fn a_rejection_by_the_network_is_told_from_a_missing_route() {
    let start = || Exchange::http(&get(dns("example.org")), Arc::new(client()));
    let mut opening = start();
    opening.rejected(ErrorKind::HostUnreachable);
    assert_eq!(body(opening.into_answer()), Err(HttpError::Rejected));
    let mut open = start();
    open.opened();
    open.rejected(ErrorKind::HostUnreachable);
    assert_eq!(body(open.into_answer()), Err(HttpError::Reset));
}

#[test]
fn errors_of_the_socket_are_told_apart() {
    for (error, opening, open) in [
        (ErrorKind::ConnectionRefused, HttpError::Refused, HttpError::Refused),
        (ErrorKind::ConnectionReset, HttpError::Reset, HttpError::Reset),
        (ErrorKind::BrokenPipe, HttpError::Reset, HttpError::Reset),
        (ErrorKind::NetworkUnreachable, HttpError::NoRoute, HttpError::Reset),
        (ErrorKind::HostUnreachable, HttpError::NoRoute, HttpError::Reset),
        (ErrorKind::AddrNotAvailable, HttpError::NoRoute, HttpError::Reset),
        (ErrorKind::TimedOut, HttpError::Timeout, HttpError::Timeout),
        (ErrorKind::PermissionDenied, HttpError::Local, HttpError::Local),
        (ErrorKind::Other, HttpError::Local, HttpError::Local),
        // What EMFILE and ENFILE come as.
        (std::io::Error::from_raw_os_error(24).kind(), HttpError::Local, HttpError::Local),
    ] {
        let start = || Exchange::http(&get(dns("example.org")), Arc::new(client()));
        let mut exchange = start();
        exchange.failed(error);
        assert_eq!(body(exchange.into_answer()), Err(opening), "{error}");
        let mut exchange = start();
        exchange.opened();
        exchange.failed(error);
        assert_eq!(exchange.wants(), Want::Finish);
        exchange.opened();
        exchange.read(b"late", NOW);
        exchange.failed(ErrorKind::ConnectionRefused);
        assert_eq!(body(exchange.into_answer()), Err(open), "{error}");
    }
}

#[test]
fn an_exchange_is_small() {
    assert!(size_of::<Exchange>() <= 256, "{}", size_of::<Exchange>());
    assert!(size_of::<Https>() <= 4096, "{}", size_of::<Https>());
    assert!(size_of::<Lookup>() <= 1024, "{}", size_of::<Lookup>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_panic(
        stop in 0_usize..12,
        at: prop::sample::Index,
        flip: u8,
        noise in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        static SERVER: OnceLock<ServerConfig> = OnceLock::new();
        let server = SERVER.get_or_init(|| server_for(&["example.org"], |_| {})).clone();
        let mut peer = Peer::new(server, OK, End::Never);
        let mut exchange = Exchange::http(&get(dns("example.org")), Arc::new(client()));
        run_for(&mut exchange, &mut peer, 300, stop);
        if !peer.wire.is_empty() {
            let at = at.index(peer.wire.len());
            peer.wire[at] ^= flip;
        }
        exchange.read(&peer.wire, NOW);
        exchange.read(&noise, NOW);
        exchange.read(&[], NOW);
        while let Want::Write(bytes) = exchange.wants() {
            let count = bytes.len();
            exchange.wrote(count);
        }
    }
}
