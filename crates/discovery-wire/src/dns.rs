//! One question to one name server: which query goes out over which transport, and which reply counts.
//!
//! A reply over UDP counts only if it repeats the question's name in the same upper and lower case (0x20; R98, R99). A reply that
//! differs in nothing else may come from a server that folds case, or from an attacker who guessed the id: it is not read, and the
//! question is asked again over TCP, where an attacker off the path cannot answer.
//!
//! A FORMERR counts without a question section, because a server that cannot read EDNS cannot repeat it. An attacker who
//! guesses the id gains one plainer query, then an error.

use discovery_core::{DnsError, DnsName, DnsReply, DnsRequest, DnsTransport, Noticed, RecordType};

use crate::entropy::Entropy;
use crate::exchange::{READ_BUFFER, Transport};
use crate::message::{Asked, NameCase, Nonce, Reply};

/// Queries that one exchange can send: the first, one without EDNS, one over TCP.
const MAX_QUERIES: usize = 3;
/// Octets of a message's length before it (RFC 7766).
const PREFIX: usize = 2;

/// One question on its way.
pub(crate) struct Lookup {
    name: DnsName,
    kind: RecordType,
    /// One for each query that may still go out: no two share an id or the case of the name (R98).
    nonces: std::array::IntoIter<Nonce, MAX_QUERIES>,
    asked: Option<Asked>,
    edns: bool,
    transport: Transport,
    noticed: Noticed,
    /// The bytes received over TCP so far.
    received: Vec<u8>,
}

/// What to do after a message.
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
        let case = match self.transport {
            Transport::Udp => NameCase::Exact,
            Transport::Tcp => NameCase::Any,
        };
        let reply = match (asked.read(bytes, case), self.transport) {
            // The system cuts a datagram that is longer than the driver's buffer, and does not say so.
            (Reply::Whole(_), Transport::Udp) if bytes.len() >= READ_BUFFER => Reply::Truncated,
            (reply, _) => reply,
        };
        match (reply, self.transport) {
            // R98: datagrams can be forged, so one that does not match is ignored.
            (Reply::Mismatch, Transport::Udp) => Next::Continue,
            (Reply::Mismatch | Reply::Truncated, Transport::Tcp) => DnsError::Malformed.into(),
            // R100.
            (Reply::Truncated, Transport::Udp) => Next::Reopen(Transport::Tcp),
            (Reply::OtherCase, _) => {
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
            (Reply::Whole(result), _) => Next::Finish(result.map(|mut reply| {
                reply.noticed = self.noticed;
                reply
            })),
        }
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
