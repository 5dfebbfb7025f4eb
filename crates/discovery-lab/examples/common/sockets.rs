//! Runs an exchange over one tokio socket at a time, and the timer.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use discovery_core::{Answer, HttpId, Request, RequestId, UnixTime};
use discovery_driver::{Environment, System};
use discovery_wire::{Exchange, READ_BUFFER, Transport, Want, is_from_network, local_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::{ConnectTo, Settings};

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Running exchanges, one task each. Dropping it closes their sockets.
#[derive(Default)]
pub(crate) struct Running {
    tasks: JoinSet<Answer>,
    known: BTreeMap<RequestId, AbortHandle>,
}

impl Running {
    /// Adds the task of a request, with the function that starts it in the set.
    pub(crate) fn start(
        &mut self,
        id: RequestId,
        spawn: impl FnOnce(&mut JoinSet<Answer>) -> AbortHandle,
    ) {
        let task = spawn(&mut self.tasks);
        self.known.insert(id, task);
    }

    /// Drops a task, and its socket with it.
    pub(crate) fn stop(&mut self, id: RequestId) {
        if let Some(task) = self.known.remove(&id) {
            task.abort();
        }
    }

    /// The next answer. Pending while no exchange runs, and safe to drop.
    pub(crate) async fn next(&mut self) -> Answer {
        while let Some(ended) = self.tasks.join_next().await {
            let answer = match ended {
                Ok(answer) => Some(answer),
                // The task panicked: a local failure. Stopped tasks have no answer.
                Err(error) => {
                    let task = self.known.iter().find(|(_, task)| task.id() == error.id());
                    task.map(|(id, _)| Answer::local_failure(*id))
                }
            };
            if let Some(answer) = answer {
                self.known.remove(&answer.id());
                return answer;
            }
        }
        pending().await
    }
}

/// Carries a request out. Dropping the future closes its socket.
pub(crate) async fn carry_out(
    request: &Request,
    settings: &Settings,
    connected: impl Fn(HttpId),
) -> Answer {
    match settings.exchange(request) {
        Some(exchange) => run(exchange, &settings.connect_to, connected).await,
        None => Answer::local_failure(request.id()),
    }
}

/// Moves bytes until the exchange has an answer.
async fn run(mut exchange: Exchange, connect_to: &ConnectTo, connected: impl Fn(HttpId)) -> Answer {
    let mut socket = None;
    // The address to connect to, before the hook.
    let mut remote = None;
    loop {
        let moved = match (exchange.wants(), &mut socket) {
            (Want::Finish, _) => return exchange.into_answer(),
            (Want::Open(transport, address), _) => {
                // One socket at a time: the old one is closed first.
                socket = None;
                remote = Some(address);
                let opened = open(transport, connect_to(address, transport)).await;
                opened.map(|new| socket = Some(new)).map(|()| exchange.opened())
            }
            (Want::Write(bytes), Some(socket)) => {
                let count = match socket {
                    Socket::Udp(socket) => socket.send(bytes).await,
                    Socket::Tcp(socket) => socket.write(bytes).await,
                };
                count.map(|count| exchange.wrote(count))
            }
            (Want::Read, Some(socket)) => {
                let mut buffer = [0; READ_BUFFER];
                let count = match socket {
                    Socket::Udp(socket) => receive(socket, &mut buffer).await,
                    Socket::Tcp(socket) => socket.read(&mut buffer).await,
                };
                let now = UnixTime::from_system_time(SystemTime::now());
                count.map(|count| exchange.read(buffer.get(..count).unwrap_or_default(), Some(now)))
            }
            (Want::Write(_) | Want::Read, None) => Err(io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = moved {
            // If there is a route all the same, the network has rejected the packet.
            let rejected = remote.is_some_and(|address| {
                is_from_network(&error, address)
                    && System::default().has_route(connect_to(address, Transport::Udp))
            });
            if rejected {
                exchange.rejected(error.kind());
            } else {
                exchange.failed(error.kind());
            }
        }
        if let Some(id) = exchange.connected() {
            connected(id);
        }
    }
}

/// Receives one datagram. A closed port shows as a socket error without data.
async fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        let received = if ready.is_readable() {
            socket.try_recv(buffer)
        } else {
            socket.try_io(Interest::ERROR, || {
                Err(socket.take_error()?.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()))
            })
        };
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return received,
        }
    }
}

async fn open(transport: Transport, address: SocketAddr) -> io::Result<Socket> {
    Ok(match transport {
        Transport::Tcp => Socket::Tcp(TcpStream::connect(address).await?),
        Transport::Udp => {
            let socket = UdpSocket::bind(local_address(address)).await?;
            // A connected socket gets no datagrams from other addresses.
            System::report_icmp_errors(&socket, address);
            socket.connect(address).await?;
            Socket::Udp(socket)
        }
    })
}

/// Sleeps until that instant by this clock, or forever.
pub(crate) async fn until(deadline: Option<Instant>, now: Instant) {
    match deadline {
        Some(deadline) => sleep(deadline.saturating_duration_since(now)).await,
        None => pending().await,
    }
}
