//! Serves a world at its own addresses and ports in this namespace. The world can be replaced at any time.
//!
//! All addresses are local here. Servers listen where pages are, full listeners stand for silent servers, and the system
//! refuses all other connections. `discovery-lab` produces the responses.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{
    IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use discovery_core::{DnsName, RecordData, RecordType, TlsName};
use discovery_lab::{Act, Attempts, Authority, Connection, Reaction, Said, react};
use discovery_sim::{ConnectFault, Served, World};
use discovery_wire::Transport;
use rustix::net::{AddressFamily, SocketType, bind, listen, shutdown, socket};

use crate::server::queries;

/// The time limit of a connection, and of a client's request.
const PATIENCE: Duration = Duration::from_secs(70);
/// The maximum number of name servers.
pub const NAME_SERVERS: u8 = 3;

/// The current world.
pub struct Stage {
    authority: Arc<Authority>,
    shown: Mutex<Shown>,
    open: Mutex<Open>,
}

struct Shown {
    world: Arc<World>,
    attempts: Attempts,
}

/// The web servers of the current world.
#[derive(Default)]
struct Open {
    listeners: Vec<(TcpListener, JoinHandle<()>)>,
    /// Full listeners, and the connections that fill them.
    deaf: Vec<(std::os::fd::OwnedFd, Vec<TcpStream>)>,
}

/// The fate of a connection to an endpoint with pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// It is refused.
    Refused,
    /// It gets no reply.
    Deaf,
    /// It is accepted.
    Served,
}

/// The address of a name server.
pub fn name_server(index: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53_u8.saturating_add(index)))
}

impl Stage {
    /// Opens the name servers, with an empty world.
    pub fn open(authority: Arc<Authority>) -> io::Result<Arc<Self>> {
        let shown = Shown { world: Arc::default(), attempts: Attempts::default() };
        let stage = Self { authority, shown: Mutex::new(shown), open: Mutex::default() };
        let stage = Arc::new(stage);
        for index in 0..NAME_SERVERS {
            let place = (name_server(index), 53);
            stage.datagrams(index, UdpSocket::bind(place)?);
            stage.accept(TcpListener::bind(place)?, move |stage, stream| {
                queries(stream, |query| {
                    let reaction = stage.react(index, Transport::Tcp, query);
                    thread::sleep(reaction.after);
                    reaction.said
                })
            });
        }
        Ok(stage)
    }

    /// Replaces the world, with fresh counters.
    pub fn show(self: &Arc<Self>, world: &World) -> io::Result<()> {
        let shown = Shown { world: Arc::new(world.clone()), attempts: Attempts::default() };
        *self.lock() = shown;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for (listener, thread) in std::mem::take(&mut *open).listeners {
            shutdown(&listener, rustix::net::Shutdown::Both)?;
            drop(listener);
            // A panic there has been reported already.
            let _ = thread.join();
        }
        for (place, reach) in places(world) {
            match reach {
                Reach::Refused => {}
                Reach::Deaf => open.deaf.push(deaf(place)?),
                Reach::Served => {
                    let listener = TcpListener::bind(place)?;
                    let thread = self.accept(listener.try_clone()?, Self::web);
                    open.listeners.push((listener, thread));
                }
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn datagrams(self: &Arc<Self>, index: u8, socket: UdpSocket) {
        let (stage, socket) = (Arc::clone(self), Arc::new(socket));
        thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            loop {
                // An error means that the client has gone.
                let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
                let query = buffer.get(..length).unwrap_or_default();
                let reaction = stage.react(index, Transport::Udp, query);
                let Said::Message(message) = reaction.said else { continue };
                let socket = Arc::clone(&socket);
                let answer = move || {
                    thread::sleep(reaction.after);
                    // The client may have gone.
                    let _ = socket.send_to(&message, client);
                };
                if reaction.after.is_zero() {
                    answer();
                } else {
                    thread::spawn(answer);
                }
            }
        });
    }

    fn accept(
        self: &Arc<Self>,
        listener: TcpListener,
        serve: impl Fn(&Self, TcpStream) -> io::Result<()> + Copy + Send + 'static,
    ) -> JoinHandle<()> {
        let stage = Arc::clone(self);
        thread::spawn(move || {
            // Until it is shut down.
            while let Ok((stream, _)) = listener.accept() {
                let stage = Arc::clone(&stage);
                thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let _ = stream.set_read_timeout(Some(PATIENCE));
                    let _ = stream.set_write_timeout(Some(PATIENCE));
                    // A client may break off.
                    let _ = serve(&stage, stream);
                });
            }
        })
    }

    fn react(&self, index: u8, transport: Transport, query: &[u8]) -> Reaction {
        let mut shown = self.lock();
        let attempt = shown.attempts.of(query);
        let reaction = react(&shown.world, index, attempt, transport, query);
        shown.attempts.note(&reaction);
        reaction
    }

    fn web(&self, mut stream: TcpStream) -> io::Result<()> {
        let place = stream.local_addr()?;
        let place = SocketAddr::new(place.ip().to_canonical(), place.port());
        let (world, authority) = (Arc::clone(&self.lock().world), Arc::clone(&self.authority));
        let mut connection = Connection::new(world, authority, Some(place));
        let mut buffer = [0; 16 * 1024];
        loop {
            match connection.next_act() {
                Act::Send(bytes) => stream.write_all(&bytes)?,
                Act::Pause(pause) => thread::sleep(pause),
                Act::Receive => {
                    let length = stream.read(&mut buffer)?;
                    connection.received(buffer.get(..length).unwrap_or_default());
                }
                Act::Close => {
                    stream.shutdown(Shutdown::Write)?;
                    break;
                }
                Act::Hang => break,
                Act::Break => return Ok(()),
            }
        }
        // Unread data of the client would make the system reset the connection before all data is delivered.
        while stream.read(&mut buffer)? > 0 {}
        Ok(())
    }
}

/// Every endpoint with pages, and the fate of connections to it.
fn places(world: &World) -> BTreeMap<SocketAddr, Reach> {
    let mut places = BTreeMap::new();
    for (url, address, page) in world.pages() {
        let hosts = match (address, url.host()) {
            (Some(address), _) => vec![address],
            (None, TlsName::Ip(ip)) => vec![ip],
            (None, TlsName::Dns(name)) => addresses(world, &name),
        };
        for place in hosts.into_iter().map(|ip| SocketAddr::new(ip, url.port())) {
            let fault = match &page.answer {
                Served::Fault(fault) => Some(*fault),
                Served::Response { .. } | Served::Raw { .. } => None,
            };
            let reach = match world.destination(place).or(fault) {
                Some(
                    ConnectFault::Refused
                    | ConnectFault::NoRoute
                    | ConnectFault::Rejected
                    | ConnectFault::Local,
                ) => Reach::Refused,
                Some(ConnectFault::Timeout) => Reach::Deaf,
                _ => Reach::Served,
            };
            // If the pages of an endpoint differ, the requested name selects one.
            let known = places.entry(place).or_insert(reach);
            *known = reach.max(*known);
        }
    }
    places
}

/// The addresses of a host, behind aliases; the loopback addresses for `localhost`.
fn addresses(world: &World, name: &DnsName) -> Vec<IpAddr> {
    if name.to_string().rsplit('.').next() == Some("localhost") {
        return vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    }
    let answers = [RecordType::Aaaa, RecordType::A]
        .into_iter()
        .filter_map(|kind| world.dns_answer(name, kind, u8::MAX, u8::MAX).said?.ok());
    let addresses =
        answers.flat_map(|reply| reply.records).filter_map(|record| match record.data {
            RecordData::A(ip) => Some(IpAddr::V4(ip)),
            RecordData::Aaaa(ip) => Some(IpAddr::V6(ip)),
            RecordData::Cname(_) | RecordData::Srv(_) | RecordData::Unusable => None,
        });
    addresses.collect()
}

/// A listener with a full queue, so that the system drops further connections.
fn deaf(place: SocketAddr) -> io::Result<(std::os::fd::OwnedFd, Vec<TcpStream>)> {
    let family = if place.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let listener = socket(family, SocketType::STREAM, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&listener, true)?;
    bind(&listener, &place)?;
    listen(&listener, 0)?;
    let mut inside = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&place, Duration::from_millis(100)) {
        inside.push(stream);
    }
    Ok((listener, inside))
}
