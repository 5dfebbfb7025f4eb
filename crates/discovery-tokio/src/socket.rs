//! Carries out one request over one socket at a time.
//!
//! On Linux a datagram socket is bound by connecting it. The kernel then draws the port as it does for port 0 (a test
//! checks this) in two system calls instead of four. If no port is left, `connect` says "try again"; this is reported as
//! the failure to bind that it is.
//!
//! A new connection is asked for its error before it is registered with the runtime. Refusals by this machine are known
//! by then, and most names without a document fail faster.

use std::io;
use std::net::{self, SocketAddr};

use discovery_driver::{RequestTask, System};
use discovery_wire::{READ_BUFFER, Transport, Want};
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UdpSocket};

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Moves bytes until the answer is there. Dropping it closes its socket.
pub(crate) async fn run(mut task: RequestTask) {
    let mut socket = None;
    loop {
        match (task.wants(), &socket) {
            (Want::Finish, _) => break,
            // One at a time: the old socket goes before the new one comes.
            (Want::Open(Transport::Udp, address), _) => {
                drop(socket.take());
                socket = Socket::udp(&mut task, address);
            }
            (Want::Open(Transport::Tcp, address), _) => {
                drop(socket.take());
                let opened = Socket::tcp(address).await;
                task.opened(opened.map(|opened| socket = Some(opened)));
            }
            (Want::Write(_), Some(socket)) => socket.write(&mut task).await,
            (Want::Read, Some(socket)) => socket.read(&mut task).await,
            (Want::Write(_) | Want::Read, None) => task.failed(io::ErrorKind::NotConnected),
        }
    }
    drop(socket);
    task.finish();
}

impl Socket {
    async fn tcp(address: SocketAddr) -> io::Result<Self> {
        let new = mio::net::TcpStream::connect(address)?;
        // A connection that this machine itself refuses has failed by now, before the runtime registers it.
        new.take_error()?.map_or(Ok(()), Err)?;
        let stream = TcpStream::from_std(new.into())?;
        stream.writable().await?;
        stream.take_error()?.map_or(Ok(()), Err)?;
        // The messages are small, and each waits for the one before.
        let _ = stream.set_nodelay(true);
        Ok(Self::Tcp(stream))
    }

    /// The datagram is sent before the runtime registers the socket: a new socket has room for it, and waiting for the runtime to
    /// say so would take another turn of its loop.
    fn udp(task: &mut RequestTask, address: SocketAddr) -> Option<Self> {
        let new = match connected(address) {
            Ok(new) => new,
            Err(error) => {
                task.opened(Err(error));
                return None;
            }
        };
        task.opened(Ok(()));
        if let Want::Write(bytes) = task.wants() {
            let count = new.send(bytes);
            task.wrote(count);
        }
        let known = UdpSocket::from_std(new).map_err(|error| task.failed(error.kind()));
        known.map(Self::Udp).ok()
    }

    async fn write(&self, task: &mut RequestTask) {
        let ready = match self {
            Self::Udp(socket) => socket.writable().await,
            Self::Tcp(stream) => stream.writable().await,
        };
        let Want::Write(bytes) = task.wants() else { return };
        let count = ready.and_then(|()| match self {
            Self::Udp(socket) => socket.try_send(bytes),
            Self::Tcp(stream) => stream.try_write(bytes),
        });
        task.wrote(count);
    }

    async fn read(&self, task: &mut RequestTask) {
        // An ICMP message about a datagram ("port unreachable") is an error of its socket, with nothing to read: epoll reports
        // it alone.
        let ready = match self {
            Self::Udp(socket) => socket.ready(Interest::READABLE | Interest::ERROR).await,
            Self::Tcp(stream) => stream.readable().await.map(|()| Ready::READABLE),
        };
        // On the stack between two waits, so that a waiting task carries no buffer.
        let mut buffer = [0; READ_BUFFER];
        let count = ready.and_then(|ready| match self {
            Self::Udp(socket) if !ready.is_readable() => socket.try_io(Interest::ERROR, || {
                Err(socket.take_error()?.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()))
            }),
            Self::Udp(socket) => socket.try_recv(&mut buffer),
            Self::Tcp(stream) => stream.try_read(&mut buffer),
        });
        task.read(count, &buffer);
    }
}

/// A new socket, connected from a random port (R98): the kernel drops datagrams from other addresses.
///
/// Connecting binds it as well, to a port drawn as if for port 0, which takes two system calls instead of four.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(clippy::disallowed_types, reason = "this is the driver that is to be asked")]
fn connected(address: SocketAddr) -> io::Result<net::UdpSocket> {
    use socket2::{Domain, Socket, Type};

    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), None)?;
    System::report_icmp_errors(&socket, address);
    socket.connect(&address.into()).map_err(out_of_ports)?;
    Ok(socket.into())
}

/// Replaces the error of connecting when no port is free, "try again", by that of binding: trying again at once would never end.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn out_of_ports(error: io::Error) -> io::Error {
    let none = error.kind() == io::ErrorKind::WouldBlock;
    if none { io::ErrorKind::AddrInUse.into() } else { error }
}

/// As above, on systems where connecting is not known to draw a random port.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[allow(clippy::disallowed_types, reason = "this is the driver that is to be asked")]
fn connected(address: SocketAddr) -> io::Result<net::UdpSocket> {
    let socket = net::UdpSocket::bind(discovery_wire::local_address(address))?;
    socket.set_nonblocking(true)?;
    System::report_icmp_errors(&socket, address);
    socket.connect(address)?;
    Ok(socket)
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
