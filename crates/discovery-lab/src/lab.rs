//! A world on loopback: the sockets and tasks of its servers.
//!
//! Owns every socket, task and clock of the lab; knows nothing of what the bytes mean.

mod places;
mod serve;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use discovery_core::{DnsError, Policy, Question};
use discovery_sim::{DnsOutcome, World};
use discovery_wire::Transport;
use rustls::ClientConfig;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::certificates::Authority;
use crate::dns::{Attempts, Weather};
use crate::https::Seen;
use places::{Fate, Places};
use serve::Listener;

/// Most questions kept for [`Lab::take_asked`].
const MAX_ASKED: usize = 100_000;
/// Listeners for places of the world, at most.
const MAX_LISTENERS: usize = 4096;

/// An address on a link, without saying on which: the system refuses to try, by TCP and UDP alike.
const UNREACHED: SocketAddr =
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)), 9);

/// The settings of a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LabOptions {
    /// How many name servers there are. 1.
    pub name_servers: u8,
    /// Every delay of the world is divided by this, so that slow worlds can be looked at fast; [`hurried`] divides a policy's
    /// patience alike. 1.
    pub divisor: u32,
    /// Loss and delay of DNS datagrams. None.
    pub weather: Weather,
    /// Where the front door is: a port that clients can't be kept from, which may take privilege. One that the system gives.
    pub front_door: Option<SocketAddr>,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self { name_servers: 1, divisor: 1, weather: Weather::default(), front_door: None }
    }
}

/// A world, served on loopback by real DNS and HTTPS servers until this is dropped.
///
/// It needs IPv4 loopback alone and no privilege: all addresses and ports of the world stand behind ports that the system
/// gives. [`connect_to`](Self::connect_to) tells which; what no page is served at is refused. It runs on a thread of its own,
/// so that blocking clients and clients on any runtime can use it.
pub struct Lab {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the lab's tasks, and whoever holds it, share.
struct Shared {
    authority: Arc<Authority>,
    options: LabOptions,
    name_servers: Vec<SocketAddr>,
    front_door: SocketAddr,
    /// A port that is taken and where nobody listens, for as long as this lives.
    nowhere: (TcpSocket, SocketAddr),
    /// A port that is taken for datagrams and where none are heard: its socket is connected to itself, so the system refuses
    /// datagrams from anywhere else.
    closed: (UdpSocket, SocketAddr),
    state: Mutex<State>,
    orders: UnboundedSender<Order>,
}

struct State {
    world: Arc<World>,
    places: Places,
    attempts: Attempts,
    asked: Vec<Question>,
    seen: Vec<Seen>,
    listeners: Vec<(SocketAddr, SocketAddr)>,
}

enum Order {
    Listen(Listener),
    Stop,
}

impl Lab {
    /// Serves a world with one name server, in real time.
    ///
    /// # Errors
    /// When the machine gives no sockets on loopback, or no randomness for keys.
    pub fn start(world: World) -> io::Result<Self> {
        Self::start_with(world, LabOptions::default())
    }

    /// Serves a world.
    ///
    /// # Errors
    /// When the machine gives no sockets on loopback, or no randomness for keys.
    pub fn start_with(world: World, options: LabOptions) -> io::Result<Self> {
        let authority = Arc::new(Authority::new().map_err(io::Error::other)?);
        Self::start_as(world, options, authority)
    }

    /// Serves a world with certificates of an authority that others may share.
    ///
    /// # Errors
    /// When the machine gives no sockets on loopback.
    pub fn start_as(
        world: World,
        options: LabOptions,
        authority: Arc<Authority>,
    ) -> io::Result<Self> {
        let (shared, queue) = Shared::new(world, options, authority)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (up, is_up) = sync_channel(1);
        let servant = Arc::clone(&shared);
        let thread = thread::Builder::new().name("lab".to_owned()).spawn(move || {
            let _ = up.send(());
            runtime.block_on(serve::run(servant, queue));
            runtime.shutdown_background();
        })?;
        // Sockets queue what comes before anybody serves: nothing else has to be waited for.
        let _ = is_up.recv();
        Ok(Self { shared, thread: Some(thread) })
    }

    /// As [`start_as`](Self::start_as), as a task of the current runtime: where that runtime's clock is paused, the delays of
    /// the world pass by the same clock as the client's.
    ///
    /// # Errors
    /// Outside a tokio runtime, and when the machine gives no sockets on loopback.
    #[cfg(feature = "kit")]
    pub(crate) fn start_here(
        world: World,
        options: LabOptions,
        authority: Arc<Authority>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let (shared, queue) = Shared::new(world, options, authority)?;
        runtime.spawn(serve::run(Arc::clone(&shared), queue));
        Ok(Self { shared, thread: None })
    }
    /// The name servers, in order: on loopback, over UDP and TCP.
    pub fn dns_servers(&self) -> &[SocketAddr] {
        &self.shared.name_servers
    }

    /// Where to connect for a place of the world: this is what [`HttpGet::address`](discovery_core::HttpGet::address) must be
    /// replaced with. The lab's own name servers stand for themselves.
    pub fn connect_to(&self, place: SocketAddr, transport: Transport) -> SocketAddr {
        self.shared.connect_to(place, transport)
    }

    /// As [`connect_to`](Self::connect_to), to be given away.
    pub fn connector(
        &self,
    ) -> impl Fn(SocketAddr, Transport) -> SocketAddr + Send + Sync + 'static + use<> {
        let shared = Arc::clone(&self.shared);
        move |place, transport| shared.connect_to(place, transport)
    }

    /// Where every web server of the world can be had, told apart by the name that the client asks for: for clients that can
    /// connect elsewhere, but not to a place for each address.
    pub fn front_door(&self) -> SocketAddr {
        self.shared.front_door
    }

    /// An address where nothing listens, as long as the lab runs.
    pub fn nowhere(&self) -> SocketAddr {
        self.shared.nowhere()
    }

    /// The authority that every good certificate of the world comes from.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.shared.authority
    }

    /// A client's configuration that trusts the lab, and nobody else.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        self.shared.authority.client_config()
    }

    /// Replaces the world; connections that are up stay in the one before.
    pub fn set_world(&self, world: World) {
        let places = Places::of(&world);
        let mut state = self.shared.lock();
        state.world = Arc::new(world);
        state.places = places;
    }

    /// What has been asked since the last call, in order: names and types at the name servers, each attempt; URLs at the web
    /// servers. For connections that fail before a request, the URL that they were most likely for.
    pub fn take_asked(&self) -> Vec<Question> {
        std::mem::take(&mut self.shared.lock().asked)
    }
}

impl Lab {
    /// The requests that web servers have heard since the last call, in order.
    pub fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.lock().seen)
    }

    /// Opens a listener for every place of the world at once, where else the first to come has one opened.
    #[cfg(feature = "kit")]
    pub(crate) fn open_all(&self) {
        let places = self.shared.lock().places.all();
        for place in places {
            self.shared.connect_to(place, Transport::Tcp);
        }
        drop(self.take_asked());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.shared.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn new(
        world: World,
        options: LabOptions,
        authority: Arc<Authority>,
    ) -> io::Result<(Arc<Self>, UnboundedReceiver<Order>)> {
        let mut listeners = Vec::new();
        let mut name_servers = Vec::new();
        for index in 0..options.name_servers {
            let (udp, tcp, address) = serve::name_server_sockets()?;
            listeners.push(Listener::Datagrams(index, udp));
            listeners.push(Listener::Queries(index, tcp));
            name_servers.push(address);
        }
        let (front_door, front_door_address) = serve::listen_at(options.front_door)?;
        listeners.push(Listener::Web(None, front_door));
        let nowhere = TcpSocket::new_v4()?;
        nowhere.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let closed_port = closed.local_addr()?;
        closed.connect(closed_port)?;
        let (orders, queue) = unbounded_channel();
        let shared = Arc::new(Self {
            authority,
            options,
            name_servers,
            front_door: front_door_address,
            nowhere: (nowhere, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            closed: (closed, closed_port),
            state: Mutex::new(State {
                places: Places::of(&world),
                world: Arc::new(world),
                attempts: Attempts::default(),
                asked: Vec::new(),
                seen: Vec::new(),
                listeners: Vec::new(),
            }),
            orders,
        });
        for listener in listeners {
            shared.order(Order::Listen(listener));
        }
        Ok((shared, queue))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: Order) {
        // Once the lab has stopped nobody is served any more.
        let _ = self.orders.send(order);
    }

    fn note(&self, question: Question) {
        let mut state = self.lock();
        if state.asked.len() < MAX_ASKED {
            state.asked.push(question);
        }
    }

    fn note_seen(&self, seen: Seen) {
        let mut state = self.lock();
        if state.seen.len() < MAX_ASKED {
            state.seen.push(seen);
        }
    }

    fn connect_to(&self, place: SocketAddr, transport: Transport) -> SocketAddr {
        if let Some(index) = self.name_servers.iter().position(|server| *server == place) {
            return if self.is_closed(index) { self.closed.1 } else { place };
        }
        if place == self.front_door {
            return place;
        }
        let mut state = self.lock();
        let (fate, likely) = state.places.fate(&state.world, place);
        if transport == Transport::Udp {
            drop(state);
            // Nothing is sent there: a socket that connects shows that there is a route.
            return match fate {
                Fate::NoRoute | Fate::Local => UNREACHED,
                Fate::Served | Fate::Refused | Fate::Rejected => self.nowhere(),
            };
        }
        if let Some(url) = likely
            && state.asked.len() < MAX_ASKED
        {
            state.asked.push(Question::Get(url));
        }
        if fate != Fate::Served {
            drop(state);
            return match fate {
                Fate::Refused | Fate::Served => self.nowhere(),
                // Nobody has a route to a group of hosts by TCP, and no packet is sent to find out. Whether the network has
                // rejected the connection or there is no route is told by datagram sockets alone.
                Fate::NoRoute | Fate::Rejected => SocketAddr::from(([224, 0, 0, 1], 9)),
                Fate::Local => UNREACHED,
            };
        }
        if let Some((_, real)) = state.listeners.iter().find(|(known, _)| *known == place) {
            return *real;
        }
        match serve::listen() {
            Ok((listener, real)) if state.listeners.len() < MAX_LISTENERS => {
                state.listeners.push((place, real));
                drop(state);
                self.order(Order::Listen(Listener::Web(Some(place), listener)));
                real
            }
            // No socket is to be had: that is like a server that is not there.
            Ok(_) | Err(_) => self.nowhere(),
        }
    }

    /// Whether the world's name server of that index is one at whose port nobody listens.
    fn is_closed(&self, index: usize) -> bool {
        let state = self.lock();
        let fault = u8::try_from(index).ok().and_then(|index| state.world.server(index));
        matches!(
            fault.and_then(|fault| fault.outcome.as_ref()),
            Some(DnsOutcome::Error(DnsError::Unreachable))
        )
    }

    fn nowhere(&self) -> SocketAddr {
        self.nowhere.0.local_addr().unwrap_or(self.nowhere.1)
    }
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab")
            .field("dns_servers", &self.dns_servers())
            .field("front_door", &self.front_door())
            .finish_non_exhaustive()
    }
}

/// A policy whose patience is divided: for a lab with the same [`divisor`](LabOptions::divisor). Lifetimes stay.
#[must_use]
pub fn hurried(mut policy: Policy, divisor: u32) -> Policy {
    let divisor = divisor.max(1);
    for duration in [
        &mut policy.dns.retry_interval,
        &mut policy.dns.timeout,
        &mut policy.addresses.resolution_delay,
        &mut policy.addresses.connection_attempt_delay,
        &mut policy.well_known.response_wait,
        &mut policy.well_known.timeout,
        &mut policy.limits.lookup_deadline,
    ] {
        *duration /= divisor;
    }
    for duration in
        [&mut policy.addresses.wait, &mut policy.limits.queue_deadline].into_iter().flatten()
    {
        *duration /= divisor;
    }
    policy
}

#[cfg(test)]
#[path = "lab_tests.rs"]
mod tests;
