//! Carries out one request over one blocking socket at a time.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use discovery_driver::{RequestTask, System};
use discovery_wire::{READ_BUFFER, Transport, Want, local_address};

use crate::pool::Stop;

/// How long a thread waits for a datagram before it checks whether it was stopped, because it cannot be woken.
const LOOK: Duration = Duration::from_millis(100);

enum Socket {
    Udp(UdpSocket),
    Tcp(Arc<TcpStream>),
}

/// Moves bytes until the answer is there, and returns the task then; None if it was stopped.
pub(crate) fn run(mut task: RequestTask, stop: &Stop, patience: Duration) -> Option<RequestTask> {
    let mut socket = None;
    let mut buffer = [0; READ_BUFFER];
    while !stop.is_stopped() {
        match (task.wants(), &socket) {
            (Want::Finish, _) => {
                drop(socket);
                stop.hold(None);
                return Some(task);
            }
            (Want::Open(transport, address), _) => {
                // Close the old socket first.
                socket = None;
                stop.hold(None);
                let opened = Socket::open(transport, address, patience);
                if let Ok(Socket::Tcp(stream)) = &opened {
                    stop.hold(Some(Arc::clone(stream)));
                }
                task.opened(opened.map(|opened| socket = Some(opened)));
            }
            (Want::Write(bytes), Some(socket)) => {
                let count = socket.write(bytes);
                task.wrote(count);
            }
            (Want::Read, Some(socket)) => {
                let count = socket.read(&mut buffer);
                task.read(count, &buffer);
            }
            (Want::Write(_) | Want::Read, None) => task.failed(io::ErrorKind::NotConnected),
        }
    }
    None
}

impl Socket {
    fn open(transport: Transport, address: SocketAddr, patience: Duration) -> io::Result<Self> {
        match transport {
            Transport::Tcp => {
                let stream = TcpStream::connect_timeout(&address, patience)?;
                // Messages are small, and each waits for the one before.
                let _ = stream.set_nodelay(true);
                Ok(Self::Tcp(Arc::new(stream)))
            }
            Transport::Udp => {
                let socket = UdpSocket::bind(local_address(address))?;
                // R98: the kernel drops datagrams from other addresses.
                System::report_icmp_errors(&socket, address);
                socket.connect(address)?;
                socket.set_read_timeout(Some(LOOK))?;
                Ok(Self::Udp(socket))
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.send(bytes),
            Self::Tcp(stream) => (&**stream).write(bytes),
        }
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            // That nothing has come yet is an error by this name on Unix, and `TimedOut` on Windows.
            Self::Udp(socket) => match socket.recv(buffer) {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                received => received,
            },
            Self::Tcp(stream) => (&**stream).read(buffer),
        }
    }
}
