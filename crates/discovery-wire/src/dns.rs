//! One question to one name server: which query goes out over which transport, and which reply counts.
//!
//! Knows nothing of the messages' layout, nor of what the answer is for. A reply over UDP counts only with the question's name in the very
//! letters that were sent (R98, R99). One that fits but for upper and lower case may come from a server that folds letters, or from a
//! stranger who guessed the id: it is not read, and the question is asked again over TCP, where nobody else can answer.

use discovery_core::{DnsError, DnsName, DnsReply, DnsRequest, DnsTransport, Noticed, RecordKind};

use crate::entropy::Entropy;
use crate::exchange::{READ_BUFFER, Transport};
use crate::message::{Asked, Letters, Nonce, Reply};

/// Queries that one exchange can send: the first, one without EDNS, one over TCP.
const MAX_QUERIES: usize = 3;
/// Octets of a message's length before it (RFC 7766).
const PREFIX: usize = 2;

/// One question on its way.
pub(crate) struct Lookup {
    name: DnsName,
    kind: RecordKind,
    /// One for each query that may still go out: no two share an id or the letters (R98).
    nonces: std::array::IntoIter<Nonce, MAX_QUERIES>,
    asked: Option<Asked>,
    edns: bool,
    transport: Transport,
    noticed: Noticed,
    /// What came over TCP so far.
    received: Vec<u8>,
}

/// What follows from what came.
pub(crate) enum Next {
    /// Go on.
    Continue,
    /// Close the socket and open one of this transport.
    Reopen(Transport),
    /// The end.
    Finish(Result<DnsReply, DnsError>),
}

impl From<DnsTransport> for Transport {
    fn from(transport: DnsTransport) -> Self {
        match transport {
            DnsTransport::Udp => Self::Udp,
            DnsTransport::Tcp => Self::Tcp,
        }
    }
}

impl From<DnsError> for Next {
    fn from(error: DnsError) -> Self {
        Self::Finish(Err(error))
    }
}

impl Lookup {
    pub(crate) fn new(request: &DnsRequest, entropy: &mut dyn Entropy) -> Result<Self, DnsError> {
        let mut nonces: [Nonce; MAX_QUERIES] = [[0; size_of::<Nonce>()]; MAX_QUERIES];
        // At once: asking the system is what costs.
        entropy.fill(nonces.as_flattened_mut()).map_err(|_| DnsError::Local)?;
        Ok(Self {
            name: request.name.clone(),
            kind: request.kind,
            nonces: nonces.into_iter(),
            asked: None,
            edns: request.edns,
            transport: request.transport.into(),
            noticed: Noticed::default(),
            received: Vec::new(),
        })
    }

    /// The socket is there: the query goes out.
    pub(crate) fn opened(&mut self, transport: Transport, output: &mut Vec<u8>) -> Next {
        self.transport = transport;
        self.received = Vec::new();
        self.ask(output)
    }

    fn ask(&mut self, output: &mut Vec<u8>) -> Next {
        let query = self.nonces.next().ok_or(DnsError::Malformed).and_then(|nonce| {
            let asked = Asked::new(&self.name, self.kind, &nonce)?;
            let query = asked.to_bytes(self.edns)?;
            let length = u16::try_from(query.len()).map_err(|_| DnsError::Local)?;
            self.asked = Some(asked);
            if self.transport == Transport::Tcp {
                output.extend_from_slice(&length.to_be_bytes());
            }
            Ok(query)
        });
        match query {
            Ok(query) => output.extend_from_slice(&query),
            Err(error) => return error.into(),
        }
        Next::Continue
    }

    /// A datagram has come, or some bytes over TCP; over TCP none are the end of the stream.
    pub(crate) fn read(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> Next {
        match self.transport {
            Transport::Udp => self.message(bytes, output),
            Transport::Tcp if bytes.is_empty() => DnsError::Unreachable.into(),
            Transport::Tcp => self.stream(bytes, output),
        }
    }

    fn stream(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> Next {
        // Grows with what came, not with the length that is claimed; one message is at most 64 KiB.
        self.received.extend_from_slice(bytes);
        let Some((prefix, rest)) = self.received.split_first_chunk::<PREFIX>() else {
            return Next::Continue;
        };
        let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*prefix))) else {
            return Next::Continue;
        };
        let message = message.to_vec();
        // One reply to one query: whatever stands behind it was not asked for.
        self.received.clear();
        self.message(&message, output)
    }

    fn message(&mut self, bytes: &[u8], output: &mut Vec<u8>) -> Next {
        let Some(asked) = &self.asked else { return Next::Continue };
        let letters = match self.transport {
            Transport::Udp => Letters::Exact,
            Transport::Tcp => Letters::Any,
        };
        let reply = match (asked.read(bytes, letters), self.transport) {
            // The system cuts a datagram that is longer than the driver's buffer, and does not say so.
            (Reply::Whole(_), Transport::Udp) if bytes.len() >= READ_BUFFER => Reply::Truncated,
            (reply, _) => reply,
        };
        match (reply, self.transport) {
            // R98: on a datagram socket strangers can speak; they are not listened to.
            (Reply::Foreign, Transport::Udp) => Next::Continue,
            (Reply::Foreign | Reply::Truncated, Transport::Tcp) => DnsError::Malformed.into(),
            // R100.
            (Reply::Truncated, Transport::Udp) => Next::Reopen(Transport::Tcp),
            (Reply::OtherLetters, _) => {
                self.noticed.folds_letters = true;
                Next::Reopen(Transport::Tcp)
            }
            (Reply::NoEdns(_), _) if self.edns => {
                // R101: once more, as before 1999.
                self.edns = false;
                self.noticed.rejects_edns = true;
                self.ask(output)
            }
            (Reply::NoEdns(error), _) => error.into(),
            (Reply::Whole(result), _) => {
                Next::Finish(result.map(|reply| DnsReply { noticed: self.noticed, ..reply }))
            }
        }
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
