//! Tests of the web server's side: what it does with bytes that no proper client sends.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use discovery_sim::Scenario;
use discovery_wire::{Entropy, Predictable};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::*;

/// More acts than any connection takes.
const MANY: usize = 10_000;

fn connection(text: &str, authority: &Arc<Authority>) -> Connection {
    let world = Arc::new(Scenario::parse(text).unwrap().world_at(Duration::ZERO));
    Connection::new(world, Arc::clone(authority), "192.0.2.1:443".parse().ok())
}

/// Hands a connection those bytes, part by part, then the end of the stream; and says how it ended.
fn feed(connection: &mut Connection, bytes: &[u8], part: usize) -> Act {
    let mut parts = bytes.chunks(part);
    for _ in 0..MANY {
        match connection.next_act() {
            Act::Receive => connection.received(parts.next().unwrap_or_default()),
            Act::Send(_) | Act::Pause(_) => {}
            end @ (Act::Hang | Act::Close | Act::Break) => return end,
        }
    }
    panic!("it never ends")
}

#[test]
fn noise_ends_a_connection_and_nothing_else() {
    let authority = Arc::new(Authority::new().unwrap());
    for seed in 0..200 {
        let mut noise = [0; 600];
        Predictable::new(seed).fill(&mut noise).unwrap();
        // Half of it looks like the beginning of a handshake.
        if seed % 2 == 0 {
            noise[..5].copy_from_slice(&[0x16, 3, 1, 0, 200]);
        }
        let mut connection = connection("https a.example 200 {}\n", &authority);
        assert_eq!(feed(&mut connection, &noise, 1 + usize::try_from(seed).unwrap()), Act::Close);
        // Whatever comes behind the end changes nothing.
        connection.received(&noise);
        assert_eq!(connection.next_act(), Act::Close);
    }
}

/// What a client gets who sends that request, however his bytes are cut.
fn response(text: &str, request: &str, part: usize) -> (Vec<u8>, Act) {
    let authority = Arc::new(Authority::new().unwrap());
    let mut connection = connection(text, &authority);
    let name = ServerName::try_from("a.example").unwrap();
    let mut tls = ClientConnection::new(authority.client_config(), name).unwrap();
    std::io::Write::write_all(&mut tls.writer(), request.as_bytes()).unwrap();
    let mut plain = Vec::new();
    for _ in 0..MANY {
        match connection.next_act() {
            Act::Receive => {
                let mut out = Vec::new();
                while tls.wants_write() {
                    tls.write_tls(&mut out).unwrap();
                }
                for part in out.chunks(part) {
                    connection.received(part);
                }
                if out.is_empty() {
                    connection.received(&[]);
                }
            }
            Act::Send(bytes) => {
                let mut bytes = &bytes[..];
                while !bytes.is_empty() {
                    tls.read_tls(&mut bytes).unwrap();
                    tls.process_new_packets().unwrap();
                }
                let _ = std::io::Read::read_to_end(&mut tls.reader(), &mut plain);
            }
            Act::Pause(_) => {}
            end @ (Act::Hang | Act::Close | Act::Break) => return (plain, end),
        }
    }
    panic!("it never ends")
}

const GET: &str = "GET /.well-known/matrix/server HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn the_response_does_not_depend_on_how_the_request_is_cut() {
    for part in [1, 7, 100, 10_000] {
        let (plain, end) = response("https a.example 200 {}\n", GET, part);
        let text = String::from_utf8(plain).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n{}"), "{text}");
        assert_eq!(end, Act::Close);
    }
}

#[test]
fn what_is_no_get_of_a_page_has_no_response() {
    let world = "https a.example 200 {}\n";
    for request in [
        GET.replace("GET", "POST"),
        GET.replace("matrix", "other"),
        GET.replace("a.example", "b.example"),
        GET.replace("Host", "Guest"),
        GET.replace("HTTP/1.1", "HTTP/3.7"),
    ] {
        assert_eq!(response(world, &request, 10_000), (Vec::new(), Act::Break), "{request}");
    }
}

#[test]
fn a_head_without_end_is_not_collected_for_ever() {
    let request = format!("GET /{} HTTP/1.1\r\n", "x".repeat(MAX_HEAD));
    let (plain, end) = response("https a.example 200 {}\n", &request, 10_000);
    assert_eq!((plain.len(), end), (0, Act::Close));
}
