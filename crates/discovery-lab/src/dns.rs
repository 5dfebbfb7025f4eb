//! The lab's name servers without sockets: the bytes of a query in, the bytes of a reply out.
//!
//! Knows nothing of sockets, nor of time beyond how long a reply takes.

mod reply;

use std::collections::BTreeMap;
use std::time::Duration;

use discovery_core::{DnsError, DnsName, RecordData, RecordType};
use discovery_sim::{DnsOutcome, NoEdns, WireFault, World, ZoneEntry, ZoneType};
use discovery_wire::Transport;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{self, DNSClass};

use reply::Reply;

/// Aliases looked behind for a fault of the message.
const MAX_CHAIN: usize = 64;

/// Questions whose attempts are counted, at most.
const MAX_COUNTED: usize = 100_000;

/// The reaction of a name server to one query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The question of the query, if the world could answer it.
    pub asked: Option<(DnsName, RecordType)>,
    /// The delay.
    pub after: Duration,
    /// What it is.
    pub said: Said,
    /// Whether the client repeats the query within the same attempt.
    pub again: bool,
}

/// The reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message; over TCP the length goes before it.
    Message(Vec<u8>),
    /// Nothing, ever.
    Nothing,
    /// The connection is closed.
    HangUp,
}

/// Which attempt at its question a query is, where only the queries are seen: every query is another, unless the last reply asked for it
/// (a truncated one, one in other letters, one that rejects EDNS). An answer ends the count.
#[derive(Clone, Debug, Default)]
pub struct Attempts(BTreeMap<(DnsName, RecordType), Count>);

/// The attempts at one question.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    next: u8,
    /// The last reply makes the client repeat the query within the same attempt.
    again: bool,
}

/// Loss and delay on the way, the same in every run: they follow from the question and the attempt alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// Another one gives other losses.
    pub seed: u64,
    /// So many of a hundred datagrams are lost.
    pub loss_percent: u8,
    /// Datagrams take up to so much longer.
    pub delay: Duration,
}

impl Reaction {
    /// Whether this ends the question: it is neither an error nor cut short.
    pub fn is_answer(&self) -> bool {
        match &self.said {
            Said::Message(message) => {
                let code = message.get(3).map(|flags| flags & 15);
                !reply::is_truncated(message) && matches!(code, Some(0 | 3))
            }
            Said::Nothing | Said::HangUp => false,
        }
    }
}

impl Attempts {
    /// The attempt that a query belongs to.
    pub fn of(&mut self, query: &[u8]) -> u8 {
        let Some(key) = parse(query).and_then(|query| question(&query)) else { return 0 };
        if self.0.len() >= MAX_COUNTED {
            self.0.clear();
        }
        let count = self.0.entry(key).or_default();
        if std::mem::take(&mut count.again) {
            return count.next.saturating_sub(1);
        }
        let this = count.next;
        count.next = this.saturating_add(1);
        this
    }

    /// What a query led to. An answer ends the count: whoever asks again begins again.
    pub fn note(&mut self, reaction: &Reaction) {
        let Some(asked) = &reaction.asked else { return };
        if reaction.again {
            if let Some(count) = self.0.get_mut(asked) {
                count.again = true;
            }
        } else if reaction.is_answer() {
            self.0.remove(asked);
        }
    }
}

impl Weather {
    /// The reaction to one datagram; `None` if it is lost.
    pub fn fate(&self, name: &DnsName, kind: RecordType, attempt: u8) -> Option<Duration> {
        let text = format!("{name} {kind} {attempt}");
        // FNV-1a, and a stir for the low bits: the same everywhere and for ever.
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let hash = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = hash ^ (hash >> 32);
        let (luck, share) = (hash % 100, (hash >> 32) % 1000);
        let share = u32::try_from(share).unwrap_or_default();
        (luck >= u64::from(self.loss_percent)).then(|| self.delay.saturating_mul(share) / 1000)
    }
}

/// The reaction of the name server with this index to one query of a known attempt.
pub fn react(
    world: &World,
    server: u8,
    attempt: u8,
    transport: Transport,
    query: &[u8],
) -> Reaction {
    let at_once = |said| Reaction { asked: None, after: Duration::ZERO, said, again: false };
    let Some(query) = parse(query) else { return at_once(Said::Nothing) };
    let mut to = Reply::to(&query, transport);
    if query.metadata.op_code != OpCode::Query || query.queries.len() != 1 {
        return at_once(to.code(ResponseCode::NotImp));
    }
    let Some((name, kind)) = question(&query) else {
        // A type that nobody here asks for, or a name that no host has.
        return at_once(to.code(ResponseCode::NoError));
    };
    let asked = Some((name.clone(), kind));
    let own = world.server(server).map(|fault| fault.about(kind)).unwrap_or_default();
    (to.folds, to.bare) = (own.folds, own.bare);
    if own.udp_silent && transport == Transport::Udp {
        return Reaction { asked, ..at_once(Said::Nothing) };
    }
    if let Some(edns) = own.edns.filter(|_| query.edns.is_some()) {
        let said = match edns {
            NoEdns::Silent => Said::Nothing,
            NoEdns::Cut => to.cut_in_question(),
            NoEdns::FormErr => to.code(ResponseCode::FormErr),
            NoEdns::NotImp => to.code(ResponseCode::NotImp),
            NoEdns::ServFail => to.code(ResponseCode::ServFail),
            NoEdns::BadVers => to.bad_version(),
        };
        let again = matches!(edns, NoEdns::FormErr | NoEdns::NotImp | NoEdns::BadVers);
        return Reaction { asked, again, ..at_once(said) };
    }
    let answer = world.dns_answer(&name, kind, server, attempt);
    let ruled = world.server(server).is_some_and(|fault| fault.outcome.is_some());
    let fault = if ruled { None } else { wire_fault(world, &name, kind) };
    let lost = is_lost(world, &name, kind, attempt);
    let said = match (fault, answer.said) {
        (Some(WireFault::WrongId), _) if !lost => to.with_another_id(),
        (Some(WireFault::WrongQuestion), _) if !lost => to.with_another_question(),
        (_, None) => Said::Nothing,
        (Some(WireFault::Truncated), Some(_)) if transport == Transport::Udp => to.truncated(),
        (Some(WireFault::TruncatedTwice), Some(_)) => to.truncated(),
        (Some(WireFault::Oversize), Some(Ok(reply))) if transport == Transport::Udp => {
            to.oversize(kind, &reply)
        }
        (Some(fault), Some(Ok(reply))) => to.with_fault(kind, &reply, fault),
        (None, Some(Ok(reply))) => to.whole(kind, &reply),
        (_, Some(Err(error))) => match error {
            DnsError::ServerFailure => to.code(ResponseCode::ServFail),
            DnsError::Refused => to.code(ResponseCode::Refused),
            DnsError::NotImplemented => to.code(ResponseCode::NotImp),
            DnsError::OtherCode => to.code(ResponseCode::FormErr),
            DnsError::Malformed => to.unreadable(),
            // A name server that can't be reached for one name alone: it asks for TCP, and hangs up there.
            DnsError::Unreachable if transport == Transport::Udp => to.truncated(),
            DnsError::Unreachable => Said::HangUp,
            // Errors of our own side never come from a name server.
            DnsError::Local | DnsError::NoRoute | DnsError::Timeout | _ => Said::Nothing,
        },
    };
    // What has to be asked again over TCP takes its time there.
    let short = matches!(&said, Said::Message(message) if reply::is_truncated(message));
    let after = if short && transport == Transport::Udp { Duration::ZERO } else { answer.after };
    let again = transport == Transport::Udp && (short || (own.folds && said != Said::Nothing));
    Reaction { asked, after, said, again }
}

/// Messages out of a stream, each with its length before it (RFC 7766).
#[derive(Clone, Debug, Default)]
pub struct Messages(Vec<u8>);

impl Messages {
    /// Takes in what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next message that is whole.
    pub fn next_message(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let message = rest.get(..length)?.to_vec();
        self.0.drain(..length.saturating_add(2));
        Some(message)
    }
}

/// A message as it goes over a stream: its length, then itself.
pub fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut out = length.to_be_bytes().to_vec();
    out.extend(message.iter().take(usize::from(length)));
    out
}

fn parse(query: &[u8]) -> Option<Message> {
    Message::from_vec(query).ok().filter(|query| query.metadata.message_type == MessageType::Query)
}

/// The question of a query, if the world could answer it.
fn question(query: &Message) -> Option<(DnsName, RecordType)> {
    let question = query.queries.first()?;
    let kinds = [
        (rr::RecordType::A, RecordType::A),
        (rr::RecordType::AAAA, RecordType::Aaaa),
        (rr::RecordType::SRV, RecordType::Srv),
    ];
    let (_, kind) = kinds.into_iter().find(|(number, _)| *number == question.query_type())?;
    if question.query_class() != DNSClass::IN {
        return None;
    }
    let mut labels = Vec::new();
    for label in question.name().iter() {
        labels.push(std::str::from_utf8(label).ok().filter(|label| !label.contains('.'))?);
    }
    Some((DnsName::parse(&labels.join(".")).ok()?, kind))
}

/// The fault of the message that carries a reply: that of the first name in the alias chain which has one.
fn wire_fault(world: &World, name: &DnsName, kind: RecordType) -> Option<WireFault> {
    chain(world, name, kind).find_map(|entry| entry.wire)
}

/// Whether this attempt is lost on its way, so that not even a faulty message comes back.
fn is_lost(world: &World, name: &DnsName, kind: RecordType, attempt: u8) -> bool {
    chain(world, name, kind).any(|entry| attempt < entry.lost)
}

fn chain<'a>(
    world: &'a World,
    name: &DnsName,
    kind: RecordType,
) -> impl Iterator<Item = ZoneEntry> + 'a {
    let mut next = Some(name.clone());
    std::iter::from_fn(move || {
        let name = next.take()?;
        let own = world.entry(&name, kind.into());
        let alias = own.is_none();
        let entry = own.or_else(|| world.entry(&name, ZoneType::Cname))?;
        if alias
            && !entry.cut
            && let DnsOutcome::Records(records) = &entry.outcome
        {
            next = records.iter().find_map(|(data, _)| match data {
                RecordData::Cname(next) => Some(next.clone()),
                RecordData::A(_)
                | RecordData::Aaaa(_)
                | RecordData::Srv(_)
                | RecordData::Unusable => None,
            });
        }
        Some(entry)
    })
    .take(MAX_CHAIN)
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
