//! DNS messages: a question in bytes, and what a reply says (RFC 1035), by hickory-proto's codec.
//!
//! Knows nothing of transports, attempts or what a record is for.
//!
//! A referral is an error and not "no such record": a server that does not recurse says nothing about the name.

use discovery_core::{DnsError, DnsName, DnsRecord, DnsReply, RecordData, RecordType, SrvRecord};
use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{self, DNSClass, Name, RData, Record};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

/// The size of datagrams that passes every path without fragments (R101).
const EDNS_SIZE: u16 = 1232;
/// Most records in an answer section: more than anybody needs, fewer than anybody could be drowned in.
const MAX_RECORDS: u16 = 2048;

/// The unguessable part of one query: its id, and a bit for each letter of the longest name (R98, R99).
pub(crate) type Nonce = [u8; 34];

/// A question as it was sent: what a reply must repeat.
#[derive(Debug)]
pub(crate) struct Asked {
    id: u16,
    name: Name,
    kind: RecordType,
}

/// Whether a reply must repeat the name in the same upper and lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameCase {
    /// Yes: it may be forged.
    Exact,
    /// Not needed: the transport proves its sender.
    Any,
}

/// The kinds of message that may arrive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// Not the reply to this question.
    Mismatch,
    /// The reply, cut short.
    Truncated,
    /// A reply over UDP that differs in the case of the question: it may be forged (R99).
    OtherCase,
    /// An error with which servers that don't know EDNS reject a query (RFC 6891 §7, §6.1.3): FORMERR, NOTIMP, BADVERS. What it means where
    /// the query had no OPT record.
    NoEdns(DnsError),
    /// The reply.
    Whole(Result<DnsReply, DnsError>),
}

impl Asked {
    /// The question with its name spelt as the nonce says.
    pub(crate) fn new(name: &DnsName, kind: RecordType, nonce: &Nonce) -> Result<Self, DnsError> {
        let [first, second, bits @ ..] = nonce;
        let mut letters = bits.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
        let labels = name.labels().map(|label| -> Vec<u8> {
            let spell = |(byte, upper)| if upper { u8::to_ascii_uppercase(&byte) } else { byte };
            label.bytes().zip(letters.by_ref()).map(spell).collect()
        });
        // A core name always fits; if it did not, that would be our own mistake.
        let name = Name::from_labels(labels).map_err(|_| DnsError::Local)?;
        Ok(Self { id: u16::from_be_bytes([*first, *second]), name, kind })
    }

    /// The query's bytes.
    pub(crate) fn to_bytes(&self, edns: bool) -> Result<Vec<u8>, DnsError> {
        let mut message = Message::new(self.id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.name.clone(), record_type(self.kind)));
        if edns {
            let mut edns = Edns::new();
            edns.set_max_payload(EDNS_SIZE).set_version(0);
            message.set_edns(edns);
        }
        message.to_vec().map_err(|_| DnsError::Local)
    }

    /// Reads a message. Nothing in it is looked at before it has shown to be the reply to this question (R98).
    pub(crate) fn read(&self, bytes: &[u8], case: NameCase) -> Reply {
        let mut decoder = BinDecoder::new(bytes);
        let Ok(header) = Header::read(&mut decoder) else { return Reply::Mismatch };
        let ours = header.id == self.id
            && header.message_type == MessageType::Response
            && header.op_code == OpCode::Query;
        if !ours {
            return Reply::Mismatch;
        }
        // A server that cannot or will not read the query need not repeat the question. All that such a message can do over UDP is to
        // have the question asked once more, of another server or in another form.
        if header.counts.queries == 0 && !header.truncation {
            let code = header.response_code;
            if rejects_edns(code) {
                return Reply::NoEdns(error(code));
            }
            if code == ResponseCode::ServFail || code == ResponseCode::Refused {
                return Reply::Whole(Err(error(code)));
            }
        }
        if header.counts.queries != 1 {
            return Reply::Mismatch;
        }
        let Ok(question) = Query::read(&mut decoder) else { return Reply::Mismatch };
        if *question.name() != self.name
            || question.query_type() != record_type(self.kind)
            || question.query_class() != DNSClass::IN
        {
            return Reply::Mismatch;
        }
        if case == NameCase::Exact && !question.name().eq_case(&self.name) {
            return Reply::OtherCase;
        }
        if header.response_code == ResponseCode::FormErr {
            return Reply::NoEdns(DnsError::OtherCode);
        }
        // R100: what a truncated reply holds is of no use.
        if header.truncation {
            return Reply::Truncated;
        }
        match self.sections(&header, &mut decoder) {
            Ok(reply) => Reply::Whole(Ok(reply)),
            Err(Trouble::Code(code)) if rejects_edns(code) => Reply::NoEdns(error(code)),
            Err(Trouble::Code(code)) => Reply::Whole(Err(error(code))),
            Err(Trouble::Error(error)) => Reply::Whole(Err(error)),
        }
    }

    fn sections(&self, header: &Header, decoder: &mut BinDecoder<'_>) -> Result<DnsReply, Trouble> {
        let counts = header.counts;
        if counts.answers > MAX_RECORDS {
            return Err(DnsError::Malformed.into());
        }
        let mut records = Vec::new();
        let mut found = false;
        for _ in 0..counts.answers {
            let record = record(decoder)?;
            found |= record.record_type() == record_type(self.kind);
            records.extend(self.relevant(&record));
        }
        let (mut lifetime, mut delegation) = (None, false);
        // Behind the answer section a fault does no harm: a record there that cannot be read is skipped, and where not even its
        // length can be read, or records are missing, the rest of the message is.
        let mut code = header.response_code;
        let rest = u32::from(counts.authorities).saturating_add(counts.additionals.into());
        for number in 0..rest {
            let Some(skipped) = Skipped::read(decoder) else { break };
            if number >= u32::from(counts.authorities) {
                if skipped.kind == rr::RecordType::OPT {
                    // RFC 6891 §6.1.3: the upper bits of the code stand first in the TTL.
                    let [upper, ..] = skipped.ttl.to_be_bytes();
                    code = ResponseCode::from(upper, code.low());
                }
            } else if let Some(minimum) = skipped.minimum {
                // R96: the lesser of the two; with the top bit set either counts as zero (RFC 2181 §8).
                let seconds = |ttl: u32| if ttl > i32::MAX as u32 { 0 } else { ttl };
                lifetime.get_or_insert(seconds(skipped.ttl).min(seconds(minimum)));
            }
            delegation |=
                skipped.kind == rr::RecordType::NS && number < u32::from(counts.authorities);
        }
        let nxdomain = code == ResponseCode::NXDomain;
        if !nxdomain && code != ResponseCode::NoError {
            return Err(Trouble::Code(code));
        }
        // A referral to other servers, of one that does not recurse for us, says nothing about the name (RFC 2308 §2.2).
        let referral = !nxdomain
            && records.is_empty()
            && lifetime.is_none()
            && delegation
            && !header.authoritative;
        if referral {
            return Err(DnsError::Refused.into());
        }
        let negative_ttl = lifetime.filter(|_| nxdomain || !found);
        let mut reply = DnsReply::with_records(records);
        reply.nxdomain = nxdomain;
        reply.negative_ttl = negative_ttl;
        Ok(reply)
    }

    /// The record as the core wants it; none for kinds that were not asked for.
    fn relevant(&self, record: &Record) -> Option<DnsRecord> {
        if record.dns_class != DNSClass::IN {
            return None;
        }
        // An owner that is no host name cannot be on the way from the question's name to its records.
        let owner = host_name(&record.name)?;
        let data = match (&record.data, self.kind) {
            (RData::A(ip), RecordType::A) => RecordData::A(ip.0),
            (RData::AAAA(ip), RecordType::Aaaa) => RecordData::Aaaa(ip.0),
            (RData::CNAME(target), _) => match host_name(target) {
                Some(target) if !target.is_root() => RecordData::Cname(target),
                Some(_) | None => RecordData::Unusable,
            },
            // R90: where the target was compressed it has been read all the same.
            (RData::SRV(srv), RecordType::Srv) => match host_name(&srv.target) {
                Some(target) => RecordData::Srv(SrvRecord {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target,
                }),
                None => RecordData::Unusable,
            },
            _ => return None,
        };
        Some(DnsRecord { owner, ttl: record.ttl, data })
    }
}

/// Why a message holds no answer.
enum Trouble {
    Code(ResponseCode),
    Error(DnsError),
}

impl From<DnsError> for Trouble {
    fn from(error: DnsError) -> Self {
        Self::Error(error)
    }
}

/// Whether servers that don't know EDNS, or not this version of it, say so to a query with an OPT record.
fn rejects_edns(code: ResponseCode) -> bool {
    [ResponseCode::FormErr, ResponseCode::NotImp, ResponseCode::BADVERS, ResponseCode::BADSIG]
        .contains(&code)
}

fn error(code: ResponseCode) -> DnsError {
    if code == ResponseCode::ServFail {
        DnsError::ServerFailure
    } else if code == ResponseCode::Refused {
        DnsError::Refused
    } else if code == ResponseCode::NotImp {
        DnsError::NotImplemented
    } else {
        DnsError::OtherCode
    }
}

fn record_type(kind: RecordType) -> rr::RecordType {
    match kind {
        RecordType::A => rr::RecordType::A,
        RecordType::Aaaa => rr::RecordType::AAAA,
        RecordType::Srv => rr::RecordType::SRV,
    }
}

/// The next record. One that cannot be read, or holds nothing, spoils the message: there is no telling what was meant.
fn record(decoder: &mut BinDecoder<'_>) -> Result<Record, DnsError> {
    let record = Record::read(decoder).map_err(|_| DnsError::Malformed)?;
    let empty = matches!(record.data, RData::Update0(kind) if kind != rr::RecordType::OPT);
    if empty { Err(DnsError::Malformed) } else { Ok(record) }
}

/// What is of use of a record outside of the answer section.
struct Skipped {
    kind: rr::RecordType,
    ttl: u32,
    /// MINIMUM of a SOA record that can be read.
    minimum: Option<u32>,
}

impl Skipped {
    /// Goes past the next record, whatever its data holds; none where its length cannot be read or there is less of it.
    fn read(decoder: &mut BinDecoder<'_>) -> Option<Self> {
        let mut whole = decoder.clone(u16::try_from(decoder.index()).ok()?);
        Name::read(decoder).ok()?;
        let kind = rr::RecordType::from(decoder.read_u16().ok()?.unverified());
        decoder.read_u16().ok()?;
        let ttl = decoder.read_u32().ok()?.unverified();
        let length = decoder.read_u16().ok()?.unverified();
        decoder.read_slice(usize::from(length)).ok()?;
        let record = (kind == rr::RecordType::SOA).then(|| Record::read(&mut whole));
        let minimum = match record {
            Some(Ok(Record { data: RData::SOA(soa), .. })) => Some(soa.minimum),
            // A broken one is none.
            Some(Ok(_) | Err(_)) | None => None,
        };
        Some(Self { kind, ttl, minimum })
    }
}

/// The name as a host name; none where a label holds what no host name can (a dot or a space, for instance).
fn host_name(name: &Name) -> Option<DnsName> {
    let mut text = String::new();
    for label in name.iter() {
        // A dot within a label would pass for a border between two.
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.is_empty() || !label.iter().all(plain) {
            return None;
        }
        text.push_str(std::str::from_utf8(label).ok()?);
        text.push('.');
    }
    if text.is_empty() { Some(DnsName::root()) } else { DnsName::parse(&text).ok() }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
