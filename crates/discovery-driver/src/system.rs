//! The environment of a program with the standard library.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is where the clocks are read and a route is looked up"
)]

use std::net::{SocketAddr, UdpSocket};
use std::time::{Instant, SystemTime};

use discovery_wire::{NoEntropy, local_address};

use crate::environment::Environment;

/// The environment of a program with the standard library: its clocks, the randomness of `getrandom`, `/etc/resolv.conf`, and
/// datagram sockets that find out whether there is a route.
#[derive(Clone, Copy, Debug)]
pub struct System {
    now: fn() -> Instant,
}

impl System {
    /// The same with another clock, such as that of a runtime.
    pub const fn with_clock(now: fn() -> Instant) -> Self {
        Self { now }
    }

    /// Makes the operating system report every ICMP error about datagrams of this socket: without this, Linux reports closed
    /// ports, but not "host unreachable" and the like. Call it before the socket is connected. No effect where there is no
    /// such option.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn report_icmp_errors(socket: &impl std::os::fd::AsFd, remote: SocketAddr) {
        use nix::sys::socket::{setsockopt, sockopt};

        let _ = match remote {
            SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
            SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
        };
    }

    /// As above, on systems without such an option.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub fn report_icmp_errors<T>(_socket: &T, _remote: SocketAddr) {}
}

impl Default for System {
    fn default() -> Self {
        Self::with_clock(Instant::now)
    }
}

impl Environment for System {
    fn now(&self) -> Instant {
        (self.now)()
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(bytes).map_err(|_| NoEntropy)
    }

    fn resolv_conf(&self) -> Vec<u8> {
        std::fs::read("/etc/resolv.conf").unwrap_or_default()
    }

    #[cfg(unix)]
    fn interface_index(&self, name: &str) -> Option<u32> {
        nix::net::if_::if_nametoindex(name).ok()
    }

    #[cfg(not(unix))]
    fn interface_index(&self, _name: &str) -> Option<u32> {
        None
    }

    fn has_route(&self, address: SocketAddr) -> bool {
        UdpSocket::bind(local_address(address)).and_then(|socket| socket.connect(address)).is_ok()
    }
}
