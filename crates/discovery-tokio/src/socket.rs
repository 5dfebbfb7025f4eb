//! One job over one socket at a time. Knows nothing of what the bytes mean.

use std::io;
use std::net::{self, SocketAddr};

use discovery_core::RequestId;
use discovery_wire::{Job, READ_BUFFER, Transport, Want, local_address};
use tokio::net::{TcpStream, UdpSocket};

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Moves bytes until the answer is there. Dropping it closes its socket.
pub(crate) async fn run(mut job: Job) -> RequestId {
    let id = job.id();
    let mut socket = None;
    loop {
        match (job.wants(), &socket) {
            (Want::Finish, _) => break,
            // One at a time: the old socket goes before the new one comes.
            (Want::Open(Transport::Udp, address), _) => {
                drop(socket.take());
                socket = Socket::udp(&mut job, address);
            }
            (Want::Open(Transport::Tcp, address), _) => {
                drop(socket.take());
                let opened = Socket::tcp(address).await;
                job.opened(opened.map(|opened| socket = Some(opened)));
            }
            (Want::Write(_), Some(socket)) => socket.write(&mut job).await,
            (Want::Read, Some(socket)) => socket.read(&mut job).await,
            (Want::Write(_) | Want::Read, None) => job.failed(io::ErrorKind::NotConnected),
        }
    }
    drop(socket);
    job.finish();
    id
}

impl Socket {
    async fn tcp(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        // The messages are small, and each waits for the one before.
        let _ = stream.set_nodelay(true);
        Ok(Self::Tcp(stream))
    }

    /// The datagram goes out before the runtime knows of its socket, which has room for it as it is new: to be told so would take
    /// another turn.
    fn udp(job: &mut Job, address: SocketAddr) -> Option<Self> {
        let new = match connected(address) {
            Ok(new) => new,
            Err(error) => {
                job.opened(Err(error));
                return None;
            }
        };
        job.opened(Ok(()));
        if let Want::Write(bytes) = job.wants() {
            let count = new.send(bytes);
            job.wrote(count);
        }
        let known = UdpSocket::from_std(new).map_err(|error| job.failed(error.kind()));
        known.map(Self::Udp).ok()
    }

    async fn write(&self, job: &mut Job) {
        let ready = match self {
            Self::Udp(socket) => socket.writable().await,
            Self::Tcp(stream) => stream.writable().await,
        };
        let Want::Write(bytes) = job.wants() else { return };
        let count = ready.and_then(|()| match self {
            Self::Udp(socket) => socket.try_send(bytes),
            Self::Tcp(stream) => stream.try_write(bytes),
        });
        job.wrote(count);
    }

    async fn read(&self, job: &mut Job) {
        let ready = match self {
            Self::Udp(socket) => socket.readable().await,
            Self::Tcp(stream) => stream.readable().await,
        };
        // On the stack between two waits, so that a waiting task carries no buffer.
        let mut buffer = [0; READ_BUFFER];
        let count = ready.and_then(|()| match self {
            Self::Udp(socket) => socket.try_recv(&mut buffer),
            Self::Tcp(stream) => stream.try_read(&mut buffer),
        });
        job.read(count, &buffer);
    }
}

#[allow(clippy::disallowed_types, reason = "this is the driver that is to be asked")]
fn connected(address: SocketAddr) -> io::Result<net::UdpSocket> {
    let socket = net::UdpSocket::bind(local_address(address))?;
    socket.set_nonblocking(true)?;
    // R98: the kernel then drops what comes from elsewhere.
    socket.connect(address)?;
    Ok(socket)
}
