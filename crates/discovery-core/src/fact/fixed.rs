//! Facts that are there without asking: static addresses, and the names that never reach DNS.
//!
//! Knows nothing of who reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::Addresses;
use crate::fact::{Fact, NotFound};
use crate::io::RecordType;
use crate::name::DnsName;
use crate::policy::Policy;

/// Facts that are there without asking: static addresses, and the names that never reach DNS (R104–R106).
pub(crate) fn given(name: &DnsName, kind: RecordType, policy: &Policy) -> Option<Fact> {
    let family = |addresses: &[IpAddr], other: NotFound| {
        let fits = |ip: &&IpAddr| ip.is_ipv6() == (kind == RecordType::Aaaa);
        let addresses: Addresses = addresses.iter().filter(fits).copied().collect();
        if addresses.is_empty() {
            Fact::NotFound(other)
        } else {
            Fact::Addresses { addresses, alias: None }
        }
    };
    if kind != RecordType::Srv {
        if let Some(addresses) = policy.addresses.static_addresses.get(name) {
            return Some(family(addresses, NotFound::Static));
        }
        if let Some(addresses) = policy.addresses.hosts_file.get(name) {
            return Some(family(addresses, NotFound::HostsFile));
        }
    }
    let never = name.is_below("invalid") || name.is_below("onion");
    let localhost = name.is_below("localhost");
    match kind {
        RecordType::Srv if never || localhost => Some(Fact::NotFound(NotFound::SpecialName)),
        RecordType::A | RecordType::Aaaa if never => Some(Fact::NotFound(NotFound::SpecialName)),
        RecordType::A | RecordType::Aaaa if localhost => {
            let both = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
            Some(family(&both, NotFound::SpecialName))
        }
        // R107: `.local` is asked like any other.
        RecordType::A | RecordType::Aaaa | RecordType::Srv => None,
    }
}
