//! A bounded map in two segments: what is used a second time moves where strangers' names can't push it out.
//!
//! Knows nothing of what it holds. Bounded by entries and by a weight that the caller gives in bytes. One table finds the
//! entries of both segments; which segment an entry is in, and when it was used, is only a matter of links. What a use needs of an
//! entry may lie in the table itself ([`Front`]).

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use crate::config::HashKey;
use crate::util::links::{self, Links, List, MAX_PLACES, index};

/// Of all entries, the part that may be protected, in percent: the rest is for what is new.
const PROTECTED_PERCENT: usize = 80;

/// What an entry is found by.
pub(crate) trait Keyed {
    /// Its type.
    type Key: Hash + Eq;
    /// What of it lies in the table itself, so that a use need not look further; `()`: nothing.
    type Front: Front<Self>;

    fn key(&self) -> &Self::Key;
}

/// What of an entry lies in the table itself.
pub(crate) trait Front<V: Keyed + ?Sized> {
    /// Whether it is of the entry of that key; None: only the entry itself tells.
    fn is(&self, key: &V::Key) -> Option<bool>;

    /// Some uses are over: takes from the entry what they took.
    fn refill(&mut self, entry: &V);
}

impl<V: Keyed> Front<V> for () {
    fn is(&self, _: &V::Key) -> Option<bool> {
        None
    }

    fn refill(&mut self, _: &V) {}
}

/// A hasher with a key: names are chosen by strangers, who must not be able to choose collisions.
#[derive(Clone, Copy, Debug)]
struct Hasher(HashKey);

impl BuildHasher for Hasher {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        let [k0, k1] = self.0.0;
        SipHasher13::new_with_keys(k0, k1)
    }
}

/// Where an entry stands, with its hash: a table that grows needs no look at what it holds.
#[derive(Clone, Copy, Debug)]
struct Found<F> {
    hash: u32,
    place: u32,
    front: F,
}

/// Uses that are noted before the order is brought up to date: done together, the misses of the processor's cache that each of
/// them costs overlap.
const MAX_USES: usize = 64;

/// A use that the order does not show yet.
#[derive(Clone, Copy, Debug)]
struct Use {
    place: u32,
    /// Where the table has it. Nothing moves there before the use has been looked at.
    bucket: u32,
}

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
pub(crate) struct Segments<V: Keyed> {
    hasher: Hasher,
    table: HashTable<Found<V::Front>>,
    slots: Vec<Option<V>>,
    links: Links,
    /// The last uses, which the order does not show yet.
    uses: Vec<Use>,
    probation: List,
    protected: List,
    vacant: List,
    max: Limits,
    /// What may be protected.
    max_protected: Limits,
    bytes: usize,
    protected_bytes: usize,
}

/// What there may be.
#[derive(Clone, Copy, Debug)]
struct Limits {
    entries: usize,
    bytes: usize,
}

impl Limits {
    /// The part of it that may be protected.
    fn protected(self) -> Self {
        let part = |all: usize| all.saturating_mul(PROTECTED_PERCENT) / 100;
        Self { entries: part(self.entries).max(1), bytes: part(self.bytes) }
    }
}

impl<V: Keyed> std::fmt::Debug for Segments<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} entries, {} bytes", self.probation.len(), self.bytes)
    }
}

impl<V: Keyed> Segments<V> {
    pub(crate) fn new(hash_key: HashKey, max_entries: usize, max_bytes: usize) -> Self {
        let max = Limits { entries: max_entries.min(MAX_PLACES), bytes: max_bytes };
        Self {
            hasher: Hasher(hash_key),
            table: HashTable::new(),
            slots: Vec::new(),
            links: Links::default(),
            uses: Vec::new(),
            probation: List::default(),
            protected: List::default(),
            vacant: List::default(),
            max,
            max_protected: max.protected(),
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
        self.at(self.find(key)?.place)
    }

    /// Looks at what lies in the table without using it.
    pub(crate) fn peek_front(&self, key: &V::Key) -> Option<&V::Front> {
        Some(&self.find(key)?.front)
    }

    /// Uses an entry: on its second use it moves to the protected segment.
    pub(crate) fn get(&mut self, key: &V::Key) -> Option<&mut V> {
        let bucket = self.note_use(key)?;
        let place = self.table.get_bucket(bucket)?.place;
        self.slots.get_mut(index(place))?.as_mut()
    }

    /// Uses an entry. Gives what lies in the table, and where the rest is, which need not be looked at.
    pub(crate) fn get_front(&mut self, key: &V::Key) -> Option<(&mut V::Front, &Option<V>)> {
        let bucket = self.note_use(key)?;
        let Found { front, place, .. } = self.table.get_bucket_mut(bucket)?;
        Some((front, self.slots.get(index(*place))?))
    }

    /// Notes the use of an entry; gives its bucket.
    fn note_use(&mut self, key: &V::Key) -> Option<usize> {
        let hash = self.hash(key);
        let is = |found: &Found<_>| self.is(found, hash, key);
        // Mostly it is the first that the table would look at: so much sooner than by the table's own bytes of control, which are
        // elsewhere.
        let first = Some(self.first_bucket(hash));
        let first = first.filter(|first| self.table.get_bucket(*first).is_some_and(is));
        let bucket = first.or_else(|| self.table.find_bucket_index(spread(hash), is));
        let found = bucket.and_then(|bucket| Some((bucket, self.table.get_bucket(bucket)?.place)));
        let Some((bucket, place)) = found else {
            // A use in vain makes room, as others do.
            self.settle();
            self.demote();
            return None;
        };
        if self.uses.len() >= MAX_USES {
            self.settle();
        }
        // Of a bucket beyond that nothing would be taken: what stands in another has another place.
        self.uses.push(Use { place, bucket: u32::try_from(bucket).unwrap_or(u32::MAX) });
        Some(bucket)
    }

    /// Puts an entry in, or in the place of the one that is there; the least recently used make room. Gives where it stands.
    pub(crate) fn insert(&mut self, value: V, front: V::Front, weight: usize) -> u32 {
        self.settle();
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).min(!Standing::PROTECTED);
        self.bytes = self.bytes.saturating_add(bytes(weight));
        let hash = self.hash(value.key());
        let is = |found: &Found<_>| self.is(found, hash, value.key());
        let bucket = self.table.find_bucket_index(spread(hash), is);
        let place = match bucket.and_then(|bucket| self.table.get_bucket_mut(bucket)) {
            Some(found) => {
                found.front = front;
                let place = found.place;
                self.replace(place, value, weight);
                place
            }
            None => self.add(value, front, hash, weight),
        };
        self.make_room();
        place
    }

    /// What goes first to make room for one more of such a weight; None: there is room.
    pub(crate) fn next_out(&self, weight: usize) -> Option<&V> {
        let full =
            self.len() >= self.max.entries || self.bytes.saturating_add(weight) > self.max.bytes;
        let oldest = self.probation.oldest().or_else(|| self.protected.oldest());
        self.at(oldest.filter(|_| full)?)
    }

    /// So many bytes it may take from now on.
    pub(crate) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.settle();
        self.max.bytes = max_bytes;
        self.max_protected = self.max.protected();
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.len() > self.max.entries || self.bytes > self.max.bytes {
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
        let place = self.find(key)?.place;
        self.vacate(place)
    }

    pub(crate) fn clear(&mut self) {
        // What it took is given back.
        self.table = HashTable::new();
        self.slots = Vec::new();
        self.links = Links::default();
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

    fn find(&self, key: &V::Key) -> Option<&Found<V::Front>> {
        let hash = self.hash(key);
        self.table.find(spread(hash), |found| self.is(found, hash, key))
    }

    fn is(&self, found: &Found<V::Front>, hash: u32, key: &V::Key) -> bool {
        found.hash == hash
            && found.front.is(key).unwrap_or_else(|| {
                let value = self.slots.get(index(found.place)).and_then(Option::as_ref);
                value.is_some_and(|value| value.key() == key)
            })
    }

    /// Where the table puts an entry if nothing else is there. Were it to put it elsewhere, looking there would be in vain.
    fn first_bucket(&self, hash: u32) -> usize {
        index(hash) & self.table.num_buckets().saturating_sub(1)
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
        for Use { place, bucket } in &uses {
            let found = self.table.get_bucket_mut(index(*bucket));
            let entry = self.slots.get(index(*place)).and_then(Option::as_ref);
            if let (Some(found), Some(entry)) = (found.filter(|found| found.place == *place), entry)
            {
                found.front.refill(entry);
            }
        }
        for Use { place, .. } in uses.drain(..) {
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

    fn add(&mut self, value: V, front: V::Front, hash: u32, weight: u32) -> u32 {
        let place = match self.vacant.oldest() {
            Some(place) => {
                self.vacant.take(place, &mut self.links);
                if let Some(old) = self.slots.get_mut(index(place)) {
                    *old = Some(value);
                }
                place
            }
            None => {
                links::reserve(&mut self.slots);
                self.links.grow();
                self.slots.push(Some(value));
                // There are no more places than entries, one more than the limit at most.
                u32::try_from(self.slots.len().saturating_sub(1)).unwrap_or(u32::MAX)
            }
        };
        self.links.set_note(place, Standing { weight, is_protected: false }.note());
        self.probation.push(place, &mut self.links);
        self.make_place_in_table();
        let found = Found { hash, place, front };
        self.table.insert_unique(spread(hash), found, |found| spread(found.hash));
        place
    }

    /// Room for one more in the table. What was taken out has left marks there, and a table full of those would double where
    /// entries come and go: it is made anew instead, of the same size.
    fn make_place_in_table(&mut self) {
        let part = |all: usize| all.saturating_mul(7) / 8;
        let most = part(self.table.num_buckets());
        let is_full = self.table.len() == self.table.capacity();
        if is_full && self.table.len() < part(most) {
            let table = std::mem::replace(&mut self.table, HashTable::with_capacity(most));
            for found in table {
                self.table.insert_unique(spread(found.hash), found, |found| spread(found.hash));
            }
        }
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
        // Not by its `entry`, which makes place for one more.
        if let Ok(found) = self.table.find_entry(hash, |found| found.place == place) {
            found.remove();
        }
        Some(value)
    }

    /// Keeps room for what is new: the least recently used of the protected go back on probation.
    fn demote(&mut self) {
        while self.protected.len() > self.max_protected.entries
            || self.protected_bytes > self.max_protected.bytes
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
