//! The state of the two address families: whether one of them fails although it has a route.
//!
//! Knows nothing of what is asked or handed out. A single resolution remembers nothing: IPv6 goes first. That a family has no route is
//! told by drivers, and no business of this file.
//!
//! A family counts as broken after failures in three networks in a row, each while the other family worked for the same
//! host. A server that is down is no evidence, and neither is a refusal, which some host has sent. An attacker would need
//! three networks, not three addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::address::AddressFamily;
use crate::util::{Backoff, Instant};

/// At so many networks in a row a family must have failed. Fewer may be one server's mistake; networks and not addresses, for those a
/// stranger has as many as he likes.
const ENOUGH: usize = 3;
/// For how long a family that fails is tried second.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(60), max: Duration::from_secs(30 * 60) };

/// One family, as this side has come to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FamilyHealth {
    /// The networks where it has failed since it last worked, while the other family worked for the same host: the first 24 bits of IPv4
    /// addresses, the first 48 of IPv6. No more than are enough.
    pub failed_at: Vec<IpAddr>,
    /// The number of consecutive times that it was put second.
    pub rests: u32,
    /// The time until which it is tried second.
    pub rests_until: Option<Instant>,
}

/// Both families.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FamiliesHealth {
    /// IPv4.
    pub v4: FamilyHealth,
    /// IPv6.
    pub v6: FamilyHealth,
}

/// What is remembered of both, if anything is to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FamilyMemory {
    health: FamiliesHealth,
    remembers: bool,
}

impl FamilyMemory {
    pub(crate) fn new(remembers: bool) -> Self {
        Self { health: FamiliesHealth::default(), remembers }
    }

    pub(crate) fn health(&self) -> &FamiliesHealth {
        &self.health
    }

    /// The family to try second, if one is failing.
    pub(crate) fn second(&self, now: Instant) -> Option<AddressFamily> {
        let rests = |family: &FamilyHealth| family.rests_until.is_some_and(|until| now < until);
        match (rests(&self.health.v4), rests(&self.health.v6)) {
            (true, false) => Some(AddressFamily::V4),
            (false, true) => Some(AddressFamily::V6),
            // Each family only fails beside the other, which works then.
            (false, false) | (true, true) => None,
        }
    }

    /// Something came back from an address, whatever it was.
    pub(crate) fn worked(&mut self, address: IpAddr) {
        *self.of(address) = FamilyHealth::default();
    }

    /// An address has failed, or was silent, where the other family worked for the same host.
    pub(crate) fn failed(&mut self, address: IpAddr, now: Instant) {
        if !self.remembers {
            return;
        }
        let family = self.of(address);
        match family.rests_until {
            // Whatever else is late with it counts no more.
            Some(until) if now < until => {}
            Some(_) => family.rest(now),
            None => {
                let network = network(address);
                if !family.failed_at.contains(&network) {
                    family.failed_at.push(network);
                }
                if family.failed_at.len() >= ENOUGH {
                    family.rest(now);
                }
            }
        }
    }

    /// An address is being tried: should its family still lead nowhere after a rest, only this one waits for it.
    pub(crate) fn tries(&mut self, address: IpAddr, now: Instant) {
        let family = self.of(address);
        if family.rests_until.is_some_and(|until| until <= now) {
            family.rest(now);
        }
    }

    fn of(&mut self, address: IpAddr) -> &mut FamilyHealth {
        match AddressFamily::of(address) {
            AddressFamily::V4 => &mut self.health.v4,
            AddressFamily::V6 => &mut self.health.v6,
        }
    }
}

impl FamilyHealth {
    fn rest(&mut self, now: Instant) {
        self.rests = self.rests.saturating_add(1);
        self.rests_until = Some(now + BACKOFF.after(self.rests));
    }
}

/// The network of an address, as networks are mostly given out.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 80)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_secs(seconds)
    }

    fn v6(network: u16) -> IpAddr {
        Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, 1).into()
    }

    fn v4(network: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, network, 1).into()
    }

    /// IPv6 has failed at three networks.
    fn failing() -> FamilyMemory {
        let mut memory = FamilyMemory::new(true);
        (0..3).for_each(|network| memory.failed(v6(network), at(0)));
        memory
    }

    #[test]
    fn a_family_that_failed_at_three_networks_in_a_row_is_tried_second() {
        let mut memory = FamilyMemory::new(true);
        for network in [1, 2, 2, 1] {
            memory.failed(v6(network), at(0));
            assert_eq!(memory.second(at(0)), None, "one network is one failure");
        }
        memory.worked(v6(1));
        memory.failed(v6(3), at(0));
        assert_eq!(memory.second(at(0)), None, "not in a row");
        assert_eq!(failing().second(at(0)), Some(AddressFamily::V6));
        let mut memory = FamilyMemory::new(true);
        (0..3).for_each(|network| memory.failed(v4(network), at(0)));
        assert_eq!(memory.second(at(0)), Some(AddressFamily::V4));
    }

    #[test]
    fn it_is_tried_once_after_each_rest_which_doubles() {
        let mut memory = failing();
        memory.failed(v6(9), at(59));
        assert_eq!(memory.second(at(59)), Some(AddressFamily::V6));
        assert_eq!(memory.second(at(60)), None);
        memory.tries(v6(9), at(60));
        assert_eq!(memory.second(at(60)), Some(AddressFamily::V6), "one tries");
        assert_eq!(memory.second(at(179)), Some(AddressFamily::V6), "twice as long");
        assert_eq!(memory.second(at(180)), None);
        memory.failed(v6(9), at(180));
        assert_eq!(
            memory.second(at(180 + 239)),
            Some(AddressFamily::V6),
            "one failure is enough now"
        );
        for _ in 0..40 {
            memory.tries(v6(1), at(1_000_000));
        }
        assert!(memory.health().v6.rests_until <= Some(at(1_000_000 + 1800)));
    }

    #[test]
    fn it_is_found_again_when_it_works() {
        let mut memory = failing();
        memory.worked(v4(1));
        assert_eq!(memory.second(at(1)), Some(AddressFamily::V6));
        memory.worked(v6(1));
        assert_eq!(memory.second(at(1)), None);
        assert_eq!(*memory.health(), FamiliesHealth::default());
    }

    #[test]
    fn one_that_is_to_remember_nothing_remembers_nothing() {
        let mut memory = FamilyMemory::new(false);
        (0..9).for_each(|network| memory.failed(v6(network), at(0)));
        assert_eq!(memory, FamilyMemory::new(false));
    }
}
