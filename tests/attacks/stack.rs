//! A resolver with the wire in memory and in virtual time, against servers that are closures over bytes.
//!
//! It records results, connections and queries, and checks nothing.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{
    Answer, Config, DnsRequest, Event, HttpGet, Instant, Outcome, Policy, Request, RequestId,
    Resolver, UnixTime,
};
use discovery_sim::{Bounds, Input, Next, Simulator};
use discovery_wire::{Exchange, Predictable, Transport, Want};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use rustls::{ClientConfig, ServerConfig, ServerConnection};

/// The reply of a name server: datagrams, or messages over TCP without their length prefixes.
type NameServer = Box<dyn FnMut(&Message, Transport) -> Vec<Vec<u8>>>;
/// The server at the address of a GET.
type Site = Box<dyn FnMut(&HttpGet) -> Web>;
/// Plaintext, each piece after the pause before it.
pub type Pieces = Box<dyn Iterator<Item = (Duration, Vec<u8>)>>;

/// The behaviour of a server.
pub enum Web {
    /// The connection is refused.
    Refused,
    /// A TLS server.
    Tls(Arc<ServerConfig>, Pieces),
    /// Like `Tls`, but one byte at a time.
    Dripping(Arc<ServerConfig>, Pieces, Duration),
}

/// The whole client in memory.
pub struct Stack {
    /// Scheduled items are bytes on their way to the client.
    simulator: Simulator<Resolver, (RequestId, Vec<u8>)>,
    client: Arc<ClientConfig>,
    entropy: Predictable,
    name_server: NameServer,
    site: Site,
    open: BTreeMap<RequestId, (Exchange, Far)>,
    /// The addresses of GETs, in order.
    pub dialled: Vec<SocketAddr>,
    /// The URLs of GETs.
    pub fetched: Vec<String>,
    /// The DNS questions, in order.
    pub asked: Vec<DnsRequest>,
    /// The request heads that web servers received.
    pub requests: Vec<u8>,
    /// Bytes that clients of web servers have taken.
    pub taken: usize,
}

/// The other side of an exchange.
enum Far {
    Dns,
    Refused,
    Web(Box<Peer>),
}

struct Peer {
    tls: ServerConnection,
    pieces: Option<Pieces>,
    request: Vec<u8>,
    drip: Option<Duration>,
    /// The arrival time of the latest bytes.
    busy: Instant,
}

impl Stack {
    /// A client with this policy, trust and world.
    pub fn new(
        policy: Policy,
        client: Arc<ClientConfig>,
        name_server: impl FnMut(&Message, Transport) -> Vec<Vec<u8>> + 'static,
        site: impl FnMut(&HttpGet) -> Web + 'static,
    ) -> Self {
        let bounds = Bounds::of(&policy);
        let resolver = Resolver::new(Config::new(policy), Instant::ORIGIN);
        Self {
            simulator: Simulator::new(resolver, bounds, Instant::ORIGIN),
            client,
            entropy: Predictable::new(1),
            name_server: Box::new(name_server),
            site: Box::new(site),
            open: BTreeMap::new(),
            dialled: Vec::new(),
            fetched: Vec::new(),
            asked: Vec::new(),
            requests: Vec::new(),
            taken: 0,
        }
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.simulator.now().saturating_duration_since(Instant::ORIGIN)
    }

    /// Resolves a name and waits for its outcome.
    pub fn resolve(&mut self, name: &str) -> Outcome {
        let now = self.simulator.now();
        let ticket = self.simulator.input(&Input::Resolve(name.parse().unwrap(), now)).unwrap();
        let mut ended = None;
        for _ in 0..2_000_000 {
            while let Some(event) = self.simulator.event() {
                match event {
                    Event::Request(request) => self.start(request),
                    Event::Cancel(id) => drop(self.open.remove(&id)),
                    Event::Finished(of, outcome) if of == ticket => ended = Some(outcome),
                    Event::Finished(..) => {}
                }
            }
            assert_eq!(self.simulator.monitor().violations(), []);
            if let Some(outcome) = ended {
                return outcome;
            }
            match self.simulator.step(Instant::FAR_FUTURE).expect("I6: no hang") {
                Next::Due((id, bytes)) => self.arrive(id, &bytes),
                Next::Timeout => {}
            }
        }
        panic!("{name} never ends");
    }

    fn arrive(&mut self, id: RequestId, bytes: &[u8]) {
        let Some((exchange, far)) = self.open.get_mut(&id) else { return };
        if matches!(far, Far::Web(_)) {
            self.taken += bytes.len();
        }
        exchange.read(bytes, Some(UnixTime(1_700_000_000)));
        self.go_on(id);
    }

    fn start(&mut self, request: Request) {
        let (id, now) = (request.id(), self.simulator.now());
        let (exchange, far) = match request {
            Request::Dns(question) => {
                self.asked.push(question.clone());
                let server = SocketAddr::from(([9, 9, 9, 9], 53));
                (Exchange::dns(&question, server, &mut self.entropy), Far::Dns)
            }
            Request::Http(get) => {
                self.dialled.push(get.address);
                self.fetched.push(get.url.to_string());
                let peer = |config, pieces, drip| {
                    let tls = ServerConnection::new(config).unwrap();
                    let pieces = Some(pieces);
                    Far::Web(Box::new(Peer { tls, pieces, request: vec![], drip, busy: now }))
                };
                let far = match (self.site)(&get) {
                    Web::Refused => Far::Refused,
                    Web::Tls(config, pieces) => peer(config, pieces, None),
                    Web::Dripping(config, pieces, pause) => peer(config, pieces, Some(pause)),
                };
                (Exchange::http(&get, Arc::clone(&self.client)), far)
            }
        };
        self.open.insert(id, (exchange, far));
        self.go_on(id);
    }

    /// Moves an exchange on until it waits for bytes or has ended.
    fn go_on(&mut self, id: RequestId) {
        let now = self.simulator.now();
        loop {
            let Some((exchange, far)) = self.open.get_mut(&id) else { return };
            let mut out = Vec::new();
            match exchange.wants() {
                Want::Open(..) if matches!(far, Far::Refused) => {
                    exchange.failed(std::io::ErrorKind::ConnectionRefused);
                }
                Want::Open(..) => exchange.opened(),
                Want::Write(bytes) => {
                    let bytes = bytes.to_vec();
                    exchange.wrote(bytes.len());
                    match far {
                        Far::Dns => {
                            for reply in answers(&mut self.name_server, &bytes) {
                                out.push((now, reply));
                            }
                        }
                        Far::Web(peer) => out = peer.receive(&bytes, now, &mut self.requests),
                        Far::Refused => {}
                    }
                }
                Want::Read => return,
                Want::Finish => break,
            }
            if let Some(id) = exchange.connected() {
                self.simulator.input(&Input::Connected(id, now));
            }
            for (at, bytes) in out {
                self.simulator.schedule(at, (id, bytes));
            }
        }
        if let Some((exchange, _)) = self.open.remove(&id) {
            let answer: Answer = exchange.into_answer();
            self.simulator.input(&Input::Answer(answer, now));
        }
    }
}

fn answers(name_server: &mut NameServer, bytes: &[u8]) -> Vec<Vec<u8>> {
    if let Ok(query) = Message::from_vec(bytes)
        && query.queries.len() == 1
    {
        return name_server(&query, Transport::Udp);
    }
    let query = Message::from_vec(&bytes[2..]).unwrap();
    let framed = |reply: Vec<u8>| {
        let length = u16::try_from(reply.len()).unwrap();
        [&length.to_be_bytes()[..], &reply].concat()
    };
    name_server(&query, Transport::Tcp).into_iter().map(framed).collect()
}

impl Peer {
    fn receive(
        &mut self,
        mut bytes: &[u8],
        now: Instant,
        requests: &mut Vec<u8>,
    ) -> Vec<(Instant, Vec<u8>)> {
        self.busy = self.busy.max(now);
        let mut out = Vec::new();
        let mut alive = true;
        while alive && !bytes.is_empty() {
            alive = matches!(self.tls.read_tls(&mut bytes), Ok(1..))
                && self.tls.process_new_packets().is_ok();
            let _ = std::io::Read::read_to_end(&mut self.tls.reader(), &mut self.request);
        }
        self.flush(&mut out);
        if self.request.ends_with(b"\r\n\r\n")
            && let Some(pieces) = self.pieces.take()
        {
            requests.append(&mut self.request);
            // The part of an endless stream that is generated, which is more than any limit.
            for (pause, piece) in pieces.take(20_000) {
                self.busy = self.busy + pause;
                std::io::Write::write_all(&mut self.tls.writer(), &piece).unwrap();
                self.flush(&mut out);
            }
            self.tls.send_close_notify();
            self.flush(&mut out);
            out.push((self.busy, Vec::new()));
        }
        out
    }

    fn flush(&mut self, out: &mut Vec<(Instant, Vec<u8>)>) {
        let mut bytes = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        match self.drip {
            None if bytes.is_empty() => {}
            None => out.push((self.busy, bytes)),
            Some(pause) => {
                for byte in bytes {
                    self.busy = self.busy + pause;
                    out.push((self.busy, vec![byte]));
                }
            }
        }
    }
}

/// One piece, at once.
pub fn at_once(text: impl Into<Vec<u8>>) -> Pieces {
    Box::new(std::iter::once((Duration::ZERO, text.into())))
}

/// A reply to a query, changed.
pub fn reply(query: &Message, change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message = query.clone().into_response();
    message.edns = None;
    change(&mut message);
    message.to_vec().unwrap()
}

/// The address of every host in [`zone`].
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(9, 9, 9, 9);

/// Every host has one address and no SRV record.
pub fn zone(query: &Message) -> Vec<Vec<u8>> {
    vec![reply(query, |m| match query.queries[0].query_type() {
        RecordType::A => {
            let owner = m.queries[0].name().clone();
            m.add_answer(Record::from_rdata(owner, 300, RData::A(A(ADDRESS))));
        }
        _ => m.metadata.response_code = ResponseCode::NXDomain,
    })]
}
