//! Which of a world's addresses and ports take connections.
//!
//! Knows nothing of sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use discovery_core::{RecordData, TlsName, Url};
use discovery_sim::{ConnectFault, DnsOutcome, Served, World};

use crate::https::addresses;

/// What becomes of a connection before its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Somebody takes it, whatever comes of it.
    Served,
    /// It is refused.
    Refused,
    /// There is no route.
    NoRoute,
    /// There is a route, and the network rejects the connection.
    Rejected,
    /// Our own side can't even try.
    Local,
}

/// The pages behind each place.
#[derive(Debug, Default)]
pub(super) struct Places {
    pages: BTreeMap<SocketAddr, Vec<(Url, Option<ConnectFault>)>>,
    /// Addresses that the zone speaks of.
    known: BTreeSet<IpAddr>,
    /// Ports of pages that are at whichever address their host is found.
    ports: BTreeSet<u16>,
}

impl Places {
    pub(super) fn of(world: &World) -> Self {
        let mut places = Self::default();
        for (url, address, page) in world.pages() {
            let fault = match &page.answer {
                Served::Fault(fault) => Some(*fault),
                Served::Response { .. } | Served::Raw { .. } => None,
            };
            let hosts = match (address, url.host()) {
                (Some(address), _) => vec![address],
                (None, TlsName::Ip(ip)) => vec![ip],
                (None, TlsName::Dns(name)) => {
                    places.ports.insert(url.port());
                    addresses(world, &name)
                }
            };
            for ip in hosts {
                places.known.insert(ip);
                let pages = places.pages.entry(SocketAddr::new(ip, url.port())).or_default();
                pages.push((url.clone(), fault));
            }
        }
        for (_, _, entry) in world.zone() {
            if let DnsOutcome::Records(records) = &entry.outcome {
                places.known.extend(records.iter().filter_map(|(data, _)| match data {
                    RecordData::A(ip) => Some(IpAddr::V4(*ip)),
                    RecordData::Aaaa(ip) => Some(IpAddr::V6(*ip)),
                    RecordData::Cname(_) | RecordData::Srv(_) | RecordData::Unusable => None,
                }));
            }
        }
        places
    }

    /// Every place that has a page.
    #[cfg(feature = "kit")]
    pub(super) fn all(&self) -> Vec<SocketAddr> {
        self.pages.keys().copied().collect()
    }

    /// What becomes of a connection to a place; where nobody will hear what it asks for, with the page that it was most likely
    /// for.
    pub(super) fn fate(&self, world: &World, place: SocketAddr) -> (Fate, Option<Url>) {
        let pages = self.pages.get(&place).map_or(&[][..], Vec::as_slice);
        let likely = || pages.first().map(|(url, _)| url.clone());
        let fate = |fault| match fault {
            ConnectFault::Refused => Fate::Refused,
            ConnectFault::NoRoute => Fate::NoRoute,
            ConnectFault::Rejected => Fate::Rejected,
            ConnectFault::Local => Fate::Local,
            ConnectFault::Timeout
            | ConnectFault::Reset
            | ConnectFault::Stall
            | ConnectFault::Garbage
            | ConnectFault::BadCert
            | ConnectFault::WrongName
            | ConnectFault::Expired
            | ConnectFault::NotYetValid
            | ConnectFault::Algorithm
            | ConnectFault::LongChain
            | ConnectFault::Tls => Fate::Served,
        };
        if let Some(fault) = world.destination(place) {
            let heard = fate(fault) == Fate::Served && fault != ConnectFault::Timeout;
            return (fate(fault), if heard { None } else { likely() });
        }
        let mut fates = pages.iter().map(|(_, fault)| fault.map_or(Fate::Served, fate));
        match fates.next() {
            // Where the pages of a place disagree, the name that is asked for tells.
            Some(first) if first != Fate::Served && fates.all(|other| other == first) => {
                (first, likely())
            }
            Some(_) => (Fate::Served, None),
            None if self.known.contains(&place.ip()) => (Fate::Refused, None),
            // An address that the zone does not speak of: somebody has it from elsewhere, and asks for a host by its name.
            None if self.ports.contains(&place.port()) => (Fate::Served, None),
            None => (Fate::Refused, None),
        }
    }
}
