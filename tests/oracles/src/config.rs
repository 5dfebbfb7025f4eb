//! The system's settings: for any input the result is bounded and means the same when it is written again.

use std::fmt::Write as _;

use discovery_wire::{Hosts, NameServers, WarningKind};

/// A machine with one interface.
fn interface_index(name: &str) -> Option<u32> {
    (name == "eth0").then_some(2)
}

/// Reads bytes as a `resolv.conf`.
///
/// # Panics If a limit is exceeded, or the settings mean something else when they are written again.
pub fn resolv_conf_target(bytes: &[u8]) {
    let read = NameServers::from_resolv_conf(bytes, interface_index);
    assert!(read.addresses.len() <= 8, "{:?}", read.addresses);
    if read.addresses.is_empty() {
        assert!(read.warnings.iter().any(|warning| warning.kind == WarningKind::Zone));
        return;
    }
    assert!(read.warnings.len() <= 64);
    let mut text = String::new();
    for address in &read.addresses {
        let scope = match address {
            std::net::SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("%{}", v6.scope_id()),
            std::net::SocketAddr::V6(_) | std::net::SocketAddr::V4(_) => String::new(),
        };
        let _ = writeln!(text, "nameserver {}{scope}", address.ip());
        assert_eq!(address.port(), 53);
    }
    let again = NameServers::from_resolv_conf(text.as_bytes(), interface_index);
    assert_eq!(again.addresses, read.addresses, "{text}");
    assert_eq!(again.warnings, [], "{text}");
}

/// Reads bytes as a hosts file.
///
/// # Panics If a limit is exceeded, or the settings mean something else when they are written again.
pub fn hosts_target(bytes: &[u8]) {
    let read = Hosts::from_hosts_file(bytes);
    assert!(read.warnings.len() <= 64);
    let mut text = String::new();
    for (name, addresses) in &read.addresses {
        assert!((1..=64).contains(&addresses.len()), "{name}");
        for address in addresses {
            let _ = writeln!(text, "{address} {name} # as read");
        }
    }
    let again = Hosts::from_hosts_file(text.as_bytes());
    assert_eq!(again.addresses, read.addresses, "{text}");
    assert_eq!(again.warnings, [], "{text}");
}
