//! Reads a DNS reply along the alias chain from the question's name, and returns the fact with its lifetime.
//!
//! Knows nothing of what the question is for. Records that are not part of the chain are ignored.
//!
//! NXDOMAIN for one type says nothing about another type of the same name. Name servers that answer so are common, and
//! one more query costs less than a wrong result.

use std::net::IpAddr;
use std::time::Duration;

use crate::fact::{Fact, Failure, NotFound, lifetime};
use crate::io::{DnsReply, RecordData, RecordType, SrvRecord};
use crate::name::DnsName;
use crate::policy::Policy;

/// Most records kept of one reply: as many as fit the largest message.
pub(crate) const MAX_RECORDS: usize = 4096;

/// Most addresses kept of one reply: far more than are ever used.
pub(crate) const MAX_ADDRESSES: usize = 256;

/// Reads a reply to the question for `name` and `kind`.
pub(crate) fn read(
    name: &DnsName,
    kind: RecordType,
    reply: &DnsReply,
    policy: &Policy,
) -> (Fact, Duration) {
    let records = reply.records.get(..MAX_RECORDS).unwrap_or(&reply.records);
    let failed = |why| (Fact::Failed(why), policy.dns.failure_ttl);
    let mut owner = name;
    let mut life = policy.dns.max_ttl;
    for _ in 0..=policy.dns.max_aliases {
        let mut found = Found::default();
        let mut alias = None;
        for record in records.iter().filter(|record| record.owner == *owner) {
            match (&record.data, kind) {
                (RecordData::Cname(target), _) => alias = alias.or(Some((target, record.ttl))),
                (data, kind) => {
                    if found.take(data, kind) {
                        // R102: one set, one lifetime; where they differ the least counts.
                        life = life.min(lifetime::records(record.ttl, policy));
                    }
                }
            }
        }
        let canonical = || (owner != name).then(|| owner.clone());
        // R95: an alias stands alone; where there is data beside it, the data counts.
        if let Some(fact) = found.fact(canonical) {
            return (fact, life);
        }
        let Some((target, ttl)) = alias else {
            return nothing(owner, name, reply, life, policy);
        };
        // R94: an alias is followed, whatever type is asked for.
        life = life.min(lifetime::records(ttl, policy));
        if target == owner || target == name {
            return failed(Failure::AliasLoop);
        }
        owner = target;
    }
    failed(Failure::TooManyAliases)
}

/// The chain ended without a record: not found, or cut short.
fn nothing(
    owner: &DnsName,
    name: &DnsName,
    reply: &DnsReply,
    life: Duration,
    policy: &Policy,
) -> (Fact, Duration) {
    let negative = lifetime::negative(reply.negative_ttl, policy).min(life);
    if reply.nxdomain {
        (Fact::NotFound(NotFound::NxDomain), negative)
    } else if owner == name || reply.negative_ttl.is_some() {
        (Fact::NotFound(NotFound::NoData), negative)
    } else {
        // Without SOA nothing is said of the alias's name: it is asked for in turn.
        (Fact::Alias(owner.clone()), life)
    }
}

#[derive(Default)]
struct Found {
    addresses: Vec<IpAddr>,
    services: Vec<SrvRecord>,
    unusable: bool,
    kind: Option<RecordType>,
}

impl Found {
    fn take(&mut self, data: &RecordData, kind: RecordType) -> bool {
        self.kind = Some(kind);
        let mut address = |ip| {
            if self.addresses.len() < MAX_ADDRESSES && !self.addresses.contains(&ip) {
                self.addresses.push(ip);
            }
            true
        };
        match (data, kind) {
            (RecordData::A(ip), RecordType::A) => address(IpAddr::V4(*ip)),
            (RecordData::Aaaa(ip), RecordType::Aaaa) => address(IpAddr::V6(*ip)),
            (RecordData::Srv(service), RecordType::Srv) => {
                // R83: every record of the set.
                self.services.push(service.clone());
                true
            }
            (RecordData::Unusable, _) => {
                self.unusable = true;
                true
            }
            (
                RecordData::A(_) | RecordData::Aaaa(_) | RecordData::Srv(_) | RecordData::Cname(_),
                RecordType::A | RecordType::Aaaa | RecordType::Srv,
            ) => false,
        }
    }

    fn fact(self, canonical: impl FnOnce() -> Option<DnsName>) -> Option<Fact> {
        if !self.services.is_empty() {
            Some(Fact::Services(self.services.into()))
        } else if !self.addresses.is_empty() {
            Some(Fact::Addresses { addresses: self.addresses.into(), alias: canonical() })
        } else if self.unusable {
            Some(match self.kind {
                Some(RecordType::Srv) => Fact::UnusableServices,
                Some(RecordType::A | RecordType::Aaaa) | None => {
                    Fact::Failed(Failure::UnusableAlias)
                }
            })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
