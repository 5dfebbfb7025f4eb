//! A bounded map in two segments: what is used a second time moves where strangers' names can't push it out.
//!
//! Knows nothing of what it holds. Bounded by entries and by a weight that the caller gives in bytes. One table finds the
//! entries of both segments; which segment an entry is in, and when it was used, is only a matter of links.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use siphasher::sip::SipHasher13;

use crate::order::{self, Links, List, MAX_PLACES, index};

/// Of all entries, the part that may be protected, in percent: the rest is for what is new.
const PROTECTED_PERCENT: usize = 80;

/// What an entry is found by.
pub(crate) trait Keyed {
    /// Its type.
    type Key: Hash + Eq;

    fn key(&self) -> &Self::Key;
}

/// A hasher with a key: names are chosen by strangers, who must not be able to choose collisions.
#[derive(Clone, Copy, Debug)]
struct Hasher(u64, u64);

impl BuildHasher for Hasher {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// Where an entry stands, with its hash: a table that grows needs no look at what it holds.
#[derive(Clone, Copy, Debug)]
struct Found {
    hash: u32,
    place: u32,
}

/// Uses that are noted before the order is brought up to date: done together, the misses of the processor's cache that each of
/// them costs overlap.
const MAX_USES: usize = 64;

/// What is noted of a place: what its entry weighs, and whether it is protected.
#[derive(Clone, Copy, Debug)]
struct Standing {
    weight: u32,
    is_protected: bool,
}

impl Standing {
    /// Of the bits of a note the one that says whether an entry is protected; the others are its weight.
    const PROTECTED: u32 = 1 << 31;

    const fn of(note: u32) -> Self {
        Self { weight: note & !Self::PROTECTED, is_protected: note & Self::PROTECTED != 0 }
    }

    const fn note(self) -> u32 {
        self.weight | if self.is_protected { Self::PROTECTED } else { 0 }
    }
}

/// The map. Each segment is ordered by last use.
#[derive(Clone)]
pub(crate) struct Segments<V> {
    hasher: Hasher,
    table: HashTable<Found>,
    slots: Vec<Option<V>>,
    links: Links,
    /// The last uses, which the order does not show yet.
    uses: Vec<u32>,
    probation: List,
    protected: List,
    vacant: List,
    max_entries: usize,
    max_bytes: usize,
    bytes: usize,
    protected_bytes: usize,
}

impl<V> std::fmt::Debug for Segments<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries, {} bytes", self.probation.len(), self.bytes)
    }
}

impl<V: Keyed> Segments<V> {
    pub(crate) fn new(seed: u64, max_entries: usize, max_bytes: usize) -> Self {
        Self {
            hasher: Hasher(seed, !seed.rotate_left(32)),
            table: HashTable::new(),
            slots: Vec::new(),
            links: Links::default(),
            uses: Vec::new(),
            probation: List::default(),
            protected: List::default(),
            vacant: List::default(),
            max_entries: max_entries.min(MAX_PLACES),
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
    pub(crate) fn peek(&self, key: &V::Key) -> Option<&V> {
        let place = self.find(key)?;
        self.slots.get(index(place))?.as_ref()
    }

    /// Uses an entry: on its second use it moves to the protected segment.
    pub(crate) fn get(&mut self, key: &V::Key) -> Option<&mut V> {
        let Some(place) = self.find(key) else {
            // A use in vain makes room, as others do.
            self.settle();
            self.demote();
            return None;
        };
        if self.uses.len() >= MAX_USES {
            self.settle();
        }
        self.uses.push(place);
        self.slots.get_mut(index(place))?.as_mut()
    }

    /// Puts an entry in, or in the place of the one that is there; the least recently used make room. Gives where it stands.
    pub(crate) fn insert(&mut self, value: V, weight: usize) -> u32 {
        self.settle();
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).min(!Standing::PROTECTED);
        self.bytes = self.bytes.saturating_add(bytes(weight));
        let place = match self.find(value.key()) {
            Some(place) => {
                self.replace(place, value, weight);
                place
            }
            None => self.add(value, weight),
        };
        self.make_room();
        place
    }

    /// What goes first to make room for one more of such a weight; None: there is room.
    pub(crate) fn next_out(&self, weight: usize) -> Option<&V> {
        let full =
            self.len() >= self.max_entries || self.bytes.saturating_add(weight) > self.max_bytes;
        let oldest = self.probation.oldest().or_else(|| self.protected.oldest());
        self.at(oldest.filter(|_| full)?)
    }

    /// So many bytes it may take from now on.
    pub(crate) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.len() > self.max_entries || self.bytes > self.max_bytes {
            let oldest = self.probation.oldest().or_else(|| self.protected.oldest());
            let Some(oldest) = oldest else { return };
            self.vacate(oldest);
        }
    }

    /// What stands at a place.
    pub(crate) fn at(&self, place: u32) -> Option<&V> {
        self.slots.get(index(place))?.as_ref()
    }

    /// How many places there are, empty ones included.
    pub(crate) fn places(&self) -> u32 {
        // There are no more of them than can be numbered.
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn remove(&mut self, key: &V::Key) -> Option<V> {
        self.settle();
        self.find(key).and_then(|place| self.vacate(place))
    }

    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.slots.clear();
        self.links.clear();
        self.uses.clear();
        self.probation = List::default();
        self.protected = List::default();
        self.vacant = List::default();
        self.bytes = 0;
        self.protected_bytes = 0;
    }

    /// All entries, in no particular meaning of order but always the same for the same history.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().flatten()
    }

    fn find(&self, key: &V::Key) -> Option<u32> {
        let hash = self.hash(key);
        let found =
            self.table.find(spread(hash), |found| found.hash == hash && self.is(found.place, key));
        found.map(|found| found.place)
    }

    fn is(&self, place: u32, key: &V::Key) -> bool {
        let value = self.slots.get(index(place)).and_then(Option::as_ref);
        value.is_some_and(|value| value.key() == key)
    }

    /// Half of the hash: places have no more bits, either.
    #[expect(clippy::cast_possible_truncation, reason = "half of it is what is wanted")]
    fn hash(&self, key: &V::Key) -> u32 {
        self.hasher.hash_one(key) as u32
    }

    fn standing(&self, place: u32) -> Standing {
        Standing::of(self.links.note(place))
    }

    /// Brings the order up to date with the last uses.
    fn settle(&mut self) {
        let mut uses = std::mem::take(&mut self.uses);
        for place in uses.drain(..) {
            self.demote();
            let standing = self.standing(place);
            if standing.is_protected {
                self.protected.renew(place, &mut self.links);
            } else {
                self.links.set_note(place, Standing { is_protected: true, ..standing }.note());
                self.protected_bytes = self.protected_bytes.saturating_add(bytes(standing.weight));
                self.probation.take(place, &mut self.links);
                self.protected.push(place, &mut self.links);
            }
        }
        self.uses = uses;
    }

    fn replace(&mut self, place: u32, value: V, weight: u32) {
        let Some(slot) = self.slots.get_mut(index(place)) else { return };
        *slot = Some(value);
        let Standing { weight: old, is_protected } = self.standing(place);
        self.links.set_note(place, Standing { weight, is_protected }.note());
        self.bytes = self.bytes.saturating_sub(bytes(old));
        if is_protected {
            let added = self.protected_bytes.saturating_add(bytes(weight));
            self.protected_bytes = added.saturating_sub(bytes(old));
        } else {
            self.probation.renew(place, &mut self.links);
        }
    }

    fn add(&mut self, value: V, weight: u32) -> u32 {
        let hash = self.hash(value.key());
        let place = match self.vacant.oldest() {
            Some(place) => {
                self.vacant.take(place, &mut self.links);
                if let Some(old) = self.slots.get_mut(index(place)) {
                    *old = Some(value);
                }
                place
            }
            None => {
                order::reserve(&mut self.slots);
                self.links.grow();
                self.slots.push(Some(value));
                // There are no more places than entries, one more than the limit at most.
                u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
            }
        };
        self.links.set_note(place, Standing { weight, is_protected: false }.note());
        self.probation.push(place, &mut self.links);
        self.table.insert_unique(spread(hash), Found { hash, place }, |found| spread(found.hash));
        place
    }

    /// Takes out what stands at a place.
    fn vacate(&mut self, place: u32) -> Option<V> {
        let value = self.slots.get_mut(index(place))?.take()?;
        let Standing { weight, is_protected } = self.standing(place);
        let weight = bytes(weight);
        self.bytes = self.bytes.saturating_sub(weight);
        if is_protected {
            self.protected_bytes = self.protected_bytes.saturating_sub(weight);
            self.protected.take(place, &mut self.links);
        } else {
            self.probation.take(place, &mut self.links);
        }
        self.vacant.push(place, &mut self.links);
        let hash = spread(self.hash(value.key()));
        let found =
            self.table.entry(hash, |found| found.place == place, |found| spread(found.hash));
        if let Entry::Occupied(found) = found {
            found.remove();
        }
        Some(value)
    }

    /// Keeps room for what is new: the least recently used of the protected go back on probation.
    fn demote(&mut self) {
        let part = |all: usize| all.saturating_mul(PROTECTED_PERCENT) / 100;
        while self.protected.len() > part(self.max_entries).max(1)
            || self.protected_bytes > part(self.max_bytes)
        {
            let Some(oldest) = self.protected.oldest() else { return };
            let weight = self.standing(oldest).weight;
            self.links.set_note(oldest, Standing { weight, is_protected: false }.note());
            self.protected_bytes = self.protected_bytes.saturating_sub(bytes(weight));
            self.protected.take(oldest, &mut self.links);
            self.probation.push(oldest, &mut self.links);
        }
    }
}

/// A table looks at both ends of a hash.
fn spread(hash: u32) -> u64 {
    let hash = u64::from(hash);
    hash | hash << 32
}

fn bytes(weight: u32) -> usize {
    usize::try_from(weight).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
