//! Which addresses may be connected to.
//!
//! 6to4 addresses are never global unicast, even with a global IPv4 address inside: the relays are gone (RFC 7526). An
//! IPv4 address inside an IPv6 address is checked against the deny list but not against the allow list, so that an
//! allowed range opens no second path and a denied one cannot be reached by another notation. `0.0.0.0` and `::` are
//! denied where loopback is, for the same reason.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::name::DnsName;
use crate::util::duration;

/// Which addresses are used: global unicast ones, unless lists say otherwise; and the pace at which they are tried.
///
/// The deny list also applies to an IPv4 address that an IPv6 address embeds, so that no other notation passes it: v4-mapped,
/// v4-compatible, SIIT, NAT64 (`64:ff9b::/96` and `64:ff9b:1::/48`), 6to4, Teredo and ISATAP. The unspecified addresses `0.0.0.0`
/// and `::` count as loopback there, which is where a connection to them ends. The allow list applies to addresses as they are
/// written only: an allowed IPv4 range allows no IPv6 address.
///
/// A range of IPv6 addresses applies to IPv4 addresses only if it lies within `::ffff:0:0/96`: denying `::/0` denies IPv6 alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AddressPolicy {
    /// What applies where neither list does. Default: global unicast addresses alone, because names, documents and records can come from
    /// an attacker.
    pub otherwise: DefaultAction,
    /// Ranges that are allowed as written, even if the address is denied otherwise. Default: none.
    pub allow: Vec<IpNet>,
    /// Ranges that are denied unless allowed, also as the IPv4 address that an IPv6 address embeds. Default: none.
    pub deny: Vec<IpNet>,
    /// Which address families to query and use. Default: both (R127).
    pub families: Families,
    /// Addresses given by the caller (`--resolve`): these names cause no query. They take precedence over `hosts_file`. Default: none.
    pub static_addresses: BTreeMap<DnsName, Vec<IpAddr>>,
    /// Addresses of the system's hosts file: these names cause no query. Explanations cite `/etc/hosts` as their source. Default: none;
    /// the caller reads the file.
    pub hosts_file: BTreeMap<DnsName, Vec<IpAddr>>,
    /// Leaves the addresses of targets to a proxy that resolves names: targets have hosts and ports alone, no address is queried for
    /// them, and `.onion` names can be targets. Documents are still fetched from addresses. Default: false.
    pub resolve_hosts_only: bool,
    /// Most addresses used of one host and family, the first in order. Default: 16.
    pub max_per_family: u8,
    /// How long a GET waits for IPv6 addresses once it has IPv4 ones (RFC 8305 §3, R127). Default: 50 ms.
    #[serde(with = "duration::required")]
    pub resolution_delay: Duration,
    /// The time after which the next address is tried (RFC 8305 §5, R129). Default: 250 ms.
    #[serde(with = "duration::required")]
    pub connection_attempt_delay: Duration,
    /// How long a result waits for late addresses once the first target has one; `None` waits for all. Default: 1 s.
    #[serde(with = "duration::optional")]
    pub wait: Option<Duration>,
}

impl Default for AddressPolicy {
    fn default() -> Self {
        Self {
            otherwise: DefaultAction::GlobalOnly,
            allow: Vec::new(),
            deny: Vec::new(),
            families: Families::Both,
            static_addresses: BTreeMap::new(),
            hosts_file: BTreeMap::new(),
            resolve_hosts_only: false,
            max_per_family: 16,
            resolution_delay: Duration::from_millis(50),
            connection_attempt_delay: Duration::from_millis(250),
            wait: Some(Duration::from_secs(1)),
        }
    }
}

/// The rule for an address on neither list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DefaultAction {
    /// Global unicast addresses are allowed, all others denied.
    #[default]
    GlobalOnly,
    /// Every address is allowed.
    Any,
}

/// The address families to query and use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Families {
    /// IPv6 and IPv4.
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// Why an address may not be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Denied {
    /// The address.
    pub address: IpAddr,
    /// The range that denies it.
    pub range: IpNet,
    /// The purpose of the range.
    pub reason: DeniedReason,
}

/// The purpose of a denied range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeniedReason {
    /// It stands on the deny list.
    DenyList,
    /// "This network".
    ThisNetwork,
    /// Private use (RFC 1918, RFC 4193).
    Private,
    /// Shared by the customers of a carrier (RFC 6598).
    CarrierGradeNat,
    /// The machine itself.
    Loopback,
    /// One link only, among them the metadata services of clouds.
    LinkLocal,
    /// IETF protocol assignments.
    ProtocolAssignments,
    /// Documentation.
    Documentation,
    /// Benchmarks.
    Benchmarking,
    /// Transition to IPv6: 6to4, Teredo.
    Transition,
    /// Translation between IPv4 and IPv6 within one network (RFC 8215).
    LocalTranslation,
    /// Multicast and broadcast.
    Multicast,
    /// Not assigned to anybody as global unicast.
    Reserved,
}

impl AddressPolicy {
    /// A policy that allows every address: for private networks and tests.
    pub fn any() -> Self {
        Self { otherwise: DefaultAction::Any, ..Self::default() }
    }

    /// Judges one address.
    ///
    /// # Errors
    /// Says which range denies the address.
    pub fn judge(&self, address: IpAddr) -> Result<(), Denied> {
        if self.allow.iter().any(|range| range.contains(&address)) {
            return Ok(());
        }
        if let Some(range) = self.deny.iter().find(|range| covers(range, address)).copied() {
            return Err(Denied { address, range, reason: DeniedReason::DenyList });
        }
        if self.otherwise == DefaultAction::Any {
            return Ok(());
        }
        let special = match address {
            IpAddr::V4(ip) => special_v4(ip),
            IpAddr::V6(ip) => same_host(ip).map_or_else(|| special_v6(ip), special_v4),
        };
        match special {
            Some((range, reason)) => Err(Denied { address, range, reason }),
            None => Ok(()),
        }
    }
}

/// Whether a range of the deny list covers an address in any notation.
fn covers(range: &IpNet, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => covers_v4(range, ip),
        IpAddr::V6(ip) => {
            range.contains(&address)
                || ip.is_unspecified() && range.contains(&IpAddr::V6(Ipv6Addr::LOCALHOST))
                || embedded(ip).into_iter().flatten().any(|inner| covers_v4(range, inner))
        }
    }
}

fn covers_v4(range: &IpNet, ip: Ipv4Addr) -> bool {
    let contains = |ip: Ipv4Addr| match range {
        IpNet::V4(range) => range.contains(&ip),
        // Only ranges within ::ffff:0:0/96 are about IPv4.
        IpNet::V6(range) => range.prefix_len() >= 96 && range.contains(&ip.to_ipv6_mapped()),
    };
    contains(ip) || ip.is_unspecified() && contains(Ipv4Addr::LOCALHOST)
}

/// The IPv4 host that an IPv6 address stands for: v4-mapped, and NAT64 by the well-known prefix (RFC 6052 §2.1).
fn same_host(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(v4(high, low))
        }
        _ => None,
    }
}

/// The IPv4 addresses that an IPv6 address embeds for a translation or tunnel.
fn embedded(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let last = Some(v4(g, h));
    match [a, b, c, d, e, f] {
        // These are not v4-compatible (RFC 4291 §2.5.5.1).
        _ if ip == Ipv6Addr::LOCALHOST => [None; 4],
        // v4-compatible, v4-mapped, SIIT (RFC 2765 §2.1), NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff] | [0, 0, 0, 0, 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] => {
            [last, None, None, None]
        }
        [0x64, 0xff9b, 1, ..] => local_translation(ip),
        // 6to4 (RFC 3056 §2).
        [0x2002, high, low, ..] => [Some(v4(high, low)), None, None, None],
        // Teredo: the server, and the client with all bits inverted (RFC 4380 §4).
        [0x2001, 0, ..] => [Some(v4(c, d)), Some(v4(!g, !h)), None, None],
        // ISATAP (RFC 5214 §6.1).
        [.., 0 | 0x200, 0x5efe] => [last, None, None, None],
        _ => [None; 4],
    }
}

/// The IPv4 addresses behind a local translation prefix (RFC 8215), whose length may be 48, 56, 64 or 96 (RFC 6052 §2.2): octets 8
/// and those behind the IPv4 address are zero.
fn local_translation(ip: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let [_, _, _, _, _, _, a, b, _, c, d, e, f, g, h, i] = ip.octets();
    let when = |tail: &[u8], octets: [u8; 4]| {
        tail.iter().all(|octet| *octet == 0).then(|| Ipv4Addr::from(octets))
    };
    [
        when(&[e, f, g, h, i], [a, b, c, d]),
        when(&[f, g, h, i], [b, c, d, e]),
        when(&[g, h, i], [c, d, e, f]),
        when(&[], [f, g, h, i]),
    ]
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

type Special = Option<(IpNet, DeniedReason)>;

/// The IPv4 ranges that are not global unicast, from IANA's special-purpose registry.
fn special_v4(ip: Ipv4Addr) -> Special {
    use DeniedReason as R;
    let [a, b, c, _] = ip.octets();
    let (base, length, reason) = match (a, b, c) {
        (0, ..) => ([0, 0, 0, 0], 8, R::ThisNetwork),
        (10, ..) => ([10, 0, 0, 0], 8, R::Private),
        (100, 64..=127, _) => ([100, 64, 0, 0], 10, R::CarrierGradeNat),
        (127, ..) => ([127, 0, 0, 0], 8, R::Loopback),
        (169, 254, _) => ([169, 254, 0, 0], 16, R::LinkLocal),
        (172, 16..=31, _) => ([172, 16, 0, 0], 12, R::Private),
        (192, 0, 0) => ([192, 0, 0, 0], 24, R::ProtocolAssignments),
        (192, 0, 2) => ([192, 0, 2, 0], 24, R::Documentation),
        (192, 88, 99) => ([192, 88, 99, 0], 24, R::Transition),
        (192, 168, _) => ([192, 168, 0, 0], 16, R::Private),
        (198, 18..=19, _) => ([198, 18, 0, 0], 15, R::Benchmarking),
        (198, 51, 100) => ([198, 51, 100, 0], 24, R::Documentation),
        (203, 0, 113) => ([203, 0, 113, 0], 24, R::Documentation),
        (224..=239, ..) => ([224, 0, 0, 0], 4, R::Multicast),
        (240..=255, ..) => ([240, 0, 0, 0], 4, R::Reserved),
        _ => return None,
    };
    net(IpAddr::from(base), length, reason)
}

/// The IPv6 ranges that are not global unicast: everything outside 2000::/3, and the special ones within.
fn special_v6(ip: Ipv6Addr) -> Special {
    use DeniedReason as R;
    let [a, b, c, ..] = ip.segments();
    let v6 = |high: u16, low: u16| IpAddr::V6(Ipv6Addr::new(high, low, 0, 0, 0, 0, 0, 0));
    let (base, length, reason) = match (a, b) {
        _ if ip == Ipv6Addr::LOCALHOST => (IpAddr::V6(ip), 128, R::Loopback),
        _ if ip.is_unspecified() => (IpAddr::V6(ip), 128, R::ThisNetwork),
        (0x64, 0xff9b) if c == 1 => {
            let base = Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0);
            (IpAddr::V6(base), 48, R::LocalTranslation)
        }
        (0x2001, 0) => (v6(0x2001, 0), 32, R::Transition),
        (0x2001, 2) if c == 0 => (v6(0x2001, 2), 48, R::Benchmarking),
        (0x2001, 0xdb8) => (v6(0x2001, 0xdb8), 32, R::Documentation),
        (0x2001, 0..=0x1ff) => (v6(0x2001, 0), 23, R::ProtocolAssignments),
        (0x2002, _) => (v6(0x2002, 0), 16, R::Transition),
        (0x3fff, 0..=0xfff) => (v6(0x3fff, 0), 20, R::Documentation),
        (0x2000..=0x3fff, _) => return None,
        (0xfc00..=0xfdff, _) => (v6(0xfc00, 0), 7, R::Private),
        (0xfe80..=0xfebf, _) => (v6(0xfe80, 0), 10, R::LinkLocal),
        (0xff00..=0xffff, _) => (v6(0xff00, 0), 8, R::Multicast),
        (0..=0x1fff, _) => (v6(0, 0), 3, R::Reserved),
        (0x4000..=0xffff, _) => (v6(a & 0xe000, 0), 3, R::Reserved),
    };
    net(base, length, reason)
}

fn net(base: IpAddr, length: u8, reason: DeniedReason) -> Special {
    // Lengths above fit their family, so the range always exists.
    IpNet::new(base, length).ok().map(|range| (range, reason))
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lies in {} ({})", self.address, self.range, self.reason)
    }
}

impl std::error::Error for Denied {}

impl fmt::Display for DeniedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DenyList => "on the deny list",
            Self::ThisNetwork => "this network",
            Self::Private => "private use",
            Self::CarrierGradeNat => "carrier-grade NAT",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::ProtocolAssignments => "protocol assignments",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Transition => "IPv6 transition",
            Self::LocalTranslation => "local-use IPv4/IPv6 translation",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

#[cfg(test)]
mod tests;
