//! A completion-based loop: io_uring, by compio. Buffers are given away with an operation, and come back when it is done.
//!
//! `cargo run -p discovery-lab --example completion [NAME …]`, on Linux where the kernel allows io_uring. One thread, nothing of the driver is `Send`; the handle is, so that callers may be anywhere.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example reads the clocks and opens sockets, as an adapter does"
)]

#[allow(dead_code, reason = "each example takes what it needs")]
pub(crate) mod common;

use std::collections::BTreeMap;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Instant;

use common::Setting;
use compio::buf::BufResult;
use compio::driver::{ToSharedFd, op::Connect};
use compio::io::{AsyncRead, AsyncWrite};
use compio::net::{TcpStream, UdpSocket};
use compio::runtime::{JoinHandle, Runtime, spawn, submit, time::sleep};
use discovery_core::{Outcome, RequestId, ServerName};
use discovery_driver::{Alarm, BuildError, Handle, Job, Todo, Work, local_address};
use discovery_wire::{READ_BUFFER, Transport, Want};
use socket2::{Domain, Protocol, Type};

/// The callers' side, and the driver, to be run on compio's runtime. It ends when the last handle is gone.
pub(crate) fn build(
    setting: Setting,
) -> Result<(Handle, impl Future<Output = ()> + use<>), BuildError> {
    let routes = setting.routes;
    let (handle, work) = setting.into_setup().open(common::SYSTEM)?;
    handle.set_routes(routes);
    Ok((handle, drive(work)))
}

/// Starts and stops tasks as the machine orders, and keeps its deadline. To be run on a runtime of compio.
pub(crate) async fn drive(mut work: Work) {
    // Dropping a task stops it: its operation is cancelled, and its socket closed.
    let mut running: BTreeMap<RequestId, JoinHandle<()>> = BTreeMap::new();
    let mut alarm: Alarm<Pin<Box<dyn Future<Output = ()>>>> = Alarm::default();
    poll_fn(|cx| {
        loop {
            match work.poll(cx) {
                Poll::Ready(Todo::Start(job)) => {
                    running.retain(|_, task| !task.is_finished());
                    running.insert(job.id(), spawn(carry_out(job)));
                }
                Poll::Ready(Todo::Stop(id)) => drop(running.remove(&id)),
                Poll::Ready(Todo::End) => return Poll::Ready(()),
                Poll::Pending => {
                    let start =
                        |left| -> Pin<Box<dyn Future<Output = ()>>> { Box::pin(sleep(left)) };
                    match alarm.poll(cx, work.time_left(), Instant::now(), start) {
                        Poll::Ready(()) => work.handle_timeout(),
                        Poll::Pending => return Poll::Pending,
                    }
                }
            }
        }
    })
    .await;
}

/// One request. Dropped before its end, it is answered as a failure of our own side.
async fn carry_out(mut job: Job) {
    let mut socket = None;
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    loop {
        match (job.wants(), &mut socket) {
            (Want::Finish, _) => break,
            (Want::Open(transport, address), _) => {
                // One at a time: the old socket goes before the new one comes.
                socket = None;
                let opened = open(transport, address).await.map(|new| socket = Some(new));
                job.opened(opened);
            }
            (Want::Write(bytes), Some(socket)) => {
                // The system holds them until it is done, whatever becomes of the job meanwhile.
                let bytes = bytes.to_vec();
                let BufResult(count, _) = match socket {
                    Socket::Udp(socket) => socket.send(bytes).await,
                    Socket::Tcp(socket) => socket.write(bytes).await,
                };
                job.wrote(count);
            }
            (Want::Read, Some(socket)) => {
                buffer.clear();
                let BufResult(count, filled) = match socket {
                    Socket::Udp(socket) => socket.recv(buffer).await,
                    Socket::Tcp(socket) => socket.read(buffer).await,
                };
                buffer = filled;
                job.read(count, &buffer);
            }
            (Want::Write(_) | Want::Read, None) => job.failed(io::ErrorKind::NotConnected),
        }
    }
    drop(socket);
    job.finish();
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// The sockets are made here and not by compio, which loses the descriptor where its future is dropped while the system still makes it.
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
            // Connected: the kernel then lets nobody else's datagrams through.
            socket.connect(address)?;
            Socket::Udp(UdpSocket::from_std(socket)?)
        }
    })
}

/// Resolves names at once.
pub(crate) fn resolve_all(setting: Setting, names: &[ServerName]) -> io::Result<Vec<Outcome>> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let (handle, driver) = build(setting).map_err(io::Error::other)?;
        let driver = spawn(driver);
        let all: Vec<_> = names.iter().map(|name| handle.resolve(name)).collect();
        let mut outcomes = Vec::new();
        for waiting in all {
            outcomes.push(waiting.await);
        }
        drop(handle);
        let _ = driver.await;
        Ok(outcomes)
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    common::run(resolve_all)
}
