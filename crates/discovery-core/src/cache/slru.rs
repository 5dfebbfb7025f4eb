//! A bounded map in two segments: entries that are used again outlive a flood of new ones.
//!
//! It is a segmented LRU with lazy promotion. A use only marks its entry; the mark counts when room is needed. The oldest entry
//! on probation is then evicted if nothing has used it, and protected otherwise. So a hit touches no list, and names that are asked
//! for once, however many, push out nothing that is in use.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use crate::config::HashKey;
use crate::util::links::{self, Links, List, MAX_PLACES, index};

/// The share of the limits that protected entries may take, in percent. The rest is for new entries.
const PROTECTED_PERCENT: usize = 80;

/// A value with the key that it is found by.
pub(crate) trait Keyed {
    type Key: Hash + Eq;

    fn key(&self) -> &Self::Key;
}

/// A keyed hasher: attackers choose names, and must not be able to choose collisions.
#[derive(Clone, Copy, Debug)]
struct Hasher(HashKey);

impl BuildHasher for Hasher {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        let [k0, k1] = self.0.0;
        SipHasher13::new_with_keys(k0, k1)
    }
}

/// The place of an entry, with half of its hash: most others are ruled out, and the table grows, without a look at entries.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    hash: u32,
    place: u32,
}

#[derive(Clone, Debug)]
struct Slot<V> {
    value: V,
    weight: u32,
    is_used: bool,
    is_protected: bool,
}

/// The map, bounded by entries and by their weights in bytes. Equal histories leave equal maps.
#[derive(Clone)]
pub(crate) struct SegmentedLru<V> {
    hasher: Hasher,
    table: HashTable<Bucket>,
    slots: Vec<Option<Slot<V>>>,
    links: Links,
    probation: List,
    protected: List,
    vacant: List,
    max_entries: usize,
    max_bytes: usize,
    bytes: usize,
    protected_bytes: usize,
}

impl<V> std::fmt::Debug for SegmentedLru<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries, {} bytes", self.len(), self.bytes)
    }
}

impl<V> SegmentedLru<V> {
    pub(crate) fn new(hash_key: HashKey, max_entries: usize, max_bytes: usize) -> Self {
        Self {
            hasher: Hasher(hash_key),
            table: HashTable::new(),
            slots: Vec::new(),
            links: Links::default(),
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

    /// The entry at a place.
    pub(crate) fn at(&self, place: u32) -> Option<&V> {
        self.slots.get(index(place))?.as_ref().map(|slot| &slot.value)
    }

    /// The number of places, vacant ones included.
    pub(crate) fn places(&self) -> u32 {
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// All entries, in an order that depends on the history alone.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.slots.iter().flatten().map(|slot| &slot.value)
    }

    /// Drops all entries and gives their memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.hasher.0, self.max_entries, self.max_bytes);
    }

    fn slot(&mut self, place: u32) -> Option<&mut Slot<V>> {
        self.slots.get_mut(index(place))?.as_mut()
    }
}

impl<V: Keyed> SegmentedLru<V> {
    /// Reads an entry without using it.
    pub(crate) fn peek(&self, key: &V::Key) -> Option<&V> {
        self.at(self.find(key)?)
    }

    /// Uses an entry.
    pub(crate) fn get(&mut self, key: &V::Key) -> Option<&mut V> {
        let place = self.find(key)?;
        let slot = self.slot(place)?;
        slot.is_used = true;
        Some(&mut slot.value)
    }

    /// Inserts an entry or replaces the one with the same key, and evicts others if that is too much. Returns its place.
    pub(crate) fn insert(&mut self, value: V, weight: usize) -> u32 {
        let weight = u32::try_from(weight).unwrap_or(u32::MAX);
        let place = match self.find(value.key()) {
            Some(place) => self.replace(place, value, weight),
            None => self.add(value, weight),
        };
        self.bytes = self.bytes.saturating_add(index(weight));
        self.make_room();
        place
    }

    pub(crate) fn remove(&mut self, key: &V::Key) -> Option<V> {
        let place = self.find(key)?;
        self.vacate(place)
    }

    /// The entry that one more of such a weight would evict first; `None` where there is room.
    pub(crate) fn next_out(&mut self, weight: usize) -> Option<&V> {
        let is_full =
            self.len() >= self.max_entries || self.bytes.saturating_add(weight) > self.max_bytes;
        let victim = if is_full { self.victim()? } else { return None };
        self.at(victim)
    }

    /// Changes both limits.
    pub(crate) fn set_limits(&mut self, max_entries: usize, max_bytes: usize) {
        self.max_entries = max_entries.min(MAX_PLACES);
        self.set_max_bytes(max_bytes);
    }

    /// Changes the byte limit.
    pub(crate) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.len() > self.max_entries || self.bytes > self.max_bytes {
            let Some(victim) = self.victim() else { return };
            self.vacate(victim);
        }
    }

    /// The entry to evict next. Entries that have been used on the way there are protected, which takes their mark away, so no
    /// entry is passed twice.
    fn victim(&mut self) -> Option<u32> {
        loop {
            let place = self.probation.oldest().or_else(|| self.protected.oldest())?;
            let slot = self.slot(place)?;
            if !std::mem::take(&mut slot.is_used) {
                return Some(place);
            }
            if slot.is_protected {
                self.protected.renew(place, &mut self.links);
            } else {
                self.set_protected(place, true);
                self.demote();
            }
        }
    }

    /// Keeps room for new entries: the oldest protected entries go back on probation unless they have been used.
    fn demote(&mut self) {
        let share = |all: usize| all.saturating_mul(PROTECTED_PERCENT) / 100;
        let (entries, bytes) = (share(self.max_entries).max(1), share(self.max_bytes));
        while self.protected.len() > entries || self.protected_bytes > bytes {
            let Some(place) = self.protected.oldest() else { return };
            let Some(slot) = self.slot(place) else { return };
            if std::mem::take(&mut slot.is_used) {
                self.protected.renew(place, &mut self.links);
            } else {
                self.set_protected(place, false);
            }
        }
    }

    /// Moves an entry to the other segment, as its newest.
    fn set_protected(&mut self, place: u32, is_protected: bool) {
        let Some(slot) = self.slot(place) else { return };
        slot.is_protected = is_protected;
        let weight = index(slot.weight);
        let (from, to) = if is_protected {
            self.protected_bytes = self.protected_bytes.saturating_add(weight);
            (&mut self.probation, &mut self.protected)
        } else {
            self.protected_bytes = self.protected_bytes.saturating_sub(weight);
            (&mut self.protected, &mut self.probation)
        };
        from.take(place, &mut self.links);
        to.push(place, &mut self.links);
    }

    fn replace(&mut self, place: u32, value: V, weight: u32) -> u32 {
        let Some(slot) = self.slot(place) else { return place };
        slot.value = value;
        let old = index(std::mem::replace(&mut slot.weight, weight));
        if slot.is_protected {
            let added = self.protected_bytes.saturating_add(index(weight));
            self.protected_bytes = added.saturating_sub(old);
        } else {
            self.probation.renew(place, &mut self.links);
        }
        self.bytes = self.bytes.saturating_sub(old);
        place
    }

    fn add(&mut self, value: V, weight: u32) -> u32 {
        let hash = self.hash(value.key());
        let slot = Some(Slot { value, weight, is_used: false, is_protected: false });
        let place = match self.vacant.oldest() {
            Some(place) => {
                self.vacant.take(place, &mut self.links);
                if let Some(vacant) = self.slots.get_mut(index(place)) {
                    *vacant = slot;
                }
                place
            }
            None => {
                let place = self.places();
                links::reserve(&mut self.slots);
                self.links.grow();
                self.slots.push(slot);
                place
            }
        };
        self.probation.push(place, &mut self.links);
        let rehash = |bucket: &Bucket| spread(bucket.hash);
        self.table.insert_unique(spread(hash), Bucket { hash, place }, rehash);
        place
    }

    fn vacate(&mut self, place: u32) -> Option<V> {
        let Slot { value, weight, is_protected, .. } = self.slots.get_mut(index(place))?.take()?;
        self.bytes = self.bytes.saturating_sub(index(weight));
        let list = if is_protected {
            self.protected_bytes = self.protected_bytes.saturating_sub(index(weight));
            &mut self.protected
        } else {
            &mut self.probation
        };
        list.take(place, &mut self.links);
        self.vacant.push(place, &mut self.links);
        let hash = spread(self.hash(value.key()));
        if let Ok(bucket) = self.table.find_entry(hash, |bucket| bucket.place == place) {
            bucket.remove();
        }
        Some(value)
    }

    fn find(&self, key: &V::Key) -> Option<u32> {
        let hash = self.hash(key);
        let is_it = |bucket: &Bucket| {
            bucket.hash == hash && self.at(bucket.place).is_some_and(|value| value.key() == key)
        };
        self.table.find(spread(hash), is_it).map(|bucket| bucket.place)
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of it is what is wanted")]
    fn hash(&self, key: &V::Key) -> u32 {
        self.hasher.hash_one(key) as u32
    }
}

/// The table looks at both ends of a hash.
fn spread(hash: u32) -> u64 {
    let hash = u64::from(hash);
    hash | hash << 32
}

#[cfg(test)]
mod tests;
