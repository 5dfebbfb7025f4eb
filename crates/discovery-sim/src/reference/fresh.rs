//! For how long what was read may be reused: bounds, for jitter is left to chance and headers to other tests.
//!
//! Knows nothing of what the facts lead to.

use std::time::Duration;

use discovery_core::Policy;

/// A life between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// At least so long.
    pub least: Duration,
    /// At most so long.
    pub most: Duration,
}

impl Life {
    /// Exactly so long.
    pub(super) fn exactly(life: Duration) -> Self {
        Self { least: life, most: life }
    }

    /// So long at most, and any time less: what the model does not tell.
    pub(super) fn at_most(most: Duration) -> Self {
        Self { least: Duration::ZERO, most }
    }

    /// The life of what jitter moves down.
    pub(super) fn jittered_down(life: Duration, policy: &Policy) -> Self {
        Self { least: life.saturating_sub(part(life, policy)), most: life }
    }

    /// The life of what jitter moves either way, within the bounds of a document's life (R38, R39).
    pub(super) fn of_document(policy: &Policy) -> Self {
        let life = policy.well_known_default_ttl;
        let within =
            |life: Duration| life.max(policy.well_known_min_ttl).min(policy.well_known_max_ttl);
        Self {
            least: within(life.saturating_sub(part(life, policy))),
            most: within(life.saturating_add(part(life, policy))),
        }
    }

    /// The life of records with this TTL (RFC 2181 §8).
    pub(super) fn of_records(ttl: u32, policy: &Policy) -> Self {
        Self::exactly(seconds(ttl).min(policy.dns_max_ttl))
    }

    /// The life of a negative answer at the end of aliases (R96).
    pub(super) fn of_absence(soa: Option<u32>, aliases: Option<u32>, policy: &Policy) -> Self {
        let absence = match soa {
            Some(soa) => Self::exactly(seconds(soa).min(policy.dns_negative_max_ttl)),
            None => Self::jittered_down(policy.dns_negative_default_ttl, policy),
        };
        match aliases {
            Some(ttl) => absence.and(Self::of_records(ttl, policy)),
            None => absence,
        }
    }

    /// Of two facts, the one that expires first decides.
    pub(super) fn and(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.min(other.most) }
    }

    /// Whether a life lies between the bounds, to the nearest second.
    pub fn allows(self, life: Duration) -> bool {
        let second = Duration::from_secs(1);
        life.saturating_add(second) >= self.least && life <= self.most.saturating_add(second)
    }
}

fn part(life: Duration, policy: &Policy) -> Duration {
    life.saturating_mul(policy.ttl_jitter_percent.into()) / 100
}

/// A TTL; one with the top bit set counts as 0.
fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(if ttl > u32::MAX / 2 { 0 } else { ttl.into() })
}
