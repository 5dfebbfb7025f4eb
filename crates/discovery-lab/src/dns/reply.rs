//! Replies in bytes (RFC 1035), true ones and faulty ones.
//!
//! Knows nothing of what a world says. Records are written here and not by a library: thousands must fit into one message
//! over TCP, which takes every owner as a pointer to the question's name, and some must be wrong.

use discovery_core::{DnsName, DnsReply, RecordData, RecordType};
use discovery_sim::WireFault;
use discovery_wire::{READ_BUFFER, Transport};
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{self, Name};

use super::Said;

/// The longest datagram that the lab sends, whatever size the query offers (R101).
const MAX_DATAGRAM: u16 = 1232;
/// Longest datagram where the query offers nothing.
const PLAIN_DATAGRAM: u16 = 512;
/// Longest message over TCP.
const MAX_MESSAGE: usize = 65_535;
/// Octets of a message that ends within its question: the header and a little more.
const CUT: usize = 15;
/// A pointer to the first name behind the header: the question's.
const QUESTION: [u8; 2] = [0xc0, 0x0c];
/// TTL of what should never be taken for an answer.
const ASTRAY_TTL: u32 = 300;

/// Replies to one query.
pub(super) struct Reply<'a> {
    query: &'a Message,
    transport: Transport,
    /// The question is repeated in lower case.
    pub(super) folds: bool,
    /// Errors come without the question.
    pub(super) bare: bool,
}

impl<'a> Reply<'a> {
    pub(super) fn to(query: &'a Message, transport: Transport) -> Self {
        Self { query, transport, folds: false, bare: false }
    }

    /// No records, and this code.
    pub(super) fn code(&self, code: ResponseCode) -> Said {
        let mut message = self.empty();
        message.metadata.response_code = code;
        if self.bare && code != ResponseCode::NoError {
            message.queries.clear();
        }
        self.said(&message, &Sections::default())
    }

    /// BADVERS (RFC 6891 §6.1.3), whatever the version was.
    pub(super) fn bad_version(&self) -> Said {
        let sections = Sections { extended_code: 1, ..Sections::default() };
        self.said(&self.empty(), &sections)
    }

    /// A message that ends within its question.
    pub(super) fn cut_in_question(&self) -> Said {
        match self.said(&self.empty(), &Sections::default()) {
            Said::Message(mut message) => {
                message.truncate(CUT);
                Said::Message(message)
            }
            said @ (Said::Nothing | Said::HangUp) => said,
        }
    }

    /// No records, and the sign that some are missing.
    pub(super) fn truncated(&self) -> Said {
        let mut message = self.empty();
        message.metadata.truncation = true;
        self.said(&message, &Sections::default())
    }

    /// The records, or the sign that they don't fit.
    pub(super) fn whole(&self, kind: RecordType, answer: &DnsReply) -> Said {
        let sections = self.sections(kind, answer);
        match self.said(&self.with_code_of(answer), &sections) {
            Said::Message(out) if out.len() > self.limit() => self.truncated(),
            said @ (Said::Message(_) | Said::Nothing | Said::HangUp) => said,
        }
    }

    /// The records, in a message with a fault outside of the answer section.
    pub(super) fn with_fault(&self, kind: RecordType, answer: &DnsReply, fault: WireFault) -> Said {
        let mut sections = self.sections(kind, answer);
        match fault {
            WireFault::ExtraCount => sections.missing = 1,
            WireFault::BadAuthority => {
                // A name whose only label is longer than the record.
                sections.authorities = sections.authorities.saturating_add(1);
                sections.put(&[0], rr::RecordType::NS.into(), ASTRAY_TTL, &[9, b'n']);
            }
            WireFault::BadAdditional => {
                sections.additionals = 1;
                sections.put(&QUESTION, rr::RecordType::A.into(), ASTRAY_TTL, &[192, 0, 2]);
            }
            WireFault::OptOwner => sections.opt_owner = labels(["opt", "invalid"]),
            WireFault::WrongId
            | WireFault::WrongQuestion
            | WireFault::BadRecord
            | WireFault::Truncated
            | WireFault::TruncatedTwice
            | WireFault::Oversize => {}
        }
        self.said(&self.with_code_of(answer), &sections)
    }

    /// The records and as many others as make the datagram longer than a read buffer.
    pub(super) fn oversize(&self, kind: RecordType, answer: &DnsReply) -> Said {
        let mut sections = self.sections(kind, answer);
        let text = [&[255][..], &[b'x'; 255]].concat();
        while sections.bytes.len() <= READ_BUFFER {
            sections.answer(&QUESTION, rr::RecordType::TXT.into(), ASTRAY_TTL, &text);
        }
        self.said(&self.with_code_of(answer), &sections)
    }

    fn with_code_of(&self, answer: &DnsReply) -> Message {
        let mut message = self.empty();
        if answer.nxdomain {
            message.metadata.response_code = ResponseCode::NXDomain;
        }
        message
    }

    fn sections(&self, kind: RecordType, answer: &DnsReply) -> Sections {
        let asked = self.query.queries.first().map(|query| query.name().clone());
        let mut sections = Sections::default();
        for record in &answer.records {
            let owner = name(&record.owner);
            let is_question = asked.as_ref().is_some_and(|asked| *asked == decoded(&record.owner));
            let owner = if is_question { QUESTION.to_vec() } else { owner };
            let (number, data) = data(kind, &record.data);
            sections.answer(&owner, number, record.ttl, &data);
        }
        if let Some(ttl) = answer.negative_ttl {
            sections.lifetime(ttl);
        }
        sections
    }

    /// A tempting answer under another id.
    pub(super) fn with_another_id(&self) -> Said {
        let mut message = self.empty();
        message.metadata.id = message.metadata.id.wrapping_add(1);
        self.said(&message, &self.astray())
    }

    /// A tempting answer to another question.
    pub(super) fn with_another_question(&self) -> Said {
        let mut message = self.empty();
        for query in &mut message.queries {
            if let Ok(name) = Name::from_labels(["another".as_bytes(), b"invalid"]) {
                query.set_name(name);
            }
        }
        self.said(&message, &self.astray())
    }

    /// A message whose only record ends before its address does.
    pub(super) fn unreadable(&self) -> Said {
        let mut sections = Sections::default();
        sections.answer(&QUESTION, rr::RecordType::A.into(), ASTRAY_TTL, &[192, 0]);
        self.said(&self.empty(), &sections)
    }

    fn empty(&self) -> Message {
        let query = &self.query.metadata;
        let mut message = Message::new(query.id, MessageType::Response, OpCode::Query);
        message.metadata.op_code = query.op_code;
        message.metadata.recursion_desired = query.recursion_desired;
        message.metadata.recursion_available = true;
        message.queries.clone_from(&self.query.queries);
        if self.folds {
            for query in &mut message.queries {
                let name = query.name().to_lowercase();
                query.set_name(name);
            }
        }
        message
    }

    /// What would lead astray whoever takes it for an answer.
    fn astray(&self) -> Sections {
        let mut sections = Sections::default();
        let kind = self.query.queries.first().map(|query| query.query_type());
        let data: Vec<u8> = match kind {
            Some(rr::RecordType::AAAA) => {
                vec![0x20, 1, 0xd, 0xb8, 0, 0x66, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x66]
            }
            Some(rr::RecordType::SRV) => {
                [&[0, 0, 0, 0, 0x21, 0], &*labels(["astray", "invalid"])].concat()
            }
            _ => vec![203, 0, 113, 66],
        };
        sections.answer(&QUESTION, kind.unwrap_or(rr::RecordType::A).into(), ASTRAY_TTL, &data);
        sections
    }

    fn limit(&self) -> usize {
        match (self.transport, &self.query.edns) {
            (Transport::Tcp, _) => MAX_MESSAGE,
            (Transport::Udp, Some(edns)) => {
                edns.max_payload().clamp(PLAIN_DATAGRAM, MAX_DATAGRAM).into()
            }
            (Transport::Udp, None) => PLAIN_DATAGRAM.into(),
        }
    }

    fn said(&self, message: &Message, sections: &Sections) -> Said {
        let Ok(mut out) = message.to_vec() else { return Said::Nothing };
        out.extend_from_slice(&sections.bytes);
        let edns = u16::from(self.query.edns.is_some());
        if edns > 0 {
            // The root, type OPT, the size of datagrams, no flags, no options (R101).
            out.extend_from_slice(&sections.opt_owner);
            out.extend_from_slice(&[0, 41]);
            out.extend_from_slice(&MAX_DATAGRAM.to_be_bytes());
            out.extend_from_slice(&[sections.extended_code, 0, 0, 0, 0, 0]);
        }
        let additionals = [sections.additionals, edns, sections.missing].iter().sum();
        let counts = [sections.answers, sections.authorities, additionals];
        let field = out.iter_mut().skip(6);
        for (octet, count) in field.zip(counts.iter().flat_map(|count| count.to_be_bytes())) {
            *octet = count;
        }
        Said::Message(out)
    }
}

/// The sections behind the question.
struct Sections {
    bytes: Vec<u8>,
    answers: u16,
    authorities: u16,
    additionals: u16,
    /// Additional records that are counted and not there.
    missing: u16,
    /// The upper bits of the response code.
    extended_code: u8,
    /// The owner of the OPT record: the root.
    opt_owner: Vec<u8>,
}

impl Default for Sections {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            answers: 0,
            authorities: 0,
            additionals: 0,
            missing: 0,
            extended_code: 0,
            opt_owner: vec![0],
        }
    }
}

impl Sections {
    fn answer(&mut self, owner: &[u8], number: u16, ttl: u32, data: &[u8]) {
        self.answers = self.answers.saturating_add(1);
        self.put(owner, number, ttl, data);
    }

    /// A SOA record of the root, which says for how long there is nothing else (R96).
    fn lifetime(&mut self, ttl: u32) {
        self.authorities = self.authorities.saturating_add(1);
        let server = labels(["ns", "invalid"]);
        let mut data = [&*server, &*server].concat();
        for number in [1, 3600, 600, 86_400, ttl] {
            data.extend_from_slice(&number.to_be_bytes());
        }
        self.put(&[0], rr::RecordType::SOA.into(), ttl, &data);
    }

    fn put(&mut self, owner: &[u8], number: u16, ttl: u32, data: &[u8]) {
        self.bytes.extend_from_slice(owner);
        self.bytes.extend_from_slice(&number.to_be_bytes());
        self.bytes.extend_from_slice(&[0, 1]);
        self.bytes.extend_from_slice(&ttl.to_be_bytes());
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(data);
    }
}

/// The number of a record's type, and its data.
fn data(kind: RecordType, data: &RecordData) -> (u16, Vec<u8>) {
    match data {
        RecordData::A(ip) => (rr::RecordType::A.into(), ip.octets().to_vec()),
        RecordData::Aaaa(ip) => (rr::RecordType::AAAA.into(), ip.octets().to_vec()),
        RecordData::Cname(target) => (rr::RecordType::CNAME.into(), name(target)),
        RecordData::Srv(service) => {
            let target = name(&service.target);
            (
                rr::RecordType::SRV.into(),
                srv(service.priority, service.weight, service.port, &target),
            )
        }
        RecordData::Unusable => {
            let target = labels(["no host", "invalid"]);
            match kind {
                RecordType::Srv => (rr::RecordType::SRV.into(), srv(0, 0, 8448, &target)),
                RecordType::A | RecordType::Aaaa => (rr::RecordType::CNAME.into(), target),
            }
        }
    }
}

/// R90: the target is never compressed.
fn srv(priority: u16, weight: u16, port: u16, target: &[u8]) -> Vec<u8> {
    let mut out = [priority, weight, port].map(u16::to_be_bytes).concat();
    out.extend_from_slice(target);
    out
}

fn name(name: &DnsName) -> Vec<u8> {
    labels(name.labels())
}

fn labels<'a>(labels: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut out = Vec::new();
    for label in labels {
        out.push(u8::try_from(label.len()).unwrap_or_default());
        out.extend_from_slice(label.as_bytes());
    }
    out.push(0);
    out
}

fn decoded(name: &DnsName) -> Name {
    // The labels of a DNS name always fit into one.
    Name::from_labels(name.labels().map(str::as_bytes)).unwrap_or_else(|_| Name::root())
}

/// Whether a message says of itself that it is cut short.
pub(super) fn is_truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 2 != 0)
}
