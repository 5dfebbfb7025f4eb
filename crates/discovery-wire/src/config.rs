//! The system's settings as data: name servers from `resolv.conf`, addresses from a hosts file.
//!
//! Opens no file. A faulty line is skipped with a warning, because it must not disable DNS.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use discovery_core::DnsName;
use resolv_conf::{ParseError, ScopedIp};

/// The port of name servers.
const DNS_PORT: u16 = 53;
/// Most name servers used, the first in order.
const MAX_SERVERS: usize = 8;
/// Most names taken from a hosts file: block lists are long.
const MAX_NAMES: usize = 200_000;
/// Most addresses of one name in a hosts file.
const MAX_ADDRESSES: usize = 64;
/// Most warnings reported, the first in order.
const MAX_WARNINGS: usize = 64;
/// Most bytes of a `resolv.conf` that are read.
const MAX_RESOLV_CONF: usize = 64 * 1024;

/// Some editors begin a file with this.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The name servers to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServers {
    /// At most eight, in the order to try. None where the file names servers, but each of them on an interface that this machine
    /// does not have.
    pub addresses: Vec<SocketAddr>,
    /// Whether queries go over TCP alone: `options use-vc`.
    pub tcp_only: bool,
    /// What was skipped.
    pub warnings: Vec<Warning>,
}

/// The addresses of a hosts file, as [`Policy::addresses.hosts_file`](discovery_core::AddressPolicy::hosts_file) takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// By name, in the order of the file.
    pub addresses: BTreeMap<DnsName, Vec<IpAddr>>,
    /// What was skipped.
    pub warnings: Vec<Warning>,
}

/// Something in a file that was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Warning {
    /// The line, from 1; None if it concerns the whole file.
    pub line: Option<usize>,
    /// The kind of problem.
    pub kind: WarningKind,
}

/// The kind of problem with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// It is not UTF-8.
    NotUtf8,
    /// Its first word is not known.
    UnknownDirective,
    /// It sets an unknown option, or an invalid value.
    Option,
    /// The first word needs an argument that is missing.
    Incomplete,
    /// There are more arguments than expected; the rest is ignored.
    Surplus,
    /// An address cannot be parsed.
    Address,
    /// The address is bound to an interface (`%eth0`) that this machine does not have.
    Zone,
    /// There is no usable name server, so the one on this machine (127.0.0.1) is used.
    NoServer,
    /// A name that no host can have; the line's other names count.
    Name,
    /// More than is read; the rest is ignored.
    TooMuch,
}

impl NameServers {
    /// Reads a `resolv.conf`. Its search list is never used, for all names are absolute. Without any `nameserver` line that names
    /// an address it is the one on this machine, as resolv.conf(5) says.
    ///
    /// `interface_index` gives the number of an interface by its name (if_nametoindex(3)), for addresses on a link such as
    /// `fe80::1%eth0`. Where all servers are on interfaces that are not there, none is left.
    pub fn from_resolv_conf(text: &[u8], interface_index: impl Fn(&str) -> Option<u32>) -> Self {
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let (mut read, rest) = text.split_at(text.len().min(MAX_RESOLV_CONF));
        if !rest.is_empty() {
            // The line that is cut says something else than it should.
            let end = read.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
            read = read.get(..end).unwrap_or_default();
        }
        let mut missing_interface = false;
        let (config, errors) = resolv_conf::Config::parse_with_errors(read);
        let mut warnings: Vec<_> = errors.iter().map(warning).collect();
        let mut addresses = Vec::new();
        for server in &config.nameservers {
            let address = match server {
                ScopedIp::V4(ip) => SocketAddr::from((*ip, DNS_PORT)),
                ScopedIp::V6(ip, None) => SocketAddr::from((*ip, DNS_PORT)),
                ScopedIp::V6(ip, Some(zone)) => match zone_index(zone, &interface_index) {
                    Some(zone) => SocketAddrV6::new(*ip, DNS_PORT, 0, zone).into(),
                    None => {
                        missing_interface = true;
                        warnings.push(Warning { line: None, kind: WarningKind::Zone });
                        continue;
                    }
                },
            };
            if addresses.contains(&address) {
                continue;
            }
            if addresses.len() >= MAX_SERVERS {
                warnings.push(Warning { line: None, kind: WarningKind::TooMuch });
                break;
            }
            addresses.push(address);
        }
        if !rest.is_empty() {
            warnings.push(Warning { line: None, kind: WarningKind::TooMuch });
        }
        if addresses.is_empty() && !missing_interface {
            warnings.insert(0, Warning { line: None, kind: WarningKind::NoServer });
            addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, DNS_PORT)));
        }
        warnings.truncate(MAX_WARNINGS);
        Self { addresses, tcp_only: config.use_vc, warnings }
    }
}

/// Reads the address of a name server as people write it: an IP address, with or without a port and brackets, and with or without
/// the zone of an IPv6 address (RFC 4007 §11.2), by the interface's number or name: `192.0.2.1`, `127.0.0.1:5353`,
/// `fe80::1%eth0`, `[fe80::1%2]:53`. The port is 53 unless given. `interface_index` is as for
/// [`NameServers::from_resolv_conf`].
///
/// # Errors
/// [`WarningKind::Address`] where this is no such address, [`WarningKind::Zone`] where there is no such interface.
pub fn name_server_address(
    text: &str,
    interface_index: impl Fn(&str) -> Option<u32>,
) -> Result<SocketAddr, WarningKind> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, DNS_PORT));
    }
    let (inside, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']').ok_or(WarningKind::Address)?,
        None => (text, ""),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_| WarningKind::Address)?,
        None if port.is_empty() => DNS_PORT,
        None => return Err(WarningKind::Address),
    };
    let (ip, zone) = match inside.split_once('%') {
        Some((ip, zone)) => (ip, Some(zone)),
        None => (inside, None),
    };
    let ip = ip.parse().map_err(|_| WarningKind::Address)?;
    let zone = match zone {
        Some(zone) => zone_index(zone, interface_index).ok_or(WarningKind::Zone)?,
        None => 0,
    };
    Ok(SocketAddrV6::new(ip, port, 0, zone).into())
}

/// A zone is an interface's number or its name.
fn zone_index(zone: &str, interface_index: impl Fn(&str) -> Option<u32>) -> Option<u32> {
    zone.parse().ok().or_else(|| interface_index(zone))
}

impl Hosts {
    /// Reads a hosts file: on each line an address and its names; `#` starts a comment.
    pub fn from_hosts_file(text: &[u8]) -> Self {
        let mut hosts = Self::default();
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line_number = index.saturating_add(1);
            // A comment may be in any encoding.
            let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
            if let Err(kind) = hosts.read_line(line) {
                hosts.report(line_number, kind);
                if kind == WarningKind::TooMuch {
                    break;
                }
            }
        }
        hosts
    }

    /// Reads the part of a line before any comment; all names that are fine count, the last warning is reported.
    fn read_line(&mut self, line: &[u8]) -> Result<(), WarningKind> {
        let line = std::str::from_utf8(line).map_err(|_| WarningKind::NotUtf8)?;
        let mut words = line.split_whitespace();
        let Some(address) = words.next() else { return Ok(()) };
        let address: IpAddr = address.parse().map_err(|_| {
            if address.contains('%') { WarningKind::Zone } else { WarningKind::Address }
        })?;
        let (mut result, mut named) = (Ok(()), false);
        for word in words {
            named = true;
            match DnsName::host(word) {
                Ok(name) => self.insert(name, address)?,
                Err(_) => result = Err(WarningKind::Name),
            }
        }
        if named { result } else { Err(WarningKind::Incomplete) }
    }

    fn insert(&mut self, name: DnsName, address: IpAddr) -> Result<(), WarningKind> {
        if self.addresses.len() >= MAX_NAMES && !self.addresses.contains_key(&name) {
            return Err(WarningKind::TooMuch);
        }
        let addresses = self.addresses.entry(name).or_default();
        if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
        Ok(())
    }

    fn report(&mut self, line: usize, kind: WarningKind) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(Warning { line: Some(line), kind });
        }
    }
}

fn warning(error: &ParseError) -> Warning {
    let (line, kind) = match error {
        ParseError::InvalidUtf8(line, _) => (line, WarningKind::NotUtf8),
        ParseError::InvalidValue(line) => (line, WarningKind::Incomplete),
        ParseError::InvalidOptionValue(line) | ParseError::InvalidOption(line) => {
            (line, WarningKind::Option)
        }
        ParseError::InvalidDirective(line) => (line, WarningKind::UnknownDirective),
        ParseError::InvalidIp(line, _) => (line, WarningKind::Address),
        ParseError::ExtraData(line) => (line, WarningKind::Surplus),
    };
    Warning { line: Some(line.saturating_add(1)), kind }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(match self.kind {
            WarningKind::NotUtf8 => "not UTF-8",
            WarningKind::UnknownDirective => "unknown directive",
            WarningKind::Option => "unknown option, or a value that it can't have",
            WarningKind::Incomplete => "something is missing",
            WarningKind::Surplus => "more words than expected",
            WarningKind::Address => "not an IP address",
            WarningKind::Zone => "an address on an interface that is not there",
            WarningKind::NoServer => "no usable name server, so 127.0.0.1 is asked",
            WarningKind::Name => "not a host name",
            WarningKind::TooMuch => "more than is read, the rest is ignored",
        })
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
