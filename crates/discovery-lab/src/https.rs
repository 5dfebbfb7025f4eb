//! One connection to the lab's web servers: bytes in, acts out.
//!
//! Knows nothing of sockets, nor of time beyond how long a pause is.

mod pages;
mod response;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use discovery_core::{DnsName, TlsName, Url};
use discovery_sim::{ConnectFault, Page, Served, World};
use rustls::ServerConnection;
use rustls::server::{Accepted, Acceptor};

use crate::certificates::{Authority, Flaw};
pub(crate) use pages::addresses;
use pages::{front_door, likely_page};
use response::Response;

/// Longest head of a request.
const MAX_HEAD: usize = 16 * 1024;
/// A fatal alert: handshake failure.
const HANDSHAKE_FAILURE: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 40];

/// The next action of a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Wait so long.
    Pause(Duration),
    /// Wait for bytes, and hand them to [`Connection::received`].
    Receive,
    /// Nothing more, but keep the connection open.
    Hang,
    /// Close the connection.
    Close,
    /// Break the connection off.
    Break,
}

/// One connection to a web server of the world.
///
/// Ask what it does [next](Self::next_act), do that, and ask again; after [`Act::Receive`] tell what came. All of it ends with
/// [`Act::Hang`], [`Act::Close`] or [`Act::Break`], whatever comes.
pub struct Connection {
    world: Arc<World>,
    authority: Arc<Authority>,
    /// Where it was meant for; None: at the front door, where the name asked for tells.
    place: Option<SocketAddr>,
    stage: Stage,
    acts: VecDeque<Act>,
    /// What it is most likely for, until a request says so.
    likely: Option<Url>,
    asked: Option<Url>,
    seen: Option<Seen>,
}

/// A request as a web server heard it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Seen {
    /// The server name indication; None: there was none.
    pub sni: Option<String>,
    /// The header `Host`; empty: there was none.
    pub host: String,
    /// The target of the request line.
    pub target: String,
}

enum Stage {
    /// Nothing is known yet of who is wanted.
    Hello(Box<Acceptor>),
    /// The certificate is being made ready; the handshake goes on behind a pause.
    Handshake(Box<Ready>),
    /// Waiting for a request.
    Request(Box<Open>, Vec<u8>),
    /// Sending the response.
    Respond(Box<Open>, Response),
    /// Whatever comes changes nothing.
    Ended,
}

struct Open {
    tls: ServerConnection,
    host: TlsName,
    place: SocketAddr,
    /// Instead of any response.
    fault: Option<ConnectFault>,
    after: Duration,
}

/// A handshake that waits for its pause to end.
struct Ready {
    accepted: Accepted,
    host: TlsName,
    place: SocketAddr,
    fault: Option<ConnectFault>,
    after: Duration,
}

impl Connection {
    /// A connection that was meant for `place`; None: for whichever server has the name that is asked for.
    pub fn new(world: Arc<World>, authority: Arc<Authority>, place: Option<SocketAddr>) -> Self {
        let timeout = place.and_then(|place| world.destination(place));
        let (stage, acts) = match timeout {
            Some(ConnectFault::Timeout) => (Stage::Ended, VecDeque::from([Act::Hang])),
            _ => (Stage::Hello(Box::default()), VecDeque::new()),
        };
        Self { world, authority, place, stage, acts, likely: None, asked: None, seen: None }
    }

    /// The URL that was asked for, once: where the connection fails earlier, the one that it was most likely for.
    pub fn take_asked(&mut self) -> Option<Url> {
        self.asked.take()
    }

    /// The request that was heard, once.
    pub fn take_seen(&mut self) -> Option<Seen> {
        self.seen.take()
    }

    /// The next action.
    pub fn next_act(&mut self) -> Act {
        loop {
            if let Some(act) = self.acts.pop_front() {
                return act;
            }
            match std::mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Hello(acceptor) => {
                    self.stage = Stage::Hello(acceptor);
                    return Act::Receive;
                }
                Stage::Handshake(ready) => self.shake_hands(*ready),
                Stage::Request(open, head) => {
                    self.stage = Stage::Request(open, head);
                    return Act::Receive;
                }
                Stage::Respond(open, response) => self.respond(open, response),
                Stage::Ended => return Act::Close,
            }
        }
    }

    /// Processes received bytes; an empty slice means that the peer has closed.
    pub fn received(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.end(Act::Close);
            return;
        }
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Hello(acceptor) => self.hello(acceptor, bytes),
            Stage::Request(open, head) => self.request(open, head, bytes),
            // Nobody listens: a response goes out whatever comes.
            stage @ (Stage::Handshake(_) | Stage::Respond(..) | Stage::Ended) => self.stage = stage,
        }
    }

    fn end(&mut self, act: Act) {
        self.asked = self.asked.take().or(self.likely.take());
        self.stage = Stage::Ended;
        self.acts.push_back(act);
    }

    fn hello(&mut self, mut acceptor: Box<Acceptor>, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if !matches!(acceptor.read_tls(&mut bytes), Ok(1..)) {
                break;
            }
        }
        match acceptor.accept() {
            Ok(None) => self.stage = Stage::Hello(acceptor),
            Ok(Some(accepted)) => self.greet(accepted),
            Err((_, mut alert)) => {
                let mut out = Vec::new();
                let _ = alert.write_all(&mut out);
                self.acts.push_back(Act::Send(out));
                self.end(Act::Close);
            }
        }
    }

    /// Chooses the handshake by the server name of the client.
    fn greet(&mut self, accepted: Accepted) {
        let name = accepted.client_hello().server_name().map(DnsName::parse);
        let host = match (name, self.place) {
            (Some(Ok(name)), _) => TlsName::Dns(name),
            (None, Some(place)) => TlsName::Ip(place.ip()),
            (Some(Err(_)), _) | (None, None) => return self.end(Act::Break),
        };
        let Some(place) = self.place.or_else(|| front_door(&self.world, &host)) else {
            return self.end(Act::Break);
        };
        let likely = likely_page(&self.world, &host, place);
        let (connect, after) =
            likely.map_or_else(Default::default, |(_, page)| (page.connect, page.after));
        let fault = self.world.destination(place).or(match likely {
            Some((_, Page { answer: Served::Fault(fault), .. })) => Some(*fault),
            Some(_) => None,
            None => Some(ConnectFault::Refused),
        });
        self.likely = likely.map(|(url, _)| url.clone());
        if fault.is_some() {
            // No request will tell.
            self.asked = self.likely.take();
        }
        let ready = Ready { accepted, host, place, fault, after };
        self.acts.extend((!connect.is_zero()).then_some(Act::Pause(connect)));
        match fault {
            Some(ConnectFault::Timeout) => self.end(Act::Hang),
            Some(
                ConnectFault::Refused
                | ConnectFault::NoRoute
                | ConnectFault::Rejected
                | ConnectFault::Local,
            ) => self.end(Act::Break),
            Some(ConnectFault::Tls) => {
                self.acts.push_back(Act::Send(HANDSHAKE_FAILURE.to_vec()));
                self.end(Act::Close);
            }
            Some(
                ConnectFault::Reset
                | ConnectFault::Stall
                | ConnectFault::Garbage
                | ConnectFault::BadCert
                | ConnectFault::WrongName
                | ConnectFault::Expired
                | ConnectFault::NotYetValid
                | ConnectFault::Algorithm
                | ConnectFault::LongChain,
            )
            | None => self.stage = Stage::Handshake(Box::new(ready)),
        }
    }

    fn shake_hands(&mut self, ready: Ready) {
        let Ready { accepted, host, place, fault, after } = ready;
        let flaw = match fault {
            Some(ConnectFault::BadCert) => Flaw::Stranger,
            Some(ConnectFault::WrongName) => Flaw::OtherName,
            Some(ConnectFault::Expired) => Flaw::Expired,
            Some(ConnectFault::NotYetValid) => Flaw::NotYetValid,
            Some(ConnectFault::Algorithm) => Flaw::Algorithm,
            Some(ConnectFault::LongChain) => Flaw::LongChain,
            _ => Flaw::None,
        };
        let Ok(config) = self.authority.server_config(&host, flaw) else {
            return self.end(Act::Break);
        };
        match accepted.into_connection(config) {
            Ok(mut tls) => {
                tls.set_buffer_limit(None);
                let open = Box::new(Open { tls, host, place, fault, after });
                self.request(open, Vec::new(), &[]);
            }
            Err((_, mut alert)) => {
                let mut out = Vec::new();
                let _ = alert.write_all(&mut out);
                self.acts.push_back(Act::Send(out));
                self.end(Act::Close);
            }
        }
    }

    /// Takes in a part of the handshake, or of a request.
    fn request(&mut self, mut open: Box<Open>, mut head: Vec<u8>, mut bytes: &[u8]) {
        let mut alive = true;
        while !bytes.is_empty() && alive {
            alive = matches!(open.tls.read_tls(&mut bytes), Ok(1..))
                && open.tls.process_new_packets().is_ok();
            let _ = std::io::Read::read_to_end(&mut open.tls.reader(), &mut head);
        }
        self.flush(&mut open.tls);
        if !alive || head.len() > MAX_HEAD {
            return self.end(Act::Close);
        }
        if open.tls.is_handshaking() {
            self.stage = Stage::Request(open, head);
            return;
        }
        match open.fault {
            Some(ConnectFault::Reset) => {
                self.pause(open.after);
                self.end(Act::Break);
            }
            Some(ConnectFault::Stall) => self.end(Act::Hang),
            Some(ConnectFault::Garbage) => {
                self.pause(open.after);
                self.stage = Stage::Respond(open, Response::garbage());
            }
            _ if head.windows(4).any(|end| end == b"\r\n\r\n") => self.answer(open, &head),
            _ => self.stage = Stage::Request(open, head),
        }
    }

    fn answer(&mut self, open: Box<Open>, head: &[u8]) {
        self.seen = seen(head, &open);
        let url = requested(head, &open);
        let page = url.as_ref().and_then(|url| self.world.page(url, open.place.ip()));
        self.likely = None;
        self.asked.clone_from(&url);
        match page {
            Some(page) => {
                let served = page.answer.clone();
                self.pause(page.after);
                match served {
                    Served::Response { status, headers, body, end } => {
                        let response = Response::new(status, &headers, body, end);
                        self.stage = Stage::Respond(open, response);
                    }
                    Served::Raw { pieces, end } => {
                        self.stage = Stage::Respond(open, Response::raw(pieces, end));
                    }
                    Served::Fault(ConnectFault::Stall | ConnectFault::Timeout) => {
                        self.end(Act::Hang);
                    }
                    Served::Fault(ConnectFault::Garbage) => {
                        self.stage = Stage::Respond(open, Response::garbage());
                    }
                    // It is too late for what should have failed earlier: another page of this host had the say.
                    Served::Fault(_) => self.end(Act::Break),
                }
            }
            // What is nowhere is refused at the connection, and this one is up already.
            None => self.end(Act::Break),
        }
    }

    fn respond(&mut self, mut open: Box<Open>, mut response: Response) {
        match response.next_part() {
            Some(part) => {
                let _ = std::io::Write::write_all(&mut open.tls.writer(), &part);
                self.flush(&mut open.tls);
                self.stage = Stage::Respond(open, response);
            }
            None => match response.end() {
                Act::Close => {
                    open.tls.send_close_notify();
                    self.flush(&mut open.tls);
                    self.end(Act::Close);
                }
                end @ (Act::Hang | Act::Break | Act::Send(_) | Act::Pause(_) | Act::Receive) => {
                    self.end(end)
                }
            },
        }
    }

    fn flush(&mut self, tls: &mut ServerConnection) {
        let mut out = Vec::new();
        while tls.wants_write() {
            // Writing to a vector neither fails nor stops short.
            if !matches!(tls.write_tls(&mut out), Ok(1..)) {
                break;
            }
        }
        if !out.is_empty() {
            self.acts.push_back(Act::Send(out));
        }
    }

    fn pause(&mut self, pause: Duration) {
        if !pause.is_zero() {
            self.acts.push_back(Act::Pause(pause));
        }
    }
}

/// What is heard, whether or not it makes sense.
fn seen(head: &[u8], open: &Open) -> Option<Seen> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let mut hosts = lines.filter_map(|line| line.split_once(':'));
    let host = hosts.find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let host = host.map_or_else(String::new, |(_, value)| value.trim().to_owned());
    Some(Seen { sni: open.tls.server_name().map(str::to_owned), host, target })
}

/// The URL of a GET, by its request line and `Host`.
fn requested(head: &[u8], open: &Open) -> Option<Url> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let target = lines.next()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    let host = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim())
    })?;
    let url = Url::parse(&format!("https://{host}{target}")).ok()?;
    // What was proven by the certificate is what is asked (R114).
    (url.host() == open.host).then_some(url)
}

#[cfg(test)]
#[path = "https_tests.rs"]
mod tests;
