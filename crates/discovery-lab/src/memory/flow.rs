//! One request in memory: its exchange on one side, the lab's server on the other, and what is on the way between them.
//!
//! Knows nothing of the machine, nor of what time it is.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{Answer, DnsError, HttpId, Request, UnixTime, Url};
use discovery_sim::{ConnectFault, Served, World};
use discovery_wire::{Entropy, Exchange, READ_BUFFER, Transport, Want};
use rustls::ClientConfig;

use super::Due;
use crate::certificates::Authority;
use crate::dns::{Messages, Said, framed, react};
use crate::https::{Act, Connection};

/// Bytes of a stream that arrive at once: a number at which no record of TLS or DNS ends by itself.
const SEGMENT: usize = 997;

/// What arrives at a client.
pub(super) enum Arrival {
    /// One datagram, or the next bytes of a stream; none are its end.
    Bytes(Vec<u8>),
    /// The socket fails.
    Failure(ErrorKind),
    /// The same, by a message of the network.
    Rejection(ErrorKind),
}

/// One request on its way.
pub(super) struct Flow {
    request: Request,
    exchange: Exchange,
    server: Server,
    /// What has arrived and has not been read.
    arrived: VecDeque<Arrival>,
    /// Whether the server waits for a pause to end.
    paused: bool,
    /// Whether the socket is being opened, which will fail.
    opening: bool,
}

/// Who is at the other end.
enum Server {
    Nobody,
    Datagrams,
    Stream(Messages),
    Web(Box<Connection>),
}

/// What came of moving a flow on.
#[derive(Default)]
pub(super) struct Steps {
    /// What happens later.
    pub(super) later: Vec<(Duration, Due)>,
    /// TLS has come up.
    pub(super) connected: Option<HttpId>,
    /// The answer is there.
    pub(super) finished: bool,
}

impl Flow {
    pub(super) fn new(
        request: Request,
        client: Arc<ClientConfig>,
        entropy: &mut dyn Entropy,
    ) -> Self {
        let exchange = match &request {
            Request::Dns(dns) => {
                let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 53));
                Exchange::dns(dns, server, entropy)
            }
            Request::Http(get) => Exchange::http(get, client),
        };
        let (server, arrived) = (Server::Nobody, VecDeque::new());
        Self { request, exchange, server, arrived, paused: false, opening: false }
    }

    pub(super) fn arrive(&mut self, arrival: Arrival) {
        self.arrived.push_back(arrival);
    }

    pub(super) fn go_on(&mut self) {
        self.paused = false;
    }

    pub(super) fn into_answer(self) -> Answer {
        self.exchange.into_answer()
    }

    /// Moves on until either side waits for something.
    pub(super) fn run(
        &mut self,
        world: &Arc<World>,
        authority: &Arc<Authority>,
        clock: Option<UnixTime>,
    ) -> Steps {
        let mut steps = Steps::default();
        loop {
            self.serve(&mut steps);
            let sent = match self.exchange.wants() {
                Want::Finish => {
                    steps.finished = true;
                    return steps;
                }
                Want::Open(..) if self.opening => match self.arrived.pop_front() {
                    Some(Arrival::Failure(kind)) => {
                        self.exchange.failed(kind);
                        continue;
                    }
                    Some(Arrival::Rejection(kind)) => {
                        self.exchange.rejected(kind);
                        continue;
                    }
                    Some(Arrival::Bytes(_)) | None => return steps,
                },
                Want::Open(transport, address) => {
                    self.arrived.clear();
                    self.open(transport, address, world, authority, &mut steps);
                    continue;
                }
                Want::Write(bytes) => bytes.to_vec(),
                Want::Read => match self.arrived.pop_front() {
                    Some(Arrival::Bytes(bytes)) => {
                        self.exchange.read(&bytes, clock);
                        steps.connected = self.exchange.connected().or(steps.connected);
                        continue;
                    }
                    Some(Arrival::Failure(kind)) => {
                        self.exchange.failed(kind);
                        continue;
                    }
                    Some(Arrival::Rejection(kind)) => {
                        self.exchange.rejected(kind);
                        continue;
                    }
                    None => return steps,
                },
            };
            self.exchange.wrote(sent.len());
            self.deliver(&sent, world, &mut steps);
        }
    }

    fn open(
        &mut self,
        transport: Transport,
        address: SocketAddr,
        world: &Arc<World>,
        authority: &Arc<Authority>,
        steps: &mut Steps,
    ) {
        if let Some((after, failure)) = self.failure(world, transport) {
            self.opening = true;
            self.server = Server::Nobody;
            steps.later.push((after, Due::Arrive(self.request.id(), failure)));
            return;
        }
        self.server = match (&self.request, transport) {
            (Request::Http(_), _) => Server::Web(Box::new(Connection::new(
                Arc::clone(world),
                Arc::clone(authority),
                Some(address),
            ))),
            (Request::Dns(_), Transport::Udp) => Server::Datagrams,
            (Request::Dns(_), Transport::Tcp) => Server::Stream(Messages::default()),
        };
        self.exchange.opened();
    }

    /// How the socket itself fails, and when, where the world says so.
    fn failure(&self, world: &World, transport: Transport) -> Option<(Duration, Arrival)> {
        match &self.request {
            Request::Dns(dns) => {
                let answer = world.dns_reply(dns);
                let failure = match answer.said?.err()? {
                    DnsError::Local => Arrival::Failure(ErrorKind::OutOfMemory),
                    DnsError::NoRoute => Arrival::Failure(ErrorKind::HostUnreachable),
                    DnsError::Timeout => Arrival::Failure(ErrorKind::TimedOut),
                    DnsError::NotListening(_) => Arrival::Failure(ErrorKind::ConnectionRefused),
                    DnsError::Rejected(_) => Arrival::Rejection(ErrorKind::HostUnreachable),
                    DnsError::Unreachable if transport == Transport::Tcp => {
                        Arrival::Failure(ErrorKind::ConnectionRefused)
                    }
                    // Of the others a name server tells in a message.
                    DnsError::Malformed | _ => return None,
                };
                Some((answer.after, failure))
            }
            Request::Http(get) => {
                let url = Url::parse(&get.url.to_string()).ok()?;
                let page = world.page(&url, get.address.ip());
                let fault =
                    world.destination(get.address).or(match page.map(|page| &page.answer) {
                        Some(Served::Fault(fault)) => Some(*fault),
                        Some(Served::Response { .. } | Served::Raw { .. }) => None,
                        None => Some(ConnectFault::Refused),
                    });
                let failure = match fault? {
                    ConnectFault::Refused => Arrival::Failure(ErrorKind::ConnectionRefused),
                    ConnectFault::NoRoute => Arrival::Failure(ErrorKind::HostUnreachable),
                    ConnectFault::Rejected => Arrival::Rejection(ErrorKind::HostUnreachable),
                    ConnectFault::Local => Arrival::Failure(ErrorKind::OutOfMemory),
                    // The others are the web server's part.
                    ConnectFault::Timeout
                    | ConnectFault::Reset
                    | ConnectFault::Stall
                    | ConnectFault::Garbage
                    | ConnectFault::BadCert
                    | ConnectFault::WrongName
                    | ConnectFault::Expired
                    | ConnectFault::NotYetValid
                    | ConnectFault::Algorithm
                    | ConnectFault::LongChain
                    | ConnectFault::Tls => return None,
                };
                Some((page.map_or(Duration::ZERO, |page| page.connect), failure))
            }
        }
    }

    /// Hands the server what the client has sent.
    fn deliver(&mut self, bytes: &[u8], world: &World, steps: &mut Steps) {
        let Request::Dns(dns) = &self.request else {
            if let Server::Web(connection) = &mut self.server {
                connection.received(bytes);
            }
            return;
        };
        let id = self.request.id();
        let mut arrive = |after, arrival| steps.later.push((after, Due::Arrive(id, arrival)));
        match &mut self.server {
            Server::Datagrams => {
                let reaction = react(world, dns.server, dns.attempt, Transport::Udp, bytes);
                match reaction.said {
                    Said::Message(mut message) => {
                        // As an adapter receives it: the system cuts what its buffer can't hold.
                        message.truncate(READ_BUFFER);
                        arrive(reaction.after, Arrival::Bytes(message));
                    }
                    Said::Nothing | Said::HangUp => {}
                }
            }
            Server::Stream(messages) => {
                messages.push(bytes);
                while let Some(query) = messages.next_message() {
                    let reaction = react(world, dns.server, dns.attempt, Transport::Tcp, &query);
                    match reaction.said {
                        Said::Message(message) => {
                            for segment in framed(&message).chunks(SEGMENT) {
                                arrive(reaction.after, Arrival::Bytes(segment.to_vec()));
                            }
                        }
                        Said::HangUp => arrive(reaction.after, Arrival::Bytes(Vec::new())),
                        Said::Nothing => {}
                    }
                }
            }
            Server::Nobody | Server::Web(_) => {}
        }
    }

    /// Lets the web server act until it waits.
    fn serve(&mut self, steps: &mut Steps) {
        let Server::Web(connection) = &mut self.server else { return };
        // What is not read yet holds the server up: an endless body must not be sent to its end.
        while !self.paused && self.arrived.is_empty() {
            match connection.next_act() {
                Act::Send(bytes) => {
                    let segments = bytes.chunks(SEGMENT);
                    self.arrived.extend(segments.map(|bytes| Arrival::Bytes(bytes.to_vec())));
                }
                Act::Pause(pause) => {
                    self.paused = true;
                    steps.later.push((pause, Due::GoOn(self.request.id())));
                }
                Act::Receive => return,
                Act::Hang => {
                    self.server = Server::Nobody;
                    return;
                }
                Act::Close => {
                    self.arrived.push_back(Arrival::Bytes(Vec::new()));
                    self.server = Server::Nobody;
                    return;
                }
                Act::Break => {
                    self.arrived.push_back(Arrival::Failure(ErrorKind::ConnectionReset));
                    self.server = Server::Nobody;
                    return;
                }
            }
        }
    }
}
