//! The map under arbitrary use, beside a plain one: two lists, searched from end to end.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "tests")]

use proptest::prelude::*;

use super::*;

/// A key, and a value that tells which insertion it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Item(u8, usize);

/// What lies in the table: the key, if it is an even one, which insertion it was, and whether there is something left to take.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stock {
    of: Option<u8>,
    number: usize,
    left: bool,
}

impl Stock {
    fn new(item: &Item) -> Self {
        Self { of: Some(item.0).filter(|key| key % 2 == 0), number: item.1, left: true }
    }
}

impl Front<Item> for Stock {
    fn is(&self, key: &u8) -> Option<bool> {
        self.of.map(|of| of == *key)
    }

    fn refill(&mut self, entry: &Item) {
        assert_eq!(*self, Self { left: self.left, ..Stock::new(entry) });
        self.left = true;
    }
}

impl Keyed for Item {
    type Key = u8;
    type Front = Stock;

    fn key(&self) -> &u8 {
        &self.0
    }
}

fn put(map: &mut Segments<Item>, item: Item, weight: usize) {
    let stock = Stock::new(&item);
    map.insert(item, stock, weight);
}

/// Each list from the least recently used.
struct Plain {
    probation: Vec<(Item, usize)>,
    protected: Vec<(Item, usize)>,
    max_entries: usize,
    max_bytes: usize,
}

impl Plain {
    fn get(&mut self, key: u8) -> Option<Item> {
        let weight = |list: &[(Item, usize)]| list.iter().map(|(_, weight)| weight).sum::<usize>();
        while self.protected.len() > (self.max_entries * 80 / 100).max(1)
            || weight(&self.protected) > self.max_bytes * 80 / 100
        {
            self.probation.push(self.protected.remove(0));
        }
        let is_key = |(item, _): &(Item, usize)| item.0 == key;
        let found = match self.protected.iter().position(is_key) {
            Some(at) => self.protected.remove(at),
            None => self.probation.remove(self.probation.iter().position(is_key)?),
        };
        self.protected.push(found.clone());
        Some(found.0)
    }

    fn insert(&mut self, item: Item, weight: usize) {
        match self.protected.iter_mut().find(|(other, _)| other.0 == item.0) {
            Some(place) => *place = (item, weight),
            None => {
                self.probation.retain(|(other, _)| other.0 != item.0);
                self.probation.push((item, weight));
            }
        }
        self.make_room();
    }

    fn make_room(&mut self) {
        let all =
            |of: &Self| of.probation.iter().chain(&of.protected).map(|(_, w)| w).sum::<usize>();
        while self.probation.len() + self.protected.len() > self.max_entries
            || all(self) > self.max_bytes
        {
            let from =
                if self.probation.is_empty() { &mut self.protected } else { &mut self.probation };
            from.remove(0);
        }
    }

    fn remove(&mut self, key: u8) -> Option<Item> {
        for list in [&mut self.probation, &mut self.protected] {
            if let Some(at) = list.iter().position(|(item, _)| item.0 == key) {
                return Some(list.remove(at).0);
            }
        }
        None
    }
}

#[derive(Clone, Debug)]
enum Use {
    Get(u8),
    /// What lies in the table is taken.
    Take(u8),
    Insert(u8, usize),
    Remove(u8),
    /// So many bytes from now on.
    Limit(usize),
    Clear,
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let key = 0_u8..12;
    let one = prop_oneof![
        8 => key.clone().prop_map(Use::Get),
        8 => key.clone().prop_map(Use::Take),
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
    fn the_least_recently_used_go_first_and_what_was_used_twice_goes_last(
        uses in uses(),
        max_entries in 1_usize..10,
        max_bytes in 20_usize..200,
    ) {
        let mut map = Segments::new(HashKey::default(), max_entries, max_bytes);
        let (probation, protected) = (Vec::new(), Vec::new());
        let mut plain = Plain { probation, protected, max_entries, max_bytes };
        for (number, one) in uses.into_iter().enumerate() {
            match one {
                Use::Get(key) => prop_assert_eq!(map.get(&key).cloned(), plain.get(key)),
                Use::Take(key) => {
                    let taken = map.get_front(&key).map(|(stock, entry)| {
                        stock.left = false;
                        entry.clone().unwrap()
                    });
                    prop_assert_eq!(taken, plain.get(key));
                }
                Use::Insert(key, weight) => {
                    put(&mut map, Item(key, number), weight);
                    plain.insert(Item(key, number), weight);
                }
                Use::Remove(key) => prop_assert_eq!(map.remove(&key), plain.remove(key)),
                Use::Limit(max_bytes) => {
                    map.set_max_bytes(max_bytes);
                    plain.max_bytes = max_bytes;
                    plain.make_room();
                }
                Use::Clear => {
                    map.clear();
                    plain.probation.clear();
                    plain.protected.clear();
                }
            }
            let mut kept: Vec<_> = map.iter().cloned().collect();
            let all = || plain.probation.iter().chain(&plain.protected);
            let mut expected: Vec<_> = all().map(|(item, _)| item.clone()).collect();
            kept.sort_by_key(|item| item.0);
            expected.sort_by_key(|item| item.0);
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(map.bytes(), all().map(|(_, weight)| weight).sum::<usize>());
            prop_assert_eq!(map.len(), all().count());
            // Each change has filled up what was taken before it.
            let full = map.uses.is_empty();
            for key in 0..12 {
                let stock = map.peek_front(&key);
                let expected = map.peek(&key).map(|item| Stock {
                    left: full || stock.is_none_or(|stock| stock.left),
                    ..Stock::new(item)
                });
                prop_assert_eq!(stock, expected.as_ref());
                let peeked = all().find(|(item, _)| item.0 == key).map(|(item, _)| item);
                prop_assert_eq!(map.peek(&key), peeked);
            }
        }
    }
}

#[test]
fn uses_count_in_their_order_however_many_come_between_two_changes() {
    for many in [1, MAX_USES - 1, MAX_USES, MAX_USES + 1, 5 * MAX_USES / 2] {
        let mut map = Segments::new(HashKey::default(), 10, 1000);
        let (probation, protected) = (Vec::new(), Vec::new());
        let mut plain = Plain { probation, protected, max_entries: 10, max_bytes: 1000 };
        for key in 0..10 {
            put(&mut map, Item(key, 0), 1);
            plain.insert(Item(key, 0), 1);
        }
        for step in 0..many {
            let key = u8::try_from(step * 7 % 9).unwrap();
            assert_eq!(map.get(&key).cloned(), plain.get(key));
            assert!(map.uses.len() <= MAX_USES);
        }
        for key in 10..18 {
            put(&mut map, Item(key, 0), 1);
            plain.insert(Item(key, 0), 1);
            let mut kept: Vec<_> = map.iter().map(|item| item.0).collect();
            let mut expected: Vec<_> =
                plain.probation.iter().chain(&plain.protected).map(|(item, _)| item.0).collect();
            kept.sort_unstable();
            expected.sort_unstable();
            assert_eq!(kept, expected, "after {many} uses");
        }
    }
}

/// With a million results a hit costs what it looks at.
/// A number that is nothing but its own key.
#[derive(Debug)]
struct Number(u32);

impl Keyed for Number {
    type Key = u32;
    type Front = ();

    fn key(&self) -> &u32 {
        &self.0
    }
}

/// The worst is a table that has just grown: with more than 7/8 of 7/8 of half of its buckets in use.
#[test]
fn the_table_grows_no_larger_where_entries_come_and_go() {
    for entries in [0, 1, 2, 3, 7, 8, 14, 449, 600, 690, 784, 785, 895, 896, 897] {
        let mut map = Segments::new(HashKey::default(), entries, usize::MAX);
        for number in 0..60_000 {
            map.insert(Number(number), (), 1);
            let before = number.saturating_sub(5);
            let is_there = entries > 100 || number == before && entries > 0;
            assert!(map.get(&before).is_some_and(|found| found.0 == before) || !is_there);
        }
        assert_eq!(map.len(), entries);
        assert!(map.iter().all(|item| map.peek(&item.0).is_some_and(|found| found.0 == item.0)));
        let buckets = map.table.num_buckets();
        assert!(buckets <= 4.max(entries * 128 / 49 + 8), "{buckets} for {entries}");
    }
}
