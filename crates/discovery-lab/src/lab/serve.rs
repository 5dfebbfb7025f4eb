//! The lab's tasks: datagrams and streams between sockets and services.
//!
//! Knows nothing of what the bytes mean.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::Duration;

use discovery_core::Question;
use discovery_wire::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Order, Shared};
use crate::dns::{Messages, Reaction, Said, framed, react};
use crate::https::{Act, Connection};

/// Connections and delayed replies at once; others wait, or are lost.
const MAX_TASKS: usize = 65_536;
/// How long a connection may take to end once the server has said all.
const CLOSING: Duration = Duration::from_secs(5);
/// Tries to find a port that is free for UDP and TCP alike.
const MAX_TRIES: usize = 64;

/// A socket that somebody must serve.
pub(super) enum Listener {
    /// Datagrams of the name server of that index.
    Datagrams(u8, StdSocket),
    /// Streams of the name server of that index.
    Queries(u8, StdListener),
    /// A web server's place; None: the front door.
    Web(Option<SocketAddr>, StdListener),
}

/// A listener on loopback, at a port that the system gives.
pub(super) fn listen() -> io::Result<(StdListener, SocketAddr)> {
    listen_at(None)
}

/// A listener at that address; None: on loopback, at a port that the system gives.
pub(super) fn listen_at(address: Option<SocketAddr>) -> io::Result<(StdListener, SocketAddr)> {
    let address = address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = StdListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A name server's two sockets, at one port.
pub(super) fn name_server_sockets() -> io::Result<(StdSocket, StdListener, SocketAddr)> {
    let mut tries = 0_usize;
    loop {
        let (tcp, address) = listen()?;
        match StdSocket::bind(address) {
            Ok(udp) => {
                udp.set_nonblocking(true)?;
                return Ok((udp, tcp, address));
            }
            Err(error) if tries >= MAX_TRIES => return Err(error),
            Err(_) => tries = tries.saturating_add(1),
        }
    }
}

/// Serves what it is ordered to, until it is ordered to stop.
pub(super) async fn run(shared: Arc<Shared>, mut orders: UnboundedReceiver<Order>) {
    let mut tasks = JoinSet::new();
    let slots = Arc::new(Semaphore::new(MAX_TASKS));
    while let Some(Order::Listen(listener)) = orders.recv().await {
        let (shared, slots) = (Arc::clone(&shared), Arc::clone(&slots));
        // A listener whose socket fails ends alone: its clients see that nobody is there.
        tasks.spawn(async move {
            match listener {
                Listener::Datagrams(index, socket) => datagrams(index, socket, shared, slots).await,
                Listener::Queries(index, listener) => {
                    accept(listener, slots, |stream| queries(index, stream, Arc::clone(&shared)))
                        .await
                }
                Listener::Web(place, listener) => {
                    accept(listener, slots, |stream| web(place, stream, Arc::clone(&shared))).await
                }
            }
        });
    }
}

async fn accept<F>(
    listener: StdListener,
    slots: Arc<Semaphore>,
    serve: impl Fn(TcpStream) -> F,
) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::from_std(listener)?;
    let mut connections = JoinSet::new();
    loop {
        let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                let connection = serve(stream);
                connections.spawn(hold(slot, async move {
                    // What a client breaks off is its own business.
                    let _ = connection.await;
                }));
            }
            // No file descriptor is to be had: one may be soon.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn hold<F: Future<Output = ()>>(slot: OwnedSemaphorePermit, future: F) {
    future.await;
    drop(slot);
}

impl Shared {
    async fn pause(&self, pause: Duration) {
        let pause = pause / self.options.divisor.max(1);
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }

    /// What the name server of that index does about a query, the weather being what it is. None: the query is lost.
    fn react(&self, index: u8, transport: Transport, query: &[u8]) -> Option<Reaction> {
        let mut state = self.lock();
        let world = Arc::clone(&state.world);
        let attempt = state.attempts.of(query);
        let mut reaction = react(&world, index, attempt, transport, query);
        let Some(asked) = reaction.asked.clone() else { return Some(reaction) };
        let (name, kind) = &asked;
        if transport == Transport::Udp {
            let delay = self.options.weather.fate(name, *kind, attempt)?;
            reaction.after = reaction.after.saturating_add(delay);
        }
        state.attempts.note(&reaction);
        drop(state);
        self.note(Question::Dns(asked.0, asked.1));
        Some(reaction)
    }
}

async fn datagrams(
    index: u8,
    socket: StdSocket,
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
) -> io::Result<()> {
    let socket = Arc::new(UdpSocket::from_std(socket)?);
    let mut late = JoinSet::new();
    let mut buffer = vec![0; 65_535];
    let mut received = VecDeque::new();
    loop {
        // An error here tells of a client that has gone, and of nothing else.
        if received.is_empty()
            && let Ok((length, client)) = socket.recv_from(&mut buffer).await
        {
            received.push_back((buffer.get(..length).unwrap_or_default().to_vec(), client));
        }
        // The system keeps a few hundred datagrams and loses the rest: what is there is taken before anything is answered.
        while received.len() < MAX_TASKS
            && let Ok((length, client)) = socket.try_recv_from(&mut buffer)
        {
            received.push_back((buffer.get(..length).unwrap_or_default().to_vec(), client));
        }
        let Some((query, client)) = received.pop_front() else { continue };
        let Some(reaction) = shared.react(index, Transport::Udp, &query) else { continue };
        let Said::Message(message) = reaction.said else { continue };
        if reaction.after.is_zero() {
            let _ = socket.send_to(&message, client).await;
        } else if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            let (socket, shared) = (Arc::clone(&socket), Arc::clone(&shared));
            late.spawn(hold(slot, async move {
                shared.pause(reaction.after).await;
                let _ = socket.send_to(&message, client).await;
            }));
        }
        while late.try_join_next().is_some() {}
    }
}

async fn queries(index: u8, mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    let mut messages = Messages::default();
    let mut buffer = vec![0; 4096];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        messages.push(buffer.get(..length).unwrap_or_default());
        while let Some(query) = messages.next_message() {
            let Some(reaction) = shared.react(index, Transport::Tcp, &query) else { continue };
            shared.pause(reaction.after).await;
            match reaction.said {
                Said::Message(message) => stream.write_all(&framed(&message)).await?,
                Said::Nothing => {}
                Said::HangUp => return Ok(()),
            }
        }
    }
}

async fn web(
    place: Option<SocketAddr>,
    mut stream: TcpStream,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let world = Arc::clone(&shared.lock().world);
    let mut connection = Connection::new(world, Arc::clone(&shared.authority), place);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let act = connection.next_act();
        if let Some(url) = connection.take_asked() {
            shared.note(Question::Get(url));
        }
        if let Some(seen) = connection.take_seen() {
            shared.note_seen(seen);
        }
        match act {
            Act::Send(bytes) => stream.write_all(&bytes).await?,
            Act::Pause(pause) => shared.pause(pause).await,
            Act::Receive => {
                let length = stream.read(&mut buffer).await?;
                connection.received(buffer.get(..length).unwrap_or_default());
            }
            Act::Hang => return drain(&mut stream, &mut buffer).await,
            Act::Close => {
                stream.shutdown().await?;
                // What the client still says must be read, or the system breaks the connection before it has heard all.
                let _ = timeout(CLOSING, drain(&mut stream, &mut buffer)).await;
                return Ok(());
            }
            Act::Break => return stream.set_zero_linger(),
        }
    }
}

async fn drain(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<()> {
    while stream.read(buffer).await? > 0 {}
    Ok(())
}
