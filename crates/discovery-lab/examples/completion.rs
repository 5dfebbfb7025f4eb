//! A completion-based loop: io_uring, by compio. Buffers are given away with an operation, and come back when it is done.
//!
//! `cargo run -p discovery-lab --example completion [NAME …]`, on Linux where the kernel allows io_uring; elsewhere compio uses what that
//! system has. One thread, nothing of the driver is `Send`; the handle is, so that callers may be anywhere.
#![allow(clippy::disallowed_methods, reason = "an example reads the clocks, as an adapter does")]

#[allow(dead_code, reason = "each example takes what it needs")]
pub(crate) mod common;

use std::collections::BTreeMap;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::SystemTime;

use common::Setting;
use compio::buf::BufResult;
use compio::io::{AsyncRead, AsyncWrite};
use compio::net::{TcpStream, UdpSocket};
use compio::runtime::{JoinHandle, Runtime, spawn, time::sleep};
use discovery_core::{Outcome, Request, RequestId, ServerName, UnixTime};
use discovery_wire::{Desk, Handle, Order, READ_BUFFER, Report, Transport, Want};

/// The callers' side, and the driver, to be run on compio's runtime. It ends when the last handle is gone.
pub(crate) fn build(setting: Setting) -> (Handle, impl Future<Output = ()>) {
    let setting = Arc::new(setting);
    let clock = Arc::clone(&setting);
    let (handle, desk) = Desk::new(setting.config(), move || (clock.clock)());
    (handle, drive(desk, setting))
}

/// Starts and stops tasks as the desk orders, and keeps its deadline.
async fn drive(mut desk: Desk, setting: Arc<Setting>) {
    // Dropping a task stops it: its operation is cancelled, and its socket closed.
    let mut running: BTreeMap<RequestId, JoinHandle<()>> = BTreeMap::new();
    let mut timer = pin!(None);
    poll_fn(|cx| {
        loop {
            match desk.poll(cx) {
                Poll::Ready(Order::Start(request)) => {
                    running.retain(|_, task| !task.is_finished());
                    let (id, report) = (request.id(), desk.report(request.id()));
                    running.insert(id, spawn(answer(request, report, Arc::clone(&setting))));
                }
                Poll::Ready(Order::Stop(id)) => drop(running.remove(&id)),
                Poll::Ready(Order::End) => return Poll::Ready(()),
                Poll::Pending => {
                    let Some(left) = desk.time_left() else { return Poll::Pending };
                    // Timers round up: one that was set anew whenever it rings would never have rung.
                    if !left.is_zero() {
                        timer.set(Some(sleep(left)));
                        if let Some(timer) = timer.as_mut().as_pin_mut() {
                            ready!(timer.poll(cx));
                        }
                    }
                    desk.handle_timeout();
                }
            }
        }
    })
    .await;
}

/// One request. Dropped without an answer, the report tells of a failure of our own side.
async fn answer(request: Request, report: Report, setting: Arc<Setting>) {
    let Some(mut exchange) = setting.exchange(&request) else { return };
    let mut socket = None;
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    loop {
        let moved = match (exchange.wants(), &mut socket) {
            (Want::Finish, _) => break,
            (Want::Open(transport, address), _) => {
                // One at a time: the old socket goes before the new one comes.
                socket = None;
                let opened = open(transport, (setting.connect_to)(address, transport)).await;
                opened.map(|new| socket = Some(new)).map(|()| exchange.opened())
            }
            (Want::Write(bytes), Some(socket)) => {
                // The system holds them until it is done, whatever becomes of the exchange meanwhile.
                let bytes = bytes.to_vec();
                let BufResult(count, _) = match socket {
                    Socket::Udp(socket) => socket.send(bytes).await,
                    Socket::Tcp(socket) => socket.write(bytes).await,
                };
                count.map(|count| exchange.wrote(count))
            }
            (Want::Read, Some(socket)) => {
                let BufResult(count, filled) = match socket {
                    Socket::Udp(socket) => socket.recv(buffer).await,
                    Socket::Tcp(socket) => socket.read(buffer).await,
                };
                buffer = filled;
                let now = UnixTime::from_system_time(SystemTime::now());
                let read = buffer.get(..count.as_ref().copied().unwrap_or_default());
                count.map(|_| exchange.read(read.unwrap_or_default(), Some(now)))
            }
            (Want::Write(_) | Want::Read, None) => Err(io::ErrorKind::NotConnected.into()),
        };
        if let Err(error) = moved {
            exchange.failed(error.kind());
        }
        if let Some(id) = exchange.connected() {
            report.connected(id);
        }
        buffer.clear();
    }
    drop(socket);
    report.answer(exchange.into_answer());
}

enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

async fn open(transport: Transport, address: SocketAddr) -> io::Result<Socket> {
    Ok(match transport {
        Transport::Tcp => Socket::Tcp(TcpStream::connect(address).await?),
        Transport::Udp => {
            let local: SocketAddr = match address {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(local).await?;
            // Connected: the kernel then lets nobody else's datagrams through.
            socket.connect(address).await?;
            Socket::Udp(socket)
        }
    })
}

/// Resolves names at once.
pub(crate) fn resolve_all(setting: Setting, names: &[ServerName]) -> io::Result<Vec<Outcome>> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let (handle, driver) = build(setting);
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
