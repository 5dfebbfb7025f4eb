//! The configuration of a machine.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use crate::address::{AddressFamily, Routes};
use crate::policy::Policy;

/// The configuration of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Config {
    /// The choices that the specification leaves open.
    pub policy: Policy,
    /// The number of name servers; with 0 every DNS question fails.
    pub name_servers: u8,
    /// From which SRV draws and jitter are derived. The same seed and inputs give the same run; give each process its own.
    pub seed: u64,
    /// The key of the cache's hash tables, against names chosen to collide. No result depends on it.
    pub hash_key: HashKey,
    /// The address families with a route at the start.
    pub routes: Routes,
    /// The interval at which the driver calls while requests are in flight, even if no timer is due; `poll_timeout` returns it. A pause
    /// of the driver (a stopped process, a suspended machine) is noticed when a call comes more than a second late, so this interval
    /// bounds the shortest pause that can be noticed. Default: 1 s. `None`: only a pause beyond a deadline is noticed, and a shorter one
    /// counts as time of the servers.
    pub heartbeat: Option<Duration>,
}

impl Config {
    /// A configuration with this policy, one name server, seed 0, a hash key of its own and a heartbeat of 1 s.
    pub fn new(policy: Policy) -> Self {
        let hash_key = HashKey::default();
        let heartbeat = Some(Duration::from_secs(1));
        Self { policy, name_servers: 1, seed: 0, hash_key, routes: Routes::default(), heartbeat }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new(Policy::default())
    }
}

/// The configuration of lookups, the same for all of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Context {
    pub(crate) policy: Arc<Policy>,
    pub(crate) routes: Routes,
    /// The address family that is failing.
    pub(crate) second: Option<AddressFamily>,
    pub(crate) seed: u64,
}

/// A secret key of SipHash. Any two are equal: machines that differ in it alone do the same.
#[derive(Clone, Copy)]
pub struct HashKey(pub(crate) [u64; 2]);

impl HashKey {
    /// A key from 16 bytes of entropy. An attacker who knows it can choose names that collide, which makes the cache slow.
    pub fn new(entropy: [u8; 16]) -> Self {
        let number = u128::from_ne_bytes(entropy);
        // Both halves, whatever the order of bytes.
        let [low, high] = [number, number >> 64].map(|part| part & u128::from(u64::MAX));
        Self([low, high].map(|part| u64::try_from(part).unwrap_or_default()))
    }
}

impl Default for HashKey {
    /// A key that cannot be computed offline: derived from the random state that the standard library's hash tables have in this
    /// process.
    fn default() -> Self {
        let state = RandomState::new();
        Self([0_u8, 1].map(|half| state.hash_one(half)))
    }
}

impl PartialEq for HashKey {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for HashKey {}

impl Hash for HashKey {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for HashKey {
    /// Without the key: it is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_by_default_differ_and_do_not_show() {
        let (one, other) = (HashKey::default(), HashKey::default());
        assert_ne!(one.0, other.0);
        assert_eq!(one, other, "machines that differ in it alone do the same");
        assert_eq!(format!("{one:?}"), "HashKey");
        let mut entropy = [0; 16];
        let zero = HashKey::new(entropy);
        entropy[0] = 1;
        entropy[15] = 1;
        let [a, b] = HashKey::new(entropy).0;
        assert!(a != zero.0[0] && b != zero.0[1], "both halves count");
    }
}
