//! A name whose servers fail in one way, beside a world without faults.
//!
//! Owns the servers that fail; knows nothing of what must come of it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use discovery_core::{AddressPolicy, DnsName, Families, Policy, Routes, TlsName};
use discovery_sim::Scenario;
use discovery_wire::Transport;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::phase::{Fault, Phase};
use super::setup::Setup;
use crate::certificates::Flaw;
use crate::lab::Lab;

/// The name that is caught.
pub(super) const CAUGHT: &str = "caught.example";
/// Names to which nothing happens.
pub(super) const FREE: [&str; 2] = ["free.example", "late.example"];

/// What all is well in.
const WORLD: &str = r#"
dns caught.example A 192.0.2.1
https caught.example 200 {"m.server":"192.0.2.101"}
dns free.example A 192.0.2.2
https free.example 200 {"m.server":"192.0.2.102"}
dns late.example A 192.0.2.3
https late.example 200 {"m.server":"192.0.2.103"}
"#;
/// The name server, as the client is told of it.
const NAME_SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 53)), 53);
/// Where the web server of the caught name is, as the world says.
const WEB_SERVER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 443);

/// How long connecting to a server whose queue is full is tried before it counts as full, in real time.
const FULL: Duration = Duration::from_millis(30);
/// So many connections fill any queue of length zero.
const FILLERS: usize = 8;

/// What means nothing to anybody, neither as DNS, nor as TLS, nor as HTTP.
const GARBAGE: [u8; 64] = [0xa5; 64];

/// The servers that fail.
pub(super) struct FaultyServer {
    phase: Phase,
    fault: Fault,
    place: Place,
    datagrams: SocketAddr,
    nowhere: SocketAddr,
    armed: Arc<AtomicBool>,
    reached: Arc<Semaphore>,
    _tasks: JoinSet<()>,
}

/// Where the caught name's server listens.
struct Place {
    address: SocketAddr,
    /// What keeps the queue of its socket full.
    _full: Option<(TcpListener, Vec<StdStream>)>,
}

impl FaultyServer {
    /// The world beside the faulty.
    pub(super) fn world() -> discovery_sim::World {
        #[expect(
            clippy::expect_used,
            reason = "the text is a part of this file, and tests parse it"
        )]
        let scenario = Scenario::parse(WORLD).expect("it is a scenario");
        scenario.world_at(Duration::ZERO)
    }

    /// Sets the faulty. Its servers run where `servers` says.
    pub(super) fn set(phase: Phase, fault: Fault, lab: &Lab, servers: &Handle) -> io::Result<Self> {
        let _inside = servers.enter();
        let mut tasks = JoinSet::new();
        let reached = Arc::new(Semaphore::new(0));
        let udp = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        udp.set_nonblocking(true)?;
        let datagrams = udp.local_addr()?;
        let udp = UdpSocket::from_std(udp)?;
        let place = if matches!(phase, Phase::DnsConnect | Phase::Connect) {
            Place::full()?
        } else {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let listener = TcpListener::from_std(listener)?;
            let host = TlsName::Dns(DnsName::parse(CAUGHT).map_err(io::Error::other)?);
            let config = lab.authority().server_config(&host, Flaw::None);
            let config = config.map_err(io::Error::other)?;
            let trapped = Arc::clone(&reached);
            tasks.spawn(async move {
                let mut connections = JoinSet::new();
                while let Ok((stream, _)) = listener.accept().await {
                    let (config, reached) = (Arc::clone(&config), Arc::clone(&trapped));
                    connections.spawn(async move {
                        // What the client breaks off is its own business.
                        let _ = spring(phase, fault, stream, config, &reached).await;
                    });
                }
            });
            Place { address, _full: None }
        };
        let trapped = Arc::clone(&reached);
        tasks.spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
                let query = buffer.get(..length).unwrap_or_default();
                if phase == Phase::DnsDatagram {
                    trapped.add_permits(1);
                }
                let reply = match (phase, fault) {
                    (Phase::DnsDatagram, Fault::Garbage) => GARBAGE.to_vec(),
                    (Phase::DnsDatagram, _) => continue,
                    _ => truncated(query),
                };
                let _ = udp.send_to(&reply, client).await;
            }
        });
        let nowhere = lab.nowhere();
        let armed = Arc::default();
        Ok(Self { phase, fault, place, datagrams, nowhere, armed, reached, _tasks: tasks })
    }

    /// What a client that is to walk into the faulty is started with.
    pub(super) fn bait(&self, mut setup: Setup, lab: &Lab) -> Setup {
        let servers = lab.dns_servers().first().copied().unwrap_or(self.nowhere);
        let (phase, fault) = (self.phase, self.fault);
        let (place, datagrams, nowhere) = (self.place.address, self.datagrams, self.nowhere);
        let (armed, reached) = (Arc::clone(&self.armed), Arc::clone(&self.reached));
        let beyond = setup.connect_to;
        setup.connect_to = Box::new(move |address, transport| {
            let caught = match (address, transport) {
                (NAME_SERVER, Transport::Udp) if phase.is_dns() => Some(datagrams),
                (NAME_SERVER, Transport::Tcp) if phase.is_dns() => Some(place),
                (WEB_SERVER, Transport::Tcp) if !phase.is_dns() => Some(place),
                _ => None,
            };
            // The hook of the lab hears of everything: it tells on which threads the client is.
            let address = if address == NAME_SERVER { servers } else { address };
            let well = beyond(address, transport);
            let Some(caught) = caught.filter(|_| armed.load(Ordering::Relaxed)) else {
                return well;
            };
            // Nobody but the client sees the end of these.
            let connecting = matches!(phase, Phase::DnsConnect | Phase::Connect);
            let unseen = (phase == Phase::DnsDatagram && fault == Fault::Reset)
                || (connecting && transport == Transport::Tcp);
            if unseen {
                reached.add_permits(1);
            }
            if unseen && fault == Fault::Reset { nowhere } else { caught }
        });
        setup.name_servers = vec![NAME_SERVER];
        setup.routes = Routes { v4: true, v6: false };
        setup.policy = policy();
        setup
    }

    /// Returns when a client has walked into it.
    pub(super) async fn reached(&self) {
        if let Ok(permit) = self.reached.acquire().await {
            permit.forget();
        }
    }

    /// Whether a client has walked into it.
    pub(super) fn was_reached(&self) -> bool {
        self.reached.available_permits() > 0
    }

    /// From now on there is no getting through: to the caught name, or to the name server where that is it.
    pub(super) fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }

    /// From now on all is well again.
    pub(super) fn lift(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }
}

/// The default policy, for a world in which only addresses of documentation are to be had.
pub(super) fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.addresses = AddressPolicy::any();
    policy.addresses.families = Families::V4;
    policy
}

impl Place {
    /// A server whose queue is full: it neither takes a connection nor refuses it.
    fn full() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(0)?;
        let address = listener.local_addr()?;
        let mut fillers = Vec::new();
        while fillers.len() < FILLERS
            && let Ok(filler) = StdStream::connect_timeout(&address, FULL)
        {
            fillers.push(filler);
        }
        Ok(Self { address, _full: Some((listener, fillers)) })
    }
}

/// A query as a reply that did not fit.
fn truncated(query: &[u8]) -> Vec<u8> {
    let mut reply = query.to_vec();
    if let Some(flags) = reply.get_mut(2) {
        // QR and TC.
        *flags |= 0x82;
    }
    reply
}

/// Serves a connection up to the phase, and lets the fault happen.
async fn spring(
    phase: Phase,
    fault: Fault,
    mut stream: TcpStream,
    config: Arc<ServerConfig>,
    reached: &Semaphore,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut garbage = GARBAGE.to_vec();
    match phase {
        Phase::DnsReply => {
            let mut query = [0; 4096];
            let length = stream.read(&mut query).await?;
            // The length of a message, and its first bytes: those of the query.
            let begun = query.get(..length.min(16)).unwrap_or_default();
            let mut begun = begun.to_vec();
            if let Some(length) = begun.get_mut(..2) {
                length.copy_from_slice(&200_u16.to_be_bytes());
            }
            stream.write_all(&begun).await?;
            garbage.resize(200, 0xa5);
        }
        Phase::Handshake | Phase::Head | Phase::Body => {
            let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
            if phase == Phase::Handshake {
                receive(&mut stream, &mut tls).await?;
                let mut flight = Vec::new();
                tls.write_tls(&mut flight)?;
                let begun = flight.get(..flight.len() / 2).unwrap_or_default();
                stream.write_all(begun).await?;
            } else {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    receive(&mut stream, &mut tls).await?;
                    let _ = io::Read::read_to_end(&mut tls.reader(), &mut head);
                    send(&mut stream, &mut tls).await?;
                }
                let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{\"m.server\"";
                let begun = if phase == Phase::Head { &whole[..14] } else { &whole[..] };
                io::Write::write_all(&mut tls.writer(), begun)?;
                send(&mut stream, &mut tls).await?;
            }
        }
        Phase::DnsDatagram
        | Phase::DnsConnect
        | Phase::DnsAccepted
        | Phase::Connect
        | Phase::Accepted => {}
    }
    reached.add_permits(1);
    match fault {
        Fault::Reset => return stream.set_zero_linger(),
        Fault::HalfClosed => stream.shutdown().await?,
        Fault::Garbage => stream.write_all(&garbage).await?,
        Fault::Stall => {}
    }
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

async fn receive(stream: &mut TcpStream, tls: &mut ServerConnection) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let length = stream.read(&mut buffer).await?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut bytes = buffer.get(..length).unwrap_or_default();
    while !bytes.is_empty() {
        tls.read_tls(&mut bytes)?;
        tls.process_new_packets().map_err(io::Error::other)?;
    }
    Ok(())
}

async fn send(stream: &mut TcpStream, tls: &mut ServerConnection) -> io::Result<()> {
    let mut out = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut out)?;
    }
    stream.write_all(&out).await
}
