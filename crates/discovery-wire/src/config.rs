//! The system's own settings as data: name servers from `resolv.conf`, addresses from a hosts file.
//!
//! Text in, data out: opens no file. Whatever is odd is passed over and reported, for one odd line must not take DNS away.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use discovery_core::DnsName;
use resolv_conf::{ParseError, ScopedIp};

/// Where name servers listen.
const DNS_PORT: u16 = 53;
/// Most name servers used, the first in order.
const MAX_SERVERS: usize = 8;
/// Most names taken from a hosts file: block lists are long.
const MAX_NAMES: usize = 200_000;
/// Most addresses of one name in a hosts file.
const MAX_ADDRESSES: usize = 64;
/// Most oddities reported, the first in order.
const MAX_ODDITIES: usize = 64;
/// Most bytes of a `resolv.conf` that are read.
const MAX_RESOLV_CONF: usize = 64 * 1024;

/// The name servers to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServers {
    /// At least one, at most eight, in the order to try.
    pub addresses: Vec<SocketAddr>,
    /// What was passed over.
    pub oddities: Vec<Oddity>,
}

/// The addresses of a hosts file, as [`Policy::static_addresses`](discovery_core::Policy::static_addresses) takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// By name, in the order of the file.
    pub addresses: BTreeMap<DnsName, Vec<IpAddr>>,
    /// What was passed over.
    pub oddities: Vec<Oddity>,
}

/// Something that was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oddity {
    /// The line, from 1; none where it concerns the file.
    pub line: Option<usize>,
    /// What is odd there.
    pub kind: OddityKind,
}

/// What is odd about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OddityKind {
    /// It is not UTF-8.
    NotUtf8,
    /// Its first word is not known.
    UnknownDirective,
    /// It sets an option that is not known, or to something that it cannot be.
    Option,
    /// It lacks what its first word announces.
    Incomplete,
    /// It goes on behind what its first word announces; the rest is ignored.
    Surplus,
    /// What should be an address is none.
    Address,
    /// The address is bound to an interface by its name (`%eth0`); a number would do.
    Zone,
    /// A name that no host can have; the line's other names count.
    Name,
    /// More than is read; the rest is ignored.
    TooMuch,
}

impl NameServers {
    /// Reads a `resolv.conf`. Its search list is never used, for all names are absolute. Without any usable name server it is
    /// the one on this machine, as resolv.conf(5) says.
    pub fn from_resolv_conf(text: &[u8]) -> Self {
        let (read, rest) = text.split_at(text.len().min(MAX_RESOLV_CONF));
        let (config, errors) = resolv_conf::Config::parse_with_errors(read);
        let mut oddities: Vec<_> = errors.iter().map(oddity).collect();
        let mut addresses = Vec::new();
        for server in &config.nameservers {
            let address = match server {
                ScopedIp::V4(ip) => SocketAddr::from((*ip, DNS_PORT)),
                ScopedIp::V6(ip, None) => SocketAddr::from((*ip, DNS_PORT)),
                ScopedIp::V6(ip, Some(zone)) => match zone.parse() {
                    Ok(zone) => SocketAddrV6::new(*ip, DNS_PORT, 0, zone).into(),
                    Err(_) => {
                        oddities.push(Oddity { line: None, kind: OddityKind::Zone });
                        continue;
                    }
                },
            };
            if addresses.contains(&address) {
                continue;
            }
            if addresses.len() >= MAX_SERVERS {
                oddities.push(Oddity { line: None, kind: OddityKind::TooMuch });
                break;
            }
            addresses.push(address);
        }
        if !rest.is_empty() {
            oddities.push(Oddity { line: None, kind: OddityKind::TooMuch });
        }
        if addresses.is_empty() {
            addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, DNS_PORT)));
        }
        oddities.truncate(MAX_ODDITIES);
        Self { addresses, oddities }
    }
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
                if kind == OddityKind::TooMuch {
                    break;
                }
            }
        }
        hosts
    }

    /// Reads the part of a line before any comment; all names that are fine count, the last oddity is reported.
    fn read_line(&mut self, line: &[u8]) -> Result<(), OddityKind> {
        let line = std::str::from_utf8(line).map_err(|_| OddityKind::NotUtf8)?;
        let mut words = line.split_whitespace();
        let Some(address) = words.next() else { return Ok(()) };
        let address: IpAddr = address.parse().map_err(|_| {
            if address.contains('%') { OddityKind::Zone } else { OddityKind::Address }
        })?;
        let (mut result, mut named) = (Ok(()), false);
        for word in words {
            named = true;
            match DnsName::host(word) {
                Ok(name) => self.insert(name, address)?,
                Err(_) => result = Err(OddityKind::Name),
            }
        }
        if named { result } else { Err(OddityKind::Incomplete) }
    }

    fn insert(&mut self, name: DnsName, address: IpAddr) -> Result<(), OddityKind> {
        if self.addresses.len() >= MAX_NAMES && !self.addresses.contains_key(&name) {
            return Err(OddityKind::TooMuch);
        }
        let addresses = self.addresses.entry(name).or_default();
        if !addresses.contains(&address) && addresses.len() < MAX_ADDRESSES {
            addresses.push(address);
        }
        Ok(())
    }

    fn report(&mut self, line: usize, kind: OddityKind) {
        if self.oddities.len() < MAX_ODDITIES {
            self.oddities.push(Oddity { line: Some(line), kind });
        }
    }
}

fn oddity(error: &ParseError) -> Oddity {
    let (line, kind) = match error {
        ParseError::InvalidUtf8(line, _) => (line, OddityKind::NotUtf8),
        ParseError::InvalidValue(line) => (line, OddityKind::Incomplete),
        ParseError::InvalidOptionValue(line) | ParseError::InvalidOption(line) => {
            (line, OddityKind::Option)
        }
        ParseError::InvalidDirective(line) => (line, OddityKind::UnknownDirective),
        ParseError::InvalidIp(line, _) => (line, OddityKind::Address),
        ParseError::ExtraData(line) => (line, OddityKind::Surplus),
    };
    Oddity { line: Some(line.saturating_add(1)), kind }
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(match self.kind {
            OddityKind::NotUtf8 => "not UTF-8",
            OddityKind::UnknownDirective => "unknown directive",
            OddityKind::Option => "unknown option, or a value that it can't have",
            OddityKind::Incomplete => "something is missing",
            OddityKind::Surplus => "more words than expected",
            OddityKind::Address => "not an IP address",
            OddityKind::Zone => "an address bound to a named interface",
            OddityKind::Name => "not a host name",
            OddityKind::TooMuch => "more than is read, the rest is ignored",
        })
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
