//! A readiness-based event loop that resolves names: one thread, one poll, no async.
//!
//! Three parts are needed in a loop of your own: sockets registered by token, a waker for other threads, and the timeout of
//! the poll.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use discovery_core::RequestId;
use discovery_driver::{Action, BuildError, Builder, Discovery, Driver, RequestTask, System};
use discovery_wire::{READ_BUFFER, Transport, Want, local_address};
use mio::net::{TcpStream, UdpSocket};
use mio::{Events, Interest, Registry, Token};

/// The token of the waker.
const WAKER: Token = Token(0);

/// How often a request may read before other requests get their turn.
const TURNS: usize = 16;

/// The loop and its open requests.
pub(crate) struct Looping {
    poll: mio::Poll,
    waker: Arc<LoopWaker>,
    driver: Driver,
    tasks: BTreeMap<Token, Open>,
    /// The token of each open request, to stop it.
    tokens: BTreeMap<RequestId, Token>,
    next: usize,
}

/// One request and its socket.
struct Open {
    task: RequestTask,
    socket: Option<Socket>,
}

enum Socket {
    Udp(UdpSocket),
    /// Becomes writable when it is connected or has failed.
    Connecting(TcpStream),
    Tcp(TcpStream),
}

/// Why a request pauses.
#[derive(PartialEq)]
enum Pause {
    /// Its socket is not ready.
    Blocked,
    /// Its socket is ready, but other requests are waiting.
    Turn,
    /// It has its answer.
    Finished,
}

/// Wakes the loop from any thread, when the driver has something to do.
struct LoopWaker(mio::Waker);

impl Wake for LoopWaker {
    fn wake(self: Arc<Self>) {
        // This fails only if the loop has ended.
        let _ = self.0.wake();
    }
}

/// A handle for any thread, and the loop to [run](Looping::run) on one.
pub(crate) fn build(builder: Builder) -> Result<(Discovery, Looping), BuildError> {
    let no_loop = |why: io::Error| BuildError::NoRuntime(why.into());
    let poll = mio::Poll::new().map_err(no_loop)?;
    let waker = mio::Waker::new(poll.registry(), WAKER).map_err(no_loop)?;
    let waker = Arc::new(LoopWaker(waker));
    let (discovery, driver) = builder.build(System::default())?;
    let (tasks, tokens) = (BTreeMap::new(), BTreeMap::new());
    Ok((discovery, Looping { poll, waker, driver, tasks, tokens, next: 1 }))
}

impl Looping {
    /// Runs until all handles are dropped or the discovery is closed.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let waker = Arc::clone(&self.waker).into();
        let cx = Context::from_waker(&waker);
        let mut events = Events::with_capacity(256);
        let mut ready: Vec<Token> = Vec::new();
        loop {
            for token in std::mem::take(&mut ready) {
                self.advance(token, &mut ready);
            }
            loop {
                match self.driver.poll_action(&cx) {
                    Poll::Ready(Action::Start(task)) => self.start(task, &mut ready),
                    Poll::Ready(Action::Stop(id)) => {
                        // Dropped, and its socket with it.
                        self.tokens.remove(&id).and_then(|token| self.tasks.remove(&token));
                    }
                    Poll::Ready(Action::Finished) => return Ok(()),
                    Poll::Pending => break,
                }
            }
            let patience =
                if ready.is_empty() { self.driver.next_timeout() } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            ready.extend(events.iter().map(|event| event.token()).filter(|token| *token != WAKER));
            // An early call does nothing, so there is no need to check the time.
            self.driver.handle_timeout();
        }
    }

    fn start(&mut self, task: RequestTask, ready: &mut Vec<Token>) {
        let token = Token(self.next);
        self.next = self.next.saturating_add(1);
        self.tokens.insert(task.id(), token);
        self.tasks.insert(token, Open { task, socket: None });
        ready.push(token);
    }

    fn advance(&mut self, token: Token, ready: &mut Vec<Token>) {
        // An event may be for a socket that is closed.
        let Some(open) = self.tasks.get_mut(&token) else { return };
        match open.advance(self.poll.registry(), token) {
            Pause::Blocked => {}
            Pause::Turn => ready.push(token),
            Pause::Finished => {
                let Some(Open { task, socket }) = self.tasks.remove(&token) else { return };
                self.tokens.remove(&task.id());
                drop(socket);
                task.finish();
            }
        }
    }
}

impl Open {
    /// Carries out the operations of the task until one would block.
    fn advance(&mut self, registry: &Registry, token: Token) -> Pause {
        let mut buffer = [0; READ_BUFFER];
        for _ in 0..TURNS {
            let moved = match (self.task.wants(), &mut self.socket) {
                (Want::Finish, _) => return Pause::Finished,
                (Want::Open(..), Some(Socket::Connecting(stream))) => match is_up(stream) {
                    Ok(false) => false,
                    Ok(true) => {
                        if let Some(Socket::Connecting(stream)) = self.socket.take() {
                            self.socket = Some(Socket::Tcp(stream));
                        }
                        self.task.opened(Ok(()));
                        true
                    }
                    Err(error) => {
                        self.task.opened(Err(error));
                        true
                    }
                },
                (Want::Open(transport, address), _) => {
                    // One socket at a time: the old one is closed first.
                    self.socket = None;
                    match Socket::open(transport, address, registry, token) {
                        Ok(socket) => {
                            if matches!(socket, Socket::Udp(_)) {
                                self.task.opened(Ok(()));
                            }
                            self.socket = Some(socket);
                        }
                        Err(error) => self.task.opened(Err(error)),
                    }
                    true
                }
                (Want::Write(bytes), Some(Socket::Udp(socket))) => {
                    let count = socket.send(bytes);
                    self.task.wrote(count)
                }
                (Want::Write(bytes), Some(Socket::Tcp(stream))) => {
                    let count = stream.write(bytes);
                    self.task.wrote(count)
                }
                (Want::Read, Some(Socket::Udp(socket))) => {
                    let count = socket.recv(&mut buffer);
                    self.task.read(count, &buffer)
                }
                (Want::Read, Some(Socket::Tcp(stream))) => {
                    let count = stream.read(&mut buffer);
                    self.task.read(count, &buffer)
                }
                (Want::Write(_) | Want::Read, None | Some(Socket::Connecting(_))) => {
                    self.task.failed(io::ErrorKind::NotConnected);
                    true
                }
            };
            if !moved {
                return Pause::Blocked;
            }
        }
        Pause::Turn
    }
}

impl Socket {
    fn open(
        transport: Transport,
        address: SocketAddr,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match transport {
            Transport::Udp => {
                let mut socket = UdpSocket::bind(local_address(address))?;
                // R98: the kernel then drops datagrams from other addresses.
                System::report_icmp_errors(&socket, address);
                socket.connect(address)?;
                registry.register(&mut socket, token, both)?;
                Ok(Self::Udp(socket))
            }
            Transport::Tcp => {
                let mut stream = TcpStream::connect(address)?;
                // Messages are small and must not wait for each other.
                let _ = stream.set_nodelay(true);
                registry.register(&mut stream, token, both)?;
                Ok(Self::Connecting(stream))
            }
        }
    }
}

/// Whether a connection is established; an error if it has failed.
fn is_up(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
