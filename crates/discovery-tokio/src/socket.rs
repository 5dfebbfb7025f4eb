//! One job over one socket at a time. Knows nothing of what the bytes mean.

use std::io;
use std::net::SocketAddr;

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
            (Want::Open(transport, address), _) => {
                // One at a time: the old socket goes before the new one comes.
                socket = None;
                let opened = Socket::open(transport, address).await;
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
                socket.connect(address).await?;
                Ok(Self::Udp(socket))
            }
        }
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
