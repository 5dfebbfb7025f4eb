//! The handle that callers hold, its builder, and the state of the driver behind it, for any runtime.
//!
//! An adapter (`discovery-tokio`, `discovery-smol`, `discovery-async-std`, `discovery-blocking`) adds sockets and timers to
//! this, and a `spawn` function. A program with an event loop of its own uses this crate directly: it
//! [builds](Builder::build) a [`Discovery`] and a [`Driver`], and runs the driver. Nothing is resolved unless the driver runs.
//!
//! This is a program without a runtime, with a driver that carries out one request at a time:
//!
//! ```no_run
//! use std::io::{self, Read, Write};
//! use std::net::{SocketAddr, TcpStream, UdpSocket};
//! use std::sync::Arc;
//! use std::task::{Context, Poll, Wake};
//! use std::thread::{self, Thread};
//!
//! use discovery_driver::discovery_wire::{READ_BUFFER, Transport, Want, local_address};
//! # #[cfg(all(feature = "native-roots", feature = "ring", feature = "system"))]
//! use discovery_driver::{Builder, System};
//! use discovery_driver::{Action, Driver, RequestTask};
//!
//! # #[cfg(not(all(feature = "native-roots", feature = "ring", feature = "system")))]
//! # fn main() {}
//! # #[cfg(all(feature = "native-roots", feature = "ring", feature = "system"))]
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let (discovery, driver) = Builder::with_system_roots()?.build(System::default())?;
//!     thread::spawn(move || run(driver));
//!     let resolved = discovery.resolve("matrix.org").wait()?;
//!     for address in resolved.socket_addrs() {
//!         println!("connect to {address}, Host: {}", resolved.host_header_str());
//!     }
//!     Ok(())
//! }
//!
//! /// Wakes the thread of the loop.
//! struct Unpark(Thread);
//!
//! impl Wake for Unpark {
//!     fn wake(self: Arc<Self>) {
//!         self.0.unpark();
//!     }
//! }
//!
//! fn run(mut driver: Driver) {
//!     let waker = Arc::new(Unpark(thread::current())).into();
//!     let cx = Context::from_waker(&waker);
//!     loop {
//!         match driver.poll_action(&cx) {
//!             Poll::Ready(Action::Start(task)) => carry_out(task),
//!             // Requests have ended when `carry_out` returns.
//!             Poll::Ready(Action::Stop(_)) => {}
//!             Poll::Ready(Action::Finished) => return,
//!             Poll::Pending => {
//!                 match driver.next_timeout() {
//!                     Some(left) => thread::park_timeout(left),
//!                     None => thread::park(),
//!                 }
//!                 driver.handle_timeout();
//!             }
//!         }
//!     }
//! }
//!
//! enum Socket {
//!     Udp(UdpSocket),
//!     Tcp(TcpStream),
//! }
//!
//! fn carry_out(mut task: RequestTask) {
//!     let mut socket = None;
//!     let mut buffer = [0; READ_BUFFER];
//!     loop {
//!         match (task.wants(), &mut socket) {
//!             (Want::Finish, _) => break,
//!             (Want::Open(transport, address), _) => {
//!                 // Close the old socket first.
//!                 drop(socket.take());
//!                 task.opened(open(transport, address).map(|new| socket = Some(new)));
//!             }
//!             (Want::Write(bytes), Some(Socket::Udp(socket))) => {
//!                 let count = socket.send(bytes);
//!                 task.wrote(count);
//!             }
//!             (Want::Write(bytes), Some(Socket::Tcp(stream))) => {
//!                 let count = stream.write(bytes);
//!                 task.wrote(count);
//!             }
//!             (Want::Read, Some(Socket::Udp(socket))) => {
//!                 task.read(socket.recv(&mut buffer), &buffer);
//!             }
//!             (Want::Read, Some(Socket::Tcp(stream))) => {
//!                 task.read(stream.read(&mut buffer), &buffer);
//!             }
//!             (Want::Write(_) | Want::Read, None) => task.failed(io::ErrorKind::NotConnected),
//!         }
//!     }
//!     drop(socket);
//!     task.finish();
//! }
//!
//! fn open(transport: Transport, address: SocketAddr) -> io::Result<Socket> {
//!     Ok(match transport {
//!         Transport::Udp => {
//!             let socket = UdpSocket::bind(local_address(address))?;
//!             socket.connect(address)?;
//!             Socket::Udp(socket)
//!         }
//!         Transport::Tcp => Socket::Tcp(TcpStream::connect(address)?),
//!     })
//! }
//! ```

#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::get_unwrap,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable
    )
)]

mod builder;
mod clock;
mod discovery;
mod driver;
mod environment;
mod name_servers;
mod resolve;
mod run;
mod shared;
mod spans;
#[cfg(feature = "system")]
mod system;
mod task;
mod timer;
#[cfg(any(feature = "native-roots", feature = "platform-verifier", feature = "webpki-roots"))]
mod trust;

pub use discovery_core;
pub use discovery_wire;

pub use builder::{BuildError, Builder};
pub use clock::Clock;
pub use discovery::Discovery;
pub use driver::{Action, Driver};
pub use environment::Environment;
pub use resolve::Resolve;
#[cfg(feature = "system")]
pub use system::System;
pub use task::RequestTask;

/// Any thread may hold, and share, what this crate hands out.
const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Builder>();
    is_send_and_sync::<BuildError>();
    is_send_and_sync::<Clock>();
    is_send_and_sync::<Discovery>();
    is_send_and_sync::<Resolve>();
    is_send_and_sync::<Driver>();
    is_send_and_sync::<Action>();
    is_send_and_sync::<RequestTask>();
};
