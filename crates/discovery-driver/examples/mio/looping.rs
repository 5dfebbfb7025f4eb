//! An event loop of readiness that resolves names: one thread, one poll, no async.
//!
//! A program that has a loop of its own takes from here what it lacks: registered sockets by their token, the waker that others ring,
//! and the timeout of the poll.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::{Duration, Instant, SystemTime};

use discovery_core::RequestId;
use discovery_driver::{Handle, Job, Setup, System, Todo, Work, local_address};
use discovery_wire::{NoEntropy, READ_BUFFER, Transport, Want};
use mio::net::{TcpStream, UdpSocket};
use mio::{Events, Interest, Registry, Token};

/// What only the outside can tell.
const SYSTEM: System = System {
    now: Instant::now,
    wall_clock: SystemTime::now,
    entropy: |bytes| getrandom::fill(bytes).map_err(|_| NoEntropy),
    resolv_conf: || std::fs::read("/etc/resolv.conf").unwrap_or_default(),
    interface_index,
    reaches: |address| {
        let socket = std::net::UdpSocket::bind(local_address(address));
        socket.and_then(|socket| socket.connect(address)).is_ok()
    },
};

/// The number of a network interface, by its name.
#[cfg(unix)]
fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

/// As above, where interfaces go by number alone.
#[cfg(not(unix))]
fn interface_index(_name: &str) -> Option<u32> {
    None
}

/// The token of whoever wakes the loop from outside.
const BELL: Token = Token(0);

/// How often one job may read before the others have their turn.
const TURNS: usize = 16;

/// The loop, and all that it has open.
pub(crate) struct Looping {
    poll: mio::Poll,
    bell: Arc<Bell>,
    work: Work,
    jobs: BTreeMap<Token, Open>,
    /// Where the jobs are that may be stopped.
    tokens: BTreeMap<RequestId, Token>,
    next: usize,
}

/// One job and its socket.
struct Open {
    job: Job,
    socket: Option<Socket>,
}

enum Socket {
    Udp(UdpSocket),
    /// Becomes writable when it is up, or has failed.
    Connecting(TcpStream),
    Tcp(TcpStream),
}

/// Why a job stops for now.
#[derive(PartialEq)]
enum Pause {
    /// Its socket is not ready.
    Blocked,
    /// It is, and others are waiting.
    Turn,
    /// The answer is there.
    Finished,
}

/// Lets any thread wake the loop: the machine does when there is work.
struct Bell(mio::Waker);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Only a loop that is gone can't be woken.
        let _ = self.0.wake();
    }
}

/// A handle for any thread, and the loop to [run](Looping::run) on one.
pub(crate) fn start(setup: Setup) -> io::Result<(Handle, Looping)> {
    let poll = mio::Poll::new()?;
    let bell = Arc::new(Bell(mio::Waker::new(poll.registry(), BELL)?));
    let (handle, work) = setup.open(SYSTEM).map_err(io::Error::other)?;
    let (jobs, tokens) = (BTreeMap::new(), BTreeMap::new());
    Ok((handle, Looping { poll, bell, work, jobs, tokens, next: 1 }))
}

impl Looping {
    /// Runs until nobody can ask any more.
    pub(crate) fn run(mut self) -> io::Result<()> {
        let waker = Arc::clone(&self.bell).into();
        let cx = Context::from_waker(&waker);
        let mut events = Events::with_capacity(256);
        let mut ready: Vec<Token> = Vec::new();
        loop {
            for token in std::mem::take(&mut ready) {
                self.advance(token, &mut ready);
            }
            loop {
                match self.work.poll(&cx) {
                    Poll::Ready(Todo::Start(job)) => self.start(job, &mut ready),
                    Poll::Ready(Todo::Stop(id)) => {
                        // Dropped, and its socket with it.
                        self.tokens.remove(&id).and_then(|token| self.jobs.remove(&token));
                    }
                    Poll::Ready(Todo::End) => return Ok(()),
                    Poll::Pending => break,
                }
            }
            let patience =
                if ready.is_empty() { self.work.time_left() } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            ready.extend(events.iter().map(|event| event.token()).filter(|token| *token != BELL));
            // Too early does nothing, so nobody asks whether it is time.
            self.work.handle_timeout();
        }
    }

    fn start(&mut self, job: Job, ready: &mut Vec<Token>) {
        let token = Token(self.next);
        self.next = self.next.saturating_add(1);
        self.tokens.insert(job.id(), token);
        self.jobs.insert(token, Open { job, socket: None });
        ready.push(token);
    }

    fn advance(&mut self, token: Token, ready: &mut Vec<Token>) {
        // An event may be late: of a socket that is closed.
        let Some(open) = self.jobs.get_mut(&token) else { return };
        match open.advance(self.poll.registry(), token) {
            Pause::Blocked => {}
            Pause::Turn => ready.push(token),
            Pause::Finished => {
                let Some(Open { job, socket }) = self.jobs.remove(&token) else { return };
                self.tokens.remove(&job.id());
                drop(socket);
                job.finish();
            }
        }
    }
}

impl Open {
    /// Does what the job wants until that would block.
    fn advance(&mut self, registry: &Registry, token: Token) -> Pause {
        let mut buffer = [0; READ_BUFFER];
        for _ in 0..TURNS {
            let moved = match (self.job.wants(), &mut self.socket) {
                (Want::Finish, _) => return Pause::Finished,
                (Want::Open(..), Some(Socket::Connecting(stream))) => match is_up(stream) {
                    Ok(false) => false,
                    Ok(true) => {
                        if let Some(Socket::Connecting(stream)) = self.socket.take() {
                            self.socket = Some(Socket::Tcp(stream));
                        }
                        self.job.opened(Ok(()));
                        true
                    }
                    Err(error) => {
                        self.job.opened(Err(error));
                        true
                    }
                },
                (Want::Open(transport, address), _) => {
                    // One at a time: the old socket goes before the new one comes.
                    self.socket = None;
                    match Socket::open(transport, address, registry, token) {
                        Ok(socket) => {
                            if matches!(socket, Socket::Udp(_)) {
                                self.job.opened(Ok(()));
                            }
                            self.socket = Some(socket);
                        }
                        Err(error) => self.job.opened(Err(error)),
                    }
                    true
                }
                (Want::Write(bytes), Some(Socket::Udp(socket))) => {
                    let count = socket.send(bytes);
                    self.job.wrote(count)
                }
                (Want::Write(bytes), Some(Socket::Tcp(stream))) => {
                    let count = stream.write(bytes);
                    self.job.wrote(count)
                }
                (Want::Read, Some(Socket::Udp(socket))) => {
                    let count = socket.recv(&mut buffer);
                    self.job.read(count, &buffer)
                }
                (Want::Read, Some(Socket::Tcp(stream))) => {
                    let count = stream.read(&mut buffer);
                    self.job.read(count, &buffer)
                }
                (Want::Write(_) | Want::Read, None | Some(Socket::Connecting(_))) => {
                    self.job.failed(io::ErrorKind::NotConnected);
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
                // R98: the kernel then drops what comes from elsewhere.
                report_icmp_errors(&socket, address);
                socket.connect(address)?;
                registry.register(&mut socket, token, both)?;
                Ok(Self::Udp(socket))
            }
            Transport::Tcp => {
                let mut stream = TcpStream::connect(address)?;
                // The messages are small, and each waits for the one before.
                let _ = stream.set_nodelay(true);
                registry.register(&mut stream, token, both)?;
                Ok(Self::Connecting(stream))
            }
        }
    }
}

/// Whether a connection is up; an error where it never will be.
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

/// Has the system report every ICMP error about what this socket has sent: without this it keeps "host unreachable" and the like
/// to itself, and reports closed ports alone. A system that can't do so changes nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn report_icmp_errors(socket: &impl std::os::fd::AsFd, remote: SocketAddr) {
    use nix::sys::socket::{setsockopt, sockopt};

    let _ = match remote {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
    };
}

/// As above, where the system has no such setting.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn report_icmp_errors<T>(_socket: &T, _remote: SocketAddr) {}
