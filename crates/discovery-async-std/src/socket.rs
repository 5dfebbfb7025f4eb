//! Carries out one request over one socket at a time.
//!
//! All requests run on the driver's task, so they close with it and no task outlives the discovery. TLS handshakes
//! therefore share one core; `discovery-tokio` spreads them over the threads of its runtime.

use std::io;
use std::net::SocketAddr;

use async_std::io::{ReadExt, WriteExt};
use async_std::net::{TcpStream, UdpSocket};
use discovery_driver::{RequestTask, System};
use discovery_wire::{READ_BUFFER, Transport, Want, local_address};

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Moves bytes until the answer is there. Dropping it closes its socket.
pub(crate) async fn run(mut task: RequestTask) {
    let mut socket = None;
    loop {
        match (task.wants(), &mut socket) {
            (Want::Finish, _) => break,
            (Want::Open(transport, address), _) => {
                // Close the old socket first.
                socket = None;
                let opened = Socket::open(transport, address).await;
                task.opened(opened.map(|opened| socket = Some(opened)));
            }
            (Want::Write(bytes), Some(socket)) => {
                let count = socket.write(bytes).await;
                task.wrote(count);
            }
            (Want::Read, Some(socket)) => {
                // Sockets of async-std do not tell when they are readable, so each waiting task has a buffer.
                let mut buffer = [0; READ_BUFFER];
                let count = socket.read(&mut buffer).await;
                task.read(count, &buffer);
                // A server that sends without end must not starve the other requests.
                async_std::task::yield_now().await;
            }
            (Want::Write(_) | Want::Read, None) => task.failed(io::ErrorKind::NotConnected),
        }
    }
    drop(socket);
    task.finish();
}

impl Socket {
    async fn open(transport: Transport, address: SocketAddr) -> io::Result<Self> {
        match transport {
            Transport::Tcp => {
                let stream = TcpStream::connect(address).await?;
                // Messages are small, and each waits for the one before.
                let _ = stream.set_nodelay(true);
                Ok(Self::Tcp(stream))
            }
            Transport::Udp => {
                let socket = UdpSocket::bind(local_address(address)).await?;
                // R98: the kernel drops datagrams from other addresses.
                System::report_icmp_errors(&socket, address);
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
