//! The source of randomness, which the caller provides.

use std::fmt;

/// A cryptographic source of random bytes, given by the caller.
///
/// The ids of DNS queries and the case of the names in them are drawn from it: an attacker who can predict them can forge
/// replies (R98). A closure will do:
/// ```
/// # use discovery_wire::{Entropy, NoEntropy};
/// # fn operating_system(bytes: &mut [u8]) -> std::io::Result<()> { Ok(()) }
/// let source = |bytes: &mut [u8]| operating_system(bytes).map_err(|_| NoEntropy);
/// # fn check(_: impl Entropy) {}
/// # check(source);
/// ```
pub trait Entropy {
    /// Fills the slice with random bytes.
    ///
    /// # Errors
    /// When the source gives none. The request then fails with a local error.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy>;
}

impl<F: FnMut(&mut [u8]) -> Result<(), NoEntropy>> Entropy for F {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        self(bytes)
    }
}

/// The source of randomness gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoEntropy;

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of randomness gave nothing")
    }
}

impl std::error::Error for NoEntropy {}

/// A source that anybody can predict: for tests and simulations, never for a network.
///
/// The same seed gives the same bytes, in whatever portions they are taken (SplitMix64).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Predictable {
    state: u64,
    left: Vec<u8>,
}

impl Predictable {
    /// The source with that seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, left: Vec::new() }
    }

    fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for Predictable {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        for byte in bytes {
            if self.left.is_empty() {
                let word = self.word();
                self.left.extend(word.to_be_bytes());
            }
            *byte = self.left.pop().unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    #[test]
    fn portions_do_not_shift_the_stream() {
        let (mut whole, mut split) = ([0; 21], [0; 21]);
        Predictable::new(7).fill(&mut whole).unwrap();
        let mut source = Predictable::new(7);
        source.fill(&mut split[..3]).unwrap();
        source.fill(&mut split[3..]).unwrap();
        assert_eq!(whole, split);
        Predictable::new(8).fill(&mut split).unwrap();
        assert_ne!(whole, split);
    }
}
