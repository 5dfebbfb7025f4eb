//! The order in which the addresses of a host are tried (RFC 6724, RFC 8305): address families and their routes.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The address families with a route to the Internet, as far as the driver can tell (connecting a UDP socket tells, without a packet).
/// Addresses of a family without one come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Routes {
    /// Whether IPv4 goes anywhere.
    pub v4: bool,
    /// Whether IPv6 goes anywhere.
    pub v6: bool,
}

impl Default for Routes {
    fn default() -> Self {
        Self { v4: true, v6: true }
    }
}

impl Routes {
    /// Whether the address's family has a route.
    pub fn reaches(self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }
}

/// Sorts addresses into the order to try: IPv6 first, families interleaved (R128), a family that has no route or is failing last.
/// Duplicates are dropped.
pub(crate) fn order(
    v6: &[IpAddr],
    v4: &[IpAddr],
    routes: Routes,
    second: Option<AddressFamily>,
    into: &mut Vec<IpAddr>,
) {
    into.clear();
    let mut put = |address: Option<&IpAddr>| {
        if let Some(address) = address
            && !into.contains(address)
        {
            into.push(*address);
        }
    };
    let last = match (routes.v4, routes.v6) {
        (true, false) => Some(AddressFamily::V6),
        (false, true) => Some(AddressFamily::V4),
        (true, true) | (false, false) => second,
    };
    let (first, second) = if last == Some(AddressFamily::V6) { (v4, v6) } else { (v6, v4) };
    if last.is_none() {
        for i in 0..first.len().max(second.len()) {
            put(first.get(i));
            put(second.get(i));
        }
    } else {
        first.iter().chain(second).for_each(|address| put(Some(address)));
    }
}

#[cfg(test)]
mod tests;
