//! Servers that try to renegotiate after their certificate was accepted, or send data after the end of the connection.
//!
//! rustls never negotiates again: no second certificate is looked at, so no second name can come with one ("rustls does not support
//! renegotiation in TLSv1.2", its manual says, and TLS 1.3 knows none). It turns the first request down and goes on, as RFC 5246,
//! section 7.4.1.1, allows, and breaks off at the second.
//!
//! The attacker's TLS is rustls with a cipher suite that misstates the type of a record. A server can so send any record
//! after a handshake, with valid keys and sequence numbers, without a second TLS library.

use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::{Fact, Failure, HttpError, Outcome, Policy, Step};
use rustls::version::{TLS12, TLS13};
use rustls::{ContentType, SupportedProtocolVersion};

use crate::certificates::{client, server_by};
use crate::records::{provider, record};
use crate::stack::{ADDRESS, Stack, Web, zone};

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n";
const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const DOCUMENT: &[u8] = br#"{"m.server":"good.example:1"}"#;

/// The result with a server that has a valid certificate and sends these records as its response.
fn sent(version: &'static SupportedProtocolVersion, records: &[&[u8]]) -> (Outcome, Stack) {
    let mut policy = Policy::default();
    policy.addresses.families = discovery_core::Families::V4;
    let config = server_by(provider(), &[version], &["host.example"]);
    let records: Vec<_> = records.iter().map(|record| record.to_vec()).collect();
    let site = move |_: &_| {
        let pieces = records.clone().into_iter().map(|record| (Duration::ZERO, record));
        Web::Tls(config.clone(), Box::new(pieces))
    };
    let mut stack = Stack::new(policy, client(), |query, _| zone(query), site);
    let outcome = stack.resolve("host.example");
    // Whatever was sent, each address was connected to once.
    assert_eq!(stack.dialled, [SocketAddr::from((ADDRESS, 443))]);
    (outcome, stack)
}

/// Why there was no document; None: there was.
fn refused(version: &'static SupportedProtocolVersion, records: &[&[u8]]) -> Option<Fact> {
    let (outcome, _) = sent(version, records);
    let resolved = outcome.as_ref().unwrap();
    if resolved.step == Step::DelegatedPort {
        assert_eq!(resolved.host_header_str(), "good.example:1");
        return None;
    }
    assert_eq!(resolved.step, Step::Default);
    resolved.explanation.decisions.iter().find_map(|decision| decision.fact().cloned())
}

/// A handshake message: its type, its length and its content.
fn handshake(kind: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, middle, low] = content.len().to_be_bytes();
    record(ContentType::Handshake, &[&[kind, high, middle, low], content].concat())
}

fn hello_request() -> Vec<u8> {
    handshake(0, &[])
}

const TLS_FAILED: Option<Fact> = Some(Fact::Failed(Failure::Http(HttpError::Tls)));

#[test]
fn a_server_that_behaves_is_believed_under_both_versions() {
    for version in [&TLS12, &TLS13] {
        assert_eq!(refused(version, &[HEAD, DOCUMENT]), None, "{version:?}");
    }
}

/// TLS 1.2: renegotiation is refused, and the document is that of the verified name.
#[test]
fn one_request_to_negotiate_again_changes_nothing() {
    let hello = hello_request();
    for records in [
        [&hello, HEAD, DOCUMENT],
        [HEAD, &hello, DOCUMENT],
        [&HEAD[..20], &hello, &[&HEAD[20..], DOCUMENT].concat()],
        [HEAD, DOCUMENT, &hello],
    ] {
        assert_eq!(refused(&TLS12, &records), None);
    }
}

#[test]
fn repeated_renegotiation_ends_the_connection() {
    let hello = hello_request();
    assert_eq!(refused(&TLS12, &[&hello, &hello, HEAD, DOCUMENT]), TLS_FAILED);
    assert_eq!(refused(&TLS12, &[&hello, HEAD, &hello, DOCUMENT]), TLS_FAILED);
    // Data that was complete before the second request counts.
    assert_eq!(refused(&TLS12, &[&hello, HEAD, DOCUMENT, &hello]), None);
}

/// TLS 1.3 has no such request.
#[test]
fn no_request_to_negotiate_again_is_known_to_the_latest_version() {
    let hello = hello_request();
    assert_eq!(refused(&TLS13, &[&hello, HEAD, DOCUMENT]), TLS_FAILED);
    assert_eq!(refused(&TLS13, &[HEAD, &hello, DOCUMENT]), TLS_FAILED);
}

/// An unsolicited second hello, certificate or end of a handshake.
#[test]
fn no_second_handshake_begins_of_itself() {
    let certificate = [0, 0, 6, 0, 0, 3, 1, 2, 3];
    for (kind, content) in [
        (2, &[3; 70][..]),
        (11, &certificate),
        (12, &[3, 0, 29, 0]),
        (13, &[0, 0, 0, 0]),
        (14, &[]),
        (20, &[7; 12]),
        (99, &[1, 2]),
    ] {
        for version in [&TLS12, &TLS13] {
            let message = handshake(kind, content);
            for records in [[&message, HEAD, DOCUMENT], [HEAD, &message, DOCUMENT]] {
                assert_eq!(refused(version, &records), TLS_FAILED, "type {kind}, {version:?}");
            }
        }
    }
}

/// In TLS 1.2 keys change once, within the handshake.
#[test]
fn keys_are_not_changed_behind_a_handshake() {
    let change = record(ContentType::ChangeCipherSpec, &[1]);
    for version in [&TLS12, &TLS13] {
        assert_eq!(refused(version, &[&change, HEAD, DOCUMENT]), TLS_FAILED, "{version:?}");
    }
}

/// `close_notify` ends what the server says, though it goes on.
#[test]
fn data_after_the_end_is_not_read() {
    let close = record(ContentType::Alert, &[1, 0]);
    for version in [&TLS12, &TLS13] {
        assert_eq!(refused(version, &[ENDLESS, DOCUMENT, &close, b"garbage"]), None);
        // A truncated body is no document, whatever follows.
        let cut = refused(version, &[HEAD, &close, DOCUMENT]);
        assert!(matches!(cut, Some(Fact::Failed(Failure::Http(_)))), "{version:?}: {cut:?}");
        let empty = refused(version, &[ENDLESS, &close, DOCUMENT]);
        assert!(matches!(empty, Some(Fact::Unusable(_))), "{version:?}: {empty:?}");
    }
}

/// An alert that ends the connection does not end a body.
#[test]
fn a_fatal_alert_is_no_end_of_a_body() {
    let alert = record(ContentType::Alert, &[2, 40]);
    for version in [&TLS12, &TLS13] {
        assert_eq!(refused(version, &[ENDLESS, DOCUMENT, &alert]), TLS_FAILED, "{version:?}");
    }
}
