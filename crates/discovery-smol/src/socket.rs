//! One job over one socket at a time. Knows nothing of what the bytes mean.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use discovery_driver::{Job, local_address, yield_now};
use discovery_wire::{READ_BUFFER, Transport, Want};
use smol::Async;

enum Socket {
    Udp(Async<UdpSocket>),
    Tcp(Async<TcpStream>),
}

/// Moves bytes until the answer is there. Dropping it closes its socket.
pub(crate) async fn run(mut job: Job) {
    let mut socket = None;
    loop {
        match (job.wants(), &socket) {
            (Want::Finish, _) => break,
            (Want::Open(transport, address), _) => {
                // One at a time: the old socket goes before the new one comes.
                socket = None;
                let opened = Socket::open(transport, address).await;
                job.opened(opened.map(|opened| socket = Some(opened)));
            }
            (Want::Write(bytes), Some(socket)) => {
                let count = socket.write(bytes);
                if !job.wrote(count) {
                    socket.writable(&mut job).await;
                }
            }
            (Want::Read, Some(socket)) => {
                if socket.read(&mut job) {
                    // Whoever sends without end must not keep the others waiting.
                    yield_now().await;
                } else {
                    socket.readable(&mut job).await;
                }
            }
            (Want::Write(_) | Want::Read, None) => job.failed(io::ErrorKind::NotConnected),
        }
    }
    drop(socket);
    job.finish();
}

impl Socket {
    async fn open(transport: Transport, address: SocketAddr) -> io::Result<Self> {
        match transport {
            Transport::Tcp => {
                let stream = Async::<TcpStream>::connect(address).await?;
                // The messages are small, and each waits for the one before.
                let _ = stream.get_ref().set_nodelay(true);
                Ok(Self::Tcp(stream))
            }
            Transport::Udp => {
                let socket = Async::<UdpSocket>::bind(local_address(address))?;
                // R98: the kernel then drops what comes from elsewhere.
                report_icmp_errors(socket.get_ref(), address);
                socket.get_ref().connect(address)?;
                Ok(Self::Udp(socket))
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.get_ref().send(bytes),
            Self::Tcp(stream) => stream.get_ref().write(bytes),
        }
    }

    /// Reads what is there; false where there is nothing.
    fn read(&self, job: &mut Job) -> bool {
        // On the stack between two waits, so that a waiting job carries no buffer.
        let mut buffer = [0; READ_BUFFER];
        let count = match self {
            Self::Udp(socket) => socket.get_ref().recv(&mut buffer),
            Self::Tcp(stream) => stream.get_ref().read(&mut buffer),
        };
        job.read(count, &buffer)
    }

    async fn writable(&self, job: &mut Job) {
        let ready = match self {
            Self::Udp(socket) => socket.writable().await,
            Self::Tcp(stream) => stream.writable().await,
        };
        if let Err(error) = ready {
            job.failed(error.kind());
        }
    }

    async fn readable(&self, job: &mut Job) {
        let ready = match self {
            Self::Udp(socket) => socket.readable().await,
            Self::Tcp(stream) => stream.readable().await,
        };
        if let Err(error) = ready {
            job.failed(error.kind());
        }
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
