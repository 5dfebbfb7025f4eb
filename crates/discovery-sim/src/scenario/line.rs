//! The lines above `---`, and what each one does to a world.
//!
//! Knows nothing of how a line is written.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use discovery_core::{
    DnsName, Feedback, RecordData, Revision, Routes, ServerName, SrvRecord, UnixTime, Url,
};

use crate::web::Page;
use crate::world::{
    ConnectFault, Destination, DnsOutcome, ServerFault, World, ZoneEntry, ZoneType,
};

/// One line above `---`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// An empty line.
    Blank,
    /// `# …`, without the sign.
    Comment(String),
    /// `dns …`
    Dns(Box<DnsLine>),
    /// `https …`
    Https(Box<HttpsLine>),
    /// `tcp …`; None: `ok`.
    Tcp(Destination, Option<ConnectFault>),
    /// `server N …`
    Server(u8, ServerFault),
    /// `servers N`: how many name servers there are.
    Servers(u8),
    /// `routes …`: which families have a route, as drivers report it.
    Routes(RouteSet),
    /// `set FIELD=VALUE`
    Set {
        /// The field of the policy, with dots into its parts.
        field: String,
        /// Its value.
        value: String,
    },
    /// `revision X`
    Revision(Revision),
    /// `seed N`
    Seed(u64),
    /// `clock N`, or `clock none`: the wall clock at the start.
    Clock(Option<UnixTime>),
    /// `resolve NAME`
    Resolve {
        /// The name.
        name: String,
        /// `abandon=T`: abandoned so long after.
        abandon: Option<Duration>,
    },
    /// `report NAME ADDRESS:PORT WHAT`
    Report {
        /// The name.
        name: ServerName,
        /// A place that it led to.
        place: SocketAddr,
        /// What a caller tells of it.
        said: Feedback,
    },
    /// `away T`: from then on the machine does nothing for so long: its process is stopped, or suspended.
    Away(Duration),
    /// `at +T`: what follows holds from then on.
    At(Duration),
}

/// Which families have a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteSet {
    /// Both.
    Both,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
    /// Neither.
    Neither,
}

impl RouteSet {
    /// In the words of the machine.
    pub fn routes(self) -> Routes {
        Routes {
            v4: matches!(self, Self::Both | Self::V4),
            v6: matches!(self, Self::Both | Self::V6),
        }
    }
}

/// `dns NAME TYPE …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsLine {
    /// The name.
    pub name: DnsName,
    /// The type.
    pub kind: ZoneType,
    /// What the zone says; at most one record, others of the name and type have lines of their own.
    pub entry: ZoneEntry,
    /// So many records instead of one: the n-th of an SRV set has target `nN.TARGET`, of addresses it is N-1 higher.
    pub repeat: Option<u32>,
}

/// `https TARGET …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsLine {
    /// What is served.
    pub url: Url,
    /// At this address of the host only.
    pub address: Option<IpAddr>,
    /// How.
    pub page: Page,
}

/// Which names and types have had a line since the last `at`: another line then adds to them instead of replacing.
#[derive(Default)]
pub(super) struct Said {
    since: Duration,
    names: BTreeSet<(DnsName, ZoneType)>,
}

impl Line {
    pub(super) fn changes_the_world(&self) -> bool {
        matches!(
            self,
            Self::Dns(_) | Self::Https(_) | Self::Tcp(..) | Self::Server(..) | Self::Routes(_)
        )
    }

    /// Whether the line speaks of the whole scenario, whenever it stands there.
    pub(super) fn holds_from_the_start(&self) -> bool {
        matches!(
            self,
            Self::Servers(_)
                | Self::Set { .. }
                | Self::Revision(_)
                | Self::Seed(_)
                | Self::Clock(_)
        )
    }

    pub(super) fn apply(&self, time: Duration, world: &mut World, said: &mut Said) {
        match self {
            Self::Dns(line) => {
                if said.since != time {
                    *said = Said { since: time, names: BTreeSet::new() };
                }
                let key = (line.name.clone(), line.kind);
                let mut entry = line.expanded();
                if !said.names.insert(key.clone())
                    && let Some(before) = world.zone.get(&key)
                    && let (DnsOutcome::Records(old), DnsOutcome::Records(new)) =
                        (&before.outcome, &entry.outcome)
                {
                    let joined = old.iter().chain(new).cloned().collect();
                    // What is said of the reply as a whole holds wherever it is said.
                    entry = ZoneEntry {
                        outcome: DnsOutcome::Records(joined),
                        after: before.after.max(entry.after),
                        lost: before.lost.max(entry.lost),
                        soa: before.soa,
                        wire: before.wire.or(entry.wire),
                        cut: before.cut || entry.cut,
                    };
                }
                world.zone.insert(key, entry);
            }
            Self::Https(line) => world.set_page(line.url.clone(), line.address, line.page.clone()),
            Self::Tcp(destination, fault) => world.set_destination(*destination, *fault),
            Self::Server(index, fault) => world.set_server(*index, fault.clone()),
            Self::Blank
            | Self::Comment(_)
            | Self::Servers(_)
            | Self::Routes(_)
            | Self::Set { .. }
            | Self::Revision(_)
            | Self::Seed(_)
            | Self::Clock(_)
            | Self::Resolve { .. }
            | Self::Report { .. }
            | Self::Away(_)
            | Self::At(_) => {}
        }
    }
}

impl DnsLine {
    fn expanded(&self) -> ZoneEntry {
        let mut entry = self.entry.clone();
        if let (Some(count), DnsOutcome::Records(records)) = (self.repeat, &mut entry.outcome) {
            let one = std::mem::take(records);
            for n in 1..=count {
                records.extend(one.iter().map(|(data, ttl)| (nth(data, n), *ttl)));
            }
        }
        entry
    }
}

fn nth(data: &RecordData, n: u32) -> RecordData {
    let higher = n.saturating_sub(1);
    match data {
        RecordData::A(ip) => RecordData::A(Ipv4Addr::from_bits(ip.to_bits().wrapping_add(higher))),
        RecordData::Aaaa(ip) => {
            RecordData::Aaaa(Ipv6Addr::from_bits(ip.to_bits().wrapping_add(higher.into())))
        }
        RecordData::Srv(service) => {
            let target = DnsName::parse(&format!("n{n}.{}", service.target));
            let target = target.unwrap_or_else(|_| service.target.clone());
            RecordData::Srv(SrvRecord { target, ..service.clone() })
        }
        RecordData::Cname(_) | RecordData::Unusable => data.clone(),
    }
}
