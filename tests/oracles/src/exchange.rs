//! Whole GETs over TLS in memory: splits do not change the answer, and calls are safe in any order.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

use discovery_core::{
    Answer, DnsName, HttpError, HttpGet, HttpId, HttpResponse, TlsName, UnixTime,
};
use discovery_wire::fuzz::{StreamEnd, read_response};
use discovery_wire::{Exchange, Want};
use http::Uri;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};

use crate::take;

const MAX_BODY: usize = 60;
const NOW: Option<UnixTime> = Some(UnixTime(1_700_000_000));

/// The first four bytes select the size of portions and the end of the stream. Up to eight bytes, ended by a zero, select
/// disturbances. The rest is the response.
///
/// # Panics If a split matters, or the answer differs from that of the plain bytes.
pub fn exchange_target(bytes: &[u8]) {
    let mut response = bytes;
    let [out, back, end, records] = *take(&mut response, 4) else { return };
    let end = [StreamEnd::Told, StreamEnd::Cut][usize::from(end % 2)];
    let count = response.iter().take(8).position(|byte| *byte == 0).map_or(8, |at| at + 1);
    let disturbances = take(&mut response, count);
    let portions = [usize::from(out).max(1), usize::from(back).max(1)];
    let pieces = usize::from(records).max(1);
    let calm = run(response, end, portions, pieces, &[]);
    assert_eq!(Some(&calm), read_response([response], end, MAX_BODY).as_ref());
    let other = run(response, end, [usize::MAX, usize::MAX], usize::MAX, &[]);
    assert_eq!(calm, other, "{:?}", response.escape_ascii().to_string());
    let _ = run(response, end, portions, pieces, disturbances);
}

type Ended = Result<HttpResponse, HttpError>;

fn run(
    response: &[u8],
    end: StreamEnd,
    [out, back]: [usize; 2],
    piece: usize,
    disturbances: &[u8],
) -> Ended {
    let (client, config) = sides();
    let Ok(mut server) = ServerConnection::new(config) else { unreachable!("a good config") };
    let mut exchange = Exchange::http(&get(), client);
    let (mut wire, mut request, mut answered) = (Vec::new(), Vec::new(), false);
    // Nothing is read after the end: rustls panics on bad records there in builds with its own checks.
    let mut has_ended = false;
    let mut disturbances = disturbances.iter();
    exchange.opened();
    loop {
        match disturbances.next().map(|byte| byte % 8) {
            Some(1) => exchange.opened(),
            Some(2) => exchange.wrote(3),
            Some(3) => exchange.read(b"\x16\x03\x01", NOW),
            Some(4) => exchange.failed(ErrorKind::Interrupted),
            Some(5) => exchange.failed(ErrorKind::ConnectionReset),
            Some(6) => exchange.read(&[], NOW),
            Some(7) => drop(exchange.connected()),
            Some(_) | None => {}
        }
        match exchange.wants() {
            Want::Open(..) => exchange.opened(),
            Want::Write(bytes) => {
                let mut portion = bytes.get(..out).unwrap_or(bytes);
                let count = portion.len();
                exchange.wrote(if has_ended { count } else { feed(&mut server, &mut portion) });
                let _ = server.reader().read_to_end(&mut request);
                if request.ends_with(b"\r\n\r\n") && !answered {
                    answered = true;
                    server.set_buffer_limit(None);
                    for part in response.chunks(piece) {
                        let _ = server.writer().write_all(part);
                    }
                    if end == StreamEnd::Told {
                        server.send_close_notify();
                        has_ended = true;
                    }
                }
                while server.wants_write() {
                    let _ = server.write_tls(&mut wire);
                }
            }
            Want::Read => {
                let count = wire.len().min(back);
                let portion: Vec<u8> = wire.drain(..count).collect();
                exchange.read(&portion, NOW);
            }
            Want::Finish => break,
        }
    }
    match exchange.into_answer() {
        Answer::Http(_, ended) => ended,
        Answer::Dns(..) => unreachable!("a GET was asked for"),
    }
}

/// Hands all bytes of a portion to the server, valid or not, and returns their number.
fn feed(server: &mut ServerConnection, portion: &mut &[u8]) -> usize {
    let count = portion.len();
    while !portion.is_empty() {
        let taken = server.read_tls(portion).unwrap_or(0);
        if taken == 0 || server.process_new_packets().is_err() {
            break;
        }
    }
    count
}

fn get() -> HttpGet {
    let Ok(name) = DnsName::parse("a.example") else { unreachable!("a name") };
    let mut get = HttpGet::new(
        HttpId::from_number(1),
        Uri::from_static("https://a.example/"),
        SocketAddr::from((Ipv4Addr::LOCALHOST, 443)),
        TlsName::Dns(name),
    );
    get.max_body = MAX_BODY;
    get
}

/// A client and the only server that it trusts.
fn sides() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    static SIDES: OnceLock<(Arc<ClientConfig>, Arc<ServerConfig>)> = OnceLock::new();
    let make = || -> Result<_, Box<dyn std::error::Error>> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(["a.example".to_owned()])?.self_signed(&key)?;
        let certificate = certificate.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        Ok((Arc::new(client), Arc::new(server)))
    };
    let make = || match make() {
        Ok(sides) => sides,
        Err(error) => unreachable!("{error}"),
    };
    SIDES.get_or_init(make).clone()
}
