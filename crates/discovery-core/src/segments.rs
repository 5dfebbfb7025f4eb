//! A bounded map in two segments: what is used a second time moves where strangers' names can't push it out.
//!
//! Knows nothing of what it holds. Bounded by entries and by a weight that the caller gives in bytes.

use std::hash::{BuildHasher, Hash};

use hashlink::LinkedHashMap;
use hashlink::linked_hash_map::RawEntryMut;
use siphasher::sip::SipHasher13;

/// Of all entries, the part that may be protected, in percent: the rest is for what is new.
const PROTECTED_PERCENT: usize = 80;

/// A hasher with a key: names are chosen by strangers, who must not be able to choose collisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed(u64, u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// One entry and its weight.
#[derive(Clone, Debug)]
struct Weighed<V> {
    value: V,
    weight: u32,
}

/// The map. Each segment is ordered by last use.
#[derive(Clone)]
pub(crate) struct Segments<K: Hash + Eq, V> {
    probation: LinkedHashMap<K, Weighed<V>, Keyed>,
    protected: LinkedHashMap<K, Weighed<V>, Keyed>,
    max_entries: usize,
    max_bytes: usize,
    bytes: usize,
    protected_bytes: usize,
}

impl<K: Hash + Eq, V> std::fmt::Debug for Segments<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries, {} bytes", self.len(), self.bytes)
    }
}

impl<K: Hash + Eq, V> Segments<K, V> {
    pub(crate) fn new(seed: u64, max_entries: usize, max_bytes: usize) -> Self {
        let keyed = Keyed(seed, !seed.rotate_left(32));
        Self {
            probation: LinkedHashMap::with_hasher(keyed),
            protected: LinkedHashMap::with_hasher(keyed),
            max_entries,
            max_bytes,
            bytes: 0,
            protected_bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.probation.len().saturating_add(self.protected.len())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Looks without using.
    pub(crate) fn peek(&self, key: &K) -> Option<&V> {
        let weighed = self.protected.get(key).or_else(|| self.probation.get(key));
        weighed.map(|weighed| &weighed.value)
    }

    /// Uses an entry: on its second use it moves to the protected segment.
    pub(crate) fn get(&mut self, key: &K) -> Option<&mut V> {
        self.demote();
        // Both segments hash alike: once is enough.
        let hash = self.protected.hasher().hash_one(key);
        match self.protected.raw_entry_mut().from_key_hashed_nocheck(hash, key) {
            RawEntryMut::Occupied(mut found) => {
                found.to_back();
                Some(&mut found.into_mut().value)
            }
            RawEntryMut::Vacant(place) => {
                let probation = self.probation.raw_entry_mut();
                match probation.from_key_hashed_nocheck(hash, key) {
                    RawEntryMut::Occupied(found) => {
                        let (key, weighed) = found.remove_entry();
                        self.protected_bytes = self.protected_bytes.saturating_add(weighed.bytes());
                        let (_, weighed) = place.insert_hashed_nocheck(hash, key, weighed);
                        Some(&mut weighed.value)
                    }
                    RawEntryMut::Vacant(_) => None,
                }
            }
        }
    }

    /// Puts an entry in, or in the place of the one that is there; the least recently used make room.
    pub(crate) fn insert(&mut self, key: K, value: V, weight: usize) {
        let weighed = Weighed { value, weight: u32::try_from(weight).unwrap_or(u32::MAX) };
        self.bytes = self.bytes.saturating_add(weighed.bytes());
        let old = match self.protected.get_mut(&key) {
            Some(place) => {
                let added = self.protected_bytes.saturating_add(weighed.bytes());
                let old = std::mem::replace(place, weighed);
                self.protected_bytes = added.saturating_sub(old.bytes());
                Some(old)
            }
            None => self.probation.insert(key, weighed),
        };
        self.bytes = self.bytes.saturating_sub(old.as_ref().map_or(0, Weighed::bytes));
        while self.len() > self.max_entries.max(1) || self.bytes > self.max_bytes {
            let oldest = self.probation.pop_front();
            let Some((_, weighed)) = oldest.or_else(|| self.pop_protected()) else { return };
            self.bytes = self.bytes.saturating_sub(weighed.bytes());
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let removed = self.probation.remove(key).or_else(|| {
            let weighed = self.protected.remove(key)?;
            self.protected_bytes = self.protected_bytes.saturating_sub(weighed.bytes());
            Some(weighed)
        })?;
        self.bytes = self.bytes.saturating_sub(removed.bytes());
        Some(removed.value)
    }

    pub(crate) fn clear(&mut self) {
        self.probation.clear();
        self.protected.clear();
        self.bytes = 0;
        self.protected_bytes = 0;
    }

    /// All entries, in no particular meaning of order but always the same for the same history.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.probation.iter().chain(self.protected.iter()).map(|(key, w)| (key, &w.value))
    }

    fn pop_protected(&mut self) -> Option<(K, Weighed<V>)> {
        let (key, weighed) = self.protected.pop_front()?;
        self.protected_bytes = self.protected_bytes.saturating_sub(weighed.bytes());
        Some((key, weighed))
    }

    /// Keeps room for what is new: the least recently used of the protected go back on probation.
    fn demote(&mut self) {
        let part = |all: usize| all.saturating_mul(PROTECTED_PERCENT) / 100;
        while self.protected.len() > part(self.max_entries).max(1)
            || self.protected_bytes > part(self.max_bytes)
        {
            let Some((key, weighed)) = self.pop_protected() else { return };
            self.probation.insert(key, weighed);
        }
    }
}

impl<V> Weighed<V> {
    fn bytes(&self) -> usize {
        usize::try_from(self.weight).unwrap_or(usize::MAX)
    }
}
