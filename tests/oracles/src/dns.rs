//! DNS replies: only those to the question count, splits do not matter, and all results are valid.

use std::net::{Ipv4Addr, SocketAddr};

use discovery_core::{
    Answer, DnsError, DnsId, DnsName, DnsReply, DnsRequest, RecordData, RecordType,
};
use discovery_wire::{Exchange, Predictable, Transport, Want};

use crate::{cut, take};

/// The limit of records.
const MAX_RECORDS: usize = 2048;
/// Octets of a header, before the question.
const HEADER: usize = 12;

/// Reads a reply from the bytes after the first six. These select the question, the transport, whether id and question of
/// the reply are corrected first, and where it is cut.
///
/// # Panics If a foreign reply counts, a split matters, or a record is invalid.
pub fn dns_target(bytes: &[u8]) {
    let mut message = bytes;
    let [how, cuts @ ..] = take(&mut message, 6) else { return };
    let kind = [RecordType::A, RecordType::Aaaa, RecordType::Srv][usize::from(how % 3)];
    let (tcp, polite) = (how & 0x80 != 0, how & 0x40 != 0);
    let (mut exchange, query) = asking(kind, tcp);
    let mut reply = message.to_vec();
    if polite {
        // What follows the header in a query is its question and then EDNS.
        let question = query.get(HEADER..question_end(&query)).unwrap_or_default();
        reply.splice(reply.len().min(HEADER)..reply.len().min(HEADER), question.iter().copied());
        if let (Some(id), Some(from)) = (reply.get_mut(..2), query.get(..2)) {
            id.copy_from_slice(from);
        }
        if let Some(flags) = reply.get_mut(2) {
            *flags = (*flags | 0x80) & 0x87;
        }
        if let Some(count) = reply.get_mut(4..6) {
            count.copy_from_slice(&[0, 1]);
        }
    }
    if tcp {
        let length = u16::try_from(reply.len()).unwrap_or(u16::MAX);
        let stream = [&length.to_be_bytes()[..], &reply].concat();
        exchange.read(&stream, None);
        let whole = told(exchange);
        for parts in [cut(&stream, cuts), cut(&stream, &[1])] {
            let (mut again, _) = asking(kind, tcp);
            parts.iter().for_each(|part| again.read(part, None));
            assert_eq!(told(again), whole, "{:?}", stream.escape_ascii().to_string());
        }
        if let Told::Answered(Ok(reply)) = &whole {
            sound(reply, kind);
        }
        return;
    }
    exchange.read(&reply, None);
    let told = told(exchange);
    if told != Told::Waiting {
        // Every reply that counts had id and question, except a FORMERR without question.
        let same = |range: std::ops::Range<usize>| {
            reply.get(range.clone()).is_some_and(|read| Some(read) == query.get(range))
        };
        assert!(same(0..2), "the id");
        assert!(reply.get(2).is_some_and(|flags| flags & 0xf8 == 0x80), "a reply to a query");
        let headless =
            reply.get(4..6) == Some(&[0, 0]) && reply.get(3).is_some_and(|f| f & 15 == 1);
        let question = HEADER..question_end(&query);
        // A pointer may only refer backwards, and only the header precedes the question.
        assert!(headless || same(question), "{:?}", reply.escape_ascii().to_string());
    }
    if let Told::Answered(Ok(reply)) = &told {
        sound(reply, kind);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// No reply counted.
    Waiting,
    /// The exchange continues without EDNS or over TCP.
    Again(Option<Transport>),
    Answered(Result<DnsReply, DnsError>),
}

fn told(exchange: Exchange) -> Told {
    match exchange.wants() {
        Want::Read => Told::Waiting,
        Want::Open(transport, _) => Told::Again(Some(transport)),
        Want::Write(_) => Told::Again(None),
        Want::Finish => match exchange.into_answer() {
            Answer::Dns(_, answer) => Told::Answered(answer),
            Answer::Http(..) => unreachable!("DNS was asked"),
        },
    }
}

/// An exchange that waits for its reply, and the query that it sent, without the prefix.
fn asking(kind: RecordType, tcp: bool) -> (Exchange, Vec<u8>) {
    let request = DnsRequest::new(
        DnsId::from_number(1),
        match DnsName::parse("_m._tcp.ab.example") {
            Ok(name) => name,
            Err(error) => unreachable!("{error}"),
        },
        kind,
    );
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
    let mut exchange = Exchange::dns(&request, server, &mut Predictable::new(1));
    exchange.opened();
    let query = written(&mut exchange);
    if !tcp {
        return (exchange, query);
    }
    let mut truncated = query;
    for (at, set) in [(2, 0x82), (3, 0), (10, 0), (11, 0)] {
        if let Some(byte) = truncated.get_mut(at) {
            *byte = set;
        }
    }
    truncated.truncate(question_end(&truncated));
    exchange.read(&truncated, None);
    exchange.opened();
    let query = written(&mut exchange);
    (exchange, query.get(2..).unwrap_or_default().to_vec())
}

fn written(exchange: &mut Exchange) -> Vec<u8> {
    let Want::Write(bytes) = exchange.wants() else { unreachable!("a query is to be sent") };
    let bytes = bytes.to_vec();
    exchange.wrote(bytes.len());
    bytes
}

/// Behind the question of a query.
fn question_end(query: &[u8]) -> usize {
    let mut at = HEADER;
    while let Some(length) = query.get(at).filter(|length| **length != 0) {
        at += usize::from(*length) + 1;
    }
    at + 5
}

fn sound(reply: &DnsReply, kind: RecordType) {
    assert!(reply.records.len() <= MAX_RECORDS);
    let name = |name: &DnsName| {
        assert_eq!(DnsName::parse(&format!("{name}")).as_ref(), Ok(name), "{name:?}");
    };
    for record in &reply.records {
        name(&record.owner);
        match &record.data {
            RecordData::A(_) => assert_eq!(kind, RecordType::A),
            RecordData::Aaaa(_) => assert_eq!(kind, RecordType::Aaaa),
            RecordData::Srv(service) => {
                assert_eq!(kind, RecordType::Srv);
                name(&service.target);
            }
            RecordData::Cname(target) => name(target),
            RecordData::Unusable => {}
        }
    }
}
