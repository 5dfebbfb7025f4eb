//! The operating system, as the driver sees it.

use std::net::SocketAddr;
use std::time::{Instant as StdInstant, SystemTime};

use discovery_wire::NoEntropy;

/// The clocks, the randomness, the files and the routes of the machine that a driver runs on.
///
/// `System` (feature `system`) implements it for the standard library; the adapters use that. Implement it
/// for another platform, or to control everything in a test.
pub trait Environment: Send + Sync {
    /// The current time of a clock that never goes back. Must not call the [`Discovery`](crate::Discovery): it is read while
    /// the resolver is locked.
    fn now(&self) -> StdInstant;

    /// The current date and time: responses and exports are dated by it.
    fn wall_clock(&self) -> SystemTime;

    /// Fills `bytes` with random bytes that an attacker cannot predict: the ids of DNS queries depend on it (R98).
    ///
    /// # Errors
    /// When the source gives none. The request then fails with a local error.
    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), NoEntropy>;

    /// The contents of `/etc/resolv.conf`; empty if it cannot be read. Called when a discovery is built, and again while its
    /// driver runs, unless the name servers were [set](crate::Builder::name_servers).
    fn resolv_conf(&self) -> Vec<u8>;

    /// The index of the network interface with this name (if_nametoindex(3)); None if there is none. Needed for name servers
    /// with link-local addresses, such as `fe80::1%eth0`.
    fn interface_index(&self, name: &str) -> Option<u32>;

    /// Whether there is a route to this address: whether a datagram socket can be connected to it, which sends nothing.
    fn has_route(&self, address: SocketAddr) -> bool;
}
