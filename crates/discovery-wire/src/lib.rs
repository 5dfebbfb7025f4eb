//! DNS, TLS and HTTP/1.1 exchanges for discovery-core, sans I/O.
//!
//! One [`Exchange`] turns one request of the core into bytes, and bytes into its answer. It opens no socket, starts no
//! timer, reads no clock and draws no randomness that it was not given: a driver has nothing to do but move bytes.
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::{TcpStream, UdpSocket};
//!
//! use discovery_core::{Answer, UnixTime};
//! use discovery_wire::{Exchange, READ_BUFFER, Transport, Want};
//!
//! enum Socket {
//!     Udp(UdpSocket),
//!     Tcp(TcpStream),
//! }
//!
//! /// A whole blocking driver of one exchange.
//! fn run(mut exchange: Exchange, mut connected: impl FnMut(discovery_core::HttpId)) -> Answer {
//!     let mut socket = None;
//!     let mut buffer = [0; READ_BUFFER];
//!     loop {
//!         let moved = match (exchange.wants(), &mut socket) {
//!             (Want::Finish, _) => return exchange.into_answer(),
//!             (Want::Open(transport, address), _) => {
//!                 // The old socket goes before the new one comes.
//!                 drop(socket.take());
//!                 open(transport, address).map(|new| socket = Some(new)).map(|()| exchange.opened())
//!             }
//!             (Want::Write(bytes), Some(socket)) => match socket {
//!                 Socket::Udp(socket) => socket.send(bytes),
//!                 Socket::Tcp(socket) => socket.write(bytes),
//!             }
//!             .map(|count| exchange.wrote(count)),
//!             (Want::Read, Some(socket)) => match socket {
//!                 Socket::Udp(socket) => socket.recv(&mut buffer),
//!                 Socket::Tcp(socket) => socket.read(&mut buffer),
//!             }
//!             .map(|count| exchange.read(&buffer[..count], Some(UnixTime(1_700_000_000)))),
//!             (Want::Write(_) | Want::Read, None) => Err(io::ErrorKind::NotConnected.into()),
//!         };
//!         if let Err(error) = moved {
//!             exchange.failed(error.kind());
//!         }
//!         if let Some(id) = exchange.connected() {
//!             connected(id);
//!         }
//!     }
//! }
//!
//! fn open(transport: Transport, address: std::net::SocketAddr) -> io::Result<Socket> {
//!     Ok(match transport {
//!         Transport::Udp => {
//!             let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
//!             let socket = UdpSocket::bind(local)?;
//!             // Connected: the kernel then drops datagrams from other addresses.
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

mod bounded;
mod chunked;
mod config;
mod dns;
mod entropy;
mod exchange;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod http;
mod https;
mod message;
mod tls;
mod signature_cache;

pub use bounded::{ChainTooLong, bounded_verification, client_config, client_config_with_verifier};
pub use config::{Hosts, NameServers, Warning, WarningKind, name_server_address};
pub use entropy::{Entropy, NoEntropy, Predictable};
pub use exchange::{Exchange, READ_BUFFER, Transport, Want, is_from_network, local_address};
pub use signature_cache::remembering_signatures;
pub use tls::tls_error;
