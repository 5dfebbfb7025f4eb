//! How long a failure keeps anybody from asking again: longer with each one in a row.
//!
//! Knows nothing of what failed.

use std::time::Duration;

use crate::freshness;
use crate::policy::Policy;
use crate::question::{Fact, Question};

/// Failures in a row beyond which nothing grows any more.
pub(crate) const MAX_STRIKES: u8 = 16;

/// How many times in a row a question has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Strikes(pub(crate) u8);

impl Strikes {
    /// One more, and how long it lives.
    pub(crate) fn strike(
        &mut self,
        question: &Question,
        fact: &Fact,
        policy: &Policy,
        seed: u64,
    ) -> Duration {
        self.0 = self.0.saturating_add(1).min(MAX_STRIKES);
        self.life(question, fact, policy, seed)
    }

    /// How long the last one lives (R41, R97).
    pub(crate) fn life(
        self,
        question: &Question,
        fact: &Fact,
        policy: &Policy,
        seed: u64,
    ) -> Duration {
        let (base, cap) = match (question, fact) {
            (_, Fact::Late) => (policy.dns_failure_ttl, policy.late_max_ttl),
            (Question::Dns(..), _) => (policy.dns_failure_ttl, policy.dns_failure_max_ttl),
            (Question::Get(_), _) => (policy.well_known_retry_ttl, policy.well_known_failure_ttl),
        };
        let doublings = u32::from(self.0.saturating_sub(1));
        let doubled = base.saturating_mul(1_u32.checked_shl(doublings).unwrap_or(u32::MAX));
        let life = doubled.min(cap);
        // Being late is one lookup's own impatience: no crowd expires together.
        if *fact == Fact::Late { life } else { freshness::failure(life, policy, seed, question) }
    }
}
