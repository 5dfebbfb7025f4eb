//! Whole DNS exchanges against a scripted server.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};

use discovery_core::{Answer, DnsId, RecordData};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record};
use proptest::prelude::*;

use super::*;
use crate::{Exchange, NoEntropy, Predictable, Want};

fn server() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(192, 0, 2, 53), 53))
}

fn exchange_with(entropy: &mut dyn Entropy) -> Exchange {
    let request = DnsRequest::new(
        DnsId::from_number(7),
        DnsName::parse("a.long-enough-name.example").unwrap(),
        RecordType::A,
    );
    Exchange::dns(&request, server(), entropy)
}

fn open(transport: Transport) -> Exchange {
    let mut exchange = exchange_with(&mut Predictable::new(1));
    assert_eq!(exchange.wants(), Want::Open(Transport::Udp, server()));
    exchange.opened();
    if transport == Transport::Tcp {
        let query = sent(&mut exchange);
        exchange.read(&reply(&query, |m| m.metadata.truncation = true), None);
        assert_eq!(exchange.wants(), Want::Open(Transport::Tcp, server()));
        exchange.opened();
    }
    exchange
}

/// The query that the exchange wants to send, without its prefix over TCP; as if it had been sent.
fn sent(exchange: &mut Exchange) -> Message {
    let Want::Write(bytes) = exchange.wants() else { panic!("{exchange:?}") };
    let length = bytes.len();
    let message = match Message::from_vec(bytes) {
        Ok(message) if message.queries.len() == 1 => message,
        _ => {
            assert_eq!(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), length - 2);
            Message::from_vec(&bytes[2..]).unwrap()
        }
    };
    exchange.wrote(length);
    message
}

fn reply(query: &Message, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = query.clone().into_response();
    message.edns = None;
    change(&mut message);
    message.to_vec().unwrap()
}

fn address(m: &mut Message, last: u8) {
    let owner = m.queries[0].name().clone();
    m.add_answer(Record::from_rdata(owner, 60, RData::A(A(Ipv4Addr::new(192, 0, 2, last)))));
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], message].concat()
}

fn result(exchange: Exchange) -> Result<DnsReply, DnsError> {
    assert_eq!(exchange.wants(), Want::Finish);
    match exchange.into_answer() {
        Answer::Dns(id, result) if id.number() == 7 => result,
        other => panic!("{other:?}"),
    }
}

fn addresses(exchange: Exchange) -> Result<Vec<u8>, DnsError> {
    let last = |data: &RecordData| match data {
        RecordData::A(ip) => ip.octets()[3],
        other => panic!("{other:?}"),
    };
    result(exchange).map(|reply| reply.records.iter().map(|r| last(&r.data)).collect())
}

#[test]
fn a_reply_over_udp_answers() {
    let mut exchange = open(Transport::Udp);
    let query = sent(&mut exchange);
    assert_eq!(exchange.wants(), Want::Read);
    exchange.read(&reply(&query, |m| address(m, 1)), None);
    assert_eq!(addresses(exchange), Ok(vec![1]));
}

#[test]
fn a_datagram_is_sent_whole_or_not_at_all() {
    let mut exchange = open(Transport::Udp);
    exchange.wrote(1);
    assert_eq!(exchange.wants(), Want::Read);
    let mut exchange = open(Transport::Tcp);
    let Want::Write(bytes) = exchange.wants() else { panic!("{exchange:?}") };
    let rest = bytes[1..].to_vec();
    exchange.wrote(1);
    assert_eq!(exchange.wants(), Want::Write(&rest));
}

#[test]
fn datagrams_of_strangers_are_passed_over() {
    // R98: another id, and no message at all.
    let mut exchange = open(Transport::Udp);
    let query = sent(&mut exchange);
    for _ in 0..100 {
        exchange.read(b"", None);
        exchange.read(b"short", None);
        exchange.read(&reply(&query, |m| m.metadata.id ^= 1), None);
        assert_eq!(exchange.wants(), Want::Read);
    }
    exchange.read(&reply(&query, |m| address(m, 1)), None);
    assert_eq!(addresses(exchange), Ok(vec![1]));
}

#[test]
fn a_reply_in_other_letters_leads_to_tcp_and_is_not_read() {
    // R99.
    let mut exchange = open(Transport::Udp);
    let query = sent(&mut exchange);
    let lower = reply(&query, |m| {
        let lower = m.queries[0].name().to_lowercase();
        m.queries[0].set_name(lower);
        address(m, 66);
    });
    exchange.read(&lower, None);
    assert_eq!(exchange.wants(), Want::Open(Transport::Tcp, server()));
    exchange.opened();
    let query = sent(&mut exchange);
    exchange.read(&prefixed(&reply(&query, |m| address(m, 1))), None);
    let reply = result(exchange).unwrap();
    assert!(reply.noticed.folds_letters);
    assert_eq!(reply.records.len(), 1);
}

#[test]
fn a_query_is_repeated_without_edns_at_once_where_a_server_rejects_it() {
    // R101.
    for code in [ResponseCode::FormErr, ResponseCode::NotImp] {
        let mut exchange = open(Transport::Udp);
        let query = sent(&mut exchange);
        assert!(query.edns.is_some());
        exchange.read(&reply(&query, |m| m.metadata.response_code = code), None);
        let plain = sent(&mut exchange);
        assert!(plain.edns.is_none());
        exchange.read(&reply(&plain, |m| address(m, 1)), None);
        assert!(result(exchange).unwrap().noticed.rejects_edns, "{code}");
    }
}

#[test]
fn a_truncated_reply_leads_to_tcp_whatever_its_split() {
    // R100: nothing in a truncated reply counts; over TCP each message stands behind its length.
    let mut exchange = open(Transport::Udp);
    let query = sent(&mut exchange);
    let truncated = reply(&query, |m| {
        m.metadata.truncation = true;
        address(m, 66);
    });
    exchange.read(&truncated, None);
    assert_eq!(exchange.wants(), Want::Open(Transport::Tcp, server()));
    let mut exchange = open(Transport::Tcp);
    let query = sent(&mut exchange);
    let stream = [prefixed(&reply(&query, |m| address(m, 1))), b"surplus".to_vec()].concat();
    for cut in 0..stream.len() {
        let mut exchange = open(Transport::Tcp);
        sent(&mut exchange);
        let (left, right) = stream.split_at(cut);
        if !left.is_empty() {
            exchange.read(left, None);
        }
        exchange.read(right, None);
        assert_eq!(addresses(exchange), Ok(vec![1]), "cut at {cut}");
    }
    for byte in stream.chunks(1) {
        exchange.read(byte, None);
    }
    assert_eq!(addresses(exchange), Ok(vec![1]));
}

#[test]
fn over_tcp_the_letters_may_differ_and_the_question_may_not() {
    let mut exchange = open(Transport::Tcp);
    let query = sent(&mut exchange);
    let lower = reply(&query, |m| {
        let lower = m.queries[0].name().to_lowercase();
        m.queries[0].set_name(lower);
        address(m, 1);
    });
    exchange.read(&prefixed(&lower), None);
    assert_eq!(addresses(exchange), Ok(vec![1]));
    let spoilt: [fn(&mut Message); 3] =
        [|m| m.metadata.id ^= 1, |m| m.queries.clear(), |m| m.metadata.truncation = true];
    for change in spoilt {
        let mut exchange = open(Transport::Tcp);
        let query = sent(&mut exchange);
        exchange.read(&prefixed(&reply(&query, change)), None);
        assert_eq!(addresses(exchange), Err(DnsError::Malformed));
    }
    let mut exchange = open(Transport::Tcp);
    sent(&mut exchange);
    exchange.read(&[0, 0], None);
    assert_eq!(addresses(exchange), Err(DnsError::Malformed));
}

#[test]
fn a_stream_that_ends_early_is_unreachable() {
    let mut exchange = open(Transport::Tcp);
    sent(&mut exchange);
    exchange.read(&[0xff, 0xff, 1, 2, 3], None);
    assert_eq!(exchange.wants(), Want::Read);
    exchange.read(b"", None);
    assert_eq!(addresses(exchange), Err(DnsError::Unreachable));
}

#[test]
fn a_thousand_services_come_over_tcp() {
    let request = DnsRequest::new(
        DnsId::from_number(7),
        DnsName::parse("_matrix._tcp.example").unwrap(),
        RecordType::Srv,
    );
    let mut exchange = Exchange::dns(&request, server(), &mut Predictable::new(1));
    exchange.opened();
    let query = sent(&mut exchange);
    exchange.read(&reply(&query, |m| m.metadata.truncation = true), None);
    exchange.opened();
    let query = sent(&mut exchange);
    let many = reply(&query, |m| {
        for n in 0..1000_u16 {
            let owner = m.queries[0].name().clone();
            let host = format!("host-number-{n}");
            let target = Name::from_labels([host.as_bytes(), b"example"]).unwrap();
            m.add_answer(Record::from_rdata(owner, 60, RData::SRV(SRV::new(n, 0, 1, target))));
        }
    });
    assert!(many.len() > 30_000, "{}", many.len());
    for piece in prefixed(&many).chunks(1400) {
        exchange.read(piece, None);
    }
    let records = result(exchange).unwrap().records;
    assert_eq!(records.len(), 1000);
    assert!(matches!(&records[999].data, RecordData::Srv(s)
        if s.priority == 999 && s.target.as_str() == "host-number-999.example"));
}

#[test]
fn a_server_without_edns_is_asked_again_without() {
    // R101.
    for (transport, headless) in [
        (Transport::Udp, false),
        (Transport::Udp, true),
        (Transport::Tcp, false),
        (Transport::Tcp, true),
    ] {
        let mut exchange = open(transport);
        let wire = |message: Vec<u8>| match transport {
            Transport::Udp => message,
            Transport::Tcp => prefixed(&message),
        };
        let refuse = |m: &mut Message| {
            m.metadata.response_code = ResponseCode::FormErr;
            if headless {
                m.queries.clear();
            }
        };
        let first = sent(&mut exchange);
        assert!(first.edns.is_some());
        exchange.read(&wire(reply(&first, refuse)), None);
        let second = sent(&mut exchange);
        assert!(second.edns.is_none());
        assert_ne!(first.metadata.id, second.metadata.id);
        // A late copy of the first refusal changes nothing over UDP.
        if transport == Transport::Udp {
            exchange.read(&wire(reply(&first, refuse)), None);
            assert_eq!(exchange.wants(), Want::Read);
        }
        let mut refused = open(transport);
        let query = sent(&mut refused);
        refused.read(&wire(reply(&query, refuse)), None);
        let query = sent(&mut refused);
        refused.read(&wire(reply(&query, refuse)), None);
        assert_eq!(addresses(refused), Err(DnsError::OtherCode));

        exchange.read(&wire(reply(&second, |m| address(m, 1))), None);
        assert_eq!(addresses(exchange), Ok(vec![1]), "{transport:?} {headless}");
    }
}

#[test]
fn no_two_queries_share_an_id_or_letters() {
    // R98, R99.
    let mut exchange = open(Transport::Udp);
    let first = sent(&mut exchange);
    exchange.read(&reply(&first, |m| m.metadata.response_code = ResponseCode::FormErr), None);
    let second = sent(&mut exchange);
    exchange.read(&reply(&second, |m| m.metadata.truncation = true), None);
    exchange.opened();
    let third = sent(&mut exchange);
    assert!(third.edns.is_none());
    let queries = [&first, &second, &third];
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        assert_ne!(queries[a].metadata.id, queries[b].metadata.id);
        assert!(!queries[a].queries[0].name().eq_case(queries[b].queries[0].name()));
    }
}

#[test]
fn errors_of_the_socket_are_told_apart() {
    for (error, expected) in [
        (ErrorKind::ConnectionRefused, DnsError::NotListening(server())),
        (ErrorKind::ConnectionReset, DnsError::Unreachable),
        (ErrorKind::NetworkUnreachable, DnsError::NoRoute),
        (ErrorKind::HostUnreachable, DnsError::NoRoute),
        (ErrorKind::AddrNotAvailable, DnsError::NoRoute),
        (ErrorKind::TimedOut, DnsError::Timeout),
        (ErrorKind::PermissionDenied, DnsError::Local),
        (ErrorKind::OutOfMemory, DnsError::Local),
        (ErrorKind::Other, DnsError::Local),
    ] {
        let mut opening = exchange_with(&mut Predictable::new(1));
        opening.failed(error);
        assert_eq!(result(opening), Err(expected), "{error}");
        for transport in [Transport::Udp, Transport::Tcp] {
            // Over TCP a refusal says less: the server has replied over UDP.
            let expected = match (error, transport) {
                (ErrorKind::ConnectionRefused, Transport::Tcp) => DnsError::Unreachable,
                _ => expected,
            };
            let mut writing = open(transport);
            writing.failed(error);
            assert_eq!(result(writing), Err(expected), "{error}");
            let mut reading = open(transport);
            sent(&mut reading);
            reading.failed(ErrorKind::Interrupted);
            assert_eq!(reading.wants(), Want::Read);
            reading.failed(error);
            assert_eq!(result(reading), Err(expected), "{error}");
        }
    }
}

#[test]
fn a_rejection_by_the_network_is_told_from_a_missing_route() {
    for (transport, expected) in
        [(Transport::Udp, DnsError::Rejected(server())), (Transport::Tcp, DnsError::Unreachable)]
    {
        let mut reading = open(transport);
        sent(&mut reading);
        reading.rejected(ErrorKind::HostUnreachable);
        assert_eq!(result(reading), Err(expected));
    }
}

#[test]
fn the_system_is_asked_for_entropy_once_a_question() {
    let mut asked = 0;
    let _ = exchange_with(&mut |bytes: &mut [u8]| {
        asked += 1;
        bytes.fill(7);
        Ok(())
    });
    assert_eq!(asked, 1);
}

#[test]
fn without_entropy_nothing_is_asked() {
    let exchange = exchange_with(&mut |_: &mut [u8]| Err(NoEntropy));
    assert_eq!(result(exchange), Err(DnsError::Local));
}

#[test]
fn a_driver_that_gives_up_is_our_own_side() {
    let exchange = open(Transport::Udp);
    assert_eq!(exchange.into_answer(), Answer::Dns(DnsId::from_number(7), Err(DnsError::Local)));
}

proptest! {
    #[test]
    fn inputs_in_any_order_neither_panic_nor_spin(
        inputs in prop::collection::vec((0_u8..5, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
    ) {
        let mut exchange = exchange_with(&mut Predictable::new(1));
        let mut query = None;
        for (what, bytes) in inputs {
            if let Want::Write(out) = exchange.wants() {
                query = Message::from_vec(out).ok().or(query);
            }
            match (what, &query) {
                (0, _) => exchange.opened(),
                (1, _) => exchange.wrote(bytes.len() * 8),
                (2, _) => exchange.read(&bytes, None),
                (3, Some(query)) => exchange.read(&reply(query, |m| m.metadata.truncation = true), None),
                (3, None) => exchange.failed(ErrorKind::Interrupted),
                (_, Some(query)) => exchange.read(&prefixed(&reply(query, |m| address(m, 1))), None),
                (_, None) => exchange.wrote(usize::MAX),
            }
            prop_assert_eq!(exchange.connected(), None);
        }
    }
}

#[test]
fn a_datagram_that_fills_the_read_buffer_is_asked_for_over_tcp() {
    // R100.
    for (length, fills) in [(READ_BUFFER - 1, false), (READ_BUFFER, true)] {
        let mut exchange = open(Transport::Udp);
        let query = sent(&mut exchange);
        let mut message = reply(&query, |m| address(m, 1));
        message.resize(length, 0);
        exchange.read(&message, None);
        if fills {
            assert_eq!(exchange.wants(), Want::Open(Transport::Tcp, server()));
        } else {
            assert_eq!(addresses(exchange), Ok(vec![1]));
        }
    }
}
