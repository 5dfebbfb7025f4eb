//! Numbers that look random and are functions of a seed: SRV draws and jitter.
//!
//! There is no shared stream: each number is derived from the seed and from what it is for, so that no order of events can
//! shift another. None of it is fit for what must be unguessable.

use std::hash::{Hash, Hasher};

/// A small generator for one draw (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    /// A generator for the purpose that `what` names.
    pub(crate) fn new(seed: u64, what: impl Hash) -> Self {
        let mut hasher = Fnv(0xcbf2_9ce4_8422_2325 ^ mix(seed));
        what.hash(&mut hasher);
        Self(hasher.finish())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A whole number from `low` to `high`, both included; the bias is below 2⁻³² for ranges below 2³².
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high.saturating_sub(low)).saturating_add(1);
        let scaled = u128::from(self.next()).wrapping_mul(span) >> 64;
        low.saturating_add(u64::try_from(scaled).unwrap_or(0))
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// FNV-1a: the same on every machine and in every version, unlike the standard library's hashers.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        mix(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
