//! The loads: names, worlds and correct results.
//!
//! It does not depend on the implementations.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use discovery_lab::Weather;

/// The parent domain of all names.
pub const DOMAIN: &str = "peers.example";
/// The address of the name server.
pub const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// The address of the web server.
pub const WEB_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 80);

/// The number of names in large loads.
const MANY: u16 = 2000;

/// How often all names are resolved again in a second phase.
pub const WARM: usize = 5;

/// A load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Names with a document with host and port.
    Port,
    /// Names without a document, with a `_matrix-fed` SRV record.
    Srv,
    /// Names with neither document nor SRV record.
    Plain,
    /// Pairs of names whose documents name the same host.
    Shared,
    /// Many concurrent lookups of one name.
    Crowd,
    /// Repeated lookups of a name whose web server fails.
    Broken,
    /// Repeated lookups of a name that does not exist.
    Missing,
    /// Names of the first two loads, with loss of DNS datagrams.
    Lossy,
}

/// The correct result of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The endpoints.
    pub targets: Vec<SocketAddr>,
    /// The `Host` to send.
    pub host: String,
}

/// A name and its correct result. None: it must fail.
pub type Name = (String, Option<Place>);

impl Load {
    /// All loads, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::Port,
        Self::Srv,
        Self::Plain,
        Self::Shared,
        Self::Crowd,
        Self::Broken,
        Self::Missing,
        Self::Lossy,
    ];

    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Srv => "srv",
            Self::Plain => "plain",
            Self::Shared => "shared",
            Self::Crowd => "crowd",
            Self::Broken => "broken",
            Self::Missing => "missing",
            Self::Lossy => "lossy",
        }
    }

    /// The names of its phases: all names once, and in some loads again, [`WARM`] times.
    pub fn phases(self) -> &'static [&'static str] {
        match self {
            Self::Port => &["2,000 names of step 3.2, cold", "the same again, five times"],
            Self::Srv => &["2,000 names of step 4, cold", "the same again, five times"],
            Self::Plain => &["2,000 names of step 6, cold", "the same again, five times"],
            Self::Shared => &["1,000 pairs of names, each pair delegated to one host (3.3)"],
            Self::Crowd => &["500 callers at once of one name (3.2)"],
            Self::Broken => &["a document that answers 500, 20 lookups in a row"],
            Self::Missing => &["a name that does not exist, 20 lookups in a row"],
            Self::Lossy => &["1,000 names of steps 3.2 and 4, 20 % of DNS datagrams lost"],
        }
    }

    /// The number of concurrent lookups.
    pub fn at_once(self) -> usize {
        match self {
            Self::Port | Self::Srv | Self::Plain | Self::Shared | Self::Lossy => 64,
            Self::Crowd => 500,
            Self::Broken | Self::Missing => 1,
        }
    }

    /// The number of runs. Loss depends on the question alone and mostly causes waits.
    pub fn runs(self) -> usize {
        if self == Self::Lossy { 1 } else { 5 }
    }

    /// The loss of datagrams.
    pub fn weather(self) -> Weather {
        let loss_percent = if self == Self::Lossy { 20 } else { 0 };
        Weather { loss_percent, ..Weather::default() }
    }

    /// The names, in order.
    pub fn names(self) -> Vec<Name> {
        match self {
            Self::Crowd => vec![Self::Port.name(0); 500],
            Self::Broken | Self::Missing => vec![self.name(0); 20],
            Self::Port | Self::Srv | Self::Plain | Self::Shared | Self::Lossy => {
                (0..self.sites()).map(|n| self.site(n).name(n)).collect()
            }
        }
    }

    /// The world, as a scenario.
    pub fn world(self) -> String {
        (0..self.sites()).map(|n| self.site(n).zone(n)).collect()
    }

    /// The number of names in the world.
    fn sites(self) -> u16 {
        match self {
            Self::Port | Self::Srv | Self::Plain | Self::Shared => MANY,
            Self::Lossy => MANY / 2,
            Self::Crowd | Self::Broken => 1,
            Self::Missing => 0,
        }
    }

    /// The load of the name with this number.
    fn site(self, n: u16) -> Self {
        match self {
            Self::Crowd => Self::Port,
            Self::Lossy if n.is_multiple_of(2) => Self::Port,
            Self::Lossy => Self::Srv,
            Self::Port | Self::Srv | Self::Plain | Self::Shared | Self::Broken | Self::Missing => {
                self
            }
        }
    }

    /// A name and its correct result.
    fn name(self, n: u16) -> Name {
        let name = format!("s{n}.{DOMAIN}");
        let (address, port, host) = match self {
            Self::Port => (target(n), 8449, format!("m{n}.{DOMAIN}:8449")),
            Self::Srv => (target(n), 8450, name.clone()),
            Self::Shared => (target(n / 2), 8451, format!("d{}.{DOMAIN}", n / 2)),
            Self::Plain | Self::Broken => (WEB_SERVER, 8448, name.clone()),
            Self::Missing | Self::Crowd | Self::Lossy => return (name, None),
        };
        (name, Some(Place { targets: vec![SocketAddr::from((address, port))], host }))
    }

    /// The lines of the world for this name.
    fn zone(self, n: u16) -> String {
        let host = |name: &str, address: Ipv4Addr| {
            format!("dns {name}.{DOMAIN} A {address}\ndns {name}.{DOMAIN} AAAA NODATA\n")
        };
        // Cached for an hour by its headers, because not all libraries cache a document without cache headers.
        let document = |server: &str| {
            format!(
                "https s{n}.{DOMAIN} 200 \"Cache-Control: max-age=3600\" {{\"m.server\":\"{server}\"}}\n"
            )
        };
        let srv = |name: &str, port: u16, target: &str| {
            format!("dns _matrix-fed._tcp.{name}.{DOMAIN} SRV 10 5 {port} {target}.{DOMAIN}\n")
        };
        let own = host(&format!("s{n}"), WEB_SERVER);
        own + &match self {
            Self::Port => {
                document(&format!("m{n}.{DOMAIN}:8449")) + &host(&format!("m{n}"), target(n))
            }
            Self::Srv => {
                let to = format!("t{n}");
                format!("https s{n}.{DOMAIN} 404\n")
                    + &srv(&format!("s{n}"), 8450, &to)
                    + &host(&to, target(n))
            }
            Self::Shared => {
                let pair = n / 2;
                let delegated = document(&format!("d{pair}.{DOMAIN}"));
                if n.is_multiple_of(2) {
                    let to = format!("t{pair}");
                    delegated + &srv(&format!("d{pair}"), 8451, &to) + &host(&to, target(pair))
                } else {
                    delegated
                }
            }
            Self::Broken => format!("https s{n}.{DOMAIN} 500\n"),
            Self::Plain | Self::Crowd | Self::Missing | Self::Lossy => {
                format!("https s{n}.{DOMAIN} 404\n")
            }
        }
    }
}

/// An address for each number.
fn target(n: u16) -> Ipv4Addr {
    let [high, low] = n.to_be_bytes();
    Ipv4Addr::new(10, 0, high, low)
}

impl FromStr for Load {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let load = Self::ALL.into_iter().find(|load| load.word() == word);
        load.ok_or_else(|| format!("there is no load {word}"))
    }
}
