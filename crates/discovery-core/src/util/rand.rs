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

    // Numbers in one byte order and width, so that a seed means the same on every machine.
    fn write_u16(&mut self, number: u16) {
        self.write(&number.to_le_bytes());
    }

    fn write_u32(&mut self, number: u32) {
        self.write(&number.to_le_bytes());
    }

    fn write_u64(&mut self, number: u64) {
        self.write(&number.to_le_bytes());
    }

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(u64::try_from(number).unwrap_or(u64::MAX));
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(i64::try_from(number).map_or(u64::MAX, i64::cast_unsigned));
    }
}

#[cfg(test)]
mod tests {
    use super::Draw;

    #[test]
    fn a_seed_means_the_same_on_every_machine() {
        let mut draw = Draw::new(7, ("ticket", 1_u64, 2_usize));
        let numbers = [(); 3].map(|()| draw.between(0, u64::MAX));
        assert_eq!(numbers, [9092789503667942101, 3085385210716184959, 87897496761116855]);
    }

    #[test]
    fn numbers_lie_between_their_bounds() {
        for seed in 0..1000 {
            assert!((5..=7).contains(&Draw::new(seed, ()).between(5, 7)));
            assert_eq!(Draw::new(seed, ()).between(u64::MAX, u64::MAX), u64::MAX);
        }
    }
}
