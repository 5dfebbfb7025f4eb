//! One request of the core, from its first byte to its answer.
//!
//! Owns the order of opening, writing and reading; knows nothing of what the bytes mean. Its law: it wants one thing at a
//! time, inputs are legal in any state, and after the end it wants nothing but to be finished.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use discovery_core::{
    Answer, DnsError, DnsId, DnsRequest, HttpError, HttpGet, HttpId, RequestId, UnixTime,
};
use rustls::ClientConfig;

use crate::dns::{Lookup, Next};
use crate::entropy::Entropy;
use crate::https::Https;

/// A size of read buffer that takes every datagram a well-behaved name server sends, and that TLS is fed with fastest.
///
/// Read datagrams into a buffer of at least this size: one that fills so much counts as truncated, and its question is asked again over
/// TCP.
///
/// An exchange keeps no read buffer of its own: a driver can share one among all of its exchanges.
pub const READ_BUFFER: usize = 4096;

/// The kind of socket to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A datagram socket, from a port that the system chooses, connected to the address: the kernel then drops
    /// datagrams from other addresses (R98).
    Udp,
    /// A stream.
    Tcp,
}

/// The one thing that an exchange wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want<'a> {
    /// Close the socket, if there is one, and open this; then say [`Exchange::opened`].
    Open(Transport, SocketAddr),
    /// Send these bytes, or some of them over TCP; then say [`Exchange::wrote`]. Over UDP they are one datagram.
    Write(&'a [u8]),
    /// Receive, over UDP one datagram; then say [`Exchange::read`].
    Read,
    /// Close the socket: the answer is there, [`Exchange::into_answer`] gives it.
    Finish,
}

/// One DNS or HTTP request on its way, sans I/O.
///
/// Ask what it [wants](Self::wants), do that, tell how it went, and begin again; the crate's first page shows a whole
/// driver. When something did not work, say [`failed`](Self::failed): all errors of the request end in its answer. Calls
/// that do not fit (bytes where none were wanted, anything after the end) are safe and change nothing. The answer does not
/// depend on how the network splits or joins the bytes. Dropping an exchange ends it; the socket is the driver's to close.
pub struct Exchange {
    talk: Talk,
    phase: Phase,
    /// The bytes to send, and how many of them have been sent.
    output: Vec<u8>,
    sent: usize,
    connected: Connected,
}

enum Talk {
    Dns(DnsId, Option<Box<Lookup>>),
    Http(HttpId, Option<Box<Https>>),
}

enum Phase {
    Opening(Transport, SocketAddr),
    Open(Transport, SocketAddr),
    /// Answered; the remaining output is still sent.
    Ended(Box<Answer>),
}

/// Whether the driver has been told that the TLS handshake is complete.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connected {
    NotYet,
    ToTell,
    Told,
}

impl Exchange {
    /// The exchange of one question with the name server at `server`, over the transport that the request names: over UDP, then TCP where
    /// the reply is truncated (R100) or repeats the question in other letters (R99); with EDNS if the request says so, then without where
    /// the server rejects it (R101).
    ///
    /// The unguessable bits come from `entropy` in this call; if it fails, the exchange ends with a local failure.
    pub fn dns(request: &DnsRequest, server: SocketAddr, entropy: &mut dyn Entropy) -> Self {
        let id = request.id;
        match Lookup::new(request, entropy) {
            Ok(lookup) => Self::start(
                Talk::Dns(id, Some(Box::new(lookup))),
                Phase::Opening(request.transport.into(), server),
            ),
            Err(error) => Self::start(Talk::Dns(id, None), ended(Answer::Dns(id, Err(error)))),
        }
    }

    /// The exchange of one GET with the address that it names.
    ///
    /// Trust, provider and protocol offers (ALPN, if any: `http/1.1`) are those of `config`. A name that TLS cannot express
    /// (`-a.example`) ends it before anything is opened, with [`HttpError::Tls`]: no certificate was at fault.
    pub fn http(get: &HttpGet, config: Arc<ClientConfig>) -> Self {
        let id = get.id;
        match Https::new(get, config) {
            Ok(https) => Self::start(
                Talk::Http(id, Some(Box::new(https))),
                Phase::Opening(Transport::Tcp, get.address),
            ),
            Err(error) => Self::start(Talk::Http(id, None), ended(Answer::Http(id, Err(error)))),
        }
    }

    fn start(talk: Talk, phase: Phase) -> Self {
        Self { talk, phase, output: Vec::new(), sent: 0, connected: Connected::NotYet }
    }

    /// The request that is being answered.
    pub fn id(&self) -> RequestId {
        match self.talk {
            Talk::Dns(id, _) => RequestId::Dns(id),
            Talk::Http(id, _) => RequestId::Http(id),
        }
    }

    /// The next action. It stays the same until an input changes it.
    pub fn wants(&self) -> Want<'_> {
        match (&self.phase, self.output.get(self.sent..)) {
            (Phase::Opening(transport, address), _) => Want::Open(*transport, *address),
            (Phase::Open(..) | Phase::Ended(_), Some(bytes @ [_, ..])) => Want::Write(bytes),
            (Phase::Open(..), _) => Want::Read,
            (Phase::Ended(_), _) => Want::Finish,
        }
    }

    /// The socket is open, and connected.
    pub fn opened(&mut self) {
        let Phase::Opening(transport, address) = self.phase else { return };
        self.phase = Phase::Open(transport, address);
        match &mut self.talk {
            Talk::Dns(_, Some(lookup)) => {
                let next = lookup.opened(transport, &mut self.output);
                self.follow(next);
            }
            Talk::Http(id, Some(https)) => {
                if let Err(error) = https.opened(&mut self.output) {
                    let answer = Answer::Http(*id, Err(error));
                    self.end(answer);
                }
            }
            Talk::Dns(_, None) | Talk::Http(_, None) => {}
        }
    }

    /// So many of the bytes have been sent.
    pub fn wrote(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count);
        let datagram = matches!(self.phase, Phase::Open(Transport::Udp, _));
        if datagram || self.sent >= self.output.len() {
            self.discard_output();
        }
    }

    /// These bytes have come: one datagram, or the next bytes of the stream, of which none are its end. `now` is the wall
    /// clock, if the driver has one; an HTTP response carries the time at which its head was complete (R117, R118).
    pub fn read(&mut self, bytes: &[u8], now: Option<UnixTime>) {
        if !matches!(self.phase, Phase::Open(..)) {
            return;
        }
        match &mut self.talk {
            Talk::Dns(_, Some(lookup)) => {
                let next = lookup.read(bytes, &mut self.output);
                self.follow(next);
            }
            Talk::Http(id, Some(https)) => {
                let result = https.read(bytes, now, &mut self.output);
                if https.is_up() && self.connected == Connected::NotYet {
                    self.connected = Connected::ToTell;
                }
                if let Some(result) = result {
                    let answer = Answer::Http(*id, result);
                    self.end(answer);
                }
            }
            Talk::Dns(_, None) | Talk::Http(_, None) => {}
        }
    }

    /// Says that what was wanted did not work: opening, sending or receiving. After `Interrupted` the same is wanted again, all other
    /// kinds end the exchange. An error that means "no route" counts as such: see [`rejected`](Self::rejected).
    pub fn failed(&mut self, error: ErrorKind) {
        self.fail(error, false);
    }

    /// As [`failed`](Self::failed), where there is a route to the address and the error may have come from the network as an ICMP
    /// message (see [`is_from_network`]): a firewall or a router rejects what is sent there.
    pub fn rejected(&mut self, error: ErrorKind) {
        self.fail(error, true);
    }

    fn fail(&mut self, error: ErrorKind, rejected: bool) {
        if error == ErrorKind::Interrupted {
            return;
        }
        // After the end only a closing alert is left, and it cannot be delivered: the answer stands.
        self.discard_output();
        let (open, transport, address) = match self.phase {
            Phase::Opening(transport, address) => (false, transport, address),
            Phase::Open(transport, address) => (true, transport, address),
            Phase::Ended(_) => return,
        };
        self.end(match self.talk {
            Talk::Dns(id, _) => {
                let error = match (transport, error, rejected) {
                    // On a connected datagram socket "nothing listens there" comes back as a refusal.
                    (Transport::Udp, ErrorKind::ConnectionRefused, _) => {
                        DnsError::NotListening(address)
                    }
                    (Transport::Udp, _, true) => DnsError::Rejected(address),
                    (Transport::Tcp, _, true) => DnsError::Unreachable,
                    (Transport::Udp | Transport::Tcp, _, false) => dns_error(error),
                };
                Answer::Dns(id, Err(error))
            }
            Talk::Http(id, _) => {
                let error = match (rejected, open) {
                    (true, true) => HttpError::Reset,
                    (true, false) => HttpError::Rejected,
                    (false, _) => http_error(error, open),
                };
                Answer::Http(id, Err(error))
            }
        });
    }

    /// The id for `handle_connected` of the resolver: once, when the TLS handshake has completed.
    pub fn connected(&mut self) -> Option<HttpId> {
        match (&self.talk, self.connected) {
            (Talk::Http(id, _), Connected::ToTell) => {
                self.connected = Connected::Told;
                Some(*id)
            }
            (Talk::Http(..) | Talk::Dns(..), _) => None,
        }
    }

    /// The answer. Before the end of the exchange it is a local error.
    pub fn into_answer(self) -> Answer {
        let id = self.id();
        match self.phase {
            Phase::Ended(answer) => *answer,
            Phase::Opening(..) | Phase::Open(..) => Answer::local_failure(id),
        }
    }

    fn follow(&mut self, next: Next) {
        match (next, &self.phase, &self.talk) {
            (Next::Finish(result), _, Talk::Dns(id, _)) => {
                let answer = Answer::Dns(*id, result);
                self.discard_output();
                self.end(answer);
            }
            (Next::Reopen(transport), Phase::Open(_, address), _) => {
                self.phase = Phase::Opening(transport, *address);
                self.discard_output();
            }
            (Next::Continue | Next::Reopen(_) | Next::Finish(_), ..) => {}
        }
    }

    /// Keeps nothing but the answer, and what must still be sent.
    fn end(&mut self, answer: Answer) {
        self.phase = ended(answer);
        match &mut self.talk {
            Talk::Dns(_, lookup) => *lookup = None,
            Talk::Http(_, https) => *https = None,
        }
    }

    fn discard_output(&mut self) {
        self.output = Vec::new();
        self.sent = 0;
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("id", &self.id()).field("wants", &self.wants()).finish()
    }
}

fn ended(answer: Answer) -> Phase {
    Phase::Ended(Box::new(answer))
}

fn dns_error(error: ErrorKind) -> DnsError {
    if error == ErrorKind::ConnectionRefused || is_broken(error) {
        DnsError::Unreachable
    } else if is_no_route(error) {
        DnsError::NoRoute
    } else if error == ErrorKind::TimedOut {
        DnsError::Timeout
    } else {
        // No file descriptor, no permission, no memory: nothing was learnt about the world.
        DnsError::Local
    }
}

fn http_error(error: ErrorKind, open: bool) -> HttpError {
    if error == ErrorKind::ConnectionRefused {
        HttpError::Refused
    } else if is_broken(error) || (is_no_route(error) && open) {
        // A connection that was there has shown that there was a route.
        HttpError::Reset
    } else if is_no_route(error) {
        HttpError::NoRoute
    } else if error == ErrorKind::TimedOut {
        // The system's own timeout; the resolver's is shorter.
        HttpError::Timeout
    } else {
        HttpError::Local
    }
}

fn is_broken(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected
            | ErrorKind::UnexpectedEof
            | ErrorKind::WriteZero
    )
}

/// Whether an error of a socket that was to be connected to `address`, or was, may have come from the network as an ICMP message.
/// Whether it did is another question: the system has the same errors for a missing route. Where a datagram socket connects to the
/// same address, which sends nothing, there is a route, and the error came from the network.
///
/// On Linux these are EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENONET, ENOPROTOOPT, EPROTO and EOPNOTSUPP, and for IPv6 EACCES
/// ("administratively prohibited"). For IPv4, and as EPERM, a lack of permission is this machine's: no ICMP message causes it.
pub fn is_from_network(error: &io::Error, address: SocketAddr) -> bool {
    const EPERM: i32 = 1;
    // ENFILE, EMFILE and ENOBUFS (Linux, BSD and macOS, Windows), which have no kind of their own.
    const RESOURCES: [i32; 5] = [23, 24, 55, 105, 10_055];
    let (kind, code) = (error.kind(), error.raw_os_error());
    if kind == ErrorKind::PermissionDenied {
        return address.is_ipv6() && code != Some(EPERM);
    }
    let resources = code.is_some_and(|code| RESOURCES.contains(&code));
    !resources && !is_broken(kind) && !is_of_this_machine(kind)
}

/// The address that a datagram socket is bound to before it is connected to `remote`: any port of any address of its family.
pub const fn local_address(remote: SocketAddr) -> SocketAddr {
    match remote {
        SocketAddr::V4(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        SocketAddr::V6(_) => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
    }
}

/// Whether an error says something about this machine, or has a meaning of its own.
fn is_of_this_machine(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::ConnectionRefused
            | ErrorKind::TimedOut
            | ErrorKind::WouldBlock
            | ErrorKind::Interrupted
            | ErrorKind::OutOfMemory
            | ErrorKind::AddrInUse
            | ErrorKind::AddrNotAvailable
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidData
            | ErrorKind::NotFound
            | ErrorKind::ResourceBusy
            | ErrorKind::QuotaExceeded
            | ErrorKind::Other
    )
}

fn is_no_route(error: ErrorKind) -> bool {
    matches!(
        error,
        ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable
    )
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
