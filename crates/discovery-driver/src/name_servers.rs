//! The name servers in use, and when `resolv.conf` is read again.

use std::net::SocketAddr;
use std::time::Duration;

use discovery_core::Instant;
use discovery_wire::NameServers;

use crate::environment::Environment;

/// How often `resolv.conf` is read, at most: as often as glibc does.
pub(crate) const RESOLV_CONF_INTERVAL: Duration = Duration::from_secs(5);

/// The name servers: requests refer to them by their index in this list.
pub(crate) struct NameServerList {
    pub(crate) addresses: Vec<SocketAddr>,
    /// When to read `resolv.conf` again; None if the caller has set the name servers.
    read_at: Option<Instant>,
}

impl NameServerList {
    /// These, for good.
    pub(crate) fn fixed(addresses: Vec<SocketAddr>) -> Self {
        Self { addresses, read_at: None }
    }

    /// Those of `resolv.conf`, and whether it demands TCP. Later changes of that option are not followed.
    pub(crate) fn of_system(environment: &dyn Environment) -> (Self, bool) {
        let found = read(&environment.resolv_conf(), environment);
        let read_at = Some(Instant::ORIGIN + RESOLV_CONF_INTERVAL);
        (Self { addresses: found.addresses, read_at }, found.tcp_only)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u8 {
        u8::try_from(self.addresses.len()).unwrap_or(u8::MAX)
    }

    /// Reads `resolv.conf` again if it is time to; whether the name servers have changed.
    pub(crate) fn refresh(&mut self, now: Instant, environment: &dyn Environment) -> bool {
        if self.read_at.is_none_or(|at| now < at) {
            return false;
        }
        self.read_at = Some(now + RESOLV_CONF_INTERVAL);
        let text = environment.resolv_conf();
        if text.is_empty() {
            // A file that is missing or empty is about to be written, as a rule.
            return false;
        }
        let addresses = read(&text, environment).addresses;
        let changed = addresses != self.addresses;
        self.addresses = addresses;
        changed
    }
}

fn read(text: &[u8], environment: &dyn Environment) -> NameServers {
    NameServers::from_resolv_conf(text, |name| environment.interface_index(name))
}
