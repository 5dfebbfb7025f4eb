//! Which page of a world a connection is for, and where a host's server is.
//!
//! Knows nothing of connections.

use std::net::{IpAddr, SocketAddr};

use discovery_core::{DnsName, RecordData, RecordType, TlsName, Url};
use discovery_sim::{Page, World};

/// The page that a connection to `place` under that name is most likely for: the document, else any other of the host.
pub(super) fn likely_page<'a>(
    world: &'a World,
    host: &TlsName,
    place: SocketAddr,
) -> Option<(&'a Url, &'a Page)> {
    let fits = |(url, address, page): (&'a Url, Option<IpAddr>, &'a Page)| {
        let here = url.host() == *host
            && url.port() == place.port()
            && address.is_none_or(|address| address == place.ip());
        let document = url.text().ends_with("/.well-known/matrix/server");
        here.then_some(((document, address.is_some()), url, page))
    };
    let best = world.pages().filter_map(fits).max_by_key(|(rank, ..)| *rank)?;
    Some((best.1, best.2))
}

/// Where a host's server is, for who does not say: its first address, and the port of its first page.
pub(super) fn front_door(world: &World, host: &TlsName) -> Option<SocketAddr> {
    let (url, address, _) = world.pages().find(|(url, ..)| url.host() == *host)?;
    let address = match (address, host) {
        (Some(address), _) => address,
        (None, TlsName::Ip(ip)) => *ip,
        (None, TlsName::Dns(name)) => {
            *addresses(world, name).first().unwrap_or(&IpAddr::from([0, 0, 0, 0]))
        }
    };
    Some(SocketAddr::new(address, url.port()))
}

/// A host's addresses by the zone, aliases followed.
pub(crate) fn addresses(world: &World, name: &DnsName) -> Vec<IpAddr> {
    let answers = [RecordType::Aaaa, RecordType::A]
        .into_iter()
        .filter_map(|kind| world.dns_answer(name, kind, u8::MAX, u8::MAX).said?.ok());
    let records = answers.flat_map(|reply| reply.records);
    records
        .filter_map(|record| match record.data {
            RecordData::A(ip) => Some(IpAddr::V4(ip)),
            RecordData::Aaaa(ip) => Some(IpAddr::V6(ip)),
            RecordData::Cname(_) | RecordData::Srv(_) | RecordData::Unusable => None,
        })
        .collect()
}
