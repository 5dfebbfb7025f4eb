//! One job over one socket at a time. Knows nothing of what the bytes mean.

use std::io;
use std::net::SocketAddr;

use async_std::io::{ReadExt, WriteExt};
use async_std::net::{TcpStream, UdpSocket};
use discovery_driver::{Job, local_address, yield_now};
use discovery_wire::{READ_BUFFER, Transport, Want};

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Moves bytes until the answer is there. Dropping it closes its socket.
pub(crate) async fn run(mut job: Job) {
    let mut socket = None;
    loop {
        match (job.wants(), &mut socket) {
            (Want::Finish, _) => break,
            (Want::Open(transport, address), _) => {
                // One at a time: the old socket goes before the new one comes.
                socket = None;
                let opened = Socket::open(transport, address).await;
                job.opened(opened.map(|opened| socket = Some(opened)));
            }
            (Want::Write(bytes), Some(socket)) => {
                let count = socket.write(bytes).await;
                job.wrote(count);
            }
            (Want::Read, Some(socket)) => {
                // Of async-std's sockets one cannot ask whether they are readable, so whoever waits brings his buffer.
                let mut buffer = [0; READ_BUFFER];
                let count = socket.read(&mut buffer).await;
                job.read(count, &buffer);
                // Whoever sends without end must not keep the others waiting.
                yield_now().await;
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
                let stream = TcpStream::connect(address).await?;
                // The messages are small, and each waits for the one before.
                let _ = stream.set_nodelay(true);
                Ok(Self::Tcp(stream))
            }
            Transport::Udp => {
                let socket = UdpSocket::bind(local_address(address)).await?;
                // R98: the kernel then drops what comes from elsewhere.
                report_icmp_errors(&socket, address);
                socket.connect(address).await?;
                Ok(Self::Udp(socket))
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.send(bytes).await,
            Self::Tcp(stream) => stream.write(bytes).await,
        }
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer).await,
            Self::Tcp(stream) => stream.read(buffer).await,
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
