//! The map under arbitrary use, beside a plain model: two lists that are searched from end to end.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// A key, and the number of the insertion.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item(u8, usize);

impl Keyed for Item {
    type Key = u8;

    fn key(&self) -> &u8 {
        &self.0
    }
}

#[derive(Clone)]
struct Entry {
    item: Item,
    weight: usize,
    is_used: bool,
}

/// Each list from the oldest.
struct Model {
    probation: Vec<Entry>,
    protected: Vec<Entry>,
    max_entries: usize,
    max_bytes: usize,
}

fn weight(list: &[Entry]) -> usize {
    list.iter().map(|entry| entry.weight).sum()
}

impl Model {
    fn all(&self) -> impl Iterator<Item = &Entry> {
        self.probation.iter().chain(&self.protected)
    }

    fn get(&mut self, key: u8) -> Option<Item> {
        let mut all = self.probation.iter_mut().chain(&mut self.protected);
        let entry = all.find(|entry| entry.item.0 == key)?;
        entry.is_used = true;
        Some(entry.item.clone())
    }

    fn insert(&mut self, item: Item, weight: usize) {
        let is_it = |entry: &Entry| entry.item.0 == item.0;
        match self.protected.iter_mut().find(|entry| is_it(entry)) {
            Some(entry) => *entry = Entry { item, weight, ..*entry },
            None => {
                let old = self.probation.iter().position(is_it).map(|at| self.probation.remove(at));
                let is_used = old.is_some_and(|old| old.is_used);
                self.probation.push(Entry { item, weight, is_used });
            }
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.all().count() > self.max_entries
            || weight(&self.probation) + weight(&self.protected) > self.max_bytes
        {
            if self.probation.is_empty() {
                let mut oldest = self.protected.remove(0);
                if std::mem::take(&mut oldest.is_used) {
                    self.protected.push(oldest);
                }
                continue;
            }
            let mut oldest = self.probation.remove(0);
            if std::mem::take(&mut oldest.is_used) {
                self.protected.push(oldest);
                self.demote();
            }
        }
    }

    fn demote(&mut self) {
        while self.protected.len() > (self.max_entries * 80 / 100).max(1)
            || weight(&self.protected) > self.max_bytes * 80 / 100
        {
            let mut oldest = self.protected.remove(0);
            let to = if std::mem::take(&mut oldest.is_used) {
                &mut self.protected
            } else {
                &mut self.probation
            };
            to.push(oldest);
        }
    }

    fn remove(&mut self, key: u8) -> Option<Item> {
        for list in [&mut self.probation, &mut self.protected] {
            if let Some(at) = list.iter().position(|entry| entry.item.0 == key) {
                return Some(list.remove(at).item);
            }
        }
        None
    }
}

#[derive(Clone, Debug)]
enum Use {
    Get(u8),
    Insert(u8, usize),
    Remove(u8),
    Limit(usize),
    Clear,
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let key = 0_u8..12;
    let one = prop_oneof![
        16 => key.clone().prop_map(Use::Get),
        8 => (key.clone(), 0_usize..40).prop_map(|(key, weight)| Use::Insert(key, weight)),
        1 => key.prop_map(Use::Remove),
        1 => (20_usize..200).prop_map(Use::Limit),
        1 => Just(Use::Clear),
    ];
    prop::collection::vec(one, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn unused_entries_are_evicted_first_oldest_first(
        uses in uses(),
        max_entries in 1_usize..10,
        max_bytes in 20_usize..200,
    ) {
        let mut map = SegmentedLru::new(HashKey::default(), max_entries, max_bytes);
        let (probation, protected) = (Vec::new(), Vec::new());
        let mut model = Model { probation, protected, max_entries, max_bytes };
        for (number, one) in uses.into_iter().enumerate() {
            match one {
                Use::Get(key) => prop_assert_eq!(map.get(&key).cloned(), model.get(key)),
                Use::Insert(key, weight) => {
                    let place = map.insert(Item(key, number), weight);
                    model.insert(Item(key, number), weight);
                    prop_assert!(map.at(place).is_none_or(|item| item.0 == key));
                }
                Use::Remove(key) => prop_assert_eq!(map.remove(&key), model.remove(key)),
                Use::Limit(max_bytes) => {
                    map.set_max_bytes(max_bytes);
                    model.max_bytes = max_bytes;
                    model.make_room();
                }
                Use::Clear => {
                    map.clear();
                    map.set_max_bytes(model.max_bytes);
                    model.probation.clear();
                    model.protected.clear();
                }
            }
            let mut kept: Vec<_> = map.iter().cloned().collect();
            let mut expected: Vec<_> = model.all().map(|entry| entry.item.clone()).collect();
            kept.sort_by_key(|item| item.0);
            expected.sort_by_key(|item| item.0);
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(map.bytes(), model.all().map(|entry| entry.weight).sum::<usize>());
            prop_assert_eq!(map.len(), model.all().count());
            for key in 0..12 {
                let peeked = model.all().find(|entry| entry.item.0 == key);
                prop_assert_eq!(map.peek(&key), peeked.map(|entry| &entry.item));
            }
        }
    }
}

#[test]
fn the_entry_named_as_next_out_is_the_one_that_goes() {
    let mut map = SegmentedLru::new(HashKey::default(), 3, usize::MAX);
    for key in 0..3 {
        assert!(map.next_out(1).is_none(), "there is room");
        map.insert(Item(key, 0), 1);
    }
    map.get(&0);
    assert_eq!(map.next_out(1).cloned(), Some(Item(1, 0)), "what has been used stays");
    map.insert(Item(3, 0), 1);
    assert!(map.peek(&1).is_none() && map.peek(&0).is_some());
}

#[test]
fn a_flood_of_new_entries_evicts_none_that_is_in_use() {
    let mut map = SegmentedLru::new(HashKey::default(), 20, usize::MAX);
    for key in 0..10 {
        map.insert(Item(key, 0), 1);
    }
    for flood in 0..1000 {
        (0..10).for_each(|key| assert!(map.get(&key).is_some(), "{key} after {flood}"));
        for key in 100..110 {
            map.insert(Item(key + u8::try_from(flood % 10).unwrap() * 10, flood), 1);
        }
    }
}

/// A number that is nothing but its own key.
#[derive(Debug)]
struct Number(u32);

impl Keyed for Number {
    type Key = u32;

    fn key(&self) -> &u32 {
        &self.0
    }
}

#[test]
fn the_table_stays_bounded_where_entries_come_and_go() {
    for entries in [0, 1, 2, 3, 7, 8, 14, 449, 600, 784, 785, 895, 896, 897] {
        let mut map = SegmentedLru::new(HashKey::default(), entries, usize::MAX);
        for number in 0..60_000 {
            map.insert(Number(number), 1);
        }
        assert_eq!(map.len(), entries);
        assert!(map.iter().all(|item| map.peek(&item.0).is_some_and(|found| found.0 == item.0)));
        let buckets = map.table.num_buckets();
        assert!(buckets <= 4.max(entries * 5 + 8), "{buckets} for {entries}");
    }
}
