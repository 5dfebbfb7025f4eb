//! One exchange over one socket at a time. Knows nothing of what the bytes mean.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::SystemTime;

use discovery_core::UnixTime;
use discovery_wire::{Exchange, READ_BUFFER, Report, Transport, Want};
use tokio::net::{TcpStream, UdpSocket};

use crate::ConnectTo;

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Moves bytes until the answer is there, and reports it.
pub(crate) async fn run(mut exchange: Exchange, report: Report, connect_to: &ConnectTo) {
    let mut socket = None;
    loop {
        let moved = match (exchange.wants(), &socket) {
            (Want::Finish, _) => break,
            (Want::Open(transport, address), _) => {
                // One at a time: the old socket goes before the new one comes.
                socket = None;
                match Socket::open(transport, connect_to(address, transport)).await {
                    Ok(opened) => {
                        socket = Some(opened);
                        exchange.opened();
                        Ok(())
                    }
                    Err(error) => Err(error),
                }
            }
            (Want::Write(_), Some(socket)) => socket.write(&mut exchange).await,
            (Want::Read, Some(socket)) => socket.read(&mut exchange).await,
            (Want::Write(_) | Want::Read, None) => Err(io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = moved {
            exchange.failed(error.kind());
        }
        if let Some(id) = exchange.connected() {
            report.connected(id);
        }
    }
    drop(socket);
    report.answer(exchange.into_answer());
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
                let local: SocketAddr = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(local).await?;
                // R98: the kernel then drops what comes from elsewhere.
                socket.connect(address).await?;
                Ok(Self::Udp(socket))
            }
        }
    }

    async fn write(&self, exchange: &mut Exchange) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.writable().await?,
            Self::Tcp(stream) => stream.writable().await?,
        }
        let Want::Write(bytes) = exchange.wants() else { return Ok(()) };
        let count = match self {
            Self::Udp(socket) => socket.try_send(bytes),
            Self::Tcp(stream) => stream.try_write(bytes),
        };
        ready(count, |count| exchange.wrote(count))
    }

    async fn read(&self, exchange: &mut Exchange) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.readable().await?,
            Self::Tcp(stream) => stream.readable().await?,
        }
        // On the stack between two waits, so that a waiting task carries no buffer.
        let mut buffer = [0; READ_BUFFER];
        let count = match self {
            Self::Udp(socket) => socket.try_recv(&mut buffer),
            Self::Tcp(stream) => stream.try_read(&mut buffer),
        };
        ready(count, |count| {
            let now = UnixTime::from_system_time(SystemTime::now());
            exchange.read(buffer.get(..count).unwrap_or_default(), Some(now));
        })
    }
}

/// Takes the count, unless the socket was not ready after all.
fn ready(count: io::Result<usize>, take: impl FnOnce(usize)) -> io::Result<()> {
    match count {
        Ok(count) => take(count),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
