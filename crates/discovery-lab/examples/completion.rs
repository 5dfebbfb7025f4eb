//! A completion-based loop with io_uring, by compio. An operation takes ownership of a buffer and returns it at its end.
//!
//! `cargo run -p discovery-lab --example completion [NAME …]`, on Linux where the kernel allows io_uring. One thread, nothing of the driver is `Send`; the handle is, so that callers may be anywhere.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example reads the clocks and opens sockets, as an adapter does"
)]

#[allow(dead_code, reason = "each example takes what it needs")]
pub(crate) mod common;

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use common::Settings;
use compio::buf::BufResult;
use compio::driver::{ToSharedFd, op::Connect};
use compio::io::{AsyncRead, AsyncWrite};
use compio::net::{TcpStream, UdpSocket};
use compio::runtime::{Runtime, spawn, submit, time::sleep};
use discovery_core::{Outcome, ServerName};
use discovery_driver::{Driver, RequestTask, System};
use discovery_wire::{READ_BUFFER, Transport, Want, local_address};
use socket2::{Domain, Protocol, Type};

/// Runs a driver on a runtime of compio. Dropping a request's future cancels its operation, and closes its socket.
pub(crate) async fn run(driver: Driver) {
    driver.run(carry_out, sleep).await;
}

/// A request. If it is dropped before its end, its answer is a local failure.
async fn carry_out(mut task: RequestTask) {
    let mut socket = None;
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    loop {
        match (task.wants(), &mut socket) {
            (Want::Finish, _) => break,
            (Want::Open(transport, address), _) => {
                // One socket at a time: the old one is closed first.
                socket = None;
                let opened = open(transport, address).await.map(|new| socket = Some(new));
                task.opened(opened);
            }
            (Want::Write(bytes), Some(socket)) => {
                // The system holds the buffers until the operation ends, even if the task is dropped.
                let bytes = bytes.to_vec();
                let BufResult(count, _) = match socket {
                    Socket::Udp(socket) => socket.send(bytes).await,
                    Socket::Tcp(socket) => socket.write(bytes).await,
                };
                task.wrote(count);
            }
            (Want::Read, Some(socket)) => {
                buffer.clear();
                let BufResult(count, filled) = match socket {
                    Socket::Udp(socket) => socket.recv(buffer).await,
                    Socket::Tcp(socket) => socket.read(buffer).await,
                };
                buffer = filled;
                task.read(count, &buffer);
            }
            (Want::Write(_) | Want::Read, None) => task.failed(io::ErrorKind::NotConnected),
        }
    }
    drop(socket);
    task.finish();
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// Sockets are created here, because compio leaks a descriptor if its future is dropped while the system creates the
/// socket.
async fn open(transport: Transport, address: SocketAddr) -> io::Result<Socket> {
    Ok(match transport {
        Transport::Tcp => {
            let domain = Domain::for_address(address);
            let socket = socket2::Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            let socket = TcpStream::from_std(socket.into())?;
            let connect = Connect::new(socket.to_shared_fd(), address.into());
            let BufResult(connected, _) = submit(connect).await;
            connected?;
            Socket::Tcp(socket)
        }
        Transport::Udp => {
            let socket = std::net::UdpSocket::bind(local_address(address))?;
            // A connected socket gets no datagrams from other addresses.
            socket.connect(address)?;
            Socket::Udp(UdpSocket::from_std(socket)?)
        }
    })
}

/// Resolves names concurrently.
pub(crate) fn resolve_all(settings: Settings, names: &[ServerName]) -> io::Result<Vec<Outcome>> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let routes = settings.routes;
        let built = settings.into_builder().build(System::default());
        let (discovery, driver) = built.map_err(io::Error::other)?;
        discovery.set_routes(routes);
        let driver = spawn(run(driver));
        let all: Vec<_> = names.iter().map(|name| discovery.resolve(name)).collect();
        let mut outcomes = Vec::new();
        for resolve in all {
            outcomes.push(resolve.await);
        }
        drop(discovery);
        let _ = driver.await;
        Ok(outcomes)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    common::run(resolve_all)
}
