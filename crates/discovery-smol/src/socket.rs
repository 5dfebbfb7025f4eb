//! Carries out one request over one socket at a time.
//!
//! All requests run on the driver's task, so they close with it and no task outlives the discovery. TLS handshakes
//! therefore share one core; `discovery-tokio` spreads them over the threads of its runtime.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use discovery_driver::{RequestTask, System};
use discovery_wire::{READ_BUFFER, Transport, Want, local_address};
use smol::Async;

enum Socket {
    Udp(Async<UdpSocket>),
    Tcp(Async<TcpStream>),
}

/// Moves bytes until the answer is there. Dropping it closes its socket.
pub(crate) async fn run(mut task: RequestTask) {
    let mut socket = None;
    loop {
        match (task.wants(), &socket) {
            (Want::Finish, _) => break,
            (Want::Open(transport, address), _) => {
                // Close the old socket first.
                socket = None;
                let opened = Socket::open(transport, address).await;
                task.opened(opened.map(|opened| socket = Some(opened)));
            }
            (Want::Write(bytes), Some(socket)) => {
                let count = socket.write(bytes);
                if !task.wrote(count) {
                    socket.writable(&mut task).await;
                }
            }
            (Want::Read, Some(socket)) => {
                if socket.read(&mut task) {
                    // A server that sends without end must not starve the other requests.
                    smol::future::yield_now().await;
                } else {
                    socket.readable(&mut task).await;
                }
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
                let stream = Async::<TcpStream>::connect(address).await?;
                // Messages are small, and each waits for the one before.
                let _ = stream.get_ref().set_nodelay(true);
                Ok(Self::Tcp(stream))
            }
            Transport::Udp => {
                let socket = Async::<UdpSocket>::bind(local_address(address))?;
                // R98: the kernel drops datagrams from other addresses.
                System::report_icmp_errors(socket.get_ref(), address);
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
    fn read(&self, task: &mut RequestTask) -> bool {
        // On the stack between two waits, so that a waiting task carries no buffer.
        let mut buffer = [0; READ_BUFFER];
        let count = match self {
            Self::Udp(socket) => socket.get_ref().recv(&mut buffer),
            Self::Tcp(stream) => stream.get_ref().read(&mut buffer),
        };
        task.read(count, &buffer)
    }

    async fn writable(&self, task: &mut RequestTask) {
        let ready = match self {
            Self::Udp(socket) => socket.writable().await,
            Self::Tcp(stream) => stream.writable().await,
        };
        if let Err(error) = ready {
            task.failed(error.kind());
        }
    }

    async fn readable(&self, task: &mut RequestTask) {
        let ready = match self {
            Self::Udp(socket) => socket.readable().await,
            Self::Tcp(stream) => stream.readable().await,
        };
        if let Err(error) = ready {
            task.failed(error.kind());
        }
    }
}
